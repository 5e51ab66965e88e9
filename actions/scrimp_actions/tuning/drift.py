"""Has the workload changed? A self-starting CUSUM on latency and throughput, and the distance of two length mixes.

CUSUM: Page, 1954; self-starting: Hawkins, 1987: every sample before an alarm sharpens the reference, so a short
calibration does not raise false alarms. Samples are whitened by their own lag-1 correlation, and enter the sum as the
normal scores of their ranks among earlier ones (Gordon & Pollak, 1995), since latencies are correlated and have long
tails: the distance of false alarms is then the same for any distribution. The slack is half of the shift that is to be seen, in deviations of what
was measured (Moustakides, 1986: optimal for that shift), and the alarm height follows from the wanted distance of false
alarms (Siegmund, 1985, eq. 2.56 corrected for overshoot). The state is plain numbers. All values are logs of ratios.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist

import numpy as np

OVERSHOOT = 1.166
"""Twice the mean overshoot of a Gaussian walk over a boundary, in deviations (Siegmund)."""
LIFT, LIFT_SLOPE = 0.25, 0.7
GOLDEN = 0.6180339887498949
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Cusum:
    """One channel. `mean`, `square`, `cross` are running moments of the log samples; `high` is the CUSUM.

    `ranks` are earlier whitened samples in rising order.
    """

    count: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    cross: float = 0.0
    last: float = 0.0
    high: float = 0.0
    ranks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """What is to be seen, and how rarely to be wrong.

    `shift` is the rise to be seen as a log ratio; `apart` the samples between false alarms, and `least_height`
    the height below which no quiet workload is trusted; `slack` bounds half of the shift in deviations; then samples before the first alarm, memory of the reference in samples, how many of them are kept for
    ranks, and the clip of the moments in deviations.
    """

    shift: float = log(1.3)
    apart: float = 10_000.0
    least_height: float = 4.7
    slack: tuple[float, float] = (0.25, 1.0)
    warm_up: int = 30
    memory: float = 1000.0
    kept: int = 400
    clip: float = 3.0


def alarm_height(slack: float, apart: float) -> float:
    """Height in deviations at which a CUSUM of unit Gaussians with this slack alarms once in `apart` samples.

    The inverse of Siegmund's (exp(2 k b) - 1 - 2 k b) / (2 k^2) with b = h + 1.166, by a few fixed-point steps.
    """
    reach = 0.0
    for _ in range(8):
        reach = log(2.0 * slack * slack * apart + 1.0 + reach)
    return reach / (2.0 * slack) - OVERSHOOT


def _score(ranks: Sequence[float], value: float) -> float:
    """The normal score of a value's rank among others, in deviations."""
    place = (bisect_left(ranks, value) + bisect_right(ranks, value)) / 2.0
    return NORMAL.inv_cdf((place + 0.5) / (len(ranks) + 1.0))


def _insert(ranks: tuple[float, ...], value: float, most: int, turn: float) -> tuple[float, ...]:
    """Ranks with one value more; when full, one goes, drawn evenly by `turn`."""
    place = bisect_left(ranks, value)
    ranks = (*ranks[:place], value, *ranks[place:])
    if len(ranks) <= most:
        return ranks
    out = int((turn * GOLDEN % 1.0) * len(ranks))
    return (*ranks[:out], *ranks[out + 1 :])


def watch(state: Cusum, value: float, limits: DriftLimits | None = None) -> tuple[Cusum, bool]:
    """Add one log sample whose rise is bad (log latency, or minus log throughput); True: it has drifted upwards."""
    limits = limits or DriftLimits()
    if state.count < 2.0:
        share = 1.0 / (state.count + 1.0)
        gap = value - state.mean
        mean = state.mean + share * gap
        square = state.square + gap * (value - mean)
        return Cusum(state.count + 1.0, mean, square, 0.0, value - mean), False
    deviation = sqrt(max(state.square / (state.count - 1.0), 1e-12))
    gap = min(max(value - state.mean, -limits.clip * deviation), limits.clip * deviation)
    relation = min(max(state.cross / max(state.square, 1e-12), 0.0), 0.9)
    own = deviation * sqrt(1.0 - relation**2)
    fresh = (value - state.mean - relation * state.last) / own
    slack = min(max(limits.shift * (1.0 - relation) / own / 2.0, limits.slack[0]), limits.slack[1])
    height = max(limits.least_height, alarm_height(slack, limits.apart))
    warm = state.count >= limits.warm_up
    high = 0.0
    if warm:
        # A rank saturates, so where the slack is small, the value itself counts a little beyond its rank.
        lift = min(LIFT, LIFT_SLOPE * (limits.slack[1] - slack))
        high = max(0.0, state.high + min(_score(state.ranks, fresh) + lift, fresh) - slack)
    # While the sum is high the reference waits, else it would learn the drift that it is to report.
    learns = high < height / 2.0
    keep = min(1.0, limits.memory / (state.count + 1.0))
    count = min(state.count + 1.0, limits.memory)
    learn = gap / count if learns else 0.0
    grown = Cusum(
        count,
        state.mean + learn,
        keep * (state.square + gap * (gap - learn)),
        keep * (state.cross + gap * state.last),
        gap,
        high,
        _insert(state.ranks, fresh, limits.kept, 997.0 * fresh)
        if learns and state.count >= limits.warm_up / 3
        else state.ranks,
    )
    return grown, high > height


def length_shift(before: Sequence[float], now: Sequence[float], least: int = 200, limit: float = 0.2) -> bool:
    """Has the mix of input lengths moved: Kolmogorov-Smirnov distance over `limit`, on at least `least` inputs each."""
    if len(before) < least or len(now) < least:
        return False
    a, b = np.sort(np.asarray(before, float)), np.sort(np.asarray(now, float))
    both = np.concatenate([a, b])
    apart = np.searchsorted(a, both, side="right") / len(a) - np.searchsorted(b, both, side="right") / len(b)
    return bool(np.abs(apart).max() > limit)
