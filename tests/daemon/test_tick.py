"""One tick after another, in virtual time, on a real state folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.daemon.engines import INTERVAL_S, Engine, groups, policy

from scrimp.api import Unavailable
from scrimp.model.decision import Mode, Verdict
from scrimp.model.ledger import Approval
from scrimp.store import Store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    found.close()


def test_a_cooldown_of_26h_acts_once_in_26h_across_a_restart(engine: Engine) -> None:
    """A restart that forgot the cooldown would halve the group again and again."""
    began_s = engine.clock.at_s
    for _ in range(2):  # the second run goes on where the first one ended, on the same folder
        with engine.open() as store:
            daemon = engine.daemon(store)
            for _ in range(26):
                daemon.once()
                engine.clock.advance(INTERVAL_S)
    assert engine.clock.at_s - began_s == 26 * 3600
    assert engine.applied() == 1
    with engine.open() as store:
        daemon = engine.daemon(store)
        assert daemon.once().plan.acts
        assert engine.applied() == 2


def test_a_tick_notes_reason_intent_and_outcome_in_this_order(engine: Engine) -> None:
    with engine.open() as store:
        ticked = engine.daemon(store).once()
        assert [one.outcome for one in ticked.outcomes] == ["done"]
        assert engine.provider.state["node_group/a"]["size"] == 5.0
        events = [r["event"] for r in engine.records(store, "decision")]
        assert events == ["decision"]
        chain = [
            (record["event"], record["values"].get("verdict"))
            for event in ("reload", "decision", "intent", "outcome")
            for record in engine.records(store, event)
        ]
        assert chain == [("reload", None), ("decision", "act"), ("intent", None), ("outcome", None)]
        (intent,), (outcome,) = engine.records(store, "intent"), engine.records(store, "outcome")
        assert intent["seq"] < outcome["seq"]
        assert intent["key"] == outcome["key"]
        assert intent["tick"] == outcome["tick"]
        assert store.verify().bad is None


def test_a_source_that_fails_leaves_its_targets_unknown_with_the_cause(engine: Engine) -> None:
    """Nothing may be concluded from an old value, and people must see why nothing happens."""
    engine.answers[:] = [groups("a", "b", utilization=0.9), Unavailable("connection refused"), groups("a")]
    engine.write(policy(more=" and avg(gpu_utilization) over 2h < 20%"))
    with engine.open() as store:
        daemon = engine.daemon(store)
        assert list(daemon.once().plan.decisions()) == []
        engine.clock.advance(INTERVAL_S)
        unknown = list(daemon.once().plan.decisions())
        assert [(one.target, one.verdict) for one in unknown] == [
            ("node_group/a", Verdict.UNKNOWN),
            ("node_group/b", Verdict.UNKNOWN),
        ]
        assert all("connection refused" in one.reason for one in unknown)
        engine.clock.advance(INTERVAL_S)
        assert [one.target for one in daemon.once().plan.decisions()] == []  # b is gone, a's average is high
    assert engine.applied() == 0


def test_a_decision_is_recorded_when_it_is_news(engine: Engine) -> None:
    """A log that repeats itself every tick hides what matters."""
    engine.write(policy(more=" for 2h"))
    with engine.open() as store:
        daemon = engine.daemon(store)
        for _ in range(8):
            daemon.once()
            engine.clock.advance(INTERVAL_S)
        verdicts = [one["values"]["verdict"] for one in engine.records(store, "decision")]
        assert verdicts == ["held", "act", "cooling"]


def test_many_withheld_at_once_share_a_record(engine: Engine) -> None:
    """An outage of a fleet's source must not write a record per node."""
    engine.answers[:] = [groups(*(f"g{n}" for n in range(150)), utilization=None)]
    with engine.open() as store:
        assert len(list(engine.daemon(store).once().plan.decisions())) == 150
        (record,) = engine.records(store, "decision")
        assert (record["values"]["verdict"], record["values"]["targets"]) == ("unknown", 150)
        assert record["target"] is None


