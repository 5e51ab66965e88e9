"""Acts through the real executor and the real store, on a provider that fails as it is told."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.execute.acts import AT_S, action, decision, intent, policy

from scrimp.api import ActionSpec, Refused, Throttled, Unavailable
from scrimp.execute import ExecuteSettings, execute, recover, shadow_intents
from scrimp.model.decision import Mode, Verdict
from scrimp.store import open_store
from scrimp.testing import FakeProvider, ManualClock

A = "node_group/a"
FAST = ExecuteSettings(deadline_s=5.0, attempts=3)
POLICIES = {"shrink": policy()}


def run(tmp_path: Path, fake: FakeProvider, *decisions, settings=FAST, policies=None):
    clock = ManualClock(AT_S)
    with open_store(tmp_path, clock.now) as store:
        found = execute(
            decisions, policies or {"shrink": policy(), "other": policy("other")}, [fake], store, AT_S, clock.sleep,
            settings,
        )  # fmt: skip
        return found, store.load_ledger(), clock


def fake(**more) -> FakeProvider:
    return FakeProvider({A: {"size": 10.0}, "node_group/b": {"size": 10.0}}, **more)


def words(outcomes) -> list:
    return [one.outcome for one in outcomes]


def test_done_opens_an_episode(tmp_path: Path) -> None:
    world = fake()
    found, ledger, _ = run(tmp_path, world, decision(action(A)))
    assert words(found) == ["done"]
    assert world.state[A]["size"] == 5.0
    assert ("shrink", A, False) in ledger.episodes


def test_verdicts_that_do_not_act_are_left_alone(tmp_path: Path) -> None:
    world = fake()
    found, ledger, _ = run(tmp_path, world, decision(action(A), verdict=Verdict.DRY_RUN))
    assert (found, world.calls, ledger.intents) == ((), [], ())


def test_a_refusal_touches_nothing(tmp_path: Path) -> None:
    world = fake(refusals={A: "moved"})
    found, _, _ = run(tmp_path, world, decision(action(A)))
    assert words(found) == ["refused"]
    assert found[0].detail == "moved"
    assert world.state[A]["size"] == 10.0


def test_without_a_provider_the_reason_is_said(tmp_path: Path) -> None:
    found, _, _ = run(tmp_path, fake(), decision(action("node_group/zz")))
    assert (found[0].outcome, found[0].code) == ("refused", "SCR701")


def test_passing_trouble_is_tried_again_and_other_trouble_is_not(tmp_path: Path) -> None:
    """Throttling names its own pause."""
    world = fake(script={"apply": [Throttled("slow", 7.0), Unavailable("down")]})
    found, _, clock = run(tmp_path, world, decision(action(A)))
    assert words(found) == ["done"]
    assert clock.slept_s == [7.0, 1.0]
    world = fake(script={"apply": [Refused("no")]})
    found, _, clock = run(tmp_path / "b", world, decision(action(A)))
    assert (words(found), clock.slept_s) == (["refused"], [])


def test_a_lost_answer_is_looked_up(tmp_path: Path) -> None:
    """The act happened though every answer was lost: it is done, and was done once."""
    effects: list[str] = []
    world = fake(lose=3, effect=lambda target, _: effects.append(target))
    found, _, _ = run(tmp_path, world, decision(action(A)))
    assert (words(found), effects) == (["done"], [A])


def test_what_outlives_its_deadline_stays_in_doubt(tmp_path: Path) -> None:
    world = fake(hang={"apply"})
    found, ledger, _ = run(tmp_path, world, decision(action(A)), settings=ExecuteSettings(deadline_s=0.05))
    world.release()
    assert words(found) == [None]
    assert ledger.intents[0].outcome is None


def test_a_failure_stops_the_rest_of_its_decision_only(tmp_path: Path) -> None:
    """And `on failure` follows it."""
    alert = ActionSpec("alert", "", ())
    world = fake(script={"apply": [ValueError("bug")]})
    acts = decision(action(A), action(A, 5.0, 4.0))
    settings = ExecuteSettings(parallel=1)
    found, _, _ = run(
        tmp_path,
        world,
        acts,
        decision(action("node_group/b")),
        settings=settings,
        policies={"shrink": policy(on_failure=alert)},
    )
    assert [(one.intent.action.action, one.outcome) for one in found] == [
        ("scale_down", "failed"),
        ("alert", "done"),
        ("scale_down", "done"),
    ]


def test_a_merged_decision_is_noted_as_what_its_carrier_came_to(tmp_path: Path) -> None:
    merged = decision(action(A), policy="other", merged_into="shrink")
    found, ledger, _ = run(tmp_path, fake(), merged, decision(action(A)))
    assert words(found) == ["merged", "done"]
    assert ("other", A, False) in ledger.episodes
    found, ledger, _ = run(tmp_path / "b", fake(refusals={A: "moved"}), merged, decision(action(A)))
    assert words(found) == ["refused", "refused"]
    assert not ledger.episodes


def test_shadow_intents_are_of_dry_runs_only() -> None:
    found = shadow_intents(
        [decision(action(A)), decision(action(A), verdict=Verdict.DRY_RUN)], {"shrink": policy()}, AT_S
    )
    assert [one.shadow for one in found] == [True]


def recovered(tmp_path: Path, size: float, *, at_s: float = AT_S, paused: bool = False):
    """What becomes of one intent without outcome where the target has this size."""
    world = FakeProvider({A: {"size": size}})
    with open_store(tmp_path, lambda: AT_S) as store:
        store.record_intent(intent("k", A, at_s), {})
        if paused:
            store.pause("ann", "")
        found = recover(store.load_ledger(), POLICIES, store, [world], AT_S, lambda _: None, FAST)
        assert [one.outcome for one in store.load_ledger().intents] == words(found)
    return words(found), world.state[A]["size"], list(world.done)


def test_recovery_asks_the_target_first(tmp_path: Path) -> None:
    """Reached is done; untouched is done now under the same key; anything else waits for a person."""
    assert recovered(tmp_path / "reached", 5.0) == (["done"], 5.0, [])
    assert recovered(tmp_path / "untouched", 10.0) == (["done"], 5.0, ["k"])
    assert recovered(tmp_path / "other", 7.0) == (["ask"], 7.0, [])


def test_recovery_obeys_the_kill_switch_and_age(tmp_path: Path) -> None:
    assert recovered(tmp_path / "paused", 10.0, paused=True) == (["refused"], 10.0, [])
    assert recovered(tmp_path / "old", 10.0, at_s=AT_S - 7200) == (["refused"], 10.0, [])


class CutError(Exception):
    """The process ends here."""


class Dying:
    """A journal that ends the process at its n-th note: before it is on the disk, or after."""

    def __init__(self, store, at: int, *, after: bool) -> None:
        self.store, self.left, self.after = store, at, after

    def _note(self, write) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise CutError
        write()
        if self.left == 0:
            raise CutError

    def record_intent(self, intent, values) -> None:
        self._note(lambda: self.store.record_intent(intent, values))

    def record_outcome(self, intent, outcome, detail, after) -> None:
        self._note(lambda: self.store.record_outcome(intent, outcome, detail, after))


CHAIN = (action(A), action(A, 5.0, 4.0), action(A, 4.0, 3.0))


def cut_chain(tmp_path: Path, at: int, *, after: bool, **world) -> FakeProvider:
    """A decision of three actions whose process ends at a note."""
    target = fake(**world)
    with open_store(tmp_path, lambda: AT_S) as store, suppress(CutError):
        execute(
            [decision(*CHAIN)], POLICIES, [target], Dying(store, at, after=after), AT_S, lambda _: None, FAST
        )
    return target


def restarted(
    tmp_path: Path, world, *, now_s: float = AT_S + 60, policies=POLICIES, cap=Mode.ENFORCE, paused=False
):
    """What a start does, and what of the whole decision is noted after it."""
    with open_store(tmp_path, lambda: AT_S) as store:
        if paused:
            store.pause("ann", "")
        found = recover(store.load_ledger(), policies, store, [world], now_s, lambda _: None, FAST, cap)
        return words(found), [one.outcome for one in store.load_ledger().intents]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [2, 3, 4, 5, 6])
def test_a_chain_that_a_crash_cut_goes_on_once(tmp_path: Path, at: int, after: bool) -> None:
    """Wherever it was cut: the rest is noted, looked at again and done in order, and nothing a second time."""
    world = cut_chain(tmp_path, at, after=after)
    for _ in range(2):
        assert restarted(tmp_path, world)[1] == ["done"] * 3
    assert world.state[A]["size"] == 3.0
    assert len(world.done) == 3
    assert [step for step, _ in world.calls].count("revalidate") == 3


def test_a_cut_chain_ends_at_what_is_not_done(tmp_path: Path) -> None:
    """A refusal of the second action leaves the third alone, at this start and at the next."""
    world = cut_chain(tmp_path, 2, after=True)
    world.refusals[A] = "moved"
    assert restarted(tmp_path, world) == (["refused"], ["done", "refused"])
    world.refusals.clear()
    assert restarted(tmp_path, world) == ([], ["done", "refused"])


@pytest.mark.parametrize(
    "bar",
    [
        {"paused": True},
        {"now_s": AT_S + 7200},
        {"policies": {}},
        {"policies": {"shrink": structs.replace(policy(), mode=Mode.OFF)}},
    ],
    ids=str,
)
@pytest.mark.parametrize("at", [1, 2])
def test_nothing_new_is_done_at_a_start_that_may_not_act(
    tmp_path: Path, at: int, bar: dict[str, Any]
) -> None:
    """Neither the act that was not begun nor the rest of a chain; it is noted once, and no later start takes it up."""
    world = cut_chain(tmp_path, at, after=True)
    before = dict(world.state[A])
    said, noted = restarted(tmp_path, world, **bar)
    assert (said, noted[-1], world.state[A]) == (["refused"], "refused", before)
    assert restarted(tmp_path, world) == ([], noted)


@pytest.mark.parametrize("at", [1, 2])
def test_a_start_that_is_capped_leaves_it_to_one_that_may_act(tmp_path: Path, at: int) -> None:
    """A dry run uses up nothing real: not the act that was not begun, and not the rest of a chain."""
    world = cut_chain(tmp_path, at, after=True)
    before, noted = dict(world.state[A]), len(world.done)
    assert restarted(tmp_path, world, cap=Mode.DRY_RUN)[0] == []
    assert (world.state[A], len(world.done)) == (before, noted)
    assert restarted(tmp_path, world, cap=Mode.APPROVE)[1] == ["done"] * 3


def test_a_failure_is_no_cut(tmp_path: Path) -> None:
    """A start does not take up what a failure stopped."""
    world = fake(script={"apply": [ValueError("bug")]})
    run(tmp_path, world, decision(*CHAIN))
    assert restarted(tmp_path, world) == ([], ["failed"])


def test_the_kill_switch_stops_what_of_a_tick_has_not_begun(tmp_path: Path) -> None:
    """Whoever pulls it in the middle of a large tick must not watch the rest of it happen."""
    world = fake()
    clock = ManualClock(AT_S)
    with open_store(tmp_path, clock.now) as store:
        world.effect = lambda _target, _key: store.pause("ann", "stop")
        found = execute(
            [decision(action(A)), decision(action("node_group/b"))], {"shrink": policy()}, [world], store, AT_S,
            clock.sleep, ExecuteSettings(parallel=1), store.paused,
        )  # fmt: skip
        assert words(found) == ["done"]
        assert [one.target for one in store.load_ledger().intents] == [A]
    assert world.state["node_group/b"]["size"] == 10.0
