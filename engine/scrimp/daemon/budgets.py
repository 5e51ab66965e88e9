"""Budgets: where each one stands, as rows of kind `budget` for policies, and what is worth an alert.

Spend by hour is kept in memory and only what is new is read: closed hours once, the open hour at each look. Amounts are the
split costs that reports show, so a budget and a report of the same rows never differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np

from scrimp.api import Collected, KindBatch, Unavailable, Value
from scrimp.config import BudgetSettings
from scrimp.costs import (
    BillShares,
    Budget,
    BudgetStatus,
    ForecastRules,
    SpendSeries,
    UnitCost,
    budget_status,
    spend_series,
    split_costs,
    unit_cost_change,
    unit_costs,
)
from scrimp.history import MEASURED, Extent, History, HistoryError, Span
from scrimp.model.costs import CostTable, PriceBook
from scrimp.model.money import Money
from scrimp.model.usage import MICRO, Period
from scrimp.reports import chosen, groups_of

FIELDS = ("limit", "spent", "used", "forecast", "forecast_low", "forecast_height", "burn_rate", "days_left")
HOUR_S = 3600
BACK_S = 150 * 86_400  # of spend, for forecasts and their coverage
CLOSED_S = 600.0  # after its end an hour is rolled up for certain
FRESH_S = 60.0  # so long a look at the history is good enough
ITEMS = "samples"  # what the cost per item is of


@dataclass(slots=True)
class _Spend:
    """One budget's spend by hour since `start_s`, up to and without the hour that begins at `closed_s`."""

    start_s: int
    closed_s: int
    amounts: list[float] = field(default_factory=list)


