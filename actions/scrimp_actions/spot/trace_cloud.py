"""A simulated cloud that replays traces on a virtual clock: launches, refusals, prices, notices, losses, the bill.

It has no clock and no thread: `advance(now_s)` brings it to a moment and returns what a client would have heard by
then. It is a `Cloud`; interruptions come from the trace (a pool holds fewer instances than run in it) and from
`interrupt`. Faults are the client's daily bread: notices that are missing, late or double, and capacity that is not
there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from scrimp.api import Money, Unavailable
from scrimp_actions.spot.cloud import (
    Instance,
    InstanceState,
    Launched,
    LaunchError,
    LaunchRequest,
    PoolPrice,
    Purchase,
)
from scrimp_actions.spot.lifetimes import HOUR_S
from scrimp_actions.spot.member import Gone, Notice, Rebalance, Running
from scrimp_actions.spot.traces import Trace

CloudEvent = Notice | Rebalance | Running | Gone
REMEMBERED_S = 3600.0
"""For so long the cloud shows instances that have ended, as EC2 does."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of interruptions (0..1) whose notice is missing, late or double; the rest are as they should be.

    `lead_s`: from the notice to the loss; `delay_s`: how long a notice travels at most; `late_s`: the lead of a late
    one. `rebalance`: the share announced by a rebalance signal `rebalance_lead_s` before; `boot_s`: from the launch to
    running. `lost_answers`: the share of launches that happen and whose answer does not arrive.
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
    lost_answers: float = 0.0


@dataclass(frozen=True, slots=True)
class Bill:
    """What was paid, in the currency of the traces, and the instance-hours it was paid for."""

    spot: float = 0.0
    on_demand: float = 0.0
    spot_hours: float = 0.0
    on_demand_hours: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.spot + self.on_demand


