"""The collector `aws_events`: from EventBridge over the queue to a row, once each, whatever is on the queue."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.aws.server import AwsServer
from tests.aws.setup import event, notice_queue, section, services
from tests.aws.test_collector import collector, rows
from tests.servers import wait_for

from scrimp.api import Health, TargetGone
from scrimp.aws import Board, Notice, NoticeBoard, NoticeKind, read_event
from scrimp.collectors.aws import AwsEventsCollector
from scrimp.collectors.aws.notices import notice_batch
from scrimp.testing import ManualClock

AT = "2026-11-25T12:00:00Z"
AT_S = datetime.fromisoformat(AT).timestamp()
WARNING, REBALANCE = "EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation"
STATE = "EC2 Instance State-change Notification"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT_S + 2)


@pytest.fixture
def queue(aws: AwsServer) -> str:
    return notice_queue(aws)


def listener(
    server: AwsServer, queue: str, tmp_path: Path, clock: ManualClock, **config: Any
) -> AwsEventsCollector:
    return AwsEventsCollector(section(server, queue_url=queue, **config), services(tmp_path, clock))


def put(server: AwsServer, *entries: dict[str, str]) -> None:
    assert server.client("events").put_events(Entries=list(entries))["FailedEntryCount"] == 0


def left(server: AwsServer, queue: str) -> int:
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = server.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=wanted)["Attributes"]
    return sum(int(value) for value in found.values())


def test_a_warning_becomes_a_row_and_leaves_the_queue(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    put(
        aws,
        event("i-1", WARNING, AT, instance_action="terminate"),
        event("i-1", WARNING, AT, instance_action="terminate"),
        event("i-2", REBALANCE, AT),
        event("i-3", WARNING, AT, instance_action="hibernate"),
        event("i-4", WARNING, AT, instance_action="terminate"),
        event("i-4", STATE, AT, state="terminated"),
        event("i-5", STATE, AT, state="running"),
    )
    one = listener(aws, queue, tmp_path, clock)
    found = rows(one.collect(clock.now(), deadline_s=10), "node")
    assert found["i-1"]["interruption_notice"] is True
    assert found["i-1"]["time_to_interruption"] == pytest.approx(118), (
        "two minutes from the event, two seconds ago"
    )
    assert found["i-3"]["time_to_interruption"] == pytest.approx(-2), "hibernation begins at once"
    assert found["i-2"] == {
        "interruption_notice": False,
        "time_to_interruption": None,
        "rebalance_recommended": True,
    }
    assert set(found) == {"i-1", "i-2", "i-3"}, "what is gone is no node, and running is no notice"
    assert left(aws, queue) == 0


def test_it_wakes_the_engine(aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock) -> None:
    woken: list[str] = []
    heard = threading.Event()

    def wake(reason: str) -> None:
        woken.append(reason)
        heard.set()

    one = listener(aws, queue, tmp_path, clock)
    stop = one.watch(wake)
    try:
        wait_for(lambda: NoticeBoard(tmp_path).read().tested_at_s is not None, "the self-test comes through")
        put(aws, event("i-1", WARNING, AT, instance_action="terminate"))
        assert heard.wait(20)
    finally:
        stop()
    assert woken == ["interruption of i-1"], "the test event wakes nobody"


def test_what_cannot_be_read_is_kept_and_moved_on(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    bodies = ["{", "[]", json.dumps({"detail-type": WARNING, "detail": {}, "time": AT}), '"x"']
    sqs = aws.client("sqs")
    for body in [*bodies, json.dumps({"detail-type": WARNING, "detail": {"instance-id": "i-9"}, "time": AT})]:
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    one = listener(aws, queue, tmp_path, clock)
    assert set(rows(one.collect(clock.now(), deadline_s=10), "node")) == {"i-9"}
    assert left(aws, queue) == 0
    kept = (tmp_path / "aws" / "malformed.jsonl").read_text().splitlines()
    assert sorted(json.loads(line) for line in kept) == sorted(bodies)
    messages = [found for found in one.examine(deadline_s=10) if found.what == "messages"]
    assert messages[0].health is Health.WARNING
    assert "4 could not be read" in messages[0].detail


def test_a_backlog_is_taken_in_at_once(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    """As `run --once` finds it, which listens to nothing between its ticks: ten messages are one answer of SQS."""
    put(aws, *(event(f"i-{at}", WARNING, AT, instance_action="terminate") for at in range(10)))
    put(aws, *(event(f"i-{at}", WARNING, AT, instance_action="terminate") for at in range(10, 15)))
    found = rows(listener(aws, queue, tmp_path, clock).collect(clock.now(), deadline_s=10), "node")
    assert len(found) == 15
    assert left(aws, queue) == 0


def test_what_can_neither_be_read_nor_kept_holds_up_no_notice(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    """It stays on the queue; the listener hears what comes with it, and after it."""
    (tmp_path / "aws" / "malformed.jsonl").mkdir(parents=True)
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="[" * 100_000)
    put(aws, event("i-1", WARNING, AT, instance_action="terminate"))
    woken: list[str] = []
    stop = listener(aws, queue, tmp_path, clock).watch(woken.append)
    try:
        wait_for(lambda: woken, "the notice beside it is heard")
        put(aws, event("i-2", WARNING, AT, instance_action="terminate"))
        wait_for(lambda: len(woken) == 2, "and one after it")
    finally:
        stop()
    assert woken == ["interruption of i-1", "interruption of i-2"]
    assert left(aws, queue) == 1


@pytest.mark.parametrize("ahead_s", [0.0, 3600.0])
def test_a_notice_gives_two_minutes_from_when_it_is_heard_at_most(ahead_s: float) -> None:
    """A clock of ours that is behind makes nobody believe in an hour."""
    said = {"detail-type": WARNING, "detail": {"instance-id": "i-1"}, "time": AT}
    notice = read_event(json.dumps(said), AT_S - ahead_s, "aws_events")
    assert notice is not None
    assert notice.action_at_s == AT_S - ahead_s + 120


@pytest.mark.parametrize(("late_s", "known"), [(239, True), (241, False), (86_400, False)])
def test_a_notice_whose_instance_has_to_be_gone_makes_no_row(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock, late_s: float, known: bool
) -> None:
    """Its group would be unknown, and with it every count of noticed nodes. One that is still listed is a node."""
    put(aws, event("i-1", WARNING, AT, instance_action="terminate"))
    clock.at_s = AT_S + late_s
    found = rows(listener(aws, queue, tmp_path, clock).collect(clock.now(), deadline_s=10), "node")
    assert ("i-1" in found) is known
    batch = notice_batch(NoticeBoard(tmp_path).read(), clock.now(), ["i-1"])
    assert list(batch.names) == ["i-1"]
    assert batch.fields["interruption_notice"] == [True]


def test_an_instance_that_stopped_and_runs_again_is_noticed_again(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    """Twice, and gone after the second time, too."""
    one = listener(aws, queue, tmp_path, clock)
    for at_s in (0, 1200):
        clock.at_s = AT_S + at_s + 5
        said = datetime.fromtimestamp(AT_S + at_s, UTC).isoformat()
        put(aws, event("i-1", WARNING, said, instance_action="stop"))
        one._take_all(10)
        found = rows(one.collect(clock.now(), deadline_s=10), "node")
        assert found["i-1"]["time_to_interruption"] == pytest.approx(115)
        ended = datetime.fromtimestamp(AT_S + at_s + 100, UTC).isoformat()
        put(aws, event("i-1", STATE, ended, state="stopped"))
        clock.at_s += 100
        one._take_all(10)
        assert "i-1" not in rows(one.collect(clock.now(), deadline_s=10), "node")


def test_a_message_is_deleted_only_after_it_is_on_disk(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    """The state folder is a file: nothing can be noted, so the message has to stay for the next time."""
    put(aws, event("i-1", WARNING, AT, instance_action="terminate"))
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    one = listener(aws, queue, blocked, clock)
    with pytest.raises(Exception, match="cannot"):
        one._take(10, wait_s=0)
    assert left(aws, queue) == 1
    assert "sqs:DeleteMessageBatch" not in aws.world.calls


def test_notices_of_all_channels_are_one_by_instance_and_time(tmp_path: Path) -> None:
    board = NoticeBoard(tmp_path)
    queued = read_event(
        json.dumps(
            {"detail-type": WARNING, "detail": {"instance-id": "i-1", "instance-action": "stop"}, "time": AT}
        ),
        AT_S,
        "aws_events",
    )
    assert queued is not None
    own = Notice("i-1", NoticeKind.INTERRUPTION, "stop", AT_S + 117, AT_S + 1, ("imds",))
    later = Notice("i-1", NoticeKind.INTERRUPTION, "stop", AT_S + 3000, AT_S + 2900, ("imds",))
    assert board.note([queued], AT_S) == [queued]
    assert board.note([own, queued], AT_S) == [], "the same, heard in another way and once more"
    assert board.note([later], AT_S) == [later], "an instance that was stopped and runs again is taken again"
    (first, second) = board.read().notices
    assert first.channels == ("aws_events", "imds")
    assert first.action_at_s == AT_S + 117, "the earlier time holds"
    assert second.action_at_s == AT_S + 3000
    board.note([], AT_S + 8000)
    assert board.read().notices == (), "what is long over is forgotten"


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2), st.booleans()), max_size=12))
def test_the_order_of_notices_does_not_matter(said: list[tuple[str, int, bool]]) -> None:
    """Whichever way notices come, and how often: one entry per instance and interruption."""
    notices = [
        Notice(name, NoticeKind.INTERRUPTION, "terminate", at * 10_000.0 + 60 * jitter, 0.0, ("x",))
        for name, at, jitter in said
    ]
    forth, back = Board(), Board()
    for one in notices:
        forth, _ = forth.noted(one)
    for one in reversed(notices):
        back, _ = back.noted(one)
    assert set(forth.notices) == set(back.notices)
    assert len(forth.notices) == len({(name, at) for name, at, _ in said})


def test_silence_is_no_all_clear(aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock) -> None:
    """Spot without a notice is false as long as the queue answers, and unknown when it does not; on demand is not taken."""
    from tests.aws.setup import run  # noqa: PLC0415 - one test's need

    (spot,), (full,) = run(aws, 1, spot=True), run(aws, 1)
    nodes = collector(aws, tmp_path, clock)
    one = listener(aws, queue, tmp_path, clock)

    def noticed() -> tuple[Any, Any]:
        found = rows(nodes.collect(clock.now(), deadline_s=20), "node")
        return found[spot]["interruption_notice"], found[full]["interruption_notice"]

    assert noticed() == (None, False)
    one.collect(clock.now(), deadline_s=10)
    assert noticed() == (False, False)
    clock.advance(600)
    assert noticed() == (None, False)


def test_an_instance_that_runs_again_bears_no_old_notice(tmp_path: Path) -> None:
    """It was stopped after its notice, and is listed once more."""
    board = NoticeBoard(tmp_path)
    said = [(WARNING, 0.0, {"instance-action": "stop"}), (STATE, 118.0, {"state": "stopped"})]
    for kind, late_s, detail in said:
        at = datetime.fromtimestamp(AT_S + late_s, UTC).isoformat()
        body = {"detail-type": kind, "detail": {"instance-id": "i-1", **detail}, "time": at}
        notice = read_event(json.dumps(body), AT_S + late_s, "aws_events")
        assert notice is not None
        board.note([notice], AT_S + late_s)
    batch = notice_batch(board.read(), AT_S + 200, ["i-1"])
    assert (list(batch.names), batch.fields["interruption_notice"]) == (["i-1"], [False])


def test_the_whole_way_of_a_notice_is_tested(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    one = listener(aws, queue, tmp_path, clock)
    found = {checkup.what: checkup for checkup in one.examine(deadline_s=15)}
    assert found["notice path"].health is Health.GOOD
    assert "came through" in found["notice path"].detail
    aws.client("events").put_rule(Name="notices", EventPattern=json.dumps({"source": ["aws.ec2"]}))
    found = {checkup.what: checkup for checkup in one.examine(deadline_s=3)}
    assert found["notice path"].health is Health.BAD
    assert "does the rule match" in found["notice path"].detail
    wanted = {permission.action for permission in one.permissions(())}
    aws.world.allowed = frozenset(wanted - {"events:PutEvents"})
    found = {checkup.what: checkup for checkup in one.examine(deadline_s=5)}
    assert found["notice path"].health is Health.WARNING
    assert "events:PutEvents is not allowed" in found["notice path"].detail


def test_a_queue_that_is_not_there(aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock) -> None:
    one = listener(aws, queue.replace("notices", "nothing"), tmp_path, clock)
    with pytest.raises(TargetGone):
        one.collect(clock.now(), deadline_s=5)
    with pytest.raises(TargetGone):
        one.examine(deadline_s=5)


def test_a_storm_is_taken_off_ten_at_a_time(
    aws: AwsServer, queue: str, tmp_path: Path, clock: ManualClock
) -> None:
    sqs = aws.client("sqs")
    for first in range(0, 40, 10):
        bodies = [
            json.dumps({"detail-type": WARNING, "detail": {"instance-id": f"i-{at}"}, "time": AT})
            for at in range(first, first + 10)
        ]
        sqs.send_message_batch(
            QueueUrl=queue, Entries=[{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
        )
    one = listener(aws, queue, tmp_path, clock, self_test=False)
    assert [len(one._take(10, wait_s=0).new) for _ in range(5)] == [10, 10, 10, 10, 0]
    assert len(rows(one.collect(clock.now(), deadline_s=5), "node")) == 40


def test_five_hundred_notices_at_once_are_noted_well_within_their_two_minutes(tmp_path: Path) -> None:
    """What a storm costs on our side, in the tens that it comes in."""
    board = NoticeBoard(tmp_path)
    every = [Notice(f"i-{at}", NoticeKind.INTERRUPTION, "terminate", AT_S, AT_S, ("x",)) for at in range(500)]
    began_s = time.process_time()
    for first in range(0, 500, 10):
        assert len(board.note(every[first : first + 10], AT_S)) == 10
    assert len(board.read().notices) == 500
    assert time.process_time() - began_s < 60


def test_permissions_name_the_queue(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/111122223333/notices"
    one = AwsEventsCollector({"region": "us-east-1", "queue_url": url}, services(tmp_path, clock))
    found = {permission.action: permission.resources for permission in one.permissions(())}
    assert found["sqs:ReceiveMessage"] == ("arn:aws:sqs:us-east-1:111122223333:notices",)
    assert found["sqs:DeleteMessage"] == found["sqs:ReceiveMessage"]
