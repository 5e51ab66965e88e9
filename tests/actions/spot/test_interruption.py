"""The interruption machine: order of steps, one budget, and no event order that sticks, repeats or overruns."""

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scrimp_actions.spot import (
    AWS_BUDGET,
    GCP_BUDGET,
    Budget,
    Member,
    Rules,
    State,
    Step,
    StepKind,
    advance,
    request,
    wake_s,
)
from scrimp_actions.spot.member import (
    Clock,
    Dismiss,
    Done,
    Event,
    Failed,
    Gone,
    Notice,
    OnDemandNow,
    Rebalance,
    Running,
    Silent,
)

RULES = Rules(AWS_BUDGET)
BUDGETED = {
    StepKind.STOP_WORK,
    StepKind.FINISH_BATCH,
    StepKind.CHECKPOINT,
    StepKind.RETURN_LEASES,
    StepKind.DEREGISTER,
}


def running(now_s: float = 0.0, rules: Rules = RULES) -> Member:
    member, (launch,) = request("m", now_s, rules)
    member, _ = advance(member, Done(now_s, launch.key, "i-1"), rules)
    member, _ = advance(member, Running(now_s, "i-1"), rules)
    assert member.state is State.RUNNING
    return member


def kinds(steps: tuple[Step, ...]) -> list[StepKind]:
    return [step.kind for step in steps]


def finish(
    member: Member, now_s: float, kind: StepKind, rules: Rules = RULES
) -> tuple[Member, tuple[Step, ...]]:
    step = next(step for step in member.open if step.kind is kind)
    return advance(member, Done(now_s, step.key), rules)


def test_the_straight_way() -> None:
    """Notice, stop and replace at once, drain, checkpoint, hand over, gone, clean: in this order."""
    member, steps = advance(running(), Notice(1000.0, "i-1", 1118.0), RULES)
    assert kinds(steps) == [StepKind.STOP_WORK, StepKind.REPLACE]
    member, steps = finish(member, 1001.0, StepKind.STOP_WORK)
    assert kinds(steps) == [StepKind.FINISH_BATCH]
    member, steps = finish(member, 1010.0, StepKind.FINISH_BATCH)
    assert kinds(steps) == [StepKind.CHECKPOINT]
    member, steps = finish(member, 1020.0, StepKind.CHECKPOINT)
    assert kinds(steps) == [StepKind.RETURN_LEASES, StepKind.DEREGISTER]
    member, _ = finish(member, 1021.0, StepKind.RETURN_LEASES)
    member, _ = finish(member, 1022.0, StepKind.DEREGISTER)
    assert member.state is State.HANDED_OVER
    member, steps = advance(member, Gone(1118.0, "i-1"), RULES)
    assert kinds(steps) == [StepKind.SWEEP]
    member, _ = finish(member, 1120.0, StepKind.SWEEP)
    assert member.state is State.GONE  # its replacement is not confirmed yet
    member, _ = finish(member, 1121.0, StepKind.REPLACE)
    assert member.state is State.CLEANED


def test_a_dismissed_member_leaves_in_order_and_nothing_takes_its_place() -> None:
    """A move, or a smaller fleet: batch, checkpoint and leases as with a notice, and no wait for the cloud's word."""
    member, steps = advance(running(), Dismiss(1000.0, 1300.0), RULES)
    assert kinds(steps) == [StepKind.STOP_WORK]
    for kind in (StepKind.STOP_WORK, StepKind.FINISH_BATCH, StepKind.CHECKPOINT, StepKind.RETURN_LEASES):
        member, _ = finish(member, 1001.0, kind)
    member, steps = finish(member, 1002.0, StepKind.DEREGISTER)
    assert kinds(steps) == [StepKind.SWEEP]
    member, _ = finish(member, 1003.0, StepKind.SWEEP)
    assert member.state is State.CLEANED
    assert StepKind.REPLACE not in dict(member.asked)


def test_a_member_that_is_dismissed_before_it_runs_is_swept_at_once() -> None:
    """A move that is called off must leave nothing behind, whether or not the launch went through."""
    member, (launch,) = request("m", 0.0, RULES)
    member, steps = advance(member, Dismiss(5.0, 100.0), RULES)
    assert kinds(steps) == [StepKind.SWEEP]
    member, _ = advance(member, Done(6.0, launch.key, "i-1"), RULES)  # the answer comes too late
    member, _ = finish(member, 7.0, StepKind.SWEEP)
    assert member.state is State.CLEANED


