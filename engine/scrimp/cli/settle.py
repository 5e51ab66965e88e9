"""`scrimp settle`: a person says what an act in doubt came to."""

from pathlib import Path
from typing import Literal

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._screen import iso
from scrimp.cli._state import actor_option, store_option, visiting


@click.command()
@click.argument("key", metavar="[KEY]", default="")
@click.argument("outcome", type=click.Choice(["done", "failed"]), required=False)
@click.option("--detail", default="", help="What was found, for those who read the audit log.")
@actor_option
@store_option
def command(
    key: str, outcome: Literal["done", "failed"] | None, *, detail: str, actor: str, store: Path | None
) -> ExitCode:
    """Say that the act noted under KEY was done, or has failed; its target is left alone until somebody does (SCR705).

    Without KEY, lists the acts in doubt.
    """
    if not key:
        return _doubtful(store)
    if outcome is None:
        raise click.UsageError("say `done` or `failed` after the key")
    with visiting(store) as visit:
        visit.settle(key, outcome, actor, detail)
    click.echo(f"settled: {outcome}")
    return ExitCode.DONE


def _doubtful(store: Path | None) -> ExitCode:
    with visiting(store) as visit:
        intents = visit.load_ledger().intents
    for one in intents:
        if one.outcome in (None, "ask") and not one.shadow:
            at = iso(round(one.at_s))
            click.echo(f"{one.key}  {at}  {one.policy}  {one.target}  {one.action.action}")
    return ExitCode.DONE
