"""Acts through the real executor and the real store, on a provider that fails as it is told."""

from pathlib import Path

from tests.execute.acts import AT_S, action, decision, intent, policy

from scrimp.api import ActionSpec, Refused, Throttled, Unavailable
from scrimp.execute import ExecuteSettings, execute, recover, shadow_intents
from scrimp.model.decision import Verdict
from scrimp.store import open_store
from scrimp.testing import FakeProvider, ManualClock

A = "node_group/a"
FAST = ExecuteSettings(deadline_s=5.0, attempts=3)


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
        found = recover(store.load_ledger(), store, [world], AT_S, lambda _: None, FAST)
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
