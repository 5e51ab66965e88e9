"""The collector `aws_events`: notices from an SQS queue that EventBridge feeds. It wakes the engine.

A message is taken off the queue only after what it says is on disk: one that is lost in between comes again when its
visibility timeout is over (at-least-once delivery), and is then nothing new. A message that cannot be read is kept
in `aws/malformed.jsonl` of the state folder and taken off, for it would come again and again for days.
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from scrimp.api import (
    Checkup,
    Collected,
    Health,
    OutsideError,
    Permission,
    Services,
)
from scrimp.aws import (
    Account,
    AwsSettings,
    Notice,
    NoticeBoard,
    Operation,
    operations,
    parsed,
    read_event,
    text,
)
from scrimp.collectors.aws.notices import HEARD_WITHIN_S, NOTICE_FIELDS, notice_batch

WAIT_S = 10  # a long poll; a message ends it at once
POLL_DEADLINE_S = 20.0
VISIBILITY_S = 30  # a message that was received and not noted comes again after that
LONGEST_PAUSE_S = 30.0
TEST_SOURCE, TEST_TYPE = "scrimp", "scrimp self-test"  # `aws.` sources are AWS's own: PutEvents refuses them
TEST_POLLS_S = 0.5
LEAST_SLASHES = 4  # of the address of a queue


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one poll came to: how many messages there were, and what they said that was new."""

    messages: int
    new: tuple[Notice, ...]


