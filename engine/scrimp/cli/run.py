"""`scrimp run`: the daemon."""

import time
from datetime import UTC, datetime

import click

from scrimp.cli._app import ExitCode, Failed
from scrimp.cli._files import configuration
from scrimp.cli._screen import show
from scrimp.daemon import Alarm, Daemon, Ticked, Told, Unloadable, compose
from scrimp.model.decision import Mode, Verdict
from scrimp.reload import Rejected, Reloaded
from scrimp.store import StoreError, open_store


@click.command()
@click.option("--once", is_flag=True, help="One tick, then end.")
@click.option(
    "--mode-cap", type=click.Choice([mode.word for mode in Mode]), help="No policy goes further than this."
)
def command(*, once: bool, mode_cap: str | None) -> ExitCode:
    """Run the policies of the working folder against live state, until stopped.

    What happens is told on stderr, line by line; the audit log has all of it.
    """
    config = configuration()
    alarm = Alarm()
    parts = compose(config, time.time, time.sleep)
    show(parts.findings)
    cap = Mode[mode_cap.upper()] if mode_cap else None
    try:
        store = open_store(config.store, time.time)
        try:
            daemon = Daemon(parts, store, alarm, cap, _tell)
            daemon.start()
            with alarm.on_signals():
                if once:
                    daemon.once()
                else:
                    daemon.run()
        finally:
            store.close()
    except Unloadable as error:
        show(error.diagnostics)
        return ExitCode.WRONG
    except StoreError as error:
        raise Failed(str(error)) from error
    return ExitCode.DONE


def _tell(told: Told) -> None:
    """One line per thing that happened."""
    at = datetime.now(UTC).strftime("%H:%M:%S")
    if isinstance(told, Ticked):
        counts = told.plan.counts()
        summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
        click.echo(f"{at} tick: {summary or 'nothing to decide'}", err=True)
        for outcome in told.outcomes:
            action = outcome.intent.action
            after = ", ".join(f"{name} = {value}" for name, value in action.after.items())
            word = outcome.outcome or "in doubt"
            detail = f": {outcome.detail}" if outcome.detail else ""
            click.echo(
                f"{at}   {outcome.intent.policy} {action.action} {action.target} {after} {word}{detail}",
                err=True,
            )
    elif isinstance(told, Reloaded):
        found = told.changes
        click.echo(
            f"{at} policies: {len(found.added)} added, {len(found.changed)} changed, {len(found.removed)} removed",
            err=True,
        )
    elif isinstance(told, Rejected):
        click.echo(f"{at} policies have errors; the last good set stays in force", err=True)
        show(told.diagnostics)
    else:
        click.echo(f"{at} settled {len(told)} acts that an earlier run left in doubt", err=True)
