"""Has the workload changed? A self-starting CUSUM on latency and throughput, and the distance of two length mixes.

CUSUM: Page, 1954; self-starting: Hawkins, 1987: every sample before an alarm sharpens the reference, so a short
calibration does not raise false alarms. Samples are whitened by their own lag-1 correlation, and clipped, since
latencies are correlated and have long tails. The state is plain numbers. All values are logs of ratios.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np


@dataclass(frozen=True, slots=True)
class Cusum:
    """One channel. `mean`, `square`, `cross` are running moments of the log samples; `high` is the CUSUM."""

    count: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    cross: float = 0.0
    last: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """Slack and alarm height in deviations, samples before the first alarm, memory in samples, clip in deviations."""

    slack: float = 0.5
    height: float = 10.0
    warm_up: int = 30
    memory: float = 1000.0
    clip: float = 4.0


def watch(state: Cusum, value: float, limits: DriftLimits | None = None) -> tuple[Cusum, bool]:
    """Add one log sample whose rise is bad (log latency, or minus log throughput); True: it has drifted upwards."""
    limits = limits or DriftLimits()
    if state.count < 2.0:
        share = 1.0 / (state.count + 1.0)
        gap = value - state.mean
        mean = state.mean + share * gap
        return Cusum(
            state.count + 1.0, mean, state.square + gap * (value - mean), 0.0, value - mean, 0.0
        ), False
    variance = max(state.square / (state.count - 1.0), 1e-12)
    deviation = sqrt(variance)
    gap = min(max(value - state.mean, -limits.clip * deviation), limits.clip * deviation)
    relation = min(max(state.cross / max(state.square, 1e-12), 0.0), 0.9)
    fresh = (
        (gap - relation * state.last)
        / (deviation * sqrt(1.0 - relation**2))
        * sqrt(state.count / (state.count + 1))
    )
    warm = state.count >= limits.warm_up
    high = max(0.0, state.high + fresh - limits.slack) if warm else 0.0
    keep = min(1.0, limits.memory / (state.count + 1.0))
    count = min(state.count + 1.0, limits.memory)
    # While the sum is high the reference waits, else it would learn the drift that it is to report.
    learn = gap / count if high < limits.height / 2.0 else 0.0
    grown = replace(
        state,
        count=count,
        mean=state.mean + learn,
        square=keep * (state.square + gap * (gap - learn)),
        cross=keep * (state.cross + gap * state.last),
        last=gap,
        high=high,
    )
    return grown, high > limits.height


def length_shift(before: Sequence[float], now: Sequence[float], least: int = 200, limit: float = 0.2) -> bool:
    """Has the mix of input lengths moved: Kolmogorov-Smirnov distance over `limit`, on at least `least` inputs each."""
    if len(before) < least or len(now) < least:
        return False
    a, b = np.sort(np.asarray(before, float)), np.sort(np.asarray(now, float))
    both = np.concatenate([a, b])
    apart = np.searchsorted(a, both, side="right") / len(a) - np.searchsorted(b, both, side="right") / len(b)
    return bool(np.abs(apart).max() > limit)
