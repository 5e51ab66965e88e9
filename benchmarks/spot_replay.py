"""Jobs with a deadline replayed over availability series: the replay, the optimum, and two known policies.

The model is that of "Can't Be Late" (Wu et al., NSDI 2024, section 3): in each tick the job idles, runs on one
spot pool that is available, or runs on demand; each change to a running instance costs `changeover_s` of paid
time without progress; an instance is lost when its pool becomes unavailable. Policies see the present tick and
the past; `optimum` alone sees the future.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

IDLE = -2
ON_DEMAND = -1


@dataclass(frozen=True, slots=True)
class Market:
    """Pools of one kind of instance, tick by tick.

    `available` and `price_usd_h` have the shape (ticks, pools); prices are US dollars per instance-hour. `depth`, of
    the same shape, is the share of the instances asked for that could be had, where more were asked for than needed.
    """

    name: str
    pools: tuple[str, ...]
    gap_s: float
    available: np.ndarray
    price_usd_h: np.ndarray
    on_demand_usd_h: float
    depth: np.ndarray | None = None

    @property
    def ticks(self) -> int:
        """How many ticks the series have."""
        return int(self.available.shape[0])


@dataclass(frozen=True, slots=True)
class Job:
    """`work_s` of computing to be done by `deadline_s` after the first tick, which is `start` in the series."""

    start: int
    work_s: float
    deadline_s: float
    changeover_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a policy sees at a decision; nothing in it lies in the future."""

    tick: int
    left_s: float
    work_s: float
    current: int
    warming_s: float
    available: Sequence[bool]
    price_usd_h: Sequence[float]


class Chooser(Protocol):
    """A policy: the pool to be on during this tick, or `IDLE`, or `ON_DEMAND`."""

    def choose(self, seen: Seen) -> int:
        """Return a pool that is available now, `IDLE` or `ON_DEMAND`."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """How one job went."""

    cost_usd: float
    missed: bool
    changes: int
    spot_s: float
    on_demand_s: float
    took_s: float


def replay(market: Market, job: Job, chooser: Chooser) -> Run:
    """Run one job; a job that would outlive the series is the caller's mistake."""
    gap = market.gap_s
    work, now, cost = job.work_s, 0.0, 0.0
    current, warming, changes = IDLE, 0.0, 0
    seconds = {True: 0.0, False: 0.0}
    ticks = math.ceil(job.deadline_s / gap) + 1
    ups = market.available[job.start : job.start + ticks].tolist()
    prices = market.price_usd_h[job.start : job.start + ticks].tolist()
    for tick, (up, price) in enumerate(zip(ups, prices, strict=True)):
        if current >= 0 and not up[current]:
            current, warming = IDLE, 0.0
        seen = Seen(job.start + tick, job.deadline_s - now, work, current, warming, up, price)
        choice = chooser.choose(seen)
        if choice >= 0 and not up[choice]:
            message = f"the policy chose {market.pools[choice]}, which is not available"
            raise ValueError(message)
        if choice not in (current, IDLE):
            warming, changes = job.changeover_s, changes + 1
        current = choice
        if current == IDLE:
            now += gap
            continue
        paid = min(gap, warming + work)
        cost += paid / 3600 * (market.on_demand_usd_h if current == ON_DEMAND else price[current])
        seconds[current >= 0] += paid
        work -= max(0.0, paid - warming)
        warming = max(0.0, warming - gap)
        now += paid
        if work <= 1e-6:
            break
    missed = work > 1e-6 or now > job.deadline_s + 1e-6
    return Run(cost, missed, changes, seconds[True], seconds[False], now)


