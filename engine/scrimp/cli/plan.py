"""`scrimp plan`: one tick without effect."""

import json
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._screen import show, width
from scrimp.cli._session import open_session
from scrimp.collectors import load_snapshot, snapshot_currency
from scrimp.model.decision import Decision, Mode, PlannedAction, Value, Verdict
from scrimp.model.ledger import EMPTY_LEDGER, Ledger
from scrimp.model.money import Money
from scrimp.model.plan import Plan
from scrimp.plan import Settings, decide


@click.command()
@click.option(
    "--snapshot",
    required=True,
    type=click.Path(path_type=Path),
    help="A recorded snapshot, JSON or Parquet; its time is now.",
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
    snapshot: Path,
    policies: tuple[Path, ...],
    *,
    output: Literal["text", "json"],
    mode_cap: str | None,
    detailed_exitcode: bool,
) -> None:
    """Show what one tick would decide, and why, without doing any of it."""
    session = open_session(policies, snapshot_currency(snapshot))
    seen, findings = load_snapshot(snapshot, session.catalogue)
    show(findings)
    if seen is None:
        raise click.exceptions.Exit(ExitCode.WRONG)
    cap = Mode[mode_cap.upper()] if mode_cap else Mode.ENFORCE
    cap = min(cap, session.config.mode_cap if session.config.mode_cap is not None else Mode.ENFORCE)
    plan = decide(session.policies, seen, _ledger(session.config.store), seen.at_s, Settings(cap))
    click.echo(json.dumps(as_json(plan), indent=2) if output == "json" else as_text(plan, width()))
    changes = detailed_exitcode and bool(plan.acts)
    raise click.exceptions.Exit(ExitCode.CHANGES if changes else ExitCode.DONE)


def _ledger(folder: Path) -> Ledger:
    """What scrimp remembers in this folder; nothing where it never ran."""
    if not (folder / "scrimp.db").exists():
        return EMPTY_LEDGER
    from scrimp.store import visit_store  # noqa: PLC0415 - only where there is one

    visit = visit_store(folder, time.time)
    try:
        return visit.load_ledger()
    finally:
        visit.close()


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
