"""Budgets: what is spent and what will be, how fast, and which alerts that is worth, once each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from scrimp.costs.forecast import DAY_S, Forecast, ForecastRules, SpendSeries, backtest, forecast
from scrimp.costs.groups import select
from scrimp.costs.pace import PaceRules, new_height
from scrimp.costs.periods import PeriodUnit, calendar_period
from scrimp.model.costs import CostTable
from scrimp.model.money import Money
from scrimp.model.usage import MICRO, Period

Severity = Literal["info", "warning", "critical"]
_ACTUAL = "actual "


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount for each `unit` of the calendar, for the costs whose dimensions are `where`; all of them if it is empty."""

    name: str
    limit: Money
    unit: PeriodUnit = "month"
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """Where a budget stands at `at_s`.

    `spent` and `used` are of the period so far; `total` is the forecast of the whole period, and `ahead` that of its rest.
    `at_height` is what the period comes to at the pace of its last days, where that is a new height of spending, and `None`
    where it is not. `burn` is, by window in seconds, the pace of spending in units of the pace that would just use the limit
    up. `measured` is false where the amounts are estimates: a hard stop must not stand on those. `known_s` is up to when
    spend is known: what came later, before `at_s`, is forecast and not in `spent`. `empty` says that no usage was ever seen:
    then amounts are nothing because nothing is known, and `used` is `nan`.
    """

    budget: Budget
    period: Period
    at_s: int
    spent: Money
    used: float
    least: Money
    low: Money
    total: Money
    high: Money
    ahead: Forecast
    at_height: Money | None
    burn: Mapping[int, float]
    days_left: float
    measured: bool
    known_s: int
    empty: bool = False

    @property
    def burn_rate(self) -> float:
        """The slowest of the windows: above a mark only if all windows are, so that neither a blip nor the past counts."""
        return min(self.burn.values(), default=float("nan"))