def test_a_lost_member_that_was_dismissed_is_not_replaced() -> None:
    member, _ = advance(running(), Dismiss(1000.0, 1300.0), RULES)
    member, steps = advance(member, Gone(1010.0, "i-1"), RULES)
    assert kinds(steps) == [StepKind.REVOKE_LEASES]


def test_who_is_dismissed_asks_for_no_replacement_any_more() -> None:
    """It was lost before, and its replacement was not got yet: the place is not wanted now."""
    member, steps = advance(running(), Gone(1000.0, "i-1"), RULES)
    assert StepKind.REPLACE in kinds(steps)
    member, _ = advance(member, Dismiss(1001.0, 1300.0), RULES)
    assert not member.is_open(StepKind.REPLACE)
    replace_step = next(step for step in steps if step.kind is StepKind.REPLACE)
    member, _ = advance(member, Failed(1002.0, replace_step.key), RULES)
    _, steps = advance(member, Clock(1900.0), RULES)
    assert StepKind.REPLACE not in kinds(steps)


def test_a_launch_has_one_limit_until_it_runs() -> None:
    """An answer shortly before it is over gives an instance that never comes up no second time."""
    member, (launch,) = request("m", 0.0, RULES)
    member, _ = advance(member, Done(RULES.launch_s - 1.0, launch.key, "i-1"), RULES)
    assert wake_s(member, RULES) == RULES.launch_s
    member, _ = advance(member, Clock(RULES.launch_s), RULES)
    assert member.state is State.LOST


def test_notices_of_all_channels_count_once() -> None:
    """The same instance and action time, from another channel: no second stop, no second replacement."""
    member, _ = advance(running(), Notice(1000.0, "i-1", 1118.0), RULES)
    again, steps = advance(member, Notice(1003.0, "i-1", 1118.0), RULES)
    assert steps == ()
    assert replace(again, now_s=member.now_s) == member


def test_a_notice_for_another_instance_is_not_ours() -> None:
    """A stale event must not take down the replacement."""
    member = running()
    assert advance(member, Notice(5.0, "i-0", 120.0), RULES)[0].state is State.RUNNING


def test_a_batch_that_cannot_finish_is_dropped() -> None:
    """At the end of its slice the batch goes, so that the checkpoint is not lost."""
    member, _ = advance(running(), Notice(1000.0, "i-1", 1120.0), RULES)
    member, _ = finish(member, 1001.0, StepKind.STOP_WORK)
    assert wake_s(member, RULES) == pytest.approx(1050.0)
    member, steps = advance(member, Clock(1050.0), RULES)
    assert kinds(steps) == [StepKind.DROP_BATCH, StepKind.CHECKPOINT]


def test_a_failed_checkpoint_is_tried_again_within_its_slice() -> None:
    """One failure must not cost the work since the last checkpoint; three in a row end the attempt."""
    member, _ = advance(running(), Notice(1000.0, "i-1", 1120.0), RULES)
    member, _ = finish(member, 1001.0, StepKind.STOP_WORK)
    member, steps = finish(member, 1002.0, StepKind.FINISH_BATCH)
    keys = []
    while member.state is State.CHECKPOINTING:
        keys.append(steps[0].key)
        assert steps[0].by_s == 1095.0
        member, steps = advance(member, Failed(1003.0, steps[0].key), RULES)
    assert len(set(keys)) == RULES.step_tries
    assert kinds(steps) == [StepKind.RETURN_LEASES, StepKind.DEREGISTER]


def test_a_late_notice_shares_out_what_is_left() -> None:
    """Seen with 46 s to go: every slice shrinks in proportion, and all still end before the loss."""
    ends = AWS_BUDGET.ends_s(1074.0, 1120.0)
    assert 1074 < ends.stop_s < ends.drain_s < ends.checkpoint_s < ends.hand_over_s < ends.taken_s == 1120
    assert ends.drain_s - 1074 == pytest.approx(45 * 46 / 115)


def test_an_earlier_second_notice_makes_haste() -> None:
    """The provider moved the time forward: the slices follow."""
    member, _ = advance(running(), Notice(1000.0, "i-1", 1120.0), RULES)
    hasty, _ = advance(member, Notice(1010.0, "i-1", 1060.0), RULES)
    assert hasty.ends is not None
    assert hasty.ends.taken_s == 1060.0
    later, _ = advance(hasty, Notice(1011.0, "i-1", 1500.0), RULES)
    assert later.ends == hasty.ends


