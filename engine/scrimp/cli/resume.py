"""`scrimp resume`: the kill switch off again."""

from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._state import actor_option, store_option, visiting


@click.command()
@actor_option
@store_option
def command(*, actor: str, store: Path | None) -> ExitCode:
    """Let policies act again after `scrimp pause`."""
    with visiting(store) as visit:
        before = visit.load_ledger().pause
        if before is not None:
            visit.resume(actor)
    click.echo("was not paused" if before is None else "resumed")
    return ExitCode.DONE
