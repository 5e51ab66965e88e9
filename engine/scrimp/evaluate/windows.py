"""Functions of the samples in a window `(t - D, t]`.

Each kernel takes `values` (rows, samples) and `mask` (what is in the window and known), oldest first, and gives an
array (rows,); what it cannot compute is `nan`. Sums run in the order of the samples, so that equal inputs give
byte-equal results.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scrimp.evaluate.columns import Bools, Floats, Numbers
from scrimp.model.policy import STALE_DEFAULT_INTERVALS
from scrimp.model.snapshot import Series

_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class Samples:
    """A window's samples: `times_s` relative to now (<= 0), shapes (rows, samples) or (1, samples)."""

    times_s: Floats
    values: Floats
    mask: Bools
    over_s: float
    horizon_s: float


def window(
    series: Series,
    now_s: float,
    fn: str,
    over_s: float,
    horizon_s: float,
    stale_s: float | None,
    coverage: float,
) -> Numbers:
    """A window function for every row of a series, unknown where it is stale, not covered or failed."""
    samples, newest_age_s = _samples(series, now_s, over_s, horizon_s)
    count = samples.mask.sum(axis=1)
    interval = series.interval_s
    with np.errstate(all="ignore"):
        expected = np.maximum(1.0, np.floor(over_s / interval * (1 + _NOISE)))
        limit = STALE_DEFAULT_INTERVALS * interval if stale_s is None else np.full(1, stale_s)
        fresh = ~(newest_age_s > limit * (1 + _NOISE))
        values = KERNELS[fn](samples)
        # Where the interval is not known, nobody can say that the window is covered: the comparison is false.
        enough = count >= np.ceil(expected * coverage * (1 - _NOISE))
    valid = (count > 0) & enough & fresh & ~series.failed & np.isfinite(values)
    return Numbers(values, np.broadcast_to(valid, values.shape))


def _samples(series: Series, now_s: float, over_s: float, horizon_s: float) -> tuple[Samples, Floats]:
    """The samples in the window, and the age of each row's newest known sample at all."""
    times = series.times_s - now_s
    values = series.values
    if not values.shape[1]:
        empty = np.zeros((values.shape[0], 0))
        return Samples(empty, empty, empty.astype(bool), over_s, horizon_s), np.full(values.shape[0], np.inf)
    defined = ~np.isnan(values) & (times <= 0)
    newest = np.where(defined, times, -np.inf).max(axis=1)
    inside = (times > -over_s) & (times <= 0)
    if times.shape[0] == 1:  # sampled together: cut the columns out before touching the rows
        keep = inside[0]
        times, values, defined = times[:, keep], values[:, keep], defined[:, keep]
        return Samples(times, values, defined, over_s, horizon_s), -newest
    return Samples(times, values, defined & inside, over_s, horizon_s), -newest


def _count(s: Samples) -> Floats:
    count: Floats = s.mask.sum(axis=1).astype(np.float64)
    return count


def _sum(s: Samples) -> Floats:
    total = np.zeros(s.values.shape[0])
    for column in range(s.values.shape[1]):
        total += np.where(s.mask[:, column], s.values[:, column], 0.0)
    return total


def _avg(s: Samples) -> Floats:
    mean: Floats = _sum(s) / _count(s)
    return mean


def _min(s: Samples) -> Floats:
    return _extreme(np.where(s.mask, s.values, np.inf), np.minimum)


def _max(s: Samples) -> Floats:
    return _extreme(np.where(s.mask, s.values, -np.inf), np.maximum)


def _extreme(values: Floats, pick: np.ufunc) -> Floats:
    if not values.shape[1]:
        return np.full(values.shape[0], np.nan)
    found: Floats = pick.reduce(values, axis=1)
    return found


def _last(s: Samples) -> Floats:
    place = _last_place(s.mask)
    if not s.values.shape[1]:
        return np.full(s.values.shape[0], np.nan)
    found: Floats = np.take_along_axis(s.values, np.maximum(place[:, -1:], 0), axis=1)[:, 0]
    return found


def _last_place(mask: Bools) -> NDArray[np.int64]:
    """For each sample the place of the last known one up to it; -1 where there is none."""
    places = np.where(mask, np.arange(mask.shape[1]), -1)
    found: NDArray[np.int64] = np.maximum.accumulate(places, axis=1)
    return found


def _stddev(s: Samples) -> Floats:
    spread = np.where(s.mask, s.values - _avg(s)[:, None], 0.0)
    deviation: Floats = np.sqrt((spread * spread).sum(axis=1) / _count(s))
    return deviation


def _quantile(share: float) -> Callable[[Samples], Floats]:
    def kernel(s: Samples) -> Floats:
        rows, width = s.values.shape
        if not width:
            return np.full(rows, np.nan)
        ordered = np.sort(np.where(s.mask, s.values, np.inf), axis=1)
        place = share * np.maximum(_count(s) - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.ceil(place).astype(np.int64)
        below = np.take_along_axis(ordered, low[:, None], axis=1)[:, 0]
        above = np.take_along_axis(ordered, high[:, None], axis=1)[:, 0]
        found: Floats = np.where(low == high, below, below + (above - below) * (place - low))
        return found

    return kernel


def _increase(s: Samples) -> Floats:
    """The sum of rises; a fall is a counter that started again, and counts with its new value."""
    rows, width = s.values.shape
    if width < 2:
        return np.full(rows, np.nan)
    before = _last_place(s.mask)[:, :-1]
    previous = np.take_along_axis(s.values, np.maximum(before, 0), axis=1)
    current = s.values[:, 1:]
    pairs = s.mask[:, 1:] & (before >= 0)
    rise = np.where(current >= previous, current - previous, current)
    total = np.zeros(rows)
    for column in range(width - 1):
        total += np.where(pairs[:, column], rise[:, column], 0.0)
    return np.where(_count(s) >= 2, total, np.nan)


def _rate(s: Samples) -> Floats:
    times = np.broadcast_to(s.times_s, s.values.shape)
    first = np.where(s.mask, times, np.inf).min(axis=1, initial=np.inf)
    last = np.where(s.mask, times, -np.inf).max(axis=1, initial=-np.inf)
    rate: Floats = _increase(s) / (last - first)
    return rate


def _line(s: Samples) -> tuple[Floats, Floats]:
    """Slope and value at now of the least-squares line."""
    count = _count(s)
    times = np.where(s.mask, np.broadcast_to(s.times_s, s.values.shape), 0.0)
    values = np.where(s.mask, s.values, 0.0)
    middle_t = times.sum(axis=1) / count
    middle_v = values.sum(axis=1) / count
    off = np.where(s.mask, times - middle_t[:, None], 0.0)
    slope = (off * np.where(s.mask, values - middle_v[:, None], 0.0)).sum(axis=1) / (off * off).sum(axis=1)
    slope = np.where(count >= 2, slope, np.nan)
    return slope, middle_v - slope * middle_t


def _slope(s: Samples) -> Floats:
    return _line(s)[0]


def _forecast(s: Samples) -> Floats:
    slope, level = _line(s)
    return level + slope * s.horizon_s


KERNELS: Mapping[str, Callable[[Samples], Floats]] = {
    "avg": _avg,
    "min": _min,
    "max": _max,
    "sum": _sum,
    "count": _count,
    "last": _last,
    "p50": _quantile(0.50),
    "p90": _quantile(0.90),
    "p95": _quantile(0.95),
    "p99": _quantile(0.99),
    "stddev": _stddev,
    "increase": _increase,
    "rate": _rate,
    "slope": _slope,
    "forecast": _forecast,
}
