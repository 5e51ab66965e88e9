"""`scrimp plan`: one tick without effect."""

import json
import time
from pathlib import Path
from typing import Literal

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._details import NO_DETAILS, Details, details
from scrimp.cli._files import write_file
from scrimp.cli._plan_views import SHOWN, as_json, as_markdown, as_text
from scrimp.cli._screen import show, width
from scrimp.cli._session import open_session
from scrimp.collectors import load_snapshot, snapshot_currency
from scrimp.daemon import compose, preview, remembered
from scrimp.diagnostics import has_errors
from scrimp.model.decision import Mode
from scrimp.model.plan import Plan
from scrimp.plan import Settings, decide
from scrimp.store import StoreError


@click.command()
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path),
    help="A recorded snapshot, JSON or Parquet, whose time is now; without one, the world is looked at.",
)
@click.option(
    "--policies", type=click.Path(path_type=Path), multiple=True, help="Files or folders of policies."
)
@click.option("--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option(
    "--all", "whole", is_flag=True, help=f"Show all decisions, not only the first {SHOWN} of each verdict."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the whole plan as JSON to this file, too.",
)
@click.option(
    "--mode-cap", type=click.Choice([mode.word for mode in Mode]), help="No policy goes further than this."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 if anything would be done.")
def command(
    snapshot: Path | None,
    policies: tuple[Path, ...],
    *,
    output: Literal["text", "json", "markdown"],
    whole: bool,
    out: Path | None,
    mode_cap: str | None,
    detailed_exitcode: bool,
) -> None:
    """Show what one tick would decide, and why, without doing any of it."""
    cap = Mode[mode_cap.upper()] if mode_cap else None
    try:
        if snapshot is None:
            plan, said = _live(policies, cap)
        else:
            plan, said = _recorded(snapshot, policies, cap), NO_DETAILS
    except StoreError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    if out is not None:
        _write(out, plan, said)
    match output:
        case "json":
            click.echo(json.dumps(as_json(plan, said), indent=2))
        case "markdown":
            click.echo(as_markdown(plan, said, whole=whole))
        case "text":
            click.echo(as_text(plan, width(), said, whole=whole))
    changes = detailed_exitcode and bool(plan.acts)
    raise click.exceptions.Exit(ExitCode.CHANGES if changes else ExitCode.DONE)


def _recorded(snapshot: Path, policies: tuple[Path, ...], cap: Mode | None) -> Plan:
    """One tick over a recorded snapshot; no provider is asked."""
    session = open_session(policies, snapshot_currency(snapshot))
    seen, findings = load_snapshot(snapshot, session.catalogue)
    show(findings)
    if seen is None:
        raise click.exceptions.Exit(ExitCode.WRONG)
    modes = (cap, session.config.mode_cap, Mode.ENFORCE)
    least = min(mode for mode in modes if mode is not None)
    ledger = remembered(session.config, time.time)
    return decide(session.policies, seen, ledger, seen.at_s, Settings(least))


def _live(policies: tuple[Path, ...], cap: Mode | None) -> tuple[Plan, Details]:
    """What the next tick of the daemon would conclude; a first look has no history, so windows and holds begin."""
    session = open_session(policies)
    parts = compose(session.config, time.time, time.sleep, preview=True)
    show(parts.findings)
    if has_errors(parts.findings):
        raise Wrong("not all plug-ins can be used")  # as `run` ends
    gathered, plan = preview(parts, session.policies, time.time(), cap)
    show(gathered.diagnostics)
    return plan, details(plan, parts.providers)


def _write(out: Path, plan: Plan, said: Details) -> None:
    write_file(out, json.dumps(as_json(plan, said), indent=2) + "\n")