def test_rebalance_prepares_and_has_a_way_back() -> None:
    """Three of ten such signals come true: nothing is drained, and the state ends by itself."""
    member, steps = advance(running(), Rebalance(100.0, "i-1"), RULES)
    assert (member.state, kinds(steps)) == (State.AT_RISK, [StepKind.PREPARE])
    due = wake_s(member, RULES)
    assert due == 100.0 + RULES.risk_s
    member, steps = advance(member, Clock(due), RULES)
    assert (member.state, kinds(steps)) == (State.RUNNING, [StepKind.UNPREPARE])


def test_a_row_of_rebalance_signals_ends_too() -> None:
    """A signal every minute cannot hold a member at risk for ever."""
    member, now_s = running(), 0.0
    left = False
    while now_s < 2 * RULES.risk_limit_s and not left:
        now_s += 60.0
        before = member.state
        member, _ = advance(member, Rebalance(now_s, "i-1"), RULES)
        member, _ = advance(member, Clock(now_s), RULES)
        left = before is State.AT_RISK and member.state is State.RUNNING
    assert left
    assert now_s <= RULES.risk_limit_s + 120.0


@pytest.mark.parametrize("event", [Gone(50.0, "i-1"), Silent(50.0, "i-1")])
def test_lost_without_notice(event: Event) -> None:
    """Leases are revoked and the instance is replaced at once; cleaning does not wait for anyone."""
    member, steps = advance(running(), event, RULES)
    assert (member.state, kinds(steps)) == (State.LOST, [StepKind.REVOKE_LEASES, StepKind.REPLACE])
    member, steps = advance(member, Clock(50.0 + RULES.lease_s), RULES)
    assert (member.state, kinds(steps)) == (State.GONE, [StepKind.SWEEP])


def test_silence_on_the_way_out_is_no_loss() -> None:
    """A worker busy with its checkpoint may miss heartbeats; to revoke its leases now would waste the checkpoint."""
    member, _ = advance(running(), Notice(1000.0, "i-1", 1120.0), RULES)
    member, steps = advance(member, Silent(1030.0, "i-1"), RULES)
    assert member.state is State.DRAINING
    assert StepKind.REVOKE_LEASES not in kinds(steps)
    member, _ = advance(member, Clock(1105.0), RULES)
    assert member.state is State.HANDED_OVER


def test_gone_ends_every_grace_period() -> None:
    """The provider's word during the drain: no checkpoint is asked of an instance that is not there."""
    member, _ = advance(running(), Notice(1000.0, "i-1", 1120.0), RULES)
    member, steps = advance(member, Gone(1005.0, "i-1"), RULES)
    assert member.state is State.LOST
    assert kinds(steps) == [StepKind.REVOKE_LEASES]  # the replacement was asked for with the notice


def test_no_capacity_tries_again_and_then_on_demand() -> None:
    """Each try has its own client token; after the last spot attempt the launch is on demand."""
    member, (step,) = request("m", 0.0, RULES)
    keys, now_s = [step.key], 0.0
    while not step.on_demand:
        member, _ = advance(member, Failed(now_s, step.key), RULES)
        assert member.state is State.NO_CAPACITY
        now_s = wake_s(member, RULES) or 0.0
        member, (step,) = advance(member, Clock(now_s), RULES)
        keys.append(step.key)
    assert len(keys) == len(set(keys)) == RULES.spot_attempts + 1


def test_on_demand_by_deadline_does_not_wait() -> None:
    """In the pause between two tries the deadline calls: on demand at once."""
    member, (step,) = request("m", 0.0, RULES)
    member, _ = advance(member, Failed(1.0, step.key), RULES)
    _, (step,) = advance(member, OnDemandNow(2.0), RULES)
    assert step.kind is StepKind.LAUNCH
    assert step.on_demand


def test_a_launch_without_an_answer_is_swept_and_replaced() -> None:
    """Nobody knows whether there is an instance: the tag finds it, and the replacement has a name of its own."""
    member, _ = request("m", 0.0, RULES)
    member, steps = advance(member, Clock(RULES.launch_s), RULES)
    assert StepKind.REPLACE in kinds(steps)
    member, steps = advance(member, Clock(RULES.launch_s + RULES.lease_s), RULES)
    assert kinds(steps) == [StepKind.SWEEP]