class TraceCloud:
    """The cloud. `traces` by pool, all starting at `start_s` on the virtual clock; `on_end` hears of each end."""

    def __init__(
        self,
        traces: Iterable[Trace],
        faults: Faults,
        rng: Random,
        start_s: float = 0.0,
        *,
        currency: str = "USD",
    ) -> None:
        self.traces = {trace.pool: trace for trace in traces}
        self.faults = faults
        self.now_s = start_s
        self.bill = Bill()
        self.on_end: Callable[[str, float], None] = lambda _name, _at_s: None
        self._currency = currency
        self._start_s = start_s
        self._rng = rng
        self._alive: dict[str, Instance] = {}
        self._ended: dict[str, Instance] = {}
        self._taken_s: dict[str, float] = {}
        self._ended_s: dict[str, float] = {}
        self._by_token: dict[str, tuple[Instance, ...]] = {}
        self._due: list[tuple[float, int, CloudEvent]] = []
        self._sequence = 0
        self._doomed: dict[str, int] = {}
        self._price_since = {trace.pool: _since(trace) for trace in self.traces.values()}

    # ---- the protocol `Cloud` ----

    def launch(self, request: LaunchRequest, *, deadline_s: float) -> Launched:  # noqa: ARG002 - answers at once
        """See `Cloud.launch`: pools in the order given, each as far as it goes."""
        if request.token in self._by_token:
            again = tuple(
                self._alive.get(made.id, self._ended.get(made.id, made))
                for made in self._by_token[request.token]
            )
            return Launched(again)
        made: list[Instance] = []
        errors: list[LaunchError] = []
        for pool in request.pools:
            room, price = self.room(pool) if pool in self.traces else (0, 0.0)
            if request.purchase is Purchase.ON_DEMAND and pool in self.traces:
                room = request.count
            elif request.max_price is not None and price > request.max_price.amount:
                errors.append(LaunchError(pool, "SpotMaxPriceTooLow", capacity=False))
                continue
            given = max(0, min(room, request.count - len(made)))
            if given < request.count - len(made):
                errors.append(LaunchError(pool, "InsufficientInstanceCapacity"))
            made += [self._start(pool, request) for _ in range(given)]
            if len(made) == request.count:
                break
        if made:
            self._by_token[request.token] = tuple(made)
            if self._rng.random() < self.faults.lost_answers:
                raise Unavailable("the answer was lost")
        return Launched(tuple(made), tuple(errors))

    def instances(self, tags: Mapping[str, str], *, deadline_s: float) -> Sequence[Instance]:  # noqa: ARG002 - as above
        """See `Cloud.instances`."""
        for name, ended_s in list(self._ended_s.items()):
            if ended_s >= self.now_s - REMEMBERED_S:
                break  # in the order of their end
            del self._ended[name], self._ended_s[name]
        wanted = tags.items()
        return [
            made
            for kept in (self._alive, self._ended)
            for made in kept.values()
            if wanted <= made.tags.items()
        ]

    def terminate(self, ids: Sequence[str], *, deadline_s: float) -> None:  # noqa: ARG002 - as above
        """See `Cloud.terminate`."""
        for name in ids:
            if name in self._alive:
                self._end(name, self.now_s)

    def offers(self, pools: Sequence[str], *, deadline_s: float) -> Sequence[PoolPrice]:  # noqa: ARG002 - as above
        """See `Cloud.offers`."""
        return [self._offer(pool) for pool in pools]

    # ---- the world ----

    def room(self, pool: str) -> tuple[int, float]:
        """How many more instances the pool could give now, and its price per instance-hour."""
        trace = self.traces[pool]
        tick = trace.tick(self.now_s - self._start_s)
        return int(trace.capacity[tick]) - len(self._spot_in(pool)), float(trace.price_per_hour[tick])

    def alive(self) -> tuple[Instance, ...]:
        """Instances that have not ended."""
        return tuple(self._alive.values())

    def is_alive(self, name: str) -> bool:
        """Whether the instance has not ended."""
        return name in self._alive

    def interrupt(self, name: str, taken_s: float) -> bool:
        """Take an instance at `taken_s`, announced as the faults have it; whether a notice will come. Once each."""
        if name not in self._alive or name in self._taken_s:
            return False
        self._taken_s[name] = taken_s
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
            if event.instance not in self._alive:
                continue  # an ended instance sends nothing any more
            if isinstance(event, Gone):
                self._end(event.instance, at_s)
            elif isinstance(event, Running):
                self._alive[event.instance] = replace(
                    self._alive[event.instance], state=InstanceState.RUNNING
                )
            heard.append(replace(event, at_s=at_s))
        self.now_s = max(self.now_s, now_s)
        return heard

    def next_s(self) -> float | None:
        """When the next event is due, as far as is known now."""
        return self._due[0][0] if self._due else None

    def paid(self) -> Bill:
        """The bill as it stands, with what the instances that run have cost so far."""
        before = self.bill
        for made in self._alive.values():
            self._charge(made, self.now_s)
        standing, self.bill = self.bill, before
        return standing

    def _offer(self, pool: str) -> PoolPrice:
        trace = self.traces.get(pool)
        if trace is None:
            return PoolPrice(pool, None, None)
        tick = trace.tick(self.now_s - self._start_s)
        return PoolPrice(
            pool,
            Money(float(trace.price_per_hour[tick]), self._currency),
            Money(trace.on_demand_per_hour, self._currency),
            self._start_s + float(self._price_since[pool][tick]) * trace.gap_s,
        )

    def _start(self, pool: str, request: LaunchRequest) -> Instance:
        name = f"i-{self._sequence:08d}"
        made = Instance(name, pool, InstanceState.PENDING, request.purchase, self.now_s, dict(request.tags))
        self._alive[name] = made
        running_s = self.now_s + self.faults.boot_s
        self._push(running_s, Running(running_s, name))
        self._doomed.pop(pool, None)
        return made

    def _push(self, at_s: float, event: CloudEvent) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (at_s, self._sequence, event))

    def _spot_in(self, pool: str) -> list[Instance]:
        return [made for made in self._alive.values() if made.pool == pool and made.purchase is Purchase.SPOT]

    def _doom(self, until_s: float) -> None:
        """Schedule the interruptions that the traces bring up to `until_s`: fewer places than instances."""
        for pool, trace in self.traces.items():
            last = trace.tick(until_s - self._start_s)
            if self._doomed.get(pool) == last:
                continue  # neither a new tick nor a launch since the last look
            self._doomed[pool] = last
            safe = [made for made in self._spot_in(pool) if made.id not in self._taken_s]
            for tick in range(trace.tick(self.now_s - self._start_s), last + 1):
                for _ in range(max(0, len(safe) - int(trace.capacity[tick]))):
                    victim = safe.pop(self._rng.randrange(len(safe)))
                    self.interrupt(victim.id, max(self.now_s, self._start_s + tick * trace.gap_s))

    def _end(self, name: str, at_s: float) -> None:
        made = self._alive.pop(name)
        self._ended[name] = replace(made, state=InstanceState.TERMINATED)
        self._ended_s[name] = at_s
        self._taken_s.pop(name, None)
        self._charge(made, at_s)
        self.on_end(name, at_s)

    def _charge(self, made: Instance, until_s: float) -> None:
        """Add an instance to the bill: by the second, at the price of each tick."""
        trace, bill = self.traces[made.pool], self.bill
        hours = (until_s - made.launched_s) / HOUR_S
        if made.purchase is Purchase.ON_DEMAND:
            self.bill = replace(
                bill,
                on_demand=bill.on_demand + trace.on_demand_per_hour * hours,
                on_demand_hours=bill.on_demand_hours + hours,
            )
            return
        at, cost = made.launched_s, 0.0
        while at < until_s:
            tick = trace.tick(at - self._start_s)
            end = self._start_s + (tick + 1) * trace.gap_s
            end = min(until_s, end) if end > at else until_s  # past the end of the trace its last price holds
            cost += float(trace.price_per_hour[tick]) * (end - at) / HOUR_S
            at = end
        self.bill = replace(bill, spot=bill.spot + cost, spot_hours=bill.spot_hours + hours)


def _since(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each tick, the tick since which its price holds."""
    ticks = np.arange(len(trace.price_per_hour))
    changed = np.concatenate(([True], np.diff(trace.price_per_hour) != 0))
    return np.maximum.accumulate(np.where(changed, ticks, 0))
