"""The state machine that brings one instance through its interruption: pure, durable, idempotent.

requested → pending → running → [at risk →] noticed → draining → checkpointing → handing over → handed over → gone →
cleaned. A member that is dismissed goes the same way, and nothing takes its place. Side doors: no capacity (the next
launch, on demand after some), lost without notice (leases are revoked, the instance is replaced), at risk back to
running. The caller writes the new member down, then carries out the steps, then reports each as `Done` or `Failed`;
after a restart it carries out `Member.open` again, under the same keys. All times come from the events, so the machine
needs a `Clock` event at `wake_s` at the latest.

The notice is a hint: nothing here is needed for correctness, which rests on leases. It saves the work in hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from scrimp_actions.spot.member import (
    Clock,
    Dismiss,
    Done,
    Event,
    Failed,
    Gone,
    Member,
    Notice,
    OnDemandNow,
    Rebalance,
    Rules,
    Running,
    Silent,
    State,
    Step,
    StepKind,
)

_WORKING = (State.PENDING, State.RUNNING, State.AT_RISK)
_LEAVING = (State.NOTICED, State.DRAINING, State.CHECKPOINTING, State.HANDING_OVER)
# What is still worth doing after its phase has been left: all else is given up with the phase.
_LASTING = (StepKind.REPLACE, StepKind.UNPREPARE, StepKind.DROP_BATCH)

# A failure of these loses work or time, so they are tried again; a batch that failed is dropped instead.
_TRIED_AGAIN = (
    StepKind.STOP_WORK,
    StepKind.CHECKPOINT,
    StepKind.RETURN_LEASES,
    StepKind.DEREGISTER,
    StepKind.REVOKE_LEASES,
)


def request(
    name: str, now_s: float, rules: Rules, *, on_demand: bool = False
) -> tuple[Member, tuple[Step, ...]]:
    """A new member: the first step is its launch. `name` is the client token's root and the tag to sweep by."""
    work = _Work(Member(name, since_s=now_s, now_s=now_s, on_demand=on_demand), rules)
    work.ask(StepKind.LAUNCH, now_s + rules.launch_s)
    return work.member, tuple(work.steps)


def advance(member: Member, event: Event, rules: Rules) -> tuple[Member, tuple[Step, ...]]:
    """The member after one event, and the steps that it asks for. Every event may come twice, late, or never."""
    work = _Work(replace(member, now_s=max(member.now_s, event.at_s)), rules)
    work.take(event)
    while work.settle():
        pass
    return work.member, tuple(work.steps)


def wake_s(member: Member, rules: Rules) -> float | None:
    """When the member needs a `Clock` event at the latest; None if only the outside can move it."""
    times = [member.replace_retry_s] if not math.isnan(member.replace_retry_s) else []
    ends = member.ends
    match member.state:
        case State.REQUESTED | State.PENDING:
            times.append(member.since_s + rules.launch_s)
        case State.AT_RISK:
            times.append(min(member.since_s + rules.risk_s, member.risk_since_s + rules.risk_limit_s))
        case State.LOST:
            times.append(member.since_s + rules.lease_s)
        case State.NO_CAPACITY | State.GONE if not math.isnan(member.retry_s):
            times.append(member.retry_s)
        case _ if ends is not None and member.state is State.HANDED_OVER:
            times.append(ends.taken_s + rules.gone_grace_s)
        case _ if ends is not None and member.state in _LEAVING:
            by = {
                State.NOTICED: ends.stop_s,
                State.DRAINING: ends.drain_s,
                State.CHECKPOINTING: ends.checkpoint_s,
                State.HANDING_OVER: ends.hand_over_s,
            }
            times.append(by[member.state])
    return min(times) if times else None


