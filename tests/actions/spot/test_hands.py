"""Steps on real things: the folder channel, the work queue, and a simulated cloud. Each may be asked for again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from scrimp.api import Report, RunState, Traits, Unavailable
from scrimp.worker import FolderChannel, SqliteQueue
from scrimp_actions.spot import Member, State, StepKind
from scrimp_actions.spot.cloud import InstanceState, LaunchRequest
from scrimp_actions.spot.hands import DONE, MEMBER_TAG, FleetHands
from scrimp_actions.spot.member import Ends, Step
from scrimp_actions.spot.members import Entry
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Trace

NOW_S = 1000.0
ENDS = Ends(1001.0, 1045.0, 1090.0, 1100.0, 1115.0)
NAME = "f-0.1"


class Room:
    """One member with a worker on its instance, which has taken two leases."""

    def __init__(self, folder: Path) -> None:
        self.queue = SqliteQueue.holding(folder / "queue.db", 100)
        self.channel = FolderChannel(folder / "workers")
        trace = Trace("p", 60.0, np.array([9]), np.array([1.0]), 3.0)
        self.cloud = TraceCloud([trace], Faults(), Random(0), NOW_S)
        self.hands = FleetHands(
            self.cloud, self.channel, self.queue, lambda _entry, step: LaunchRequest(step.key, ("p",), 1)
        )
        (made,) = self.cloud.launch(
            LaunchRequest("t", ("p",), 1, tags={MEMBER_TAG: NAME}), deadline_s=1
        ).instances
        self.instance, self.job = made.id, f"f/{made.id}"
        self.channel.found(self.job)
        self.reported(0)
        self.leases = self.queue.take(self.job, NOW_S, leases=2, items=10, lease_s=300.0)
        launched = ((StepKind.LAUNCH, 1),)
        member = Member(NAME, State.DRAINING, instance=made.id, ends=ENDS, asked=launched, now_s=NOW_S)
        self.entry = Entry(member, "f", 0, 1)

    def reported(self, revision: int, **said: object) -> None:
        """What the worker says."""
        report = Report(NOW_S, revision, RunState.RUNNING, 0, traits=Traits(checkpointable=True))
        self.channel.write_report(self.job, replace(report, **said))  # type: ignore[arg-type]

    def do(self, kind: StepKind, number: int = 1) -> object:
        return self.hands.carry_out(Step(kind, f"{NAME}/{kind}/{number}", 1e9), self.entry, NOW_S)

    def given(self) -> int:
        """How many leases the worker gets if it asks for one more."""
        more = self.queue.take(self.job, NOW_S, leases=1, items=1, lease_s=1.0)
        self.queue.give_back(more, NOW_S)
        return len(more)

    @property
    def control(self) -> RunState:
        found = self.channel.control(self.job)
        assert found is not None
        return found.run_state


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_worker_is_barred_and_told_when_it_has_to_drop_its_batch(room: Room) -> None:
    assert room.do(StepKind.STOP_WORK) == DONE
    assert room.given() == 0
    control = room.channel.control(room.job)
    assert control is not None
    assert (control.run_state, control.drain_by_s) == (RunState.DRAINING, ENDS.drain_s)
    assert room.queue.counts().leases == 2, "what it holds it may finish"


@pytest.mark.parametrize("kind", [StepKind.FINISH_BATCH, StepKind.CHECKPOINT])
def test_each_step_on_the_way_out_sees_to_it_that_the_worker_leaves(room: Room, kind: StepKind) -> None:
    """The time of `stop_work` may be over before it was carried out, and the rest is worth nothing without it."""
    assert room.do(kind) is None
    assert (room.control, room.given()) == (RunState.DRAINING, 0)
    revision = room.channel.control(room.job).revision  # type: ignore[union-attr]
    assert room.do(kind) is None, "asked again, it goes on waiting"
    again = room.channel.control(room.job)
    assert again is not None
    assert again.revision == revision, "and writes nothing more"


def test_a_batch_is_finished_when_the_worker_has_read_that_it_should(room: Room) -> None:
    assert room.do(StepKind.FINISH_BATCH) is None
    control = room.channel.control(room.job)
    assert control is not None
    room.reported(control.revision)
    assert room.do(StepKind.FINISH_BATCH) == DONE


def test_a_checkpoint_is_waited_for_and_one_that_has_left_is_not(room: Room) -> None:
    assert room.do(StepKind.CHECKPOINT) is None
    room.reported(1, checkpoint=1)
    assert room.do(StepKind.CHECKPOINT) == DONE
    room.reported(1, run_state=RunState.STOPPED)
    assert room.do(StepKind.CHECKPOINT, 2) == DONE


def test_to_prepare_saves_and_stops_nothing(room: Room) -> None:
    """A raised risk: its state is saved, and it works on."""
    assert room.do(StepKind.PREPARE) is None
    control = room.channel.control(room.job)
    assert control is not None
    assert (control.run_state, control.checkpoint_at) == (RunState.RUNNING, 1)
    assert room.given() == 1


@pytest.mark.parametrize("kind", [StepKind.RETURN_LEASES, StepKind.REVOKE_LEASES, StepKind.SWEEP])
def test_what_is_taken_from_a_worker_it_gets_no_more(room: Room, kind: StepKind) -> None:
    """Freed without a bar, a worker that lives on would take more, and lose that with its machine."""
    assert room.do(kind) == DONE
    assert room.queue.counts().leases == 0
    assert room.given() == 0
    answers = {one.value for one in room.queue.commit([(one, "r") for one in room.leases], NOW_S)}
    assert answers == {"refused"}


def test_a_sweep_ends_what_bears_the_tag_and_forgets_the_worker(room: Room) -> None:
    other = LaunchRequest("u", ("p",), 1, tags={MEMBER_TAG: NAME})
    room.cloud.launch(other, deadline_s=1)
    assert room.do(StepKind.SWEEP) == DONE
    assert room.cloud.alive() == ()
    assert room.channel.jobs() == ()
    assert room.do(StepKind.SWEEP, 2) == DONE, "again is nothing"


def test_a_stopped_instance_is_ended_too(room: Room) -> None:
    """It does no work, and its disk costs money."""
    stopped = replace(room.cloud.alive()[0], state=InstanceState.STOPPED)
    room.cloud._alive[room.instance] = stopped
    room.do(StepKind.SWEEP)
    assert room.cloud.alive() == ()


class Strict(TraceCloud):
    """A cloud that, as AWS does, refuses to end what bears no tag of ours; and that can be out of reach."""

    out = False
    ended: tuple[str, ...] = ()

    def instances(self, tags: object, *, deadline_s: float) -> list:  # type: ignore[override, type-arg]
        if self.out:
            raise Unavailable("the cloud does not answer")
        return []

    def terminate(self, ids: object, *, deadline_s: float) -> None:  # type: ignore[override]
        self.ended = tuple(ids)  # type: ignore[arg-type]


def test_an_instance_that_is_not_listed_is_not_ended_and_its_worker_is_forgotten(room: Room) -> None:
    """The cloud forgets ended ones with their tags; to end one again is refused for ever."""
    room.hands.cloud = cloud = Strict([], Faults(), Random(0))
    assert room.do(StepKind.SWEEP) == DONE
    assert cloud.ended == ()
    assert room.channel.jobs() == ()
    room.entry = replace(room.entry, member=replace(room.entry.member, asked=()))
    assert room.do(StepKind.SWEEP, 2) == DONE
    assert cloud.ended == (room.instance,), "one that was taken over never bore a tag"


def test_a_sweep_waits_for_the_cloud(room: Room) -> None:
    room.hands.cloud = cloud = Strict([], Faults(), Random(0))
    cloud.out = True
    with pytest.raises(Unavailable):
        room.do(StepKind.SWEEP)
    assert room.channel.jobs() == (room.job,)


def test_deregistered_is_stopped(room: Room) -> None:
    assert room.do(StepKind.DEREGISTER) == DONE
    assert room.control is RunState.STOPPED


def test_a_worker_that_saves_when_it_leaves_is_not_brought_back(room: Room) -> None:
    """It is at its last batch while it is forgotten: what it writes then must not make a job of it again."""
    room.do(StepKind.SWEEP)
    before = room.channel.found(room.job, over=replace(room.channel.found("f/x")))
    assert room.job not in room.channel.jobs()
    assert before.run_state is RunState.RUNNING
    room.channel.found(room.job)
    assert room.job in room.channel.jobs(), "one that joins anew takes part"