def test_a_dry_run_touches_nothing_and_cools_down_like_a_run(engine: Engine) -> None:
    """Else a dry run would promise more acts than the run then does."""
    engine.write(policy(mode="dry_run"))
    with engine.open() as store:
        daemon = engine.daemon(store)
        verdicts = []
        for _ in range(2):
            verdicts += [one.verdict for one in daemon.once().plan.decisions()]
            engine.clock.advance(INTERVAL_S)
        assert verdicts == [Verdict.DRY_RUN, Verdict.COOLING]
        assert engine.provider.calls == []
        assert engine.records(store, "intent") == []


def test_the_least_of_the_caps_holds(engine: Engine) -> None:
    """`--mode-cap` must not lift what scrimp.yaml caps, nor the other way round."""
    engine.config = replace(engine.config, mode_cap=Mode.DRY_RUN)
    with engine.open() as store:
        daemon = engine.unstarted(store, Mode.ENFORCE)
        daemon.start()
        assert [one.verdict for one in daemon.once().plan.decisions()] == [Verdict.DRY_RUN]
    assert engine.applied() == 0


def test_an_act_that_fails_is_alerted(engine: Engine) -> None:
    engine.provider.script["apply"] = [RuntimeError("quota")]
    with engine.open() as store:
        ticked = engine.daemon(store).once()
        assert [one.outcome for one in ticked.outcomes] == ["failed"]
        (alert,) = engine.records(store, "alert")
        assert alert["target"] == "node_group/a"
        assert "quota" in alert["values"]["detail"]


ASKING = policy(mode="approve").replace(
    "  mode approve\n", '  mode approve\n  approvers "@oncall" within 1h\n'
)


def asked(engine: Engine, store: Store) -> Approval:
    """The request that waits."""
    (found,) = (one for one in store.load_ledger().approvals.values() if one.granted is None)
    return found


def test_an_approval_is_for_what_was_asked_and_no_longer(engine: Engine) -> None:
    """Yes to 10 -> 5 is no yes to 20 -> 10, and none to a policy that asks somebody else."""
    engine.write(ASKING)
    engine.answers[:] = [groups("a"), groups("a", size=20.0), groups("a")]
    engine.provider.state["node_group/a"]["size"] = 20.0
    with engine.open() as store:
        daemon = engine.daemon(store)
        daemon.once()
        first = asked(engine, store)
        assert first.approvers == ("@oncall",)
        store.answer_approval(first.id, granted=True, actor="ann")
        moved = daemon.once().plan.decisions()
        assert [one.verdict for one in moved] == [Verdict.AWAITING_APPROVAL]
        assert asked(engine, store).id != first.id
        assert engine.applied() == 0
        assert [one.verdict for one in daemon.once().plan.decisions()] == [Verdict.ACT]  # as it was asked


def test_an_approval_given_under_other_approvers_does_not_count(engine: Engine) -> None:
    engine.write(ASKING)
    with engine.open() as store:
        engine.daemon(store).once()
        store.answer_approval(asked(engine, store).id, granted=True, actor="ann")
        engine.write(ASKING.replace("@oncall", "@platform"))
        plan = engine.daemon(store).once().plan
        assert [one.verdict for one in plan.decisions()] == [Verdict.AWAITING_APPROVAL]
        assert asked(engine, store).approvers == ("@platform",)


@pytest.mark.parametrize("granted", [True, False, None])
def test_a_request_lapses_whatever_the_answer(engine: Engine, granted: bool | None) -> None:
    """A yes from yesterday is not a yes; after a lapse nobody is asked again before the cooldown is over."""
    engine.write(ASKING)
    with engine.open() as store:
        daemon = engine.daemon(store)
        daemon.once()
        if granted is not None:
            store.answer_approval(asked(engine, store).id, granted=granted, actor="ann")
        engine.clock.advance(3600.0)
        (decision,) = daemon.once().plan.decisions()
        wanted = Verdict.AWAITING_APPROVAL if granted else Verdict.COOLING
        assert decision.verdict is wanted
    assert engine.applied() == 0
