"""`scrimp plan`: one tick without effect."""

import json
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from scrimp.cli._app import ExitCode, Failed
from scrimp.cli._screen import show, width
from scrimp.cli._session import open_session
from scrimp.collectors import load_snapshot, snapshot_currency
from scrimp.daemon import compose, preview, remembered
from scrimp.model.decision import Decision, Mode, PlannedAction, Value, Verdict
from scrimp.model.money import Money
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
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--mode-cap", type=click.Choice([mode.word for mode in Mode]), help="No policy goes further than this."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 if anything would be done.")
def command(
    snapshot: Path | None,
    policies: tuple[Path, ...],
    *,
    output: Literal["text", "json"],
    mode_cap: str | None,
    detailed_exitcode: bool,
) -> None:
    """Show what one tick would decide, and why, without doing any of it."""
    cap = Mode[mode_cap.upper()] if mode_cap else None
    try:
        plan = _live(policies, cap) if snapshot is None else _recorded(snapshot, policies, cap)
    except StoreError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    click.echo(json.dumps(as_json(plan), indent=2) if output == "json" else as_text(plan, width()))
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


def _live(policies: tuple[Path, ...], cap: Mode | None) -> Plan:
    """What the next tick of the daemon would conclude; a first look has no history, so windows and holds begin."""
    session = open_session(policies)
    parts = compose(session.config, time.time, time.sleep)
    show(parts.findings)
    gathered, plan = preview(parts, session.policies, time.time(), cap)
    show(gathered.diagnostics)
    return plan


def as_json(plan: Plan) -> dict[str, object]:
    """The contract that others rely on: `plan.schema.json`."""
    counts = plan.counts()
    summary: dict[str, object] = {"act": 0, "unknown": 0}
    summary.update({verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]})
    summary["false"] = plan.false
    summary["no_change"] = plan.no_change
    summary["saving_per_hour"] = plan.saving_per_hour.as_json()
    return {
        "scrimp": "plan/1",
        "at": datetime.fromtimestamp(plan.at_s, UTC).isoformat().replace("+00:00", "Z"),
        "policies": plan.digest,
        "decisions": [decision.as_json() for decision in plan.decisions()],
        "summary": summary,
    }


def as_text(plan: Plan, columns: int) -> str:
    """The decisions for people, and a last line that counts them."""
    blocks = [_block(decision, columns) for decision in plan.decisions()]
    counts = plan.counts()
    told = [f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]]
    told.append(f"{plan.false} false")
    last = f"{', '.join(told)}; {money(plan.saving_per_hour)}"
    return "\n".join([*blocks, last])


def _block(decision: Decision, columns: int) -> str:
    verdict = decision.verdict.value
    head = f"{verdict:<18}{decision.policy}  {decision.target}"
    lines = [head]
    lines.extend(f"{'':18}{_change(action)}" for action in decision.actions)
    lines.extend(
        textwrap.wrap(decision.reason, columns - 1, initial_indent=" " * 18, subsequent_indent=" " * 18)
    )
    return "\n".join([*lines, ""])


def _change(action: PlannedAction) -> str:
    changes = ", ".join(
        f"{name} {_shown(action.before.get(name))} -> {_shown(value)}" for name, value in action.after.items()
    )
    saving = f"  {money(action.saving_per_hour)}" if action.saving_per_hour and action.after else ""
    return f"{action.action}: {changes}{saving}" if changes else action.action


def money(saving: Money) -> str:
    """`saves $8.00/h`, or `costs $3.00/h`."""
    if saving.amount < 0:
        return f"costs {Money(-saving.amount, saving.currency)}/h"
    return f"saves {saving}/h"


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else "unknown" if value is None else str(value)
