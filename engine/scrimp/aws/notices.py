"""What AWS said about instances that it will take back, noted on disk, once each, whichever way it came.

Spot notices come by EventBridge (queue) and by instance metadata (the worker), both best effort, and each may come
twice. The event has no time of the loss, only its own: the loss is two minutes later, and at once where the instance
hibernates (Spot Instance interruption notices, EC2 User Guide). So two notices of one instance whose times are close
together are one, and the earlier time holds.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from scrimp.api import Unavailable

LEAD_S = 120.0
SAME_S = 300.0  # notices of one instance so close together are about one interruption
KEPT_S = 3600.0  # how long after the loss a notice is remembered
MALFORMED_KEPT = 100


class NoticeKind(StrEnum):
    """What a notice says of an instance."""

    INTERRUPTION = "interruption"
    REBALANCE = "rebalance"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that AWS said. `action_at_s`: when the instance is taken, or was; times are epoch seconds."""

    instance: str
    kind: NoticeKind
    action: str
    action_at_s: float
    noticed_at_s: float
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """All that is noted. `heard_at_s`: when the queue last answered; `tested_at_s`: when a test notice last came through."""

    notices: tuple[Notice, ...] = ()
    heard_at_s: float | None = None
    tested: str = ""  # the mark of the last test notice that was sent
    sent_at_s: float | None = None
    tested_at_s: float | None = None
    untested: str = ""  # why no test notice could be sent
    malformed: int = 0

    def noted(self, notice: Notice) -> tuple["Board", bool]:
        """The board with the notice, and whether it said anything new."""
        for old in self.notices:
            if old.instance == notice.instance and old.kind is notice.kind and _same(old, notice):
                channels = tuple(dict.fromkeys((*old.channels, *notice.channels)))
                best = max if notice.kind is NoticeKind.GONE else min  # it may have come back in between
                merged = replace(
                    old, channels=channels, action_at_s=best(old.action_at_s, notice.action_at_s)
                )
                rest = tuple(merged if one is old else one for one in self.notices)
                return replace(self, notices=rest), False
        return replace(self, notices=(*self.notices, notice)), True

    def without_old(self, now_s: float) -> "Board":
        """The board without what has been over for long."""
        kept = tuple(one for one in self.notices if now_s - max(one.action_at_s, one.noticed_at_s) < KEPT_S)
        return replace(self, notices=kept)


def _same(old: Notice, new: Notice) -> bool:
    return new.kind is NoticeKind.GONE or abs(old.action_at_s - new.action_at_s) <= SAME_S


class NoticeBoard:
    """The board on disk, in the state folder; shared by what hears notices and what shows them."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "aws" / "notices.json"
        self._turn = threading.Lock()

    def read(self) -> Board:
        """What is noted; an empty board where nothing ever was. Raises `Unavailable`."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
            notices = tuple(_notice(one) for one in found.pop("notices"))
            return Board(notices, **found)
        except FileNotFoundError:
            return Board()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the notices cannot be read: {error}") from error

    def note(
        self, notices: Iterable[Notice], now_s: float, *, malformed: int = 0, heard: bool = True
    ) -> list[Notice]:
        """Write them down, durably, before they are taken off the queue. Gives those that are new.

        `heard`: it was the queue that answered, so its silence about others means something. `malformed`: so many
        messages that came with them could not be read.
        """
        with self._changing():
            board = self.read()
            new = []
            for one in notices:
                board, is_new = board.noted(one)
                new += [one] if is_new else []
            heard_at_s = now_s if heard else board.heard_at_s
            board = replace(board, heard_at_s=heard_at_s, malformed=board.malformed + malformed)
            self._write(board.without_old(now_s), durable=bool(new or malformed))
            return new

    def sent(self, mark: str, now_s: float, untested: str = "") -> None:
        """A test notice was sent, or could not be, because of `untested`."""
        with self._changing():
            self._write(
                replace(self.read(), tested=mark, sent_at_s=now_s, tested_at_s=None, untested=untested)
            )

    def came_through(self, mark: str, now_s: float) -> None:
        """A test notice came off the queue."""
        with self._changing():
            board = self.read()
            if board.tested == mark:
                self._write(replace(board, tested_at_s=now_s))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time, of all who have the board open: channels of one engine, and a doctor beside it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(f"cannot note a notice: {error.strerror}") from error
        try:
            with self._turn:
                fcntl.flock(lock, fcntl.LOCK_EX)  # held for one small write
                yield
        finally:
            os.close(lock)

    def keep_malformed(self, bodies: Sequence[str]) -> None:
        """Messages that could not be read, the last hundred of them, for people to look at. Raises `Unavailable`."""
        path = self._path.with_name("malformed.jsonl")
        with self._changing():
            try:
                old = path.read_text("utf-8").splitlines() if path.exists() else []
                lines = [*old, *(json.dumps(body) for body in bodies)][-MALFORMED_KEPT:]
                path.write_text("\n".join(lines) + "\n", "utf-8")
            except (OSError, ValueError) as error:
                raise Unavailable(f"cannot keep a message that could not be read: {error}") from error

    def _write(self, board: Board, *, durable: bool = False) -> None:
        part = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                json.dump(asdict(board), file)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            raise Unavailable(f"cannot note a notice: {error.strerror}") from error


def _notice(found: Mapping[str, Any]) -> Notice:
    return Notice(**{**found, "kind": NoticeKind(found["kind"]), "channels": tuple(found["channels"])})


WARNING = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
STATE_CHANGE = "EC2 Instance State-change Notification"
ENDED = ("shutting-down", "terminated", "stopping", "stopped")


def read_event(body: str, now_s: float, channel: str) -> Notice | None:
    """What an event of EventBridge says of an instance; `None` where it is of no interest. Raises `ValueError`.

    No notice gives more than its two minutes from when it is heard, though AWS's clock be ahead of ours.
    """
    event = parsed(body)
    if not isinstance(event, dict) or not isinstance(event.get("detail"), dict):
        raise ValueError("it is no event of EventBridge")  # noqa: TRY004 - one type for a message that does not fit
    detail, kind = event["detail"], event.get("detail-type")
    if kind not in (WARNING, REBALANCE, STATE_CHANGE):
        return None
    instance = detail.get("instance-id")
    if not isinstance(instance, str) or not instance:
        raise ValueError("it names no instance")
    try:
        at_s = datetime.fromisoformat(event["time"]).timestamp()
    except (KeyError, TypeError) as error:
        raise ValueError("it has no time") from error
    if kind == STATE_CHANGE:
        state = str(detail.get("state", ""))
        return Notice(instance, NoticeKind.GONE, state, at_s, now_s, (channel,)) if state in ENDED else None
    if kind == REBALANCE:
        return Notice(instance, NoticeKind.REBALANCE, "rebalance", at_s, now_s, (channel,))
    action = str(detail.get("instance-action", "terminate"))
    lead_s = 0.0 if action == "hibernate" else LEAD_S
    taken_at_s = min(at_s, now_s) + lead_s
    return Notice(instance, NoticeKind.INTERRUPTION, action, taken_at_s, now_s, (channel,))


def parsed(body: str) -> Any:
    """The JSON value of a message. Raises `ValueError`, also for one that is nested too deep for the parser."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
