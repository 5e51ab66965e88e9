"""What will be spent by the end of a period: a forecast with a band, and how often the band has held.

The middle is a mean of simple forecasts (`members`), weighted by how well each did at this very horizon (a power of its
inverse error; Bates and Granger 1969) and by a favour for those that come back to a level (shrinkage of the weights to a
prior; Diebold and Pauly 1990). The band is split conformal (Vovk et al. 2005; Lei et al. 2018): the 80 % quantile of
its own past relative errors at the same horizon, the newer counting more (Barber et al. 2023, beyond exchangeability). After a
change of level only what came after it is fitted, and the band is widened until there are errors of the new level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from scrimp.costs.changes import LevelRules, level_starts
from scrimp.costs.members import MEMBERS, cleaned
from scrimp.model.money import Money
from scrimp.model.usage import MICRO, Floats, Integers

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class SpendSeries:
    """Spend per step: `amounts_micro[i]` was spent from `start_s + i step_s` on, for `step_s`; `nan` is not known."""

    start_s: int
    step_s: int
    amounts_micro: Floats
    currency: str

    @property
    def end_s(self) -> int:
        """Where the last step ends."""
        return self.start_s + len(self.amounts_micro) * self.step_s

    def spent_micro(self, start_s: int, end_s: int) -> float:
        """The sum of what is known to be spent in a span; whole steps."""
        first, last = (max(0, (at_s - self.start_s) // self.step_s) for at_s in (start_s, end_s))
        return float(np.nansum(self.amounts_micro[first:last]))


@dataclass(frozen=True, slots=True)
class ForecastRules:
    """How forecasts are made.

    Days are fitted over at most `window_days`; past forecasts are judged every `origin_s`. Before `errors_min` of them are
    known the band is `band_first` either way: forecasts of days ahead, made every few hours, share most of their errors, so
    that a week of them is asked for and not the eight that would do if each were new. Forecasts of the last `judged_days` are
    judged. `prior_errors` is the weight of the members' common error against each one's own, and `sharpness` the power of the
    inverse errors by which members are weighted, on top of `favour`, their weights where all did alike, in the order of
    `MEMBERS`: spend that swung comes back to its level more often than it stays where it is or goes on as it went. An error
    counts half as much for every `half_life_s` that it is old. `widen` is by what the band grows after a change of level.

    `favour` is a mild doubling, chosen on several clusters and the carbon intensity of two grids: it lowers the error of
    all that swings, and raises that of steady growth (which is small) by a tenth. `sharpness` and the threshold of `level`
    were chosen on series made of weeks of Philly with growth and steps, and on generated ones, and judged on Philly itself,
    its parts, reversed, with noise and with gaps (`benchmarks/analytics_choice.py`).
    """

    window_days: int = 56
    origin_s: int = 21_600
    history_min_days: int = 7
    errors_min: int = 28
    band_first: float = 0.35
    prior_errors: float = 4.0
    sharpness: float = 4.0
    favour: tuple[float, ...] = (2.0, 1.0, 1.0, 2.0)
    judged_days: int = 91
    half_life_s: int = 14 * DAY_S
    outlier_sigmas: float = 3.0
    widen: float = 1.5
    level: LevelRules = field(default_factory=LevelRules)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one span: the amounts, how many past errors the band stands on, and the share of them that it covered.

    `low` and `high` mean to hold between them what will be spent in 80 % of cases; `coverage` is how often earlier bands,
    each made from what was known then, did, and `nan` before there were any. `least` is a bound of its own: less than that
    comes in 20 % of cases at most, so a demand that was underestimated so far does not lower it. `level_since_s` is when the
    present level of spend began.
    """

    least: Money
    low: Money
    mid: Money
    high: Money
    half_width: float
    errors: int
    coverage: float
    level_since_s: int


