"""Work that is handed out under leases: the nouns, and the protocol that every durable queue keeps to.

Correctness after an interruption rests on this alone: items are committed under the lease that holds them now, or not
at all. Items are numbers from 0 on; a lease is a run of them, so that ten million items need no row each. The protocol
asks for nothing but leases with a visibility time, a fencing number and one atomic commit, which PostgreSQL (`FOR UPDATE
SKIP LOCKED`), SQS (a message per run, its visibility time, a table of commits) and Redis Streams (`XREADGROUP`,
`XAUTOCLAIM`) all have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit the items from `first` to before `stop`, together. `until_s`: epoch seconds.

    `epoch` is of this lease alone and rises with each that is given out, so whoever holds an older lease of an item is
    refused. `attempt` is 1 where the items never failed.
    """

    first: int
    stop: int
    epoch: int
    worker: str
    until_s: float
    attempt: int = 1

    @property
    def items(self) -> int:
        """How many items it holds."""
        return self.stop - self.first


class Commit(Enum):
    """What became of a commit."""

    DONE = "done"
    REPEATED = "repeated"  # done before under this very lease: the answer was lost, the effect was not
    REFUSED = "refused"  # the items are another's by now


@dataclass(frozen=True, slots=True)
class Committed:
    """A run of committed items and the reference to their result, such as the name of a file."""

    first: int
    stop: int
    epoch: int
    worker: str
    result: str
    at_s: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Items that failed too often: nobody is given them again until a person says so. `why` is the last cause."""

    first: int
    stop: int
    attempts: int
    worker: str
    why: str
    at_s: float


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Items by where they stand; the four sum to `items`. `leases`: how many are out, expired ones included."""

    items: int
    waiting: int
    leased: int
    committed: int
    dead: int
    leases: int


class WorkQueue(Protocol):
    """A durable queue. Every call is atomic and on the disk when it returns; `now_s` is epoch seconds.

    Raises `Unavailable`. A clock that is wrong costs repeated work, never a double commit: that rests on epochs.
    """

    def take(
        self, worker: str, now_s: float, *, leases: int, items: int, lease_s: float
    ) -> tuple[Lease, ...]:
        """Up to `leases` leases of up to `items` items that nobody holds, for `lease_s`.

        What came back goes first, the longest-waiting of it at the head, then what was never given out. A worker that
        is barred gets nothing.
        """

    def extend(self, leases: Sequence[Lease], now_s: float, *, lease_s: float) -> tuple[Lease, ...]:
        """Those of the leases that still hold, to `lease_s` from now."""

    def commit(self, done: Sequence[tuple[Lease, str]], now_s: float) -> tuple[Commit, ...]:
        """Commit each lease with the reference to its result, all in one step; an answer for each, in order."""

    def give_back(self, leases: Sequence[Lease], now_s: float) -> int:
        """Free items without blame, as on an orderly leave; how many leases still held."""

    def fail(self, leases: Sequence[Lease], now_s: float, *, why: str) -> int:
        """Free items that could not be worked on: one attempt more; how many leases still held.

        Too many attempts, and the run is halved with each that follows, until a single item is a dead letter: what is
        good in it is worked off, what is bad is named.
        """

    def release(self, worker: str, now_s: float) -> int:
        """Free all that a worker holds, in its place and without blame; the number of leases. Its commits are refused then."""

    def bar(self, worker: str) -> None:
        """Give this worker nothing more, whether or not it has heard that it should stop."""

    def admit(self, worker: str) -> None:
        """Take a bar away."""

    def counts(self) -> QueueCounts:
        """How many items stand where."""

    def committed(self) -> Iterator[Committed]:
        """All commits, in the order of items."""

    def dead_letters(self) -> Sequence[DeadLetter]:
        """What failed too often."""

    def revive(self, now_s: float) -> int:
        """Give dead letters another row of attempts; how many items."""
