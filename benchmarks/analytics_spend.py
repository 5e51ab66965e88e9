"""Forecasts of spend and months of a budget, judged on what came after; for the analytics benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics_data import DAY_S
from scrimp.costs import AlertRules, ForecastRules, PaceRules, backtest, forecast, hourly, judge, new_height
from scrimp.model.usage import MICRO, Floats

HISTORY_DAYS = 21
HORIZON_DAYS = 7
MONTH_DAYS = 30
BEFORE_DAYS = 56
BURST_DAY = 12
BURST = 1.4
BUDGET = 1.1
BLOCK_DAYS = 7
EARLY_DAYS = 7
BURN_WINDOWS = (1, 6)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """From many origins: mean errors of the members and of their mean, how often the band held, its half width; percent.

    `told` is how often earlier bands held by the last forecast's own account, which counts those from before three weeks too.
    """

    origins: int
    members: Sequence[float]
    error: float
    held: float
    half_width: float
    told: float


def forecasts(nodes: Floats) -> Forecasts:
    """Seven days ahead from every origin with three weeks of history, six hours apart."""
    test = backtest(hourly(0, nodes * MICRO, "USD"), HORIZON_DAYS, ForecastRules())
    steps = HORIZON_DAYS * 24
    judged = judge(test, steps)
    at = np.flatnonzero((test.origins >= HISTORY_DAYS * 24) & np.isfinite(judged.error))
    halves = np.array([judged.half_width(one)[0] for one in at.tolist()])
    actual = test.actual(steps)[at]
    return Forecasts(
        len(at),
        [100 * float(np.mean(np.abs(member[at] / actual - 1))) for member in test.members(steps)],
        100 * float(np.mean(np.abs(judged.mid[at] / actual - 1))),
        100 * float(np.mean(np.abs(judged.error[at]) <= halves)),
        100 * float(halves.mean()),
        100 * forecast(test, HORIZON_DAYS * DAY_S).coverage,
    )


@dataclass(frozen=True, slots=True)
class Month:
    """A simulated month: the days at which the budget was paged, by which rule, and used up; `None` if it was not.

    `known` is the share of the budget that one who knew the new mean demand, and no more of what was to come, would have
    expected to be spent `EARLY_DAYS` before 100 %: below 1 no rule can be sure in time. `nan` where it was not used up.
    """

    paged: float | None
    rule: str
    full: float | None
    known: float

    @property
    def lead(self) -> float:
        """Days from the page to 100 %; 0 without a page before it."""
        return max(0.0, self.full - self.paged) if self.full is not None and self.paged is not None else 0.0


def months(nodes: Floats, rng: np.random.Generator, count: int, burst: float) -> list[Month]:
    """Months whose noise is weeks of the series, drawn with replacement, after eight weeks of the same noise."""
    level = np.where(np.isfinite(nodes), nodes, np.nanmean(nodes)) / np.nanmean(nodes)
    found = []
    for _ in range(count):
        hours = (BEFORE_DAYS + MONTH_DAYS) * 24
        starts = rng.integers(0, max(1, len(level) // 24 - BLOCK_DAYS + 1), hours // (BLOCK_DAYS * 24) + 1)
        spend = np.concatenate([level[s * 24 : (s + BLOCK_DAYS) * 24] for s in starts.tolist()])[:hours]
        spend[(BEFORE_DAYS + BURST_DAY) * 24 :] *= burst
        found.append(_month(spend, burst))
    return found


def _month(spend: Floats, mean: float) -> Month:
    """One month, asked every six hours."""
    begin, hours, limit = BEFORE_DAYS * 24, len(spend), BUDGET * MONTH_DAYS * 24
    rules, paces = AlertRules(), PaceRules()
    test = backtest(hourly(0, spend * MICRO, "USD"), MONTH_DAYS + 1, ForecastRules())
    spent = np.concatenate(([0.0], np.cumsum(spend[begin:])))
    full = int(np.argmax(spent >= limit)) / 24 if spent[-1] >= limit else None
    then = None if full is None else max(0, int(24 * (full - EARLY_DAYS)))
    known = np.nan if then is None else float(spent[then] + mean * (MONTH_DAYS * 24 - then)) / limit
    for at, origin in enumerate(test.origins.tolist()):
        if not begin < origin < hours:
            continue
        so_far, left = float(spent[origin - begin]), hours - origin
        judged = judge(test, left)
        least = so_far + judged.mid[at] / MICRO * (1 - judged.shortfall(at))
        height = new_height(hourly(0, spend[:origin] * MICRO, "USD"), paces)
        burns = [spend[origin - window : origin].mean() * MONTH_DAYS * 24 / limit for window in BURN_WINDOWS]
        pages = {
            "new height": height is not None
            and so_far + height / MICRO * left / 24 >= rules.height_page * limit,
            "forecast": least >= rules.forecast_page * limit,
            "burn rate": min(burns) >= rules.burn,
        }
        for rule, page in pages.items():
            if page:
                return Month((origin - begin) / 24, rule, full, known)
    return Month(None, "", full, known)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Months with more demand from a day on, and months without."""

    more: Sequence[Month]
    clean: Sequence[Month]

    @property
    def used_up(self) -> list[Month]:
        """The months with more demand that used the budget up: only of those can a page be early."""
        return [one for one in self.more if one.full is not None]

    @property
    def early_percent(self) -> float:
        """The share of them that was paged a week before."""
        found = [one.lead >= EARLY_DAYS for one in self.used_up]
        return 100 * float(np.mean(found)) if found else 100.0

    @property
    def pages_a_year(self) -> float:
        """Pages in 12 clean months; a month that used its budget up all the same was paged with reason."""
        return 12 * sum(one.paged is not None and one.full is None for one in self.clean) / len(self.clean)


def budgets(nodes: Floats, rng: np.random.Generator, count: int) -> Budgets:
    """`count` months of each kind."""
    return Budgets(months(nodes, rng, count, BURST), months(nodes, rng, count, 1.0))