class AwsEventsCollector:
    """Interruption warnings, rebalance recommendations and ended instances, as they happen."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        """`config`: `region`, `queue_url`, `event_bus` (the bus of the self-test), `self_test`."""
        self.name = str(config.get("name", "aws_events"))
        self.interval_s = float(config.get("interval_s", 60.0))
        self._queue = text(config["queue_url"])
        if self._queue.count("/") < LEAST_SLASHES:
            raise ValueError("`queue_url` is no address of a queue: https://HOST/ACCOUNT/NAME")
        self._bus = text(config.get("event_bus", "default"))
        self._self_test = bool(config.get("self_test", True))
        self._now = services.now
        self._board = NoticeBoard(services.state_dir)
        self._preview = services.preview
        self.account = Account(AwsSettings.from_config(config), self._operations())

    def _operations(self) -> tuple[Operation, ...]:
        tested = (operations.PUT_EVENTS,) if self._self_test else ()
        return (operations.RECEIVE, operations.DELETE, operations.QUEUE_ATTRIBUTES, *tested)

    def permissions(self, actions: Collection[str]) -> Sequence[Permission]:  # noqa: ARG002 - a collector acts not
        """The queue, and the bus where the self-test is on."""
        why, region = f"collector {self.name}", self.account.settings.region
        found: list[Permission] = []
        for one in self._operations():
            if one is operations.PUT_EVENTS:
                bus = (f"arn:aws:events:{region}:*:event-bus/{self._bus}",)
                only = {"StringEquals": {"events:source": TEST_SOURCE}}
                found += one.permissions(f"{why}, self-test", resources=bus, conditions=only, optional=True)
            else:
                found += one.permissions(why, resources=(queue_arn(self._queue, region),))
        return found

    def covers(self) -> Sequence[tuple[str, str]]:
        """What notices say of nodes."""
        return tuple(("node", field) for field in NOTICE_FIELDS)

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        """What is noted, and where the queue has not been heard for long, what is on it: silence is no all-clear.

        A preview takes nothing off the queue, for that would be lost to the engine.
        """
        if not self._listened(now_s):
            if self._preview:
                self._waiting(deadline_s * 0.9)
            else:
                self._take_all(min(deadline_s * 0.9, POLL_DEADLINE_S))
        return Collected([notice_batch(self._board.read(), now_s)])

    def _listened(self, now_s: float) -> bool:
        """Whether somebody on this state folder has heard the queue lately."""
        heard_at_s = self._board.read().heard_at_s
        return heard_at_s is not None and now_s - heard_at_s <= HEARD_WITHIN_S

    def _waiting(self, deadline_s: float) -> str:
        """How many messages wait, as far as AWS knows. Raises where the queue is out of reach."""
        answer = self.account.call(
            operations.QUEUE_ATTRIBUTES,
            deadline_s=deadline_s,
            QueueUrl=self._queue,
            AttributeNames=["ApproximateNumberOfMessages", "VisibilityTimeout"],
        )
        return str(answer.get("Attributes", {}).get("ApproximateNumberOfMessages", "0"))

    def watch(self, wake: Callable[[str], None]) -> Callable[[], None]:
        """Listen in a thread until the answer is called; wake for what is urgent."""
        stop = threading.Event()

        def listen() -> None:
            pause_s = 1.0
            if self._self_test:
                self._send_test()
            while not stop.is_set():
                try:
                    for notice in self._take(POLL_DEADLINE_S, wait_s=WAIT_S).new:
                        wake(f"{notice.kind} of {notice.instance}")
                    pause_s = 1.0
                except OutsideError:  # it shows in the age of what was heard last, and in `doctor`
                    stop.wait(pause_s)
                    pause_s = min(pause_s * 2.0, LONGEST_PAUSE_S)

        threading.Thread(target=listen, name=f"watch {self.name}", daemon=True).start()
        return stop.set

    def examine(self, *, deadline_s: float) -> Sequence[Checkup]:
        """The queue, and the whole way of a notice: a marked event is put on the bus and has to come off the queue."""
        found = [Checkup("queue", Health.GOOD, f"{self._waiting(deadline_s / 3)} messages wait")]
        if self._self_test:
            found.append(self._tested(deadline_s * 2 / 3))
        malformed = self._board.read().malformed
        if malformed:
            where = "aws/malformed.jsonl in the state folder"
            found.append(Checkup("messages", Health.WARNING, f"{malformed} could not be read: {where}"))
        return found

    def _tested(self, deadline_s: float) -> Checkup:
        """Whether a test notice comes through. An engine that listens takes it off: the board says so to all.

        Where none does, it is looked for here, and what else is on the queue stays there for the engine. One that
        listened lately may have ended since: it has half of the time.
        """
        began_s = time.monotonic()
        until_s, engine_until_s = began_s + deadline_s, began_s + deadline_s / 2
        listened = self._listened(self._now())
        self._send_test()
        board = self._board.read()
        if board.untested:
            return Checkup("notice path", Health.WARNING, f"not tested: {board.untested}")
        while time.monotonic() < until_s:
            if not listened or time.monotonic() >= engine_until_s:
                self._take_test(board.tested)
            if self._board.read().tested_at_s is not None:
                took_s = time.monotonic() - began_s
                return Checkup("notice path", Health.GOOD, f"a test event came through in {took_s:.1f} s")
            time.sleep(TEST_POLLS_S)
        hint = (
            'does the rule match {"source": ["aws.ec2", "scrimp"]}, may it send to the queue, '
            "and does no engine elsewhere take it off?"
        )
        return Checkup(
            "notice path", Health.BAD, f"a test event did not come within {deadline_s:.0f} s: {hint}"
        )

    def _send_test(self) -> None:
        mark = token_hex(8)
        entry = {
            "Source": TEST_SOURCE,
            "DetailType": TEST_TYPE,
            "Detail": json.dumps({"mark": mark}),
            "EventBusName": self._bus,
        }
        try:
            self._board.sent(mark, self._now())
            answer = self.account.call(operations.PUT_EVENTS, deadline_s=10.0, Entries=[entry])
            untested = answer["Entries"][0].get("ErrorCode", "") if answer.get("FailedEntryCount") else ""
        except OutsideError as error:
            untested = str(error)
        if untested:
            self._board.sent(mark, self._now(), untested)

    def _take_test(self, mark: str) -> None:
        """One poll for the test notice of this mark; nothing else is taken off, and is there again at once."""
        found = [one for one in self._received(0, 5.0, seen_again_s=1) if _is_test(one["Body"], mark)]
        if found:
            self._board.came_through(mark, self._now())
            self._delete(found)

    def _received(
        self, wait_s: int, deadline_s: float, *, seen_again_s: int = VISIBILITY_S
    ) -> list[Mapping[str, str]]:
        """Up to ten messages, for which nobody else is given them for `seen_again_s`."""
        answer = self.account.call(
            operations.RECEIVE,
            deadline_s=max(deadline_s, wait_s + 1.0),
            QueueUrl=self._queue,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=seen_again_s,
        )
        return list(answer.get("Messages", ()))

    def _delete(self, messages: Sequence[Mapping[str, str]]) -> None:
        entries = [
            {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)
        ]
        self.account.call(operations.DELETE, deadline_s=5.0, QueueUrl=self._queue, Entries=entries)

    def _take_all(self, deadline_s: float) -> None:
        """Polls until nothing more comes, or for half of the deadline: the last of them may take the rest.

        They wait a second for messages: an answer at once would come from some of the servers of the queue only.
        """
        half_s = time.monotonic() + deadline_s / 2
        while self._take(deadline_s / 2, wait_s=1).messages and time.monotonic() < half_s:
            pass

    def _take(self, deadline_s: float, *, wait_s: int) -> _Taken:
        """One poll: note what came, then take it off the queue.

        What cannot be read, nor kept, stays there, and comes again: it must not hold up the rest.
        """
        messages = self._received(wait_s, deadline_s)
        now_s = self._now()
        notices: list[Notice] = []
        malformed: list[Mapping[str, str]] = []
        for message in messages:
            try:
                mark = _mark(message["Body"])
                if mark:
                    self._board.came_through(mark, now_s)
                    continue
                notice = read_event(message["Body"], now_s, self.name)
                notices += [notice] if notice else []
            except ValueError:
                malformed.append(message)
        new = self._board.note(notices, now_s, malformed=len(malformed))
        read = [one for one in messages if one not in malformed]
        with suppress(OutsideError):  # what stays on the queue comes again, and is then nothing new
            if read:
                self._delete(read)
            if malformed:
                self._board.keep_malformed([one["Body"] for one in malformed])
                self._delete(malformed)
        return _Taken(len(messages), tuple(new))


def _is_test(body: str, mark: str) -> bool:
    with suppress(ValueError):
        return _mark(body) == mark
    return False


def _mark(body: str) -> str:
    """The mark of a test event; empty where it is none. Raises `ValueError`."""
    event = parsed(body)
    if (
        isinstance(event, dict)
        and event.get("source") == TEST_SOURCE
        and isinstance(event.get("detail"), dict)
    ):
        return str(event["detail"].get("mark", ""))
    return ""


def queue_arn(url: str, region: str) -> str:
    """The ARN of a queue: `https://HOST/ACCOUNT/NAME`."""
    *_, account, name = url.rstrip("/").split("/")
    return f"arn:aws:sqs:{region}:{account}:{name}"
