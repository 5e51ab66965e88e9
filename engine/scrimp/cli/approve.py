"""`scrimp approve`: say yes to what a policy asks for."""

from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._state import actor_option, store_option, visiting


@click.command()
@click.argument("name", metavar="ID")
@actor_option
@store_option
def command(name: str, *, actor: str, store: Path | None) -> ExitCode:
    """Grant the request ID, as `plan` and the audit log name it. The engine acts on it at its next tick."""
    with visiting(store) as visit:
        found = visit.answer_approval(name, granted=True, actor=actor)
    click.echo(f"granted: {found.policy} on {found.target}")
    return ExitCode.DONE