@dataclass(frozen=True)
class Backtest:
    """Every forecast that could have been made of a series, one origin after another, each from its own past alone."""

    series: SpendSeries
    rules: ForecastRules
    horizon_days: int
    origins: Integers  # in steps
    levels: Integers  # step at which each origin's level began
    ahead: Floats  # (members, origins, days + 1): amounts to come, cumulative
    total: Floats  # (steps + 1,): amounts that came, cumulative

    @cached_property
    def _per_day(self) -> int:
        return DAY_S // self.series.step_s

    def members(self, steps: float) -> Floats:
        """What each member forecast at each origin for the next `steps`; (members, origins)."""
        days = min(steps / self._per_day, float(self.horizon_days))
        whole = min(int(days), self.horizon_days - 1)
        part = days - whole
        found: Floats = (1 - part) * self.ahead[:, :, whole] + part * self.ahead[:, :, whole + 1]
        return found

    def actual(self, steps: int) -> Floats:
        """What then came, at each origin; `nan` where that is not over."""
        ends = self.origins + steps
        over = ends < len(self.total)
        found = self.total[np.minimum(ends, len(self.total) - 1)] - self.total[self.origins]
        return np.where(over, found, np.nan)


@dataclass(frozen=True, slots=True)
class Judged:
    """The forecasts of one span at every origin: `mid`, and what `error` it had (actual / mid - 1; `nan` while open).

    `known[i]` says how many of the first origins were over at origin i, so that their errors were known.
    """

    test: Backtest
    steps: int
    mid: Floats
    error: Floats
    known: Integers

    def half_width(self, at: int) -> tuple[float, int]:
        """The band at an origin, relative to `mid`, and how many errors it stands on (0: the first band)."""
        sizes, ages = self._past(at)
        return self._widened(at, np.abs(sizes), ages), len(sizes)

    def shortfall(self, at: int) -> float:
        """By how much less than `mid` may come, relative to it: the one-sided bound, never wider than the band."""
        sizes, ages = self._past(at)
        return min(self._widened(at, np.maximum(-sizes, 0.0), ages), self.half_width(at)[0])

    def _past(self, at: int) -> tuple[Floats, Floats]:
        """The errors that were known at an origin, with their ages in half-lives; none where there are too few."""
        rules, test = self.test.rules, self.test
        fine = np.flatnonzero(np.isfinite(self.error[: self.known[at]]))
        if len(fine) < rules.errors_min:
            return np.zeros(0), np.zeros(0)
        ages_s = (test.origins[at] - test.origins[fine]) * float(test.series.step_s)
        return self.error[fine], ages_s / rules.half_life_s

    def _widened(self, at: int, sizes: Floats, ages: Floats) -> float:
        """The 80 % quantile of the sizes, wider soon after a change of level; the first band where there are none."""
        rules, since = self.test.rules, self.test.levels[at]
        half = _quantile(sizes, ages) if len(sizes) else rules.band_first
        if since > 0 and self.test.origins[at] - since < 2 * self.steps:
            half = max(half, min(half * rules.widen, rules.band_first))
        return half

    def coverage(self, at: int) -> float:
        """The share of earlier bands that held, of those that were over at an origin; `nan` if none was."""
        held = [
            abs(self.error[before]) <= half + 1e-9
            for before in np.flatnonzero(np.isfinite(self.error[: self.known[at]])).tolist()
            for half, errors in (self.half_width(before),)
            if errors
        ]
        return float(np.mean(held)) if held else float("nan")


