"""The daemon's pen: takes each tick's snapshot without waiting, and writes once a minute from a thread of its own.

The history is no audit log: where it cannot be written the daemon goes on deciding. What could not be written is tried
again, as long as it is not too much; what is lost is counted, and said once. A crash loses what the open minute holds.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

import pyarrow as pa

from scrimp.diagnostics import Diagnostic, Severity
from scrimp.history.files import Folder, HistoryError, Part, Stream, day_of
from scrimp.history.rows import Seen, joined, seen_table
from scrimp.model.snapshot import Snapshot

MINUTE_S = 60.0
LEFT_OUT = ("budget",)  # rows that are made of the history itself


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """`interval_s` between ticks; `backlog` is how many minutes may wait where they cannot be written."""

    interval_s: float = 30.0
    backlog: int = 10
    close_s: float = 10.0


@dataclass(slots=True)
class _Waiting:
    """Tables that are to be written, by part, and how many rows were dropped because they were too many."""

    tables: dict[Part, list[pa.Table]] = field(default_factory=dict)
    minutes: int = 0
    lost: int = 0


class Recorder:
    """One per daemon. `chores` is called in the writing thread after each minute, with the time of the last tick."""

    def __init__(
        self,
        folder: Folder,
        settings: RecorderSettings | None = None,
        chores: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.settings = settings or RecorderSettings()
        self._chores = chores
        self._open: list[Seen] = []
        self._before: dict[str, float] = {}
        self._minute: int | None = None
        self._queue: SimpleQueue[Sequence[Seen] | tuple[Part, pa.Table] | float | None] = SimpleQueue()
        self._troubles: SimpleQueue[Diagnostic] = SimpleQueue()
        self._waiting = _Waiting()
        self._troubled = ""
        self._thread = threading.Thread(target=self._work, name="scrimp-history", daemon=True)
        self._thread.start()

    def note(self, snapshot: Snapshot) -> None:
        """Take a tick's snapshot; nothing is copied, for snapshots do not change. A full minute goes to the thread."""
        at_s = snapshot.at_s
        minute = int(at_s // MINUTE_S)
        if self._minute is not None and minute != self._minute:
            self._hand_over(at_s)
        self._minute = minute
        for kind, table in snapshot.tables.items():
            before_s = self._before.get(kind, float("-inf"))
            if len(table) and kind not in LEFT_OUT:
                # A clock that was set back: nothing is older than the tick before, so all of it is new.
                self._open.append(Seen(table, at_s, before_s if before_s < at_s else float("-inf")))
            self._before[kind] = at_s
        if at_s + self.settings.interval_s >= (minute + 1) * MINUTE_S:
            self._hand_over(at_s)

    def add(self, stream: Stream, kind: str, rows: pa.Table, at_s: float) -> None:
        """Rows of another stream that happened at `at_s`; they do not wait for the minute."""
        self._queue.put((Part(stream, kind, day_of(at_s)), rows))

    def troubles(self) -> tuple[Diagnostic, ...]:
        """What went wrong since the last call, each lasting trouble once."""
        found = []
        try:
            while True:
                found.append(self._troubles.get_nowait())
        except Empty:
            return tuple(found)

    def close(self) -> None:
        """Write what is open, and end the thread; gives up after `close_s` on a disk that hangs."""
        self._hand_over(None)
        self._queue.put(None)
        self._thread.join(self.settings.close_s)

    def _hand_over(self, at_s: float | None) -> None:
        if self._open:
            self._queue.put(self._open)
            self._open = []
        if at_s is not None:
            self._queue.put(float(at_s))

    def _work(self) -> None:
        while (given := self._queue.get()) is not None:
            if isinstance(given, float):
                self._settle()
                self._try("look after the history", partial(self._chores, given))
            elif isinstance(given, tuple):
                part, rows = given
                self._waiting.tables.setdefault(part, []).append(rows)
                self._settle()
            else:
                self._try("lay out a snapshot", partial(self._take, given))
        self._settle()

    def _take(self, seen: Sequence[Seen]) -> None:
        for one in seen:
            part = Part("samples", one.table.kind, day_of(one.at_s))
            self._waiting.tables.setdefault(part, []).append(seen_table(one))
        self._waiting.minutes += 1

    def _settle(self) -> None:
        """Write all that waits, a file per part; what fails goes on waiting, up to the bound."""
        waiting, written = self._waiting, False
        for part, tables in list(waiting.tables.items()):
            if self._try(f"write {part.path}", partial(self._write, part, tables)):
                del waiting.tables[part]
                written = True
        if written and not waiting.tables:
            if waiting.lost:
                message = f"the history is written again; {waiting.lost:,} rows are missing in it"
                self._say(message, Severity.WARNING)
            self._waiting = _Waiting()
            self._troubled = ""
        elif waiting.minutes > self.settings.backlog:
            waiting.lost += sum(one.num_rows for tables in waiting.tables.values() for one in tables)
            waiting.tables.clear()
            waiting.minutes = 0

    def _write(self, part: Part, tables: Sequence[pa.Table]) -> None:
        self.folder.write(part, joined(tables))

    def _try(self, doing: str, call: Callable[[], None]) -> bool:
        """Whether it worked. A trouble that lasts is said once."""
        try:
            call()
        except HistoryError as error:
            self._trouble(str(error))
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever happens, and says so
            self._trouble(f"cannot {doing}: {type(error).__name__}: {error}")
        else:
            return True
        return False

    def _trouble(self, message: str) -> None:
        if message != self._troubled:
            self._troubled = message
            self._say(message, Severity.ERROR)

    def _say(self, message: str, severity: Severity) -> None:
        hint = "scrimp goes on deciding; only the history has a gap" if severity is Severity.ERROR else ""
        self._troubles.put(Diagnostic("SCR807", message, hint=hint, severity=severity))
