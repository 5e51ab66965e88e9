"""`scrimp run`: the engine, until it is told to stop."""

import time
from pathlib import Path

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._files import configuration
from scrimp.cli._screen import iso, show
from scrimp.daemon import Alarm, Daemon, Ticked, Told, Unloadable, compose
from scrimp.diagnostics import Diagnostic, has_errors
from scrimp.model.decision import Mode, Verdict
from scrimp.reload import Rejected, Reloaded
from scrimp.store import StoreError, open_store


@click.command()
@click.option("--once", is_flag=True, help="One tick, then end.")
@click.option(
    "--mode-cap", type=click.Choice([mode.word for mode in Mode]), help="No policy goes further than this."
)
def command(*, once: bool, mode_cap: str | None) -> ExitCode:
    """Run the policies of the working folder against live state; SIGTERM or Ctrl-C ends after the current tick.

    Every tick is one line on stderr; all that happens is in the audit log.
    """
    config = configuration()
    if not Path(config.policies).exists():
        raise Wrong(f"there is no `{config.policies}`")
    alarm = Alarm()
    parts = compose(config, time.time, time.sleep)
    show(parts.findings)
    if has_errors(parts.findings):
        raise Wrong("not all plug-ins can be used")
    try:
        with open_store(config.store, time.time) as store, alarm.on_signals():
            daemon = Daemon(parts, store, alarm, Mode[mode_cap.upper()] if mode_cap else None, tell)
            try:
                daemon.start()
                if once:
                    daemon.once()
                else:
                    daemon.run()
            finally:
                daemon.close()
    except Unloadable as error:
        show(error.diagnostics)
        raise Wrong(str(error)) from error
    except StoreError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    return ExitCode.DONE


def tell(told: Told) -> None:
    """What happens, a line each, on stderr."""
    if isinstance(told, Ticked):
        counts = told.plan.counts()
        parts = [f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]]
        line = f"{iso(round(told.plan.at_s))}  {', '.join([*parts, f'{told.plan.false} false'])}"
        click.echo(line, err=True)
    elif isinstance(told, Diagnostic):
        show([told])
    elif isinstance(told, Reloaded):
        click.echo("policies reloaded", err=True)
    elif isinstance(told, Rejected):
        show(told.diagnostics)
        click.echo("the new policies have errors; the last good ones stay in force", err=True)
    else:
        click.echo(f"settled what an earlier run left in doubt: {len(told)}", err=True)
