"""`scrimp why`: why a policy does, or does not, act on a target."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._screen import iso, show
from scrimp.cli._session import Session, open_session
from scrimp.cli._why_recorded import instant_s, recorded_lines
from scrimp.collectors import load_snapshot, snapshot_currency
from scrimp.compile import CompiledPolicy
from scrimp.daemon import compose, preview, remembered
from scrimp.diagnostics import did_you_mean
from scrimp.evaluate import Clause, Frame, explain
from scrimp.model.decision import Decision, Mode, Verdict
from scrimp.model.expression import Expression
from scrimp.model.ledger import Ledger
from scrimp.model.plan import Plan
from scrimp.model.snapshot import Snapshot
from scrimp.plan import Settings, decide
from scrimp.store import StoreError


@click.command()
@click.argument("policy")
@click.argument("target")
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path),
    help="A recorded snapshot, JSON or Parquet; without one, the world is looked at.",
)
@click.option("--at", help="What was recorded by then: an instant such as 2026-11-23T12:00:00Z, or `2h` ago.")
@click.option(
    "--policies", type=click.Path(path_type=Path), multiple=True, help="Files or folders of policies."
)
def command(
    policy: str, target: str, snapshot: Path | None, at: str | None, policies: tuple[Path, ...]
) -> ExitCode:
    """Each clause of POLICY for TARGET with its value, truth and margin, and the first blocker.

    TARGET is `kind/name`, or the name alone. Nothing is written and nothing done.
    """
    if at is not None and snapshot is not None:
        raise Wrong("give --snapshot or --at, not both")
    try:
        if at is not None:
            lines = recorded_lines(policy, target, instant_s(at, time.time()))
        elif snapshot is not None:
            session = open_session(policies, snapshot_currency(snapshot))
            lines = _lines(session, policy, target, *_recorded(session, snapshot))
        else:
            session = open_session(policies)
            lines = _lines(session, policy, target, *_live(session))
        for line in lines:
            click.echo(line)
    except StoreError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    return ExitCode.DONE


def _recorded(session: Session, snapshot: Path) -> tuple[Snapshot, Ledger, Plan]:
    seen, findings = load_snapshot(snapshot, session.catalogue)
    show(findings)
    if seen is None:
        raise click.exceptions.Exit(ExitCode.WRONG)
    least = session.config.mode_cap if session.config.mode_cap is not None else Mode.ENFORCE
    ledger = remembered(session.config, time.time)
    return seen, ledger, decide(session.policies, seen, ledger, seen.at_s, Settings(least))


def _live(session: Session) -> tuple[Snapshot, Ledger, Plan]:
    """What the next tick would conclude of the world as it is."""
    parts = compose(session.config, time.time, time.sleep, preview=True)
    show(parts.findings)
    gathered, plan = preview(parts, session.policies, time.time())
    show(gathered.diagnostics)
    return gathered.snapshot, remembered(session.config, time.time), plan


def _lines(
    session: Session, policy: str, target: str, seen: Snapshot, ledger: Ledger, plan: Plan
) -> Iterator[str]:
    compiled = next((one for one in session.policies.compiled if one.policy.name == policy), None)
    if compiled is None:
        raise Wrong(_unknown("policy", policy, [one.policy.name for one in session.policies.compiled]))
    kind = compiled.policy.kind
    name = target.removeprefix(f"{kind}/")
    table = seen.tables.get(kind)
    if table is None:
        cause = seen.failures.get(kind) or f"no source reports `{kind}`"
        yield from (f"{policy}  {kind}/{name}  at {iso(seen.at_s)}", "verdict", f"  unknown: {cause}")
        return
    if name not in table.rows:
        raise Wrong(_unknown(kind, name, table.names))
    yield f"{policy}  {kind}/{name}  at {iso(seen.at_s)}"
    episode = (policy, f"{kind}/{name}") in {(one.policy, one.target) for one in ledger.episodes.values()}
    frame, row = Frame(seen, seen.at_s), table.rows[name]
    clauses: list[tuple[str, Clause]] = []
    for title, expression in _parts(compiled, undo=episode):
        yield title
        for clause in explain(compiled, frame, expression, row).clauses:
            clauses.append((title, clause))
            yield f"  {_told(clause)}"
    decided = [one for one in plan.decisions() if (one.policy, one.target) == (policy, f"{kind}/{name}")]
    yield "verdict"
    if not decided:
        yield "  false: nothing is proposed"
    for decision in decided:
        yield f"  {decision.verdict.value}: {decision.reason}"
    yield "first blocker"
    yield f"  {_blocker(decided, clauses)}"


def _parts(compiled: CompiledPolicy, *, undo: bool) -> Iterator[tuple[str, Expression]]:
    policy = compiled.policy
    if policy.where is not None:
        yield "target where", policy.where
    yield "when", policy.when.expression
    if undo and policy.undo is not None:
        yield "undo when", policy.undo.expression


def _told(clause: Clause) -> str:
    """Its truth, margin and values as it stands in the condition: under `not` the other way around."""
    truth, margin_of = clause.truth, clause.margin
    if clause.negated:
        truth = None if truth is None else not truth
        margin_of = None if margin_of is None else 0.0 - margin_of
    margin = "" if margin_of is None else f", margin {margin_of:g}"
    cause = f": {clause.cause}" if clause.cause else ""
    word = "unknown" if truth is None else str(truth).lower()
    return f"{word:<8}{clause.told}{margin}{cause}"


def _blocker(decided: Sequence[Decision], clauses: Sequence[tuple[str, Clause]]) -> str:
    """What stands first in the way: of a proposal its blocker, else the first clause that is not as it must be."""
    if decided and decided[0].verdict is not Verdict.UNKNOWN:
        return decided[0].blocker or ("mode" if decided[0].verdict is Verdict.DRY_RUN else "none")
    for title, clause in clauses:
        wrong = clause.truth is None if decided else clause.truth is clause.negated
        if wrong and title != "undo when":
            return f"{title}: {_told(clause)}"
    return decided[0].blocker if decided else "the target is as the policy wants it already"


def _unknown(what: str, name: str, options: Sequence[str]) -> str:
    near = did_you_mean(name, options)
    return f"there is no {what} {name}" + (f"; did you mean {near}?" if near else "")
