"""Policy tests: the same `decide` as production, on a virtual clock."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from scrimp.compile import Graph, compile_set
from scrimp.diagnostics import Source, Span
from scrimp.evaluate import Frame, at, value_text
from scrimp.model.decision import Decision, Mode, PlannedAction, Value, Verdict
from scrimp.model.expression import Const
from scrimp.model.ledger import EMPTY_LEDGER, Ledger
from scrimp.model.plan import Plan
from scrimp.model.policy import CheckedSet, Policy
from scrimp.model.series import SeriesRings
from scrimp.model.snapshot import Snapshot
from scrimp.model.testing import (
    CheckedTest,
    Expected,
    ExpectedNo,
    ExpectedNothing,
    ExpectedSaving,
    Expecting,
)
from scrimp.model.types import COUNT, DURATION, RATIO
from scrimp.plan import decide, end_episode, intents_of, note_intent, note_outcome, note_requests
from scrimp.simulate.coverage import Coverage
from scrimp.simulate.world import World

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NOISE = 1e-9
Restart = Callable[[Ledger], Ledger]


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that did not hold: where it is written, when it failed, and what was there instead."""

    source: Source
    span: Span
    at_s: float  # after the start of the test
    message: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What one test came to."""

    test: CheckedTest
    failures: tuple[Failure, ...]


def run_tests(checked: CheckedSet, restart: Restart, coverage: Coverage | None = None) -> Iterator[Tested]:
    """Run all tests of a set, one after the other.

    `restart` writes a ledger and reads it back, for `restart at`: it has a disk. `coverage` is shown every tick.
    """
    for test in checked.tests:
        yield run_test(test, checked, restart, coverage)


def run_test(test: CheckedTest, checked: CheckedSet, restart: Restart, coverage: Coverage | None) -> Tested:
    """Run one test: the policies of its policy's own file, as `enforce` unless they are off."""
    source = next(policy.source for policy in checked.policies if policy.name == test.policy)
    own = tuple(_enforced(policy) for policy in checked.policies if policy.source is source)
    policies = compile_set(structs.replace(checked, policies=own))
    rings = SeriesRings()
    rings.want(policies.windows)
    world = World(test, checked.catalogue, rings)
    by_name = {policy.name: policy for policy in own}
    ledger = EMPTY_LEDGER
    failures: list[Failure] = []
    matched: set[int] = set()
    for tick in range(round(test.end_s / test.every_s) + 1):
        at_s = tick * test.every_s
        if at_s in test.restarts_s:
            ledger = restart(ledger)
        snapshot = world.snapshot(tick)
        if coverage is not None:
            coverage.look(policies, snapshot, ledger)
        plan = decide(policies, snapshot, ledger, snapshot.at_s)
        judge = _Judge(test, plan, snapshot, by_name[test.policy], matched)
        for expecting in test.expecting:
            if expecting.at_s is None or abs(expecting.at_s - at_s) < _NOISE:
                message = judge.judge(expecting)
                if message:
                    failures.append(Failure(test.source, expecting.span, at_s, message))
        ledger = _next_ledger(ledger, plan, by_name)
        for decision in plan.acts:
            for action in decision.actions:
                world.apply(action)
    for expecting in test.expecting:
        if isinstance(expecting.what, ExpectedNo) and expecting.what.where and id(expecting) not in matched:
            message = "no row ever matches this `where`: nothing could violate the expectation"
            failures.append(Failure(test.source, expecting.span, test.end_s, message))
    return Tested(test, _first_of_each(failures))


def _enforced(policy: Policy) -> Policy:
    return policy if policy.mode is Mode.OFF else structs.replace(policy, mode=Mode.ENFORCE)