class _Work:
    """One transition under way: the member as it becomes, and the steps asked for. It lives within `advance`."""

    def __init__(self, member: Member, rules: Rules) -> None:
        self.member = member
        self.rules = rules
        self.steps: list[Step] = []

    def ask(self, kind: StepKind, by_s: float) -> None:
        """Ask for a step, unless its time is over already."""
        member = self.member
        if by_s <= member.now_s:
            return
        times = member.times_asked(kind) + 1
        step = Step(kind, f"{member.name}/{kind}/{times}", by_s, member.on_demand)
        asked = {**dict(member.asked), kind: times}
        self.member = replace(member, open=(*member.open, step), asked=tuple(asked.items()))
        self.steps.append(step)

    def enter(self, state: State) -> None:
        """Change the state; what was open for the old one only is given up."""
        kept = tuple(step for step in self.member.open if step.kind in _LASTING)
        self.member = replace(
            self.member, state=state, since_s=self.member.now_s, retry_s=math.nan, open=kept
        )

    def take(self, event: Event) -> None:
        """Take in what happened; what follows from it is `settle`'s."""
        member = self.member
        match event:
            case Done() | Failed():
                self.answered(event)
            case OnDemandNow():
                self.member = replace(member, on_demand=True)
                if member.state is State.NO_CAPACITY:
                    self.member = replace(self.member, retry_s=member.now_s)
            case Dismiss():
                self.dismissed(event)
            case Clock():
                pass
            case _ if event.instance != member.instance or not member.instance:
                pass  # of another instance, or of one that this member has not got yet
            case Notice():
                self.noticed(event)
            case Rebalance():
                self.at_risk()
            case Running() if member.state is State.PENDING:
                self.enter(State.RUNNING)
            case Gone() if member.state is State.HANDED_OVER:
                self.leave()
            case Gone() if member.state in _WORKING + _LEAVING:
                self.lost()
            case Silent() if member.state in _WORKING:
                # One that leaves is told until when: it may be busy with its checkpoint, and its end is near anyhow.
                self.lost()

    def answered(self, event: Done | Failed) -> None:
        """Close the step; an answer to one that is not open (a double, or one given up) changes nothing."""
        member = self.member
        step = next((step for step in member.open if step.key == event.key), None)
        if step is None:
            return
        rest = tuple(other for other in member.open if other.key != event.key)
        member = self.member = replace(member, open=rest)
        pause = self.rules.pause_s(member.times_asked(step.kind))
        if isinstance(event, Done):
            self.member = replace(member, succeeded=(*member.succeeded, step.kind))
            if step.kind is StepKind.LAUNCH:
                self.member = replace(self.member, instance=event.instance)
                self.enter(State.PENDING)
                # The clock of the launch goes on: it is one limit from the request to a running instance.
                self.member = replace(self.member, since_s=member.since_s)
        elif step.kind is StepKind.LAUNCH:
            self.enter(State.NO_CAPACITY)
            self.member = replace(self.member, retry_s=member.now_s + pause)
        elif step.kind is StepKind.REPLACE:
            self.member = replace(member, replace_retry_s=member.now_s + pause)
        elif step.kind is StepKind.SWEEP:
            self.member = replace(member, retry_s=member.now_s + pause)
        elif step.kind in _TRIED_AGAIN and member.times_asked(step.kind) < self.rules.step_tries:
            self.ask(step.kind, step.by_s)

    def noticed(self, event: Notice) -> None:
        """Begin to leave, once per notice; a second notice with an earlier time makes haste."""
        member = self.member
        ends = self.rules.budget.ends_s(member.now_s, event.action_s)
        known = event.action_s in member.notices
        if member.state in _WORKING and not known:
            self.member = replace(member, notices=(*member.notices, event.action_s), ends=ends)
            self.enter(State.NOTICED)
            self.ask(StepKind.STOP_WORK, ends.stop_s)
            self.replacement()
        elif member.state in _LEAVING and not known and member.ends is not None:
            self.member = replace(member, notices=(*member.notices, event.action_s))
            if event.action_s is not None and ends.taken_s < member.ends.taken_s:
                # What is open ends sooner, too: tried again, it would else be asked for beyond its new end.
                last_s = {
                    StepKind.STOP_WORK: ends.stop_s,
                    StepKind.FINISH_BATCH: ends.drain_s,
                    StepKind.DROP_BATCH: ends.checkpoint_s,
                    StepKind.CHECKPOINT: ends.checkpoint_s,
                    StepKind.RETURN_LEASES: ends.hand_over_s,
                    StepKind.DEREGISTER: ends.hand_over_s,
                }
                hasty = (
                    replace(step, by_s=min(step.by_s, last_s.get(step.kind, math.inf)))
                    for step in member.open
                )
                self.member = replace(self.member, ends=ends, open=tuple(hasty))

    def dismissed(self, event: Dismiss) -> None:
        """Begin to leave for good; a replacement that was asked for and not got is asked for no more."""
        kept = tuple(step for step in self.member.open if step.kind is not StepKind.REPLACE)
        member = self.member = replace(self.member, dismissed=True, open=kept, replace_retry_s=math.nan)
        if member.state in (State.RUNNING, State.AT_RISK):
            ends = self.rules.budget.ends_s(member.now_s, event.leave_by_s)
            self.member = replace(member, ends=ends)
            self.enter(State.NOTICED)
            self.ask(StepKind.STOP_WORK, ends.stop_s)
        elif member.state in (State.REQUESTED, State.PENDING, State.NO_CAPACITY):
            self.leave()

    def at_risk(self) -> None:
        """Prepare, and wait for what comes; a further signal renews the wait up to its limit."""
        member = self.member
        if member.state is State.RUNNING:
            self.enter(State.AT_RISK)
            self.member = replace(self.member, risk_since_s=member.now_s)
            self.ask(StepKind.PREPARE, member.now_s + self.rules.risk_s)
        elif member.state is State.AT_RISK:
            self.member = replace(member, since_s=member.now_s)

    def lost(self) -> None:
        """The instance went without a (full) hand-over: its leases are revoked, and it is replaced."""
        self.enter(State.LOST)
        self.ask(StepKind.REVOKE_LEASES, self.member.now_s + self.rules.lease_s)
        self.replacement()

    def replacement(self) -> None:
        """Ask for a replacement, once."""
        if not self.member.dismissed and not self.member.times_asked(StepKind.REPLACE):
            self.ask(StepKind.REPLACE, math.inf)

    def leave(self) -> None:
        """The instance is gone, or as good as gone: sweep up what bears its tag, itself included."""
        self.enter(State.GONE)
        self.ask(StepKind.SWEEP, math.inf)

    def settle(self) -> bool:
        """Follow one consequence of the member's answers and time; False when there is none left."""
        member, now_s = self.member, self.member.now_s
        if member.replace_retry_s <= now_s:
            spent = member.times_asked(StepKind.REPLACE) >= self.rules.spot_attempts
            self.member = replace(member, replace_retry_s=math.nan, on_demand=member.on_demand or spent)
            self.ask(StepKind.REPLACE, math.inf)
            return True
        settled: Callable[[], bool] | None = {
            State.REQUESTED: self._settle_launch,
            State.PENDING: self._settle_launch,
            State.NO_CAPACITY: self._settle_no_capacity,
            State.AT_RISK: self._settle_at_risk,
            State.LOST: self._settle_lost,
            State.GONE: self._settle_gone,
        }.get(member.state)
        return settled() if settled else self._settle_leaving()

    def _settle_launch(self) -> bool:
        if self.member.now_s < self.member.since_s + self.rules.launch_s:
            return False
        self.lost()
        return True

    def _settle_no_capacity(self) -> bool:
        member = self.member
        if not member.retry_s <= member.now_s:
            return False
        spent = member.times_asked(StepKind.LAUNCH) >= self.rules.spot_attempts
        self.member = replace(member, on_demand=member.on_demand or spent)
        self.enter(State.REQUESTED)
        self.ask(StepKind.LAUNCH, member.now_s + self.rules.launch_s)
        return True

    def _settle_at_risk(self) -> bool:
        member = self.member
        over_s = min(member.since_s + self.rules.risk_s, member.risk_since_s + self.rules.risk_limit_s)
        if member.now_s < over_s:
            return False
        self.enter(State.RUNNING)
        self.ask(StepKind.UNPREPARE, member.now_s + self.rules.risk_s)
        return True

    def _settle_lost(self) -> bool:
        member = self.member
        if member.is_open(StepKind.REVOKE_LEASES) and member.now_s < member.since_s + self.rules.lease_s:
            return False
        self.leave()
        return True

    def _settle_gone(self) -> bool:
        member = self.member
        if member.retry_s <= member.now_s:
            self.member = replace(member, retry_s=math.nan)
            self.ask(StepKind.SWEEP, math.inf)
            return True
        replaced = member.dismissed or StepKind.REPLACE in member.succeeded
        if StepKind.SWEEP in member.succeeded and replaced:
            self.enter(State.CLEANED)
            return True
        return False

    def _settle_leaving(self) -> bool:
        """The way from the notice to the hand-over: each phase ends with its step or with its time."""
        member, ends = self.member, self.member.ends
        if ends is None:
            return False
        now_s = member.now_s
        match member.state:
            case State.NOTICED if now_s >= ends.stop_s or not member.is_open(StepKind.STOP_WORK):
                self.enter(State.DRAINING)
                self.ask(StepKind.FINISH_BATCH, ends.drain_s)
            case State.DRAINING if now_s >= ends.drain_s or not member.is_open(StepKind.FINISH_BATCH):
                self.enter(State.CHECKPOINTING)
                if StepKind.FINISH_BATCH not in member.succeeded:
                    self.ask(StepKind.DROP_BATCH, ends.checkpoint_s)
                self.ask(StepKind.CHECKPOINT, ends.checkpoint_s)
            case State.CHECKPOINTING if now_s >= ends.checkpoint_s or not member.is_open(StepKind.CHECKPOINT):
                self.enter(State.HANDING_OVER)
                self.ask(StepKind.RETURN_LEASES, ends.hand_over_s)
                self.ask(StepKind.DEREGISTER, ends.hand_over_s)
            case State.HANDING_OVER if now_s >= ends.hand_over_s or not (
                member.is_open(StepKind.RETURN_LEASES) or member.is_open(StepKind.DEREGISTER)
            ):
                self.enter(State.HANDED_OVER)
            case State.HANDED_OVER if member.dismissed or now_s >= ends.taken_s + self.rules.gone_grace_s:
                self.leave()
            case _:
                return False
        return True
