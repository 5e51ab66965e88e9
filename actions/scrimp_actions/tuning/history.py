"""What was measured, folded to one small record per setting, so that history survives restarts.

Rows come in, one per look; `fold` keeps weighted sums per workload and setting, each halved every half-life, so that an
old figure counts less and less and is forgotten in the end. The sums are plain numbers: `to_json`, `from_json`.
`Workload`, `Setting` and `Observation` are named tuples because they are keys and rows by the ten thousand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isnan, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HALF_LIFE_S = 14 * 86400.0
BEYOND = 1e9
"""Batches that take longer than so many seconds, or come in such numbers in one look, are mistakes; so are ones as short."""


class Workload(NamedTuple):
    """What was run where; figures are compared within one workload only."""

    operation: str
    device: str = ""
    precision: str = ""
    bucket: str = ""


class Setting(NamedTuple):
    """One point of the search: batch size, model copies, requests in flight, and the power limit (0: none set)."""

    batch: int
    instances: int = 1
    load: int = 1
    power_limit_w: float = 0.0


class Observation(NamedTuple):
    """One look: `n` batches at one setting. None: not measured. `spread` is the relative deviation of one batch."""

    workload: Workload
    setting: Setting
    at_s: float
    n: int
    latency_s: float
    items_per_s: float
    tail_s: float | None = None
    spread: float | None = None
    memory_bytes: float | None = None
    watts: float | None = None
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """The looks at one setting, folded; every sum is as of `at_s`.

    `period` is log(batch / items_per_s), `tail` is log(tail latency / period): both are log-seconds or a log-ratio.
    `powered` is the weight of the looks that told `watts`.
    """

    at_s: float
    weight: float
    period: float
    squares: float
    within: float
    tail: float
    memory_bytes: float | None
    watts: float | None
    batches: float
    errors: float
    powered: float = 0.0

    def aged(self, now_s: float, half_life_s: float) -> "Point":
        """The same point with the weight that it has at `now_s`."""
        keep = 0.5 ** (max(0.0, now_s - self.at_s) / half_life_s)
        return Point(
            max(now_s, self.at_s),
            self.weight * keep,
            self.period,
            self.squares * keep,
            self.within * keep * keep if self.within >= 0.0 else -1.0,  # a sum of squared weights
            self.tail,
            self.memory_bytes,
            self.watts,
            self.batches * keep,
            self.errors * keep,
            self.powered * keep,
        )

    @property
    def error_rate(self) -> float:
        """Share of batches that failed, 0 to 1."""
        return min(1.0, self.errors / self.batches) if self.batches else 0.0

    @property
    def spread_of_mean(self) -> float | None:
        """Relative standard error from the spread within looks; None where no look told its spread."""
        return sqrt(self.within) / self.weight if self.within >= 0.0 and self.weight > 0.0 else None


History = Mapping[Workload, Mapping[Setting, Point]]


def _told(figures: Floats) -> Floats:
    """Figures that can be: positive and not beyond all measure; NaN for the others."""
    with np.errstate(invalid="ignore"):
        return np.where((figures > 1.0 / BEYOND) & (figures < BEYOND * BEYOND), figures, np.nan)


def _points(sizes: Floats, groups: NDArray[np.intp], figures: Floats, half_life_s: float) -> list[Point]:
    """Fold rows to a point for each group, all groups at once; rows without progress count as errors only.

    `sizes` [g] are the batches of the groups, `groups` [n] the group of each row, `figures` [9, n] its numbers. A figure that
    cannot be (not a number, negative, beyond all measure) is as one that was not told.
    """
    order = np.argsort(groups, kind="stable")
    of = groups[order]
    starts = np.flatnonzero(np.r_[True, of[1:] != of[:-1]])
    at_s, n, latency, rate, tail, spread, memory, watts, errors = figures[:, order]

    def total(values: Floats) -> Floats:
        return np.add.reduceat(values, starts)

    at_s, n = np.nan_to_num(at_s), np.where((n >= 0) & (n < BEYOND), n, 0.0)
    errors = np.where(errors >= 0, np.minimum(errors, n), 0.0)
    tail, memory, watts = (_told(one) for one in (tail, memory, watts))
    spread = np.where((spread >= 0) & (spread < BEYOND), spread, np.nan)
    now_s = np.maximum.reduceat(at_s, starts)
    w = 0.5 ** ((now_s[of] - at_s) / half_life_s)
    good = (rate > 0) & (rate > sizes[of] / BEYOND) & (rate < sizes[of] * BEYOND) & (n > 0)
    wg = np.where(good, w, 0.0)
    weight = total(wg)
    over = np.maximum(weight, 1e-300)
    period = np.log(sizes[of] / np.where(good, rate, sizes[of]))
    mean = total(wg * period) / over
    late = np.where(np.isnan(tail), _told(latency), tail)
    ratio = np.where(np.isnan(late), 0.0, np.log(np.where(np.isnan(late), 1.0, late)) - period)
    told = (weight > 0) & (total((good & np.isnan(spread)).astype(float)) == 0)
    within = total(np.where(good & ~np.isnan(spread), (wg * spread) ** 2 / np.maximum(n, 1.0), 0.0))
    peak = np.maximum.reduceat(np.where(np.isnan(memory), -np.inf, memory), starts)
    wp = np.where(np.isnan(watts), 0.0, wg)
    powered = total(wp)
    power = total(wp * np.nan_to_num(watts)) / np.maximum(powered, 1e-300)
    columns = (
        now_s,
        weight,
        mean,
        total(wg * (period - mean[of]) ** 2),
        np.where(told, within, -1.0),
        total(np.where(good, wg * ratio, 0.0)) / over,
        np.where(np.isfinite(peak), peak, np.nan),
        np.where(powered > 0, power, np.nan),
        total(w * n),
        total(w * errors),
        powered,
    )
    return [
        Point(
            at,
            seen,
            log_s,
            spread_,
            inside,
            rest,
            None if isnan(most) else most,
            None if isnan(watt) else watt,
            tried,
            lost,
            metered,
        )
        for at, seen, log_s, spread_, inside, rest, most, watt, tried, lost, metered in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _within(a: Point, b: Point) -> float:
    """`Point.within` of both; a point without progress has nothing to say."""
    if not a.weight or not b.weight:
        return b.within if b.weight else a.within
    return a.within + b.within if a.within >= 0 and b.within >= 0 else -1.0


def _watts(a: Point, b: Point) -> float | None:
    """`Point.watts` of both."""
    powered = a.powered + b.powered
    if not powered:
        return b.watts if a.watts is None else a.watts
    return sum((p.watts or 0.0) * p.powered for p in (a, b)) / powered


def _merge(a: Point, b: Point, half_life_s: float) -> Point:
    """Two folded points as one."""
    now_s = max(a.at_s, b.at_s)
    a, b = a.aged(now_s, half_life_s), b.aged(now_s, half_life_s)
    total = a.weight + b.weight
    share = b.weight / total if total else 0.0
    shift = b.period - a.period
    peaks = [p.memory_bytes for p in (a, b) if p.memory_bytes is not None]
    return Point(
        now_s,
        total,
        a.period + share * shift,
        a.squares + b.squares + (a.weight * share * shift * shift if total else 0.0),
        _within(a, b),
        a.tail + share * (b.tail - a.tail),
        max(peaks) if peaks else None,
        _watts(a, b),
        a.batches + b.batches,
        a.errors + b.errors,
        a.powered + b.powered,
    )


def _column(values: tuple[float | None, ...]) -> Floats:
    """Figures as floats, NaN where there is none; most columns are full or empty, and those are quick."""
    if values[0] is None and values.count(None) == len(values):
        return np.full(len(values), np.nan)
    try:
        return np.fromiter(values, float, len(values))
    except TypeError:
        return np.array(values, dtype=float)


class _Numbers(dict[tuple[Workload, Setting], int]):
    """Numbers keys in the order in which they are first asked for."""

    def __missing__(self, key: tuple[Workload, Setting]) -> int:
        """The next number."""
        self[key] = len(self)
        return self[key]


def fold(history: History, rows: Iterable[Observation], half_life_s: float = HALF_LIFE_S) -> History:
    """History with the rows added; the one given stays as it was."""
    grown = {workload: dict(points) for workload, points in history.items()}
    columns = list(zip(*rows, strict=True))
    if not columns:
        return grown
    numbers = _Numbers()
    keys = zip(*columns[:2], strict=True)
    groups = np.fromiter(map(numbers.__getitem__, keys), np.intp, len(columns[0]))
    sizes = np.array([max(setting.batch, 1) for _, setting in numbers], dtype=float)
    figures = np.vstack([_column(column) for column in columns[2:]])
    for (workload, setting), new in zip(numbers, _points(sizes, groups, figures, half_life_s), strict=True):
        if setting.batch < 1 or setting.instances < 1:
            continue
        points = grown.setdefault(workload, {})
        old = points.get(setting)
        points[setting] = _merge(old, new, half_life_s) if old is not None else new
    return grown


def to_json(history: History) -> list[dict[str, Any]]:
    """History as JSON values, in a fixed order."""
    return [
        {"workload": list(workload), "setting": list(setting), **asdict(point)}
        for workload, points in sorted(history.items())
        for setting, point in sorted(points.items())
    ]


def from_json(rows: Iterable[Mapping[str, Any]]) -> History:
    """The inverse of `to_json`."""
    history: dict[Workload, dict[Setting, Point]] = {}
    for row in rows:
        figures = {name: value for name, value in row.items() if name not in ("workload", "setting")}
        history.setdefault(Workload(*row["workload"]), {})[Setting(*row["setting"])] = Point(**figures)
    return history
