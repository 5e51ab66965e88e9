"""Drift detection on generated latencies: false alarms while nothing changes, and samples until a rise is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from scrimp_actions.tuning import Cusum, DriftLimits, watch

Floats = np.ndarray
STEADY = 10_000
BEFORE = 300
RISE = log(1.3)


def gaussian(rng: np.random.Generator, n: int) -> Floats:
    """Independent log-normal latencies."""
    return rng.standard_normal(n)


def correlated(relation: float) -> Callable[[np.random.Generator, int], Floats]:
    """Log latencies that remember: AR(1)."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        fresh = rng.standard_normal(n) * sqrt(1.0 - relation**2)
        out = np.empty(n)
        last = float(rng.standard_normal())
        for k in range(n):
            last = relation * last + fresh[k]
            out[k] = last
        return out

    return draw


def student(freedom: float) -> Callable[[np.random.Generator, int], Floats]:
    """Long tails on both sides, of unit deviation."""
    return lambda rng, n: rng.standard_t(freedom, n) / sqrt(freedom / (freedom - 2.0))


def skewed(rng: np.random.Generator, n: int) -> Floats:
    """A long tail upwards: exponential log latencies, of unit deviation."""
    return rng.exponential(size=n) - 1.0


def hiccups(rng: np.random.Generator, n: int) -> Floats:
    """One sample in fifty is three to five deviations late."""
    return rng.standard_normal(n) + (rng.random(n) < 0.02) * rng.uniform(3.0, 5.0, n)


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "independent": gaussian,
    "correlated 0.3": correlated(0.3),
    "correlated 0.6": correlated(0.6),
    "Student, 4 degrees": student(4.0),
    "skewed": skewed,
    "hiccups": hiccups,
}


@dataclass(frozen=True, slots=True)
class Found:
    """False alarms in 10,000 samples (mean over streams), and samples until a rise of 30 % was seen."""

    kind: str
    noise: float
    false_alarms: float
    delay_mean: float
    delay_p90: float


def false_alarms(values: Floats, limits: DriftLimits) -> int:
    """Alarms on a stream; after each the reference starts anew, as after a choice."""
    state, count = Cusum(), 0
    for value in values.tolist():
        state, alarm = watch(state, value, limits)
        if alarm:
            state, count = Cusum(), count + 1
    return count


def delay(values: Floats, limits: DriftLimits) -> int | None:
    """Samples after `BEFORE` until the alarm; None: it came before, and is counted as false elsewhere."""
    state = Cusum()
    for k, value in enumerate(values.tolist()):
        state, alarm = watch(state, value, limits)
        if alarm:
            return k + 1 - BEFORE if k >= BEFORE else None
    return len(values) - BEFORE


def measure(kind: str, noise: float, *, seed: int, streams: int, rises: int, limits: DriftLimits) -> Found:
    """One kind of latencies at one relative deviation."""
    draw = KINDS[kind]
    key = [seed, list(KINDS).index(kind), round(noise * 1000)]
    rng = np.random.default_rng(key)
    wrong = [false_alarms(noise * draw(rng, STEADY), limits) for _ in range(streams)]
    late = []
    for _ in range(rises):
        values = noise * draw(rng, BEFORE + 100)
        values[BEFORE:] += RISE
        found = delay(values, limits)
        if found is not None:
            late.append(found)
    return Found(kind, noise, float(np.mean(wrong)), float(np.mean(late)), float(np.quantile(late, 0.9)))