def _first_of_each(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """An `always` fails once, at its first tick."""
    first: dict[Span, Failure] = {}
    for failure in failures:
        first.setdefault(failure.span, failure)
    return tuple(first.values())


def _next_ledger(ledger: Ledger, plan: Plan, policies: Mapping[str, Policy]) -> Ledger:
    """The ledger after a tick in which every act was done at once."""
    ledger = note_requests(replace(ledger, holds=plan.holds), plan.requests)
    for ended in plan.ended:
        ledger = end_episode(ledger, ended.policy, ended.target, shadow=ended.shadow, writes=ended.writes)
    for decision in plan.proposed:
        if decision.verdict in (Verdict.ACT, Verdict.UNDO):
            for intent in intents_of(decision, policies[decision.policy], plan.at_s):
                ledger = note_outcome(
                    note_intent(ledger, intent), intent.key, "merged" if decision.merged_into else "done"
                )
    return ledger


class _Judge:
    """Holds one tick against expectations."""

    def __init__(
        self, test: CheckedTest, plan: Plan, snapshot: Snapshot, policy: Policy, matched: set[int]
    ) -> None:
        self.test = test
        self.plan = plan
        self.snapshot = snapshot
        self.policy = policy
        self.matched = matched
        self.acting = [
            one
            for one in plan.proposed
            if one.policy == policy.name and one.verdict in (Verdict.ACT, Verdict.UNDO)
        ]
        self.done = [action for one in self.acting for action in one.actions]

    def judge(self, expecting: Expecting) -> str:
        """What is wrong; empty if nothing is."""
        match expecting.what:
            case Expected():
                return self._action(expecting.what)
            case ExpectedNothing():
                return self._nothing(expecting.what)
            case ExpectedNo():
                return self._no(expecting.what, expecting)
            case ExpectedSaving():
                return self._saving(expecting.what)

    def _action(self, expected: Expected) -> str:
        if any(_matches(action, expected) for action in self.done):
            return ""
        return f"expected {expected.action}, {self._instead()}"

    def _nothing(self, expected: ExpectedNothing) -> str:
        if self.done:
            return f"expected nothing, {self._instead()}"
        if expected.because is None:
            return ""
        own = [one for one in self.plan.decisions() if one.policy == self.policy.name]
        blockers = {one.blocker for one in own if one.blocker}
        if expected.because in blockers or (expected.because == "condition" and not own):
            return ""
        return f"nothing acts, but not because of `{expected.because}`: {self._instead(own)}"

    def _no(self, expected: ExpectedNo, expecting: Expecting) -> str:
        wrong = ""
        table = self.snapshot.tables[self.policy.kind]
        if expected.where is None:
            rows = set(table.names)
        else:
            node = Graph().node(
                expected.where, self.policy.kind, self.policy.stale_s, float(self.policy.coverage)
            )
            truths = Frame(self.snapshot, self.snapshot.at_s).run(node)
            rows = {name for row, name in enumerate(table.names) if at(truths, row) is True}
            if rows:
                self.matched.add(id(expecting))
        for action in self.done:
            if action.action == expected.action and action.target.partition("/")[2] in rows:
                wrong = f"{_shown(action)} acts on {action.target}"
        return wrong

    def _saving(self, expected: ExpectedSaving) -> str:
        wanted = float(expected.amount.value)
        amounts = [action.saving_per_hour for action in self.done]
        if any(amount is None for amount in amounts):
            return "the saving of this tick is unknown"
        saved = sum(amount.amount for amount in amounts if amount is not None)
        close = abs(saved - wanted) <= _NOISE * max(1.0, abs(wanted))
        if expected.op in ("==", "!="):
            fine = close is (expected.op == "==")
        else:
            fine = _COMPARE[expected.op](saved, wanted)
        shown = value_text(saved, expected.amount.type)
        return "" if fine else f"expected a saving {expected.op} {expected.amount.text}, it is {shown}"

    def _instead(self, decisions: Sequence[Decision] | None = None) -> str:
        """What the policy came to at this tick."""
        if self.done:
            return "but " + ", ".join(f"{_shown(action)} on {action.target}" for action in self.done)
        own = decisions
        if own is None:
            own = [one for one in self.plan.decisions() if one.policy == self.policy.name]
        if not own:
            return "but the condition is false everywhere"
        return "but " + "; ".join(f"{one.target} is {one.verdict.value}: {one.reason}" for one in own[:3])


def _matches(action: PlannedAction, expected: Expected) -> bool:
    return action.action == expected.action and all(
        _equal(action.args.get(name), wanted) for name, wanted in expected.args.items()
    )


def _equal(value: Value, wanted: Const) -> bool:
    if isinstance(value, float) and isinstance(wanted.value, float):
        return abs(value - wanted.value) <= _NOISE * max(1.0, abs(wanted.value))
    return value == wanted.value


def _shown(action: PlannedAction) -> str:
    """An action for people: units by the parameter's name are not known here, so numbers stand plain."""
    kinds = {"to": COUNT, "by": RATIO, "timeout": DURATION, "drain": DURATION}
    args = ", ".join(
        f"{name} = {value_text(value, kinds.get(name, COUNT))}" for name, value in action.args.items()
    )
    return f"{action.action}({args})"
