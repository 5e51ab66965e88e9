"""Availability and price traces: what the simulated cloud replays, and a generator of traces like the public ones.

The statistics are those of the published probes of GPU spot pools (skypilot-org/spot-traces, andylizf/skynomad):
lives and outages have falling hazards (many of minutes, a few of days), pools of one region fall together in storms,
and prices stand still for nine hours in ten and then move by a fraction of a percent. Generated traces need no data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Trace:
    """One pool, tick by tick: how many instances could be had, and the price per instance-hour."""

    pool: str
    gap_s: float
    capacity: NDArray[np.int64]
    price_per_hour: NDArray[np.float64]
    on_demand_per_hour: float

    def __post_init__(self) -> None:
        """Both series are of one length."""
        # INVARIANT: a price and a capacity for every tick.
        if self.capacity.shape != self.price_per_hour.shape or not self.capacity.size or self.gap_s <= 0:
            raise ValueError("a trace has a capacity and a price for every tick, and at least one tick")

    def tick(self, at_s: float) -> int:
        """The tick at `at_s` after the start; a trace goes on with its last tick."""
        return min(max(0, int(at_s // self.gap_s)), len(self.capacity) - 1)

    @property
    def share_up(self) -> float:
        """The share of ticks in which at least one instance could be had."""
        return float((self.capacity > 0).mean())


@dataclass(frozen=True, slots=True)
class Climate:
    """The statistics of a pool. Mean seconds of a life and of an outage; `shape` < 1 makes their hazards fall.

    `share_storm`: how much of its outages a pool shares with its region (0..1). `discount`: 1 - spot / on demand.
    """

    up_mean_s: float = 5.5 * 3600.0
    down_mean_s: float = 0.9 * 3600.0
    shape: float = 0.55
    share_storm: float = 0.3
    discount: float = 0.68
    price_step_share: float = 0.004
    price_change_per_h: float = 0.11


def generate(
    pool: str,
    climate: Climate,
    rng: Random,
    *,
    ticks: int,
    gap_s: float,
    instances: int,
    on_demand_per_hour: float,
    storms: NDArray[np.bool_] | None = None,
) -> Trace:
    """One trace. `storms` marks ticks in which the region has none; see `generate_region` for pools that share it."""
    up = _alternate(climate.up_mean_s, climate.down_mean_s, climate.shape, rng, ticks=ticks, gap_s=gap_s)
    if storms is not None:
        up &= ~storms
    capacity = np.where(up, instances, 0)
    # Within a life the depth wanders: a thin pool is about to be lost.
    depth = instances
    for tick in range(ticks):
        if not up[tick]:
            depth = max(1, instances // 4)
            continue
        if rng.random() < 0.1:
            depth = min(instances, max(1, depth + rng.choice((-1, 1, 1)) * max(1, instances // 4)))
        capacity[tick] = depth
    return Trace(
        pool, gap_s, capacity, _prices(climate, rng, ticks, gap_s, on_demand_per_hour), on_demand_per_hour
    )


def generate_region(
    names: tuple[str, ...],
    climate: Climate,
    rng: Random,
    *,
    ticks: int,
    gap_s: float,
    instances: int,
    on_demand_per_hour: float,
) -> tuple[Trace, ...]:
    """Traces of pools that fall together in storms and else on their own; each pool is a little better or worse."""
    share = climate.share_storm
    storm_up = _alternate(
        climate.up_mean_s / max(share, 1e-6),
        climate.down_mean_s,
        climate.shape,
        rng,
        ticks=ticks,
        gap_s=gap_s,
    )
    traces = []
    for name in names:
        factor = math.exp(rng.gauss(0.0, 0.5))
        own = Climate(
            up_mean_s=climate.up_mean_s * factor / max(1.0 - share, 1e-6),
            down_mean_s=climate.down_mean_s / factor,
            shape=climate.shape,
            share_storm=share,
            discount=min(0.9, max(0.1, climate.discount * math.exp(rng.gauss(0.0, 0.05)))),
            price_step_share=climate.price_step_share,
            price_change_per_h=climate.price_change_per_h,
        )
        traces.append(
            generate(
                name,
                own,
                rng,
                ticks=ticks,
                gap_s=gap_s,
                instances=instances,
                on_demand_per_hour=on_demand_per_hour,
                storms=~storm_up if share > 0 else None,
            )
        )
    return tuple(traces)


def _alternate(
    up_mean_s: float, down_mean_s: float, shape: float, rng: Random, *, ticks: int, gap_s: float
) -> NDArray[np.bool_]:
    """Lives and outages in turn, Weibull with the given means, from a random phase of the cycle on."""
    ups = np.zeros(ticks, dtype=bool)
    state = rng.random() < up_mean_s / (up_mean_s + down_mean_s)
    at = 0.0
    while at < ticks:
        mean_s = up_mean_s if state else down_mean_s
        length = rng.weibullvariate(mean_s / math.gamma(1.0 + 1.0 / shape), shape) / gap_s
        end = at + max(1.0, length)
        if state:
            ups[int(at) : int(end)] = True
        at, state = end, not state
    return ups


def _prices(climate: Climate, rng: Random, ticks: int, gap_s: float, on_demand: float) -> NDArray[np.float64]:
    """A price that mostly stands still and is drawn back to its mean."""
    mean = on_demand * (1.0 - climate.discount)
    price, out = mean, np.empty(ticks)
    chance = climate.price_change_per_h * gap_s / 3600.0
    for tick in range(ticks):
        if rng.random() < chance:
            price *= math.exp(rng.gauss(0.0, climate.price_step_share) + 0.05 * math.log(mean / price))
            price = round(min(price, on_demand), 4)
        out[tick] = price
    return out
