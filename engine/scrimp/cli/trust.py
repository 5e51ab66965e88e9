"""`scrimp trust`: a person says that a source's zeros are real."""

from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._state import actor_option, store_option, visiting


@click.command()
@click.argument("source")
@actor_option
@store_option
def command(source: str, *, actor: str, store: Path | None) -> ExitCode:
    """Believe the collector SOURCE again, all of whose values turned to zero or vanished at once (SCR504).

    Until then, or until one of its values is not zero, all of them are unknown, over restarts too. The engine believes
    it from its next tick on.
    """
    with visiting(store) as visit:
        visit.trust(source, actor)
    click.echo(f"trusted: {source}")
    return ExitCode.DONE