def spend_series(
    costs: CostTable, budget: Budget, start_s: int, end_s: int, step_s: int = 3600
) -> SpendSeries:
    """What a budget's costs came to in each step of a span, in its currency. A step without any row cost nothing."""
    currency = budget.limit.currency
    rows = select(costs.usage, {**budget.where, "currency": (currency,)}, Period(start_s, end_s))
    at = (costs.usage.start_s[rows] - start_s) // step_s
    amounts = np.bincount(at, costs.cost_micro()[rows].astype(np.float64), (end_s - start_s) // step_s)
    return SpendSeries(start_s, step_s, amounts.astype(np.float64), currency)


def budget_status(
    budget: Budget,
    series: SpendSeries,
    rules: ForecastRules,
    *,
    pace: PaceRules | None = None,
    windows_s: tuple[int, ...] = (3600, 21_600),
    measured: bool = True,
    now_s: int | None = None,
) -> BudgetStatus:
    """Where a budget stands at the end of its series, which should begin weeks before the period does.

    The period is the one that holds `now_s`, where that is later; then its rest is all of it that the series does not have.
    A series in another currency than the limit is a bug of the caller: amounts are never converted here.
    """
    if series.currency != budget.limit.currency:
        raise ValueError(f"a budget in {budget.limit.currency} cannot be held against {series.currency}")
    at_s, limit = series.end_s, budget.limit.amount * MICRO
    # At its very end a period is over, not the next one begun.
    period = calendar_period(budget.unit, at_s - 1 if now_s is None else max(now_s, at_s - 1))
    spent = series.spent_micro(period.start_s, at_s) if at_s > period.start_s else 0.0
    left_s = max(0, period.end_s - max(at_s, period.start_s))
    test = backtest(series, max(1, -(-left_s // DAY_S)), rules)
    ahead = forecast(test, left_s)
    if left_s == 0:
        nothing = Money(0.0, series.currency)
        ahead = Forecast(
            nothing, nothing, nothing, nothing, 0.0, ahead.errors, ahead.coverage, ahead.level_since_s
        )
    so_far = Money(spent / MICRO, series.currency)
    plan = limit / (period.end_s - period.start_s)
    burn = {
        window: series.spent_micro(at_s - window, at_s) / window / plan if plan > 0 else float("inf")
        for window in windows_s
    }
    used = spent / limit if limit > 0 else float("inf") if spent > 0 else 0.0
    height = _at_height(series, period, left_s, pace or PaceRules())
    least, low, total, high = (so_far + part for part in (ahead.least, ahead.low, ahead.mid, ahead.high))
    return BudgetStatus(
        budget,
        period,
        at_s,
        so_far,
        used,
        least,
        low,
        total,
        high,
        ahead,
        None if height is None else so_far + height,
        burn,
        left_s / DAY_S,
        measured,
        at_s,
    )


def _at_height(series: SpendSeries, period: Period, left_s: int, rules: PaceRules) -> Money | None:
    """What the rest of a period comes to at a new height of spending."""
    if period.end_s - period.start_s < rules.periods * rules.days * DAY_S:
        return None
    per_day = new_height(series, rules)
    return None if per_day is None else Money(per_day * left_s / DAY_S / MICRO, series.currency)


@dataclass(frozen=True, slots=True)
class AlertRules:
    """What is worth an alert. Shares are of the limit, `burn` is in units of the planned pace, `unit_cost` a relative rise.

    The forecast pages when even its lower bound passes `forecast_page`, and is noted when its middle passes
    `forecast_note`; a new height of spending pages when it would pass `height_page`. An alert is armed again once its value is
    `rearm` below its mark.
    """

    actual: tuple[tuple[float, Severity], ...] = ((0.5, "info"), (0.8, "warning"), (1.0, "critical"))
    forecast_page: float = 1.0
    forecast_note: float = 1.0
    height_page: float = 1.0
    burn: float = 3.0
    unit_cost: float = 0.15
    rearm: float = 0.05


@dataclass(frozen=True, slots=True)
class BudgetAlert:
    """One rule that a budget passed. `rule` is stable (`actual 80%`); `value` and `mark` are in the rule's unit."""

    budget: str
    rule: str
    period: str
    severity: Severity
    value: float
    mark: float


Fired = frozenset[tuple[str, str, str]]
"""Alerts that were given and are not armed again: (budget, rule, period)."""


def budget_alerts(
    status: BudgetStatus, rules: AlertRules, fired: Fired, *, unit_cost_change: float | None = None
) -> tuple[tuple[BudgetAlert, ...], Fired]:
    """The alerts that are new now, gravest first, and what is fired after them.

    One alert per budget, rule and period, however often it is asked; again only after it was armed again. What is fired of
    periods before this one is forgotten. `unit_cost_change` is the rise against the seven days before; `None` is not known.
    """
    name, period = status.budget.name, str(status.period)
    found = []
    after = {key for key in fired if key[0] != name or key[2] == period}
    for rule, severity, value, mark in _values(status, rules, unit_cost_change):
        key = (name, rule, period)
        if value >= mark:
            if key not in after:
                after.add(key)
                found.append(BudgetAlert(name, rule, period, severity, value, mark))
        elif value <= mark - rules.rearm:
            after.discard(key)
    grave = ("critical", "warning", "info")
    return tuple(sorted(found, key=lambda one: (grave.index(one.severity), -one.mark))), frozenset(after)


def worth_telling(due: Sequence[BudgetAlert]) -> tuple[BudgetAlert, ...]:
    """Of alerts of one budget that are due at once, those that say what no other says.

    A bill that comes late may pass all marks together: the highest mark of what is spent stands for those below it, and the
    forecast's lower bound for its middle. The others are fired all the same.
    """
    highest = max((one.mark for one in due if one.rule.startswith(_ACTUAL)), default=0.0)
    paged = any(one.rule == "forecast page" for one in due)
    return tuple(
        one
        for one in due
        if not (one.rule.startswith(_ACTUAL) and one.mark < highest)
        and not (one.rule == "forecast note" and paged)
    )


def _values(
    status: BudgetStatus, rules: AlertRules, unit_cost_change: float | None
) -> list[tuple[str, Severity, float, float]]:
    """Each rule with its severity, its value now and its mark; none while nothing is known: what was fired stays fired."""
    if status.empty:
        return []
    limit = status.budget.limit.amount
    least, middle = (
        amount / limit if limit > 0 else float("inf") for amount in (status.least.amount, status.total.amount)
    )
    found = [(f"{_ACTUAL}{mark:.0%}", severity, status.used, mark) for mark, severity in rules.actual]
    found += [
        ("forecast page", "critical", least, rules.forecast_page),
        ("forecast note", "info", middle, rules.forecast_note),
        ("burn rate", "critical", status.burn_rate, rules.burn),
    ]
    if status.at_height is not None and limit > 0:  # while there is none, what was fired stays fired
        found.append(("new height", "critical", status.at_height.amount / limit, rules.height_page))
    if unit_cost_change is not None:
        found.append(("unit cost", "warning", unit_cost_change, rules.unit_cost))
    return found
