"""Evaluation: what each policy finds for each target, in arrays. Planning makes decisions of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scrimp.compile import CompiledPolicy, PolicySet
from scrimp.evaluate.clocks import Places, advance, blind_for, due
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
    clocks = _Clocks(ledger, now_s)
    found = []
    for compiled in policies.compiled:
        if compiled.policy.mode is Mode.OFF:
            continue
        table = frame.table(compiled.policy.kind)
        if table is None:
            found.append(PolicyEvaluation(compiled.policy, compiled.position, (), NO))
            continue
        one = _evaluate_when(compiled, frame, table, clocks)
        targets = open_episodes.get(compiled.policy.name)
        if targets and compiled.policy.undo is not None:
            rows = _undo_rows(compiled, compiled.policy.undo, frame, table, targets, clocks)
            one = replace(one, undo_rows=rows)
        found.append(one)
    return Evaluation(tuple(found), clocks.after, frame)


class _Clocks:
    """All clocks of a tick: those before it in the ledger, those `after` it as they are reached."""

    def __init__(self, ledger: Ledger, now_s: float) -> None:
        self.after: dict[HoldKey, Holds] = {}
        self._before = ledger.holds
        self._now_s = now_s
        self._places = Places()

    def advance(
        self, policy: Policy, clause: Literal["when", "undo"], names: tuple[str, ...], truths: Truths
    ) -> Holds:
        """The clocks of a policy's `when` or `undo` after this tick, for rows `names`."""
        condition = policy.when if clause == "when" else policy.undo
        assert condition is not None
        # `freeze` stops a policy on account of its `when`: an undo goes on, and only pauses.
        on_unknown = "hold" if clause == "undo" and policy.on_unknown == "freeze" else policy.on_unknown
        key = HoldKey(policy.name, clause, condition.digest)
        self.after[key] = advance(
            self._before.get(key),
            names,
            truths,
            self._now_s,
            tolerating_s=condition.tolerating_s,
            on_unknown=on_unknown,
            places=self._places,
        )
        return self.after[key]


def _evaluate_when(compiled: CompiledPolicy, frame: Frame, table: Table, clocks: _Clocks) -> PolicyEvaluation:
    policy, rows = compiled.policy, len(table)
    where = Truths(YES, NO) if policy.where is None else frame.truths(compiled.node(policy.where))
    condition = frame.truths(compiled.node(policy.when.expression))
    both = conjunction(where, condition)  # a row outside the population is false here: its clock is reset
    true, false = np.broadcast_to(both.true, (rows,)), np.broadcast_to(both.false, (rows,))
    unknown = ~(true | false)
    doubtful = unknown | where.unknown  # perhaps no target at all: unknown even where the condition is false
    holds = None
    ready, blind = true, np.zeros(rows, dtype=np.bool_)
    frozen = policy.on_unknown == "freeze" and bool(unknown.any())
    if policy.when.for_s > 0 or policy.blind is not None:
        holds = clocks.advance(policy, "when", table.names, both)
        ready = due(holds, true, policy.when.for_s)
        if policy.blind is not None:
            blind = unknown & np.broadcast_to(where.true, (rows,)) & blind_for(holds, policy.blind.after_s)
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
        holds=holds,
        frozen=frozen,
    )


def _undo_rows(
    compiled: CompiledPolicy,
    undo: Condition,
    frame: Frame,
    table: Table,
    targets: set[str],
    clocks: _Clocks,
) -> Rows:
    rows = np.array(sorted(table.rows[name] for name in targets if name in table.rows), dtype=np.int64)
    if not rows.size:
        return _NONE
    whole = frame.truths(compiled.node(undo.expression))
    true = np.broadcast_to(whole.true, (len(table),))[rows]
    false = np.broadcast_to(whole.false, (len(table),))[rows]
    names = tuple(table.names[row] for row in rows)
    holds = clocks.advance(compiled.policy, "undo", names, Truths(true, false))
    due_rows: Rows = rows[due(holds, true, undo.for_s)]
    return due_rows
