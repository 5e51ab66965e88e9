"""A durable work queue in one SQLite file: leases, epochs, commits that happen once. For many processes of one host.

Runs of items are rows, single items are not: ten million fresh items are one row, and there are as many rows as leases
were committed. Every call is one transaction under SQLite's write lock, on the disk when it returns (WAL, `synchronous`
FULL), so a process that is killed leaves all of a call or nothing of it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from scrimp.api import Commit, Committed, DeadLetter, Lease, QueueCounts, Unavailable
from scrimp.worker.folder import safe_name

SCHEMA_VERSION = 1
FRESH = 1 << 62
"""Rows of `waiting` from this number on were never given out; what came back is numbered from 1, so it goes first."""

MEMORY = ":memory:"
MOST_LAPSED = 1024
"""How many run-out leases one `take` turns back at most: the time that it holds the lock is bounded."""

_SCHEMA = """
CREATE TABLE sums (one INTEGER PRIMARY KEY CHECK (one = 1), items INTEGER, epoch INTEGER, returned INTEGER,
  committed INTEGER, dead INTEGER, attempts INTEGER);
CREATE TABLE waiting (n INTEGER PRIMARY KEY, first INTEGER, stop INTEGER, failed INTEGER);
CREATE TABLE leases (epoch INTEGER PRIMARY KEY, first INTEGER, stop INTEGER, failed INTEGER, worker TEXT, until_s REAL);
CREATE INDEX leases_by_time ON leases (until_s);
CREATE INDEX leases_by_worker ON leases (worker);
CREATE TABLE commits (first INTEGER PRIMARY KEY, stop INTEGER, epoch INTEGER, worker TEXT, result TEXT, at_s REAL);
CREATE TABLE dead (first INTEGER PRIMARY KEY, stop INTEGER, failed INTEGER, worker TEXT, why TEXT, at_s REAL);
CREATE TABLE barred (worker TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_FREE_ONE = "DELETE FROM leases WHERE epoch=? RETURNING first, stop, failed"
_FREE_ALL = "DELETE FROM leases WHERE worker=? RETURNING first, stop, failed"

MOST_AT_ONCE = 500
"""How many leases one statement names."""

Execute = Callable[..., sqlite3.Cursor]


class SqliteQueue:
    """A `WorkQueue`. Open it in each process of its own: a connection must not cross a fork."""

    def __init__(self, path: Path | str, *, wait_s: float = 30.0, durable: bool = True) -> None:
        """Open the queue at `path`, or make an empty one. `wait_s`: how long to wait for other writers.

        `durable=False` spares the wait for the disk (a simulation may). Raises `Unavailable`.
        """
        self._turn = threading.Lock()
        with self._guarded():
            self._link = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
            self._link.execute("PRAGMA journal_mode=WAL")
            self._link.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        with self._writing():
            version = self._link.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise Unavailable(f"the queue has schema {version}, this scrimp knows {SCHEMA_VERSION}")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._link.execute(statement)
                self._link.execute("INSERT INTO sums VALUES (1, 0, 0, 0, 0, 0, 5)")
                self._link.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @classmethod
    def holding(
        cls, path: Path | str, items: int, *, attempts: int = 5, wait_s: float = 30.0, durable: bool = True
    ) -> Self:
        """The queue at `path` with `items` items in it; one that holds some already is left as it is.

        So all workers may call it at their start. After `attempts` failures a run is halved, see `WorkQueue.fail`.
        """
        queue = cls(path, wait_s=wait_s, durable=durable)
        with queue._writing():
            if queue._sum("items") == 0 and items > 0:
                queue._link.execute("UPDATE sums SET items=?, attempts=?", (items, attempts))
                queue._link.execute("INSERT INTO waiting VALUES (?, 0, ?, 0)", (FRESH, items))
        return queue

    @classmethod
    def copy(cls, path: Path) -> Self:
        """A queue in memory that is like the one at `path`."""
        queue = cls(MEMORY)
        with queue._guarded():
            there = sqlite3.connect(path)
            try:
                there.backup(queue._link)
            finally:
                there.close()
        return queue

    def add(self, items: int) -> int:
        """Put more items in; the number of the first of them. Raises `ValueError` where they are none."""
        if items < 1:
            raise ValueError(f"{items} items are none to be added")
        with self._writing():
            first = self._sum("items")
            self._link.execute("UPDATE sums SET items=items+?", (items,))
            self._link.execute(
                "INSERT INTO waiting VALUES (?, ?, ?, 0)", (FRESH + first, first, first + items)
            )
        return first

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()

    def __enter__(self) -> Self:
        """The queue itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # ---- taking ----

    def take(
        self, worker: str, now_s: float, *, leases: int, items: int, lease_s: float
    ) -> tuple[Lease, ...]:
        """See `WorkQueue.take`."""
        _lasting(lease_s)
        if leases < 1 or items < 1:
            return ()
        with self._writing() as run:
            if run("SELECT 1 FROM barred WHERE worker=?", (worker,)).fetchone():
                return ()
            self._turn_back_lapsed(now_s, leases)
            epoch = self._sum("epoch")
            taken: list[Lease] = []
            while len(taken) < leases:
                head = run("SELECT n, first, stop, failed FROM waiting ORDER BY n LIMIT 1").fetchone()
                if head is None:
                    break
                n, first, stop, failed = head
                at = first
                while at < stop and len(taken) < leases:
                    end, epoch = min(stop, at + items), epoch + 1
                    taken.append(Lease(at, end, epoch, worker, now_s + lease_s, failed + 1))
                    at = end
                if at < stop:
                    run("UPDATE waiting SET first=? WHERE n=?", (at, n))
                else:
                    run("DELETE FROM waiting WHERE n=?", (n,))
            if taken:
                run("UPDATE sums SET epoch=?", (epoch,))
                self._link.executemany(
                    "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)",
                    [(one.epoch, one.first, one.stop, one.attempt - 1, worker, one.until_s) for one in taken],
                )
            return tuple(taken)

    def extend(self, leases: Sequence[Lease], now_s: float, *, lease_s: float) -> tuple[Lease, ...]:
        """See `WorkQueue.extend`."""
        _lasting(lease_s)
        with self._writing() as run:
            until_s = now_s + lease_s
            return tuple(
                Lease(one.first, one.stop, one.epoch, one.worker, until_s, one.attempt)
                for one in leases
                if run("UPDATE leases SET until_s=? WHERE epoch=?", (until_s, one.epoch)).rowcount
            )

    # ---- ending ----

    def commit(self, done: Sequence[tuple[Lease, str]], now_s: float) -> tuple[Commit, ...]:
        """See `WorkQueue.commit`. A lease that has run out holds until its items are another's."""
        answers: list[Commit] = []
        with self._writing() as run:
            for at in range(0, len(done), MOST_AT_ONCE):
                answers += self._commit_some(run, done[at : at + MOST_AT_ONCE], now_s)
        return tuple(answers)

    def _commit_some(self, run: Execute, done: Sequence[tuple[Lease, str]], now_s: float) -> list[Commit]:
        """Few statements for many leases: those that hold are ended together."""
        epochs = [lease.epoch for lease, _ in done]
        marks = ",".join("?" * len(epochs))
        held = {
            tuple(row)
            for row in run(
                f"DELETE FROM leases WHERE epoch IN ({marks}) RETURNING epoch, first, stop",  # noqa: S608 - marks only
                epochs,
            )
        }
        answers, rows = [], []
        for lease, result in done:
            key = (lease.epoch, lease.first, lease.stop)
            if key in held:
                held.discard(key)  # the same lease twice in one call is a repeat
                rows.append((lease.first, lease.stop, lease.epoch, lease.worker, result, now_s))
                answers.append(Commit.DONE)
                continue
            mine = any(row[0] == lease.first and row[2] == lease.epoch for row in rows) or (
                run("SELECT epoch FROM commits WHERE first=?", (lease.first,)).fetchone() == (lease.epoch,)
            )
            answers.append(Commit.REPEATED if mine else Commit.REFUSED)
        if held:
            raise ValueError("a lease names other items than it was given for")
        if rows:
            self._link.executemany("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?)", rows)
            run("UPDATE sums SET committed=committed+?", (sum(row[1] - row[0] for row in rows),))
        return answers

    def give_back(self, leases: Sequence[Lease], now_s: float) -> int:  # noqa: ARG002 - the protocol's; SQS needs it
        """See `WorkQueue.give_back`."""
        with self._writing():
            return sum(self._free(_FREE_ONE, one.epoch) for one in leases)

    def release(self, worker: str, now_s: float) -> int:  # noqa: ARG002 - as above
        """See `WorkQueue.release`."""
        with self._writing():
            return self._free(_FREE_ALL, worker)

    def fail(self, leases: Sequence[Lease], now_s: float, *, why: str) -> int:
        """See `WorkQueue.fail`."""
        with self._writing():
            return sum(self._blame(one.epoch, now_s, why) for one in leases)

    def bar(self, worker: str) -> None:
        """See `WorkQueue.bar`."""
        with self._writing() as run:
            run("INSERT OR IGNORE INTO barred VALUES (?)", (worker,))

    def admit(self, worker: str) -> None:
        """See `WorkQueue.admit`."""
        with self._writing() as run:
            run("DELETE FROM barred WHERE worker=?", (worker,))

    # ---- looking ----

    def counts(self) -> QueueCounts:
        """See `WorkQueue.counts`."""
        with self._guarded():
            self._link.execute("BEGIN")
            try:
                items, committed, dead = self._link.execute(
                    "SELECT items, committed, dead FROM sums"
                ).fetchone()
                leases, leased = self._link.execute(
                    "SELECT count(*), coalesce(sum(stop-first), 0) FROM leases"
                ).fetchone()
            finally:
                self._link.execute("COMMIT")
        return QueueCounts(items, items - leased - committed - dead, leased, committed, dead, leases)

    def committed(self) -> Iterator[Committed]:
        """See `WorkQueue.committed`. Reads a piece at a time, and holds no lock between them."""
        at = -1
        while True:
            with self._guarded():
                rows = self._link.execute(
                    "SELECT first, stop, epoch, worker, result, at_s FROM commits WHERE first>? ORDER BY first LIMIT 4096",
                    (at,),
                ).fetchall()
            if not rows:
                return
            yield from (Committed(*row) for row in rows)
            at = rows[-1][0]

    def dead_letters(self) -> Sequence[DeadLetter]:
        """See `WorkQueue.dead_letters`."""
        with self._guarded():
            rows = self._link.execute(
                "SELECT first, stop, failed, worker, why, at_s FROM dead ORDER BY first"
            ).fetchall()
        return tuple(DeadLetter(*row) for row in rows)

    def revive(self, now_s: float) -> int:  # noqa: ARG002 - the protocol's
        """See `WorkQueue.revive`."""
        with self._writing() as run:
            rows = run("DELETE FROM dead RETURNING first, stop").fetchall()
            for first, stop in rows:
                self._wait(first, stop, 0)
            run("UPDATE sums SET dead=0")
            return sum(stop - first for first, stop in rows)

    # ---- within a transaction ----

    def _turn_back_lapsed(self, now_s: float, most: int) -> None:
        """Leases that have run out: their items may be at fault, so it counts as an attempt.

        No more of them than are asked for: the rest hold, so that a clock that is ahead does not take all from all.
        """
        lapsed = self._link.execute(
            "SELECT epoch FROM leases WHERE until_s<? ORDER BY until_s LIMIT ?",
            (now_s, min(most, MOST_LAPSED)),
        ).fetchall()
        for (epoch,) in lapsed:
            self._blame(epoch, now_s, "its lease ran out")

    def _free(self, query: str, value: int | str) -> int:
        rows = self._link.execute(query, (value,)).fetchall()
        for first, stop, failed in sorted(rows):
            self._wait(first, stop, failed)
        return len(rows)

    def _blame(self, epoch: int, now_s: float, why: str) -> int:
        found = self._link.execute(
            "DELETE FROM leases WHERE epoch=? RETURNING first, stop, failed, worker", (epoch,)
        ).fetchone()
        if found is None:
            return 0
        first, stop, failed, worker = found
        failures = failed + 1
        if failures < self._sum("attempts"):
            self._wait(first, stop, failures)
        elif stop - first > 1:
            middle = (first + stop) // 2
            self._wait(first, middle, failures)
            self._wait(middle, stop, failures)
        else:
            self._link.execute(
                "INSERT INTO dead VALUES (?, ?, ?, ?, ?, ?)", (first, stop, failures, worker, why, now_s)
            )
            self._link.execute("UPDATE sums SET dead=dead+1")
        return 1

    def _wait(self, first: int, stop: int, failed: int) -> None:
        """Back into the line, before all that was never given out."""
        (n,) = self._link.execute("UPDATE sums SET returned=returned+1 RETURNING returned").fetchone()
        self._link.execute("INSERT INTO waiting VALUES (?, ?, ?, ?)", (n, first, stop, failed))

    def _sum(self, name: str) -> int:
        found = self._link.execute(f"SELECT {name} FROM sums").fetchone()  # noqa: S608 - a constant of ours
        return int(found[0])

    @contextmanager
    def _writing(self) -> Iterator[Execute]:
        """One transaction of this thread and process: all or nothing."""
        with self._guarded():
            self._link.execute("BEGIN IMMEDIATE")
            try:
                yield self._link.execute
                self._link.execute("COMMIT")
            except BaseException:
                if self._link.in_transaction:  # SQLite may have rolled back by itself, such as on a full disk
                    self._link.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """SQLite's errors as ours, and one thread at a time."""
        with self._turn:
            try:
                yield
            except sqlite3.Error as error:
                raise Unavailable(f"the work queue cannot be used: {error}") from error


def _lasting(lease_s: float) -> None:
    """A lease that ended before it began is nobody's, and one without an end (NaN) would never come back."""
    if not lease_s > 0.0:
        raise ValueError(f"a lease of {lease_s} s is none")


def open_queue(
    folder: Path, name: str, items: int, *, durable: bool = True, copied: bool = False
) -> SqliteQueue:
    """The queue of a name in a folder, made with so many items where it is not there yet. Raises `Unavailable`.

    `copied`: one in memory that is like it, so that nothing is written.
    """
    path = folder / f"{safe_name(name)}.db"
    if copied:
        return SqliteQueue.holding(MEMORY, items) if not path.exists() else SqliteQueue.copy(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make {folder}: {error.strerror}") from error
    return SqliteQueue.holding(path, items, durable=durable)