def backtest(series: SpendSeries, horizon_days: int, rules: ForecastRules) -> Backtest:
    """Every forecast of up to `horizon_days` that could have been made of a series; the last origin is its end.

    `step_s` must divide a day, and the series must hold at least one known amount. Steps that are not known count as the
    last one that is.
    """
    amounts = _filled(series.amounts_micro)
    per_day, every = DAY_S // series.step_s, max(1, rules.origin_s // series.step_s)
    total = np.concatenate(([0.0], np.cumsum(amounts)))
    last = len(amounts)
    first = min(last, max(rules.history_min_days * per_day, last - rules.judged_days * per_day))
    origins = np.arange(last, first - 1, -every, dtype=np.int64)[::-1]
    # The sum of the day from each step on.
    days = total[per_day:] - total[:-per_day] if last >= per_day else np.zeros(0)
    levels = level_starts(days, origins - per_day, per_day, rules.level)
    known = np.minimum((origins - levels) // per_day, rules.window_days)
    known = np.maximum(known, np.minimum(origins // per_day, rules.level.days_min))
    back = np.arange(rules.window_days, 0, -1) * per_day
    starts = origins[:, None] - back[None, :]
    windows = np.where(starts >= 0, days[np.maximum(starts, 0)] if len(days) else 0.0, 0.0)
    windows = cleaned(windows, known, rules.outlier_sigmas)
    ahead = np.stack([member(windows, known, horizon_days) for member in MEMBERS.values()])
    zero = np.zeros((*ahead.shape[:2], 1))
    cumulative = np.concatenate((zero, np.cumsum(ahead, axis=2)), axis=2)
    return Backtest(series, rules, horizon_days, origins, levels, cumulative, total)


def _filled(amounts: Floats) -> Floats:
    """Each unknown step as the last known one, or the first if there is none before."""
    known = np.isfinite(amounts)
    if not known.any():
        return np.zeros(len(amounts))
    at = np.maximum.accumulate(np.where(known, np.arange(len(amounts)), -1))
    filled: Floats = amounts[np.where(at >= 0, at, np.argmax(known))]
    return filled


def judge(test: Backtest, steps: int) -> Judged:
    """The middles at every origin, each weighted by the errors that were known at it."""
    members, actual = test.members(steps), test.actual(steps)
    scale = np.where(actual > 0, actual, np.nan)
    misses = np.abs(members / scale - 1)
    fine = np.isfinite(misses[0])
    known = np.searchsorted(test.origins, test.origins - steps, side="right")
    zeros = np.zeros((len(misses), 1))
    summed = np.concatenate((zeros, np.cumsum(np.where(fine, misses, 0.0), axis=1)), axis=1)[:, known]
    count = np.concatenate(([0], np.cumsum(fine)))[known]
    own = summed / np.maximum(count, 1)
    prior = test.rules.prior_errors
    shrunk = (count * own + prior * np.maximum(own.mean(axis=0), 1e-9)) / (count + prior)
    weights = np.array(test.rules.favour)[:, None] * shrunk**-test.rules.sharpness
    mid = np.sum(weights / weights.sum(axis=0) * members, axis=0)
    error = np.full(len(mid), np.nan)
    np.divide(actual, mid, out=error, where=mid > 0)
    return Judged(test, steps, mid, error - 1, known)


def _quantile(sizes: Floats, ages: Floats) -> float:
    """The 80 % quantile of past errors, weighted by their ages in half-lives; the next error counts as one at infinity."""
    weights = 0.5 ** (ages - ages.min())
    order = np.argsort(sizes)
    reached = np.cumsum(weights[order]) / (weights.sum() + 1.0)
    return float(sizes[order][min(int(np.searchsorted(reached, 0.8)), len(sizes) - 1)])


def forecast(test: Backtest, seconds: int, at: int = -1) -> Forecast:
    """What will be spent in the `seconds` after origin number `at` (the end of the series if not said)."""
    judged = judge(test, max(1, round(seconds / test.series.step_s)))
    at = range(len(test.origins))[at]
    half, errors = judged.half_width(at)
    mid, currency = float(judged.mid[at]) / MICRO, test.series.currency
    bounds = (-judged.shortfall(at), -half, 0.0, half)
    least, low, middle, high = (Money(mid * max(0.0, 1 + part), currency) for part in bounds)
    since_s = test.series.start_s + int(test.levels[at]) * test.series.step_s
    return Forecast(least, low, middle, high, half, errors, judged.coverage(at), since_s)


def hourly(start_s: int, amounts_micro: Sequence[float], currency: str) -> SpendSeries:
    """A series of hours."""
    return SpendSeries(start_s, 3600, np.asarray(amounts_micro, dtype=np.float64), currency)
