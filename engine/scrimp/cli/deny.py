"""`scrimp deny`: say no to what a policy asks for."""

from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._state import actor_option, store_option, visiting


@click.command()
@click.argument("name", metavar="ID")
@actor_option
@store_option
def command(name: str, *, actor: str, store: Path | None) -> ExitCode:
    """Deny the request ID, as `plan` and the audit log name it."""
    with visiting(store) as visit:
        found = visit.answer_approval(name, granted=False, actor=actor)
    click.echo(f"denied: {found.policy} on {found.target}")
    return ExitCode.DONE
