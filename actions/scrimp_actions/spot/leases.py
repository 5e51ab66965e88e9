"""What spot management needs of a work queue: leases with epochs. And one in memory, for simulations.

Correctness after an interruption rests on this alone: an item is committed under the lease that holds it now, or not
at all. The durable queue that workers use has the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit one item until `until_s`; `epoch` rises each time that the item is handed out."""

    item: int
    epoch: int
    worker: str
    until_s: float


class LeaseQueue(Protocol):
    """A queue of items that are handed out under leases; every call is atomic and may be repeated."""

    def take(self, worker: str, count: int, now_s: float, lease_s: float) -> tuple[Lease, ...]:
        """Hand out up to `count` items that nobody holds; items whose lease has run out are among them."""
        ...

    def commit(self, leases: tuple[Lease, ...], now_s: float) -> int:
        """Commit the items of those leases that still hold; the number accepted. A repeat accepts none."""
        ...

    def give_back(self, worker: str, now_s: float) -> int:
        """Free every item that this worker holds, for it or in its place; the number freed."""
        ...


class MemoryQueue:
    """A `LeaseQueue` for simulations: items are made as they are asked for, until `close`."""

    def __init__(self) -> None:
        self._made = 0
        self._closed = False
        self._free: list[int] = []
        self._held: dict[int, Lease] = {}
        self._by_worker: dict[str, set[int]] = {}
        self._epochs: list[int] = []
        self.commits: list[int] = []

    @property
    def made(self) -> int:
        """Items that were ever handed out."""
        return self._made

    @property
    def outstanding(self) -> int:
        """Items handed out and not committed."""
        return self._made - sum(1 for times in self.commits if times)

    def close(self) -> None:
        """Make no more items: what is out is all there is."""
        self._closed = True

    def take(self, worker: str, count: int, now_s: float, lease_s: float) -> tuple[Lease, ...]:
        """See `LeaseQueue.take`."""
        if len(self._free) < count and (self._closed or not self._made % 256):
            self._expire(now_s)
        leases = []
        for _ in range(count):
            if self._free:
                item = self._free.pop()
            elif self._closed:
                break
            else:
                item, self._made = self._made, self._made + 1
                self._epochs.append(0)
                self.commits.append(0)
            self._epochs[item] += 1
            lease = Lease(item, self._epochs[item], worker, now_s + lease_s)
            self._held[item] = lease
            self._by_worker.setdefault(worker, set()).add(item)
            leases.append(lease)
        return tuple(leases)

    def commit(self, leases: tuple[Lease, ...], now_s: float) -> int:
        """See `LeaseQueue.commit`."""
        accepted = 0
        for lease in leases:
            held = self._held.get(lease.item)
            if held is None or held.epoch != lease.epoch or now_s > held.until_s:
                continue
            self._drop(lease.item)
            self.commits[lease.item] += 1
            accepted += 1
        return accepted

    def give_back(self, worker: str, now_s: float) -> int:  # noqa: ARG002 - the protocol's; this queue keeps no log
        """See `LeaseQueue.give_back`."""
        items = list(self._by_worker.get(worker, ()))
        for item in items:
            self._drop(item)
            self._free.append(item)
        return len(items)

    def _drop(self, item: int) -> None:
        held = self._held.pop(item)
        self._by_worker[held.worker].discard(item)

    def _expire(self, now_s: float) -> None:
        for item in [item for item, lease in self._held.items() if lease.until_s < now_s]:
            self._drop(item)
            self._free.append(item)
