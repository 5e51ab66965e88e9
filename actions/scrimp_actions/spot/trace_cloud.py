"""A simulated cloud that replays traces on a virtual clock: launches, refusals, prices, notices, losses, the bill.

It has no clock and no thread: `advance(now_s)` brings it to a moment and returns what a client would have heard by
then. Interruptions come from the trace (a pool holds fewer instances than run in it) and from `interrupt`. Faults are
the client's daily bread: notices that are missing, late or double, and capacity that is not there.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from scrimp_actions.spot.member import Gone, Notice, Rebalance, Running
from scrimp_actions.spot.survival import HOUR_S
from scrimp_actions.spot.traces import Trace

CloudEvent = Notice | Rebalance | Running | Gone


class NoCapacityError(Exception):
    """The pool has no instance to give now."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of interruptions (0..1) whose notice is missing, late or double; the rest are as they should be.

    `lead_s`: from the notice to the loss; `delay_s`: how long a notice travels at most; `late_s`: the lead of a late
    one. `rebalance`: the share announced by a rebalance signal `rebalance_lead_s` before; `boot_s`: from the launch to
    running.
    """

    lead_s: float = 120.0
    delay_s: float = 5.0
    missing: float = 0.0
    late: float = 0.0
    late_s: float = 40.0
    double: float = 0.0
    rebalance: float = 0.0
    rebalance_lead_s: float = 1200.0
    boot_s: float = 40.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as the cloud knows it. `ended_s` is None while it runs; times on the virtual clock."""

    name: str
    pool: str
    token: str
    tag: str
    on_demand: bool
    launched_s: float
    running_s: float
    taken_s: float | None = None
    ended_s: float | None = None


class TraceCloud:
    """The cloud. `traces` by pool, all starting at `start_s` on the virtual clock."""

    def __init__(self, traces: Iterable[Trace], faults: Faults, rng: Random, start_s: float = 0.0) -> None:
        self.traces = {trace.pool: trace for trace in traces}
        self.faults = faults
        self.now_s = start_s
        self._start_s = start_s
        self._rng = rng
        self._instances: dict[str, Instance] = {}
        self._alive: dict[str, Instance] = {}
        self._by_token: dict[str, str] = {}
        self._due: list[tuple[float, int, CloudEvent]] = []
        self._sequence = 0
        self._doomed: dict[str, int] = {}
        self.cost = 0.0

    def offer(self, pool: str) -> tuple[int, float]:
        """How many more instances the pool could give now, and its price per instance-hour."""
        trace = self.traces[pool]
        tick = trace.tick(self.now_s - self._start_s)
        return int(trace.capacity[tick]) - len(self._spot_in(pool)), float(trace.price_per_hour[tick])

    def launch(self, pool: str, token: str, tag: str, *, on_demand: bool = False) -> Instance:
        """Launch one instance; the same token gives the same instance again. Raises `NoCapacityError`."""
        if token in self._by_token:
            return self._instances[self._by_token[token]]
        if not on_demand and self.offer(pool)[0] <= 0:
            raise NoCapacityError(pool)
        name = f"i-{len(self._instances):06d}"
        running_s = self.now_s + self.faults.boot_s
        made = Instance(name, pool, token, tag, on_demand, self.now_s, running_s)
        self._instances[name] = self._alive[name] = made
        self._by_token[token] = name
        self._doomed.pop(pool, None)
        self._push(running_s, Running(running_s, name))
        return made

    def terminate(self, name: str) -> None:
        """End an instance; one that has ended stays so."""
        if name in self._alive:
            self._end(name, self.now_s)

    def alive(self, tag: str | None = None) -> tuple[Instance, ...]:
        """Instances that have not ended, all or those of one tag."""
        return tuple(made for made in self._alive.values() if tag is None or made.tag == tag)

    def is_alive(self, name: str) -> bool:
        """Whether the instance has not ended."""
        return name in self._alive

    def interrupt(self, name: str, taken_s: float) -> bool:
        """Take an instance at `taken_s`, announced as the faults have it; whether a notice will come. Once each."""
        made = self._alive.get(name)
        if made is None or made.taken_s is not None:
            return False
        self._instances[name] = self._alive[name] = replace(made, taken_s=taken_s)
        faults, roll = self.faults, self._rng.random()
        self._push(taken_s, Gone(taken_s, name))
        if self._rng.random() < faults.rebalance:
            self._push(max(self.now_s, taken_s - faults.rebalance_lead_s), Rebalance(self.now_s, name))
        if roll < faults.missing:
            return False
        lead_s = faults.late_s if roll < faults.missing + faults.late else faults.lead_s
        sent_s = max(self.now_s, taken_s - lead_s)
        times = 2 if self._rng.random() < faults.double else 1
        for _ in range(times):
            heard_s = min(taken_s, sent_s + self._rng.random() * faults.delay_s)
            self._push(heard_s, Notice(heard_s, name, taken_s))
        return True

    def advance(self, now_s: float) -> list[CloudEvent]:
        """Bring the cloud to `now_s`; what a client has heard since, in order of time."""
        self._doom(now_s + max(self.faults.lead_s, self.faults.rebalance_lead_s))
        heard: list[CloudEvent] = []
        while self._due and self._due[0][0] <= now_s:
            at_s, _, event = heapq.heappop(self._due)
            self.now_s = max(self.now_s, at_s)
            if isinstance(event, Gone) and event.instance in self._alive:
                self._end(event.instance, at_s)
            elif event.instance not in self._alive:
                continue  # an ended instance sends nothing any more
            heard.append(replace(event, at_s=at_s))
        self.now_s = max(self.now_s, now_s)
        return heard

    def next_s(self) -> float | None:
        """When the next event is due, as far as is known now."""
        return self._due[0][0] if self._due else None

    def _push(self, at_s: float, event: CloudEvent) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (at_s, self._sequence, event))

    def _spot_in(self, pool: str) -> list[Instance]:
        return [made for made in self._alive.values() if made.pool == pool and not made.on_demand]

    def _doom(self, until_s: float) -> None:
        """Schedule the interruptions that the traces bring up to `until_s`: fewer places than instances."""
        for pool, trace in self.traces.items():
            last = trace.tick(until_s - self._start_s)
            if self._doomed.get(pool) == last:
                continue  # neither a new tick nor a launch since the last look
            self._doomed[pool] = last
            safe = [made for made in self._spot_in(pool) if made.taken_s is None]
            for tick in range(trace.tick(self.now_s - self._start_s), last + 1):
                for _ in range(max(0, len(safe) - int(trace.capacity[tick]))):
                    victim = safe.pop(self._rng.randrange(len(safe)))
                    self.interrupt(victim.name, max(self.now_s, self._start_s + tick * trace.gap_s))

    def _end(self, name: str, at_s: float) -> None:
        """End an instance and add it to the bill: by the second, at the price of each tick."""
        made = self._alive.pop(name)
        self._instances[name] = replace(made, ended_s=at_s)
        trace = self.traces[made.pool]
        if made.on_demand:
            self.cost += trace.on_demand_per_hour * (at_s - made.launched_s) / HOUR_S
            return
        at = made.launched_s
        while at < at_s:
            tick = trace.tick(at - self._start_s)
            end = self._start_s + (tick + 1) * trace.gap_s
            end = min(at_s, end) if end > at else at_s  # past the end of the trace its last price holds
            self.cost += float(trace.price_per_hour[tick]) * (end - at) / HOUR_S
            at = end
