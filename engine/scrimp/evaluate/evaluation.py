"""Evaluation: what each policy finds for each target, in arrays. Planning makes decisions of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scrimp.compile import CompiledPolicy, PolicySet
from scrimp.evaluate.clocks import advance, blind_for, due
from scrimp.evaluate.columns import NO, YES, Truths, conjunction
from scrimp.evaluate.frame import Frame
from scrimp.model.decision import Mode
from scrimp.model.ledger import HoldKey, Holds, Ledger
from scrimp.model.policy import Condition, Policy
from scrimp.model.snapshot import Snapshot, Table

Rows = NDArray[np.int64]
_NONE: Rows = np.zeros(0, dtype=np.int64)


def _none() -> Rows:
    return _NONE


@dataclass(frozen=True, slots=True)
class PolicyEvaluation:
    """What one policy finds, as row numbers into its kind's table (`names`).

    `due_rows`: the condition is true and has been for long enough. `held_rows`: true, but not yet for long enough.
    `unknown_rows`: the condition, or whether the target belongs to the policy, is unknown. `blind_rows`: those of them
    for which `unknown … after … do` is due. `undo_rows`: an episode is open and its undo is due. `population` marks the
    targets of the policy, shape (rows,) or (1,); `false` counts those whose condition is false. `holds` are the clocks of
    `when` (`None` where none are needed). `frozen`: stopped for this tick by `unknown freeze`.
    """

    policy: Policy
    position: int
    names: tuple[str, ...]
    population: NDArray[np.bool_]
    false: int = 0
    due_rows: Rows = field(default_factory=_none)
    held_rows: Rows = field(default_factory=_none)
    unknown_rows: Rows = field(default_factory=_none)
    blind_rows: Rows = field(default_factory=_none)
    undo_rows: Rows = field(default_factory=_none)
    holds: Holds | None = None
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All policies' findings of one tick, and the clocks after it. `frame` has the columns they rest on."""

    policies: tuple[PolicyEvaluation, ...]
    holds: Mapping[HoldKey, Holds]
    frame: Frame


def evaluate(policies: PolicySet, snapshot: Snapshot, ledger: Ledger, now_s: float) -> Evaluation:
    """Evaluate every policy that is not off. Pure."""
    frame = Frame(snapshot, now_s)
    open_episodes: dict[str, set[str]] = {}
    for policy_name, target, _ in ledger.episodes:
        open_episodes.setdefault(policy_name, set()).add(target.partition("/")[2])
    holds: dict[HoldKey, Holds] = {}
    found = []
    for compiled in policies.compiled:
        if compiled.policy.mode is Mode.OFF:
            continue
        table = frame.table(compiled.policy.kind)
        if table is None:
            found.append(PolicyEvaluation(compiled.policy, compiled.position, (), NO))
            continue
        one = _evaluate_when(compiled, frame, table, ledger, holds)
        targets = open_episodes.get(compiled.policy.name)
        if targets and compiled.policy.undo is not None:
            rows = _undo_rows(compiled, compiled.policy.undo, frame, table, targets, ledger, holds)
            one = replace(one, undo_rows=rows)
        found.append(one)
    return Evaluation(tuple(found), holds, frame)


def _evaluate_when(
    compiled: CompiledPolicy, frame: Frame, table: Table, ledger: Ledger, holds: dict[HoldKey, Holds]
) -> PolicyEvaluation:
    policy, rows = compiled.policy, len(table)
    where = Truths(YES, NO) if policy.where is None else frame.truths(compiled.node(policy.where))
    condition = frame.truths(compiled.node(policy.when.expression))
    both = conjunction(where, condition)  # a row outside the population is false here: its clock is reset
    true, false = np.broadcast_to(both.true, (rows,)), np.broadcast_to(both.false, (rows,))
    unknown = ~(true | false)
    doubtful = (
        unknown | where.unknown
    )  # whether it is a target is unknown: a verdict, even where the condition is false
    clocks = None
    ready, blind = true, np.zeros(rows, dtype=np.bool_)
    frozen = policy.on_unknown == "freeze" and bool(unknown.any())
    if policy.when.for_s > 0 or policy.blind is not None:
        key = HoldKey(policy.name, "when", policy.when.digest)
        clocks = advance(
            ledger.holds.get(key),
            table.names,
            both,
            frame.now_s,
            tolerating_s=policy.when.tolerating_s,
            on_unknown=policy.on_unknown,
        )
        holds[key] = clocks
        ready = due(clocks, true, policy.when.for_s)
        if policy.blind is not None:
            blind = unknown & np.broadcast_to(where.true, (rows,)) & blind_for(clocks, policy.blind.after_s)
    stopped = true if frozen else np.zeros(rows, dtype=np.bool_)
    return PolicyEvaluation(
        policy=policy,
        position=compiled.position,
        names=table.names,
        population=where.true,
        false=int((np.broadcast_to(where.true, (rows,)) & false).sum()),
        due_rows=np.flatnonzero(ready & ~stopped),
        held_rows=_NONE if ready is true else np.flatnonzero(true & ~ready & ~stopped),
        unknown_rows=np.flatnonzero(doubtful | stopped),
        blind_rows=np.flatnonzero(blind),
        holds=clocks,
        frozen=frozen,
    )


def _undo_rows(
    compiled: CompiledPolicy,
    undo: Condition,
    frame: Frame,
    table: Table,
    targets: set[str],
    ledger: Ledger,
    holds: dict[HoldKey, Holds],
) -> Rows:
    rows = np.array(sorted(table.rows[name] for name in targets if name in table.rows), dtype=np.int64)
    if not rows.size:
        return _NONE
    whole = frame.truths(compiled.node(undo.expression))
    true = np.broadcast_to(whole.true, (len(table),))[rows]
    false = np.broadcast_to(whole.false, (len(table),))[rows]
    key = HoldKey(compiled.policy.name, "undo", undo.digest)
    names = tuple(table.names[row] for row in rows)
    clocks = advance(
        ledger.holds.get(key),
        names,
        Truths(true, false),
        frame.now_s,
        tolerating_s=undo.tolerating_s,
        on_unknown="skip" if compiled.policy.on_unknown == "skip" else "hold",
    )
    holds[key] = clocks
    due_rows: Rows = rows[due(clocks, true, undo.for_s)]
    return due_rows