def optimum(market: Market, job: Job) -> float:
    """The least cost in dollars of a policy that sees the future, by dynamic programming backwards in time.

    The value is kept for each amount of work left (in ticks) and each state (nothing running, each pool, on
    demand). A change takes `ceil(changeover / gap)` ticks; the part of the last one that already works is
    interpolated between the two neighbouring amounts of work. A change that the pool does not survive is
    never worth its money, so it is left out.
    """
    gap, pools = market.gap_s, len(market.pools)
    steps = int(job.deadline_s // gap)
    levels = math.ceil(job.work_s / gap)
    change = math.ceil(job.changeover_s / gap)
    part = change - job.changeover_s / gap
    up = market.available[job.start : job.start + steps]
    price = np.empty((steps + change, pools + 1))
    price[:, pools] = market.on_demand_usd_h
    price[:steps, :pools] = market.price_usd_h[job.start : job.start + steps]
    price[steps:, :pools] = 0.0
    price *= gap / 3600
    usable = np.ones((steps + change, pools + 1), dtype=bool)
    usable[:steps, :pools] = up
    usable[steps:] = False
    lasts = usable.copy()
    total = price.copy()
    for k in range(1, change):
        lasts[:-k] &= usable[k:]
        total[:-k] += price[k:]
    never = 1e9
    # layers[k] is the value at time t + k: (work left, state), state 0..pools-1, on demand, nothing.
    last = np.full((levels + 1, pools + 2), never)
    last[0] = 0.0
    layers = [last] * (change + 1)
    for t in range(steps - 1, -1, -1):
        idle = layers[0][:, pools + 1]
        value = np.empty_like(last)
        start = idle.copy()
        for j in np.flatnonzero(lasts[t]):
            after = layers[change - 1][:, j]
            landed = after.copy()
            landed[1:] += part * (after[:-1] - after[1:])
            np.minimum(start, landed + total[t, j], out=start)
        value[:, pools + 1] = start
        for j in range(pools + 1):
            value[:, j] = start
            if usable[t, j]:
                np.minimum(value[1:, j], layers[0][:-1, j] + price[t, j], out=value[1:, j])
        value[0] = 0.0
        layers = [value, *layers[:-1]]
    exact = job.work_s / gap
    whole = int(exact)
    first = layers[0][:, pools + 1]
    return float(first[whole] + (exact - whole) * (first[min(levels, whole + 1)] - first[whole]))


@dataclass(frozen=True, slots=True)
class Greedy:
    """Cheapest spot whenever there is one, else wait; on demand for good when the deadline forces it."""

    job: Job
    gap_s: float

    def choose(self, seen: Seen) -> int:
        """See `Chooser.choose`."""
        if must_run(seen, self.job.changeover_s, self.gap_s):
            return ON_DEMAND
        return cheapest(seen)


@dataclass(frozen=True, slots=True)
class UniformProgress:
    """Uniform Progress of "Can't Be Late" (section 4.3), with the cheapest available pool as its spot.

    Behind the line from nothing to all the work and without spot: on demand, until two changeovers ahead of it and,
    `by_code` (the published simulator, `rc_cr_threshold`), until there is spot. The text of the paper alone would let
    it leave on demand for nothing, which is the weaker policy on scarce pools.
    """

    job: Job
    gap_s: float
    by_code: bool = True

    def choose(self, seen: Seen) -> int:
        """See `Chooser.choose`."""
        job = self.job
        if must_run(seen, job.changeover_s, self.gap_s):
            return ON_DEMAND
        spot = cheapest(seen)
        done, passed = job.work_s - seen.work_s, job.deadline_s - seen.left_s
        rate = job.work_s / job.deadline_s
        if seen.current == ON_DEMAND:
            ahead = done >= (passed + 2 * job.changeover_s) * rate
            if not ahead or (self.by_code and spot == IDLE):
                return ON_DEMAND
        if spot != IDLE:
            return spot
        return ON_DEMAND if done < passed * rate else IDLE


def must_run(seen: Seen, changeover_s: float, gap_s: float) -> bool:
    """Whether the safety net of Can't Be Late holds the job on demand: its work and two changeovers just fit.

    On spot, one changeover is enough: the other one has been made.
    """
    changes = 1 if seen.current >= 0 else 2
    return seen.left_s < seen.work_s + changes * changeover_s + gap_s


def cheapest(seen: Seen) -> int:
    """The pool in use while it lasts, else the cheapest available one, else `IDLE`."""
    if seen.current >= 0:
        return seen.current
    ups = [k for k, up in enumerate(seen.available) if up]
    return min(ups, key=lambda k: seen.price_usd_h[k]) if ups else IDLE
