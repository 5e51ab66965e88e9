"""`scrimp pause`: the kill switch."""

from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._state import actor_option, store_option, visiting


@click.command()
@click.option("--reason", default="", help="Why, for those who wonder later.")
@actor_option
@store_option
def command(*, reason: str, actor: str, store: Path | None) -> ExitCode:
    """Stop all acts from now on, until `scrimp resume`. Works before the engine has ever run, and while it runs."""
    with visiting(store, make=True) as visit:
        before = visit.load_ledger().pause
        if before is None:
            visit.pause(actor, reason)
    click.echo("paused" if before is None else f"paused already, by {before.actor}")
    return ExitCode.DONE
