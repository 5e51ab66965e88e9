"""What a look concludes, and what it leaves open: something that is only missing is believed after a while."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scrimp.api import Report, RunState
from scrimp.worker import FolderChannel
from scrimp_actions.spot import Member, State, StepKind
from scrimp_actions.spot.cloud import Instance, InstanceState, Purchase
from scrimp_actions.spot.hands import MEMBER_TAG
from scrimp_actions.spot.member import Gone, Running, Silent
from scrimp_actions.spot.members import Entry
from scrimp_actions.spot.watch import Patience, Watch

NOW_S = 10_000.0
NAME = "f-0.1"


class Listing:
    """A cloud that lists what it is told to."""

    def __init__(self) -> None:
        self.made: list[Instance] = []
        self.ended: list[str] = []

    def instances(self, _tags: object, *, deadline_s: float) -> list[Instance]:
        return list(self.made)


class Place:
    """A watch over one member that runs."""

    def __init__(self, folder: Path) -> None:
        self.cloud, self.channel = Listing(), FolderChannel(folder)
        self.patience = Patience(heartbeat_s=60.0, absent_s=300.0, orphan_s=120.0)
        self.watch = Watch(
            self.cloud,  # type: ignore[arg-type]
            self.channel,
            lambda ids, _now_s: self.cloud.ended.extend(ids),
            {},
            self.patience,
        )
        launched = ((StepKind.LAUNCH, 1),)
        member = Member(NAME, State.RUNNING, instance="i-1", asked=launched, now_s=NOW_S)
        self.entry = Entry(member, "f", 0, 1)

    def listed(self, name: str = "i-1", member: str = NAME, **about: object) -> None:
        made = Instance(name, "p", InstanceState.RUNNING, Purchase.SPOT, NOW_S - 3600.0, {MEMBER_TAG: member})
        self.cloud.made.append(replace(made, **about))  # type: ignore[arg-type]

    def look(self, now_s: float = NOW_S) -> list[object]:
        return list(self.watch.look({NAME: self.entry}, now_s).events)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_instance_that_is_not_listed_is_gone_after_a_while(place: Place) -> None:
    """A list may be behind, and one that fails to name it must not cost a machine that works."""
    assert place.look() == []
    assert place.look(NOW_S + 299.0) == []
    assert place.look(NOW_S + 300.0) == [Gone(NOW_S + 300.0, "i-1")]


def test_one_that_is_listed_again_begins_anew(place: Place) -> None:
    place.look()
    place.listed()
    place.look(NOW_S + 200.0)
    place.cloud.made.clear()
    assert place.look(NOW_S + 400.0) == []


@pytest.mark.parametrize(
    "state", [InstanceState.STOPPED, InstanceState.TERMINATING, InstanceState.TERMINATED]
)
def test_one_that_is_listed_as_ended_is_believed_at_once(place: Place, state: InstanceState) -> None:
    place.listed(state=state)
    assert place.look() == [Gone(NOW_S, "i-1")]


def test_one_that_runs_is_said_so_once_it_is_waited_for(place: Place) -> None:
    place.listed()
    assert place.look() == []
    place.entry = replace(place.entry, member=replace(place.entry.member, state=State.PENDING))
    assert place.look() == [Running(NOW_S, "i-1")]


def test_a_worker_is_silent_after_its_heartbeat_and_one_that_has_stopped_is_not(place: Place) -> None:
    place.listed()
    place.channel.found("f/i-1")
    assert place.look() == [], "it has not said anything yet"
    said = Report(NOW_S - 60.0, 0, RunState.RUNNING, 0)
    place.channel.write_report("f/i-1", said)
    assert place.look() == []
    assert place.look(NOW_S + 0.1) == [Silent(NOW_S + 0.1, "i-1")]
    place.channel.write_report("f/i-1", replace(said, run_state=RunState.STOPPED))
    assert place.look(NOW_S + 1000.0) == [], "it has left in order, and says nothing more"


def test_what_nobody_answers_for_is_ended_when_it_is_old_enough(place: Place) -> None:
    """A launch may be under way whose answer has not come yet."""
    place.listed()
    place.listed("i-2", "f-9.1", launched_s=NOW_S - 119.0)
    place.listed("i-3", "f-9.1", launched_s=NOW_S - 120.0)
    place.listed("i-4", NAME)
    place.listed("i-5", "f-9.1", state=InstanceState.TERMINATED)
    place.look()
    assert place.cloud.ended == ["i-3", "i-4"], "unknown, and the second one of a member"


def test_a_member_that_has_no_instance_yet_answers_for_what_bears_its_name(place: Place) -> None:
    place.entry = replace(place.entry, member=replace(place.entry.member, state=State.REQUESTED, instance=""))
    place.listed()
    assert place.look() == []
    assert place.cloud.ended == []
