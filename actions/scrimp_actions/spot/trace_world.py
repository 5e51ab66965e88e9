"""A fleet in a simulated cloud, all of it on one virtual clock: the cloud that replays traces, and workers on a real queue.

Nobody here decides anything. The world is brought to a moment; what it says by then is heard by whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from scrimp.api import QueueCounts, WorkQueue
from scrimp_actions.spot.cloud import Purchase, pool_name, split_pool
from scrimp_actions.spot.lifetimes import HOUR_S
from scrimp_actions.spot.member import Gone, Notice, Rebalance, Running
from scrimp_actions.spot.simulated import SimulatedWorkers, Work
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Climate, generate_region


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """What the world is made of: pools of one type in some zones, generated traces, and the work to be done.

    `hours` is the length of the traces, their last tick holds after it; `instances` the most that a pool gives.
    `deadline_s` is counted from `start_s`.
    """

    fleet: str
    start_s: float
    instance_type: str = "p3.2xlarge"
    zones: tuple[str, ...] = ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d")
    on_demand_per_hour: float = 3.06
    hours: float = 72.0
    gap_s: float = 300.0
    instances: int = 24
    items: int = 10_000_000
    work: Work = field(default_factory=Work)
    deadline_s: float = 48 * HOUR_S
    seed: int = 1
    climate: Climate = field(default_factory=Climate)
    faults: Faults = field(default_factory=Faults)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], fleet: str, start_s: float) -> WorldSettings:
        """From the section of `scrimp.yaml`; what is left out is as above."""
        known = {
            name: config[name]
            for name in ("instance_type", "on_demand_per_hour", "hours", "instances", "items", "seed")
            if name in config
        }
        if "zones" in config:
            known["zones"] = tuple(config["zones"])
        if "deadline_hours" in config:
            known["deadline_s"] = float(config["deadline_hours"]) * HOUR_S
        for name, made in (("work", Work), ("climate", Climate), ("faults", Faults)):
            if name in config:
                known[name] = made(**config[name])
        return cls(fleet=fleet, start_s=start_s, **known)

    @property
    def pools(self) -> tuple[str, ...]:
        """The names of its pools."""
        return tuple(pool_name(self.instance_type, zone) for zone in self.zones)


class TraceWorld:
    """The world. `listen` is told of every notice, rebalance signal, start and loss as it happens."""

    def __init__(self, settings: WorldSettings, queue: WorkQueue, rng: Random) -> None:
        self.settings = settings
        traces = generate_region(
            settings.pools,
            settings.climate,
            rng,
            ticks=max(1, int(settings.hours * HOUR_S / settings.gap_s)),
            gap_s=settings.gap_s,
            instances=settings.instances,
            on_demand_per_hour=settings.on_demand_per_hour,
        )
        self.cloud = TraceCloud(traces, settings.faults, rng, settings.start_s)
        self.queue = queue
        self.workers = SimulatedWorkers(settings.fleet, queue, settings.work, rng, self.cloud.is_alive)
        self.cloud.on_end = self._ended
        self.noticed_s: dict[str, float] = {}  # by instance: when it will be taken, as its notice said
        self.listen: Callable[[Notice | Rebalance | Running | Gone], None] = lambda _event: None
        self.interrupted: set[str] = set()
        self.unannounced = 0
        self._counts = queue.counts()
        self._counted_s = settings.start_s

    @property
    def deadline_s(self) -> float:
        """When the work is wanted to be done."""
        return self.settings.start_s + self.settings.deadline_s

    def next_s(self) -> float | None:
        """When something happens next."""
        times = [at_s for at_s in (self.cloud.next_s(), self.workers.next_s()) if at_s is not None]
        return min(times, default=None)

    def advance(self, now_s: float, *, to_notice: bool = False) -> float:
        """Bring the world to a moment, one event after the other; `to_notice`: only to the first notice. Where it stands."""
        heard = len(self.noticed_s)
        while (due_s := self.next_s()) is not None and due_s <= now_s:
            self._step(max(due_s, self.cloud.now_s))
            if to_notice and len(self.noticed_s) > heard:
                return self.cloud.now_s
            heard = len(self.noticed_s)
        self._step(now_s)
        return self.cloud.now_s

    def counts(self, now_s: float) -> QueueCounts:
        """Where the items stand; asked of the queue once a moment."""
        if now_s != self._counted_s:
            self._counts, self._counted_s = self.queue.counts(), now_s
        return self._counts

    def speed(self) -> float:
        """Items per second of all workers that work."""
        busy = (worker for worker in self.workers.workers.values() if worker.leases and not worker.told)
        return sum(self.settings.work.batch_items / worker.batch_s for worker in busy)

    def price(self, pool: str, purchase: Purchase) -> float:
        """What an instance in the pool costs an hour now."""
        if purchase is Purchase.ON_DEMAND:
            return self.settings.on_demand_per_hour
        return self.cloud.room(pool)[1]

    def zone(self, pool: str) -> str:
        """The zone of a pool."""
        return split_pool(pool)[1]

    def _step(self, now_s: float) -> None:
        for event in self.cloud.advance(now_s):
            if isinstance(event, Running):
                self.workers.start(event.instance, event.at_s)
            elif isinstance(event, Notice) and event.action_s is not None:
                self.noticed_s[event.instance] = event.action_s
                self.interrupted.add(event.instance)
            elif isinstance(event, Gone) and event.instance not in self.interrupted:
                self.interrupted.add(event.instance)
                self.unannounced += 1
            self.listen(event)
        self.workers.advance(now_s)

    def _ended(self, instance: str, at_s: float) -> None:
        self.workers.end(instance, at_s)
        self.noticed_s.pop(instance, None)