def test_a_failed_sweep_is_tried_again_for_ever() -> None:
    """Cleaning is never given up, and its pauses are bounded."""
    member, _ = advance(running(), Gone(0.0, "i-1"), RULES)
    now_s = RULES.lease_s
    member, _ = advance(member, Clock(now_s), RULES)
    for _ in range(30):
        step = next(step for step in member.open if step.kind is StepKind.SWEEP)
        member, _ = advance(member, Failed(now_s, step.key), RULES)
        due = wake_s(member, RULES)
        assert due is not None
        assert now_s < due <= now_s + RULES.retry_limit_s
        now_s = due
        member, steps = advance(member, Clock(now_s), RULES)
        assert kinds(steps) == [StepKind.SWEEP]


def test_a_budget_that_does_not_rise_is_refused() -> None:
    """A checkpoint that ends before the drain is a mistake in the figures."""
    with pytest.raises(ValueError, match="rise"):
        Budget(total_s=120, see_s=5, stop_s=6, drain_s=95, checkpoint_s=50, hand_over_s=105)


def saved(member: Member) -> Member:
    """Through the store and back, as after a crash."""
    back = Member.from_json(json.loads(json.dumps(member.to_json(), allow_nan=False)))
    # A missing time is NaN, which is unlike itself: compare what was written.
    assert back.to_json() == member.to_json()
    return back


def storm(rng: Random, member: Member, now_s: float) -> Event:
    """Any event at all, for this instance or another, with any key."""
    instance = rng.choice((member.instance or "i-1", "i-other"))
    key = rng.choice([step.key for step in member.open] or ["m/none/1"])
    return rng.choice(
        (
            Notice(now_s, instance, rng.choice((None, now_s + 118.0, now_s + 20.0, now_s - 5.0))),
            Rebalance(now_s, instance),
            Running(now_s, instance),
            Done(now_s, key, "i-1"),
            Done(now_s, "m/stop_work/1"),
            Failed(now_s, key),
            OnDemandNow(now_s),
            Clock(now_s),
            Clock(now_s - rng.random() * 50.0),
            Gone(now_s, instance) if rng.random() < 0.2 else Clock(now_s),
            Silent(now_s, instance) if rng.random() < 0.2 else Clock(now_s),
        )
    )


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([AWS_BUDGET, GCP_BUDGET]))
@example(1728, AWS_BUDGET)  # a checkpoint that fails after a second notice with an earlier time
def test_no_event_order_sticks_repeats_or_overruns(seed: int, budget: Budget) -> None:
    """Random events, doubles and crashes; then only time and a world that answers: the member is cleaned up.

    On the way: no key is handed out twice, no budgeted step is asked for after its end, and once the time of the
    hand-over has passed the member has left the leaving states.
    """
    rng, rules, now_s = Random(seed), Rules(budget), 1e9
    member, steps = request("m", now_s, rules)
    keys = [step.key for step in steps]

    def take(event: Event) -> None:
        nonlocal member
        if rng.random() < 0.3:
            member = saved(member)
        for _ in range(1 + (rng.random() < 0.2)):
            member, steps = advance(member, event, rules)
            keys.extend(step.key for step in steps)
            for step in steps:
                assert step.by_s > member.now_s
                if step.kind in BUDGETED:
                    assert member.ends is not None
                    assert step.by_s <= member.ends.hand_over_s <= member.ends.taken_s
        if member.ends is not None and member.now_s >= member.ends.hand_over_s:
            assert member.state in (State.HANDED_OVER, State.GONE, State.CLEANED, State.LOST)

    for _ in range(rng.randrange(40)):
        now_s += rng.choice((0.0, 0.5, 3.0, 20.0, 200.0))
        take(storm(rng, member, now_s))
    if member.state in (State.PENDING, State.RUNNING, State.AT_RISK):
        take(Notice(now_s, member.instance, now_s + budget.total_s + rng.random()))
    # From here on the world answers what it is asked, or nothing at all; time goes on.
    for _ in range(200):
        if member.state is State.CLEANED:
            break
        if member.open and rng.random() < 0.7:
            step = rng.choice(member.open)
            now_s += rng.random()
            take((Done if rng.random() < 0.7 else Failed)(now_s, step.key))
        else:
            due = wake_s(member, rules)
            now_s = max(now_s, due if due is not None else now_s + 1.0)
            take(Clock(now_s))
        if member.state in (State.PENDING, State.RUNNING, State.AT_RISK):
            take(Notice(now_s, member.instance, None)) if member.instance else take(
                Clock(now_s + rules.launch_s)
            )
            now_s = max(now_s, member.now_s)
    assert member.state is State.CLEANED
    assert len(keys) == len(set(keys))
    assert all(member.times_asked(kind) <= rules.step_tries for kind in BUDGETED)
    assert member.succeeded.count(StepKind.REPLACE) == 1