@dataclass(slots=True)
class BudgetBook:
    """What the budgets came to. All methods raise `HistoryError`."""

    settings: Sequence[BudgetSettings]
    history: History
    rules: ForecastRules = field(default_factory=ForecastRules)
    _spends: dict[str, _Spend] = field(default_factory=dict)
    _changes: dict[str, tuple[int, float | None]] = field(default_factory=dict)
    _before: tuple[tuple[Extent, ...], float | None] = ((), None)
    _found: tuple[BudgetStatus, ...] = ()
    _looked_s: float = float("-inf")

    def statuses(self, now_s: float) -> tuple[BudgetStatus, ...]:
        """Where each budget stands, in the order of the configuration."""
        if not 0.0 <= now_s - self._looked_s < FRESH_S:
            imported = tuple(one for one in self.history.extents() if one.source != MEASURED)
            known_s, begin_s = self.history.known_s(now_s), self.history.begin_s(now_s)
            before = imported, begin_s
            if before != self._before:  # a bill, or a past that was filled in, of hours that were read before
                self._spends.clear()
                self._before = before
            found = (self._status(one, now_s, known_s, begin_s) for one in self.settings)
            empty = begin_s is None and not imported
            self._found = tuple(
                replace(one, used=float("nan"), empty=True) if empty else one for one in found
            )
            for one in self.settings:
                self._look_at_items(one, now_s)
            self._looked_s = now_s
        return self._found

    @property
    def latest(self) -> tuple[BudgetStatus, ...]:
        """What the last look found; nothing is read."""
        return self._found

    def unit_cost_change(self, name: str) -> float | None:
        """The rise of a budget's cost per item that the last look found; `None` is not known. Nothing is read."""
        return self._changes.get(name, (0, None))[1]

    def _look_at_items(self, one: BudgetSettings, now_s: float) -> None:
        """Once an hour: what whole hours of late cost per item, against those before them."""
        closed = int((now_s - CLOSED_S) // HOUR_S) * HOUR_S
        if self._changes.get(one.name, (-1, None))[0] == closed:
            return
        over, against = (
            max(1, round(each / HOUR_S)) * HOUR_S for each in (one.unit_cost_over_s, one.unit_cost_against_s)
        )
        begin_s = self.history.begin_s(now_s)
        change = None
        if begin_s is not None and begin_s <= closed - over - against:
            before = self._items(one, Period(closed - over - against, closed - over), now_s)
            change = unit_cost_change(before, self._items(one, Period(closed - over, closed), now_s), ITEMS)
        self._changes[one.name] = closed, change

    def _items(self, one: BudgetSettings, span: Period, now_s: float) -> Sequence[UnitCost]:
        """Cost per item by operation, of what the budget is of. What was made under a label is not known."""
        if one.label or one.where.keys() - {"operation", "team", "job"}:
            return ()
        by = ("operation", *(name for name in ("team", "job") if name in one.where))
        costs = groups_of(self.history, span, one.where, by, now_s)
        return unit_costs(costs, self.history.work(MEASURED, Span(span.start_s, span.end_s), now_s), per={})

    def _status(
        self, one: BudgetSettings, now_s: float, known_s: float, begin_s: float | None
    ) -> BudgetStatus:
        budget = budget_of(one, self.history.currency)
        this = int(now_s // HOUR_S) * HOUR_S
        spend = self._spends.get(one.name)
        if spend is None or this < spend.closed_s:  # a clock that was set back has hours to come read as gone
            spend = self._spends[one.name] = _Spend(this - BACK_S, this - BACK_S)
        closed = int((now_s - CLOSED_S) // HOUR_S) * HOUR_S
        late = self._read(one, budget, spend.closed_s, this + HOUR_S, now_s)
        if closed > spend.closed_s:
            hours = (closed - spend.closed_s) // HOUR_S
            spend.amounts.extend(late[:hours])
            late, spend.closed_s = late[hours:], closed
        amounts = np.array([*spend.amounts, *late], dtype=np.float64)
        billed = np.flatnonzero(amounts)
        # Bills come late: hours after the last that is known are no hours without cost.
        late_hours = max(0, (this - int(known_s // HOUR_S) * HOUR_S) // HOUR_S)
        end = max(len(amounts) - 1 - late_hours, 1)
        first = min(int(billed[0]) if len(billed) else end - 1, end - 1)
        whole = SpendSeries(spend.start_s + first * HOUR_S, HOUR_S, amounts[first:end], budget.limit.currency)
        found = budget_status(budget, whole, self.rules, now_s=int(now_s))
        hourly = begin_s is not None and begin_s + max(found.burn, default=0) <= found.known_s
        if not len(billed) or billed[0] >= end or not hourly:
            # Bills are of days and more: only what is measured has a pace by the hour.
            found = replace(found, burn={})
        known = int(now_s) if not late_hours else found.known_s
        return _with_open_hour(replace(found, known_s=known), float(amounts[-1]) / MICRO, now_s)

    def _read(self, one: BudgetSettings, budget: Budget, from_s: int, to_s: int, now_s: float) -> list[float]:
        total = np.zeros((to_s - from_s) // HOUR_S)
        for costs in self._costs(one, Span(from_s, to_s), now_s):
            total += spend_series(costs, budget, from_s, to_s, HOUR_S).amounts_micro
        return [float(amount) for amount in total]

    def _costs(self, one: BudgetSettings, span: Span, now_s: float) -> Iterator[CostTable]:
        for part in chosen(self.history, "", span, now_s):
            for usage in self.history.usage(part.source, part.span, now_s, one.label or None):
                yield split_costs(usage, PriceBook({}), BillShares())


def budget_of(one: BudgetSettings, currency: str) -> Budget:
    """A budget as costs reckon with it."""
    return Budget(one.name, Money(one.limit, currency), one.per, one.where)


def _with_open_hour(found: BudgetStatus, spent: float, now_s: float) -> BudgetStatus:
    """With what the hour that is open has cost so far."""
    limit = found.budget.limit
    so_far = Money(spent + found.spent.amount, limit.currency)
    return replace(
        found,
        at_s=int(now_s),
        spent=so_far,
        used=so_far.amount / limit.amount if limit.amount > 0 else float("inf"),
        least=_most(found.least, so_far),
        low=_most(found.low, so_far),
        total=_most(found.total, so_far),
        high=_most(found.high, so_far),
        at_height=None if found.at_height is None else _most(found.at_height, so_far),
        days_left=max(found.period.end_s - now_s, 0.0) / 86_400,
    )


def _most(one: Money, other: Money) -> Money:
    return max(one, other, key=lambda each: each.amount)


@dataclass(slots=True)
class BudgetCollector:
    """Rows of kind `budget`, for policies."""

    book: BudgetBook
    name: str = "budgets"
    interval_s: float = 60.0

    def covers(self) -> Sequence[tuple[str, str]]:
        """All of the kind."""
        return [("budget", one) for one in FIELDS]

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:  # noqa: ARG002 - reads local files
        """Where each stands. A history that cannot be read, or has nothing yet, makes them unknown."""
        try:
            found = self.book.statuses(now_s)
        except HistoryError as error:
            raise Unavailable(str(error)) from error
        rows: Mapping[str, list[Value]] = {
            "limit": [one.budget.limit.amount for one in found],
            "spent": [None if one.empty else one.spent.amount for one in found],
            "used": [_known(one.used) for one in found],
            "forecast": [None if one.empty else one.total.amount for one in found],
            "forecast_low": [None if one.empty else one.least.amount for one in found],
            "forecast_height": [None if one.at_height is None else one.at_height.amount for one in found],
            "burn_rate": [_known(one.burn_rate) for one in found],
            "days_left": [one.days_left for one in found],
        }
        return Collected([KindBatch("budget", [one.budget.name for one in found], rows, None, now_s)])


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
