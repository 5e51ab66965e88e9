"""A report put together: what the history has of a period, split, summed, compared and looked ahead from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scrimp.costs import (
    Advice,
    ForecastRules,
    Realised,
    SpendSeries,
    Trend,
    UnitCost,
    backtest,
    forecast,
    trend,
    unit_costs,
)
from scrimp.history import FOCUS_BY, MEASURED, History, Span
from scrimp.model.costs import CostGroups
from scrimp.model.usage import MICRO, Period
from scrimp.reports.advice import advise
from scrimp.reports.figures import (
    Figures,
    Question,
    finished,
    marginal,
    nothing,
)
from scrimp.reports.periods import DAY_S, HOUR_S, steps
from scrimp.reports.pools import Samples
from scrimp.reports.sums import Ask, Part, Progress, chosen, summed

PER = {"samples": 1000.0, "audio_hours": 1.0}
LOOK_BACK_DAYS = 150  # of spend, for forecasts and their coverage


@dataclass(frozen=True, slots=True)
class Band:
    """A forecast of the rest of a period, in millionths: between `low` and `high` with the probability that bands are made for.

    It stands on `errors` past errors; `coverage` is the share of earlier bands that held, `nan` before there were any.
    """

    low_micro: int
    mid_micro: int
    high_micro: int
    errors: int
    coverage: float
    level_since_s: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the period is heading in one currency: spent so far, the forecast of the rest, and what as long before it cost."""

    currency: str
    spent_micro: int
    rest: Band | None
    before_micro: int | None
    trend: Trend | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report shows, whatever its form.

    `covered` is the share of the time up to `at_s` that has rows; `lacking` says, a line each, which advice could not be given.
    """

    at_s: float
    ask: Ask
    parts: tuple[Part, ...]
    covered: float
    figures: Figures
    units: tuple[UnitCost, ...]
    unit_totals: tuple[UnitCost, ...]
    outlooks: tuple[Outlook, ...]
    savings: tuple[Realised, ...] = ()
    advice: tuple[Advice, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def period(self) -> Period:
        """What it is about."""
        return self.ask.question.period


def figures_report(history: History, ask: Ask, now_s: float, progress: Progress | None = None) -> Report:
    """Read the history and reckon. Raises `HistoryError`."""
    question = ask.question
    span = Span(question.period.start_s, question.period.end_s)
    with history.folder.reading():
        parts = chosen(history, ask.source, span, now_s)
        measured = next((part for part in parts if part.source == MEASURED), None)
        samples = None
        if measured is not None and ask.marks and not question.where:
            samples = Span(measured.span.from_s, min(measured.span.to_s, now_s))
        discounts = history.discounts(samples) if samples is not None else {}
        if discounts:
            question = replace(question, types=True)
            ask = replace(ask, question=question)
        figures = finished(summed(history, ask, parts, now_s, progress or _quiet), question)
        units, totals = _units(history, figures, parts, now_s, ask)
        series = _series(history, ask.source, span, now_s)
        opened = set() if measured is None else history.open_hours(now_s)
    covered = _covered({hour // HOUR_S for hour, _ in series} | opened, span, now_s)
    live = history.currency if opened else ""
    outlooks = () if question.where else _outlooks(series, figures, ask, now_s, live)
    hours = covered * (min(now_s, span.to_s) - span.from_s) / HOUR_S
    known = None if samples is None else Samples(history, samples, discounts)
    advice, lacking = (
        advise(figures, ask.marks, hours, known, ask.advising) if ask.marks and hours > 0 else ((), ())
    )
    return Report(
        now_s, ask, parts, covered, figures, units, totals, outlooks, advice=advice, lacking=lacking
    )


def summed_over(history: History, ask: Ask, now_s: float) -> Figures:
    """The figures of a question alone, without what looks ahead."""
    span = Span(ask.question.period.start_s, ask.question.period.end_s)
    parts = chosen(history, ask.source, span, now_s)
    return finished(summed(history, ask, parts, now_s, _quiet), ask.question)


def _units(
    history: History, figures: Figures, parts: Sequence[Part], now_s: float, ask: Ask
) -> tuple[tuple[UnitCost, ...], tuple[UnitCost, ...]]:
    """Cost per item by operation, and over all that was produced; only where nothing was filtered out."""
    measured = next((part for part in parts if part.source == MEASURED), None)
    if "operation" not in figures.breakdowns or ask.question.where or measured is None:
        return (), ()
    work = history.produced(MEASURED, measured.span, now_s)
    operations = figures.breakdowns["operation"]
    return unit_costs(operations, work, per=PER), unit_costs(marginal(operations, ()), work, per=PER)


def _series(history: History, source: str, span: Span, now_s: float) -> dict[tuple[int, str], int]:
    """Spend by hour and currency, of the period and long before it."""
    back = Span(span.from_s - LOOK_BACK_DAYS * DAY_S, min(span.to_s, now_s))
    found: dict[tuple[int, str], int] = {}
    for part in chosen(history, source, back, now_s):
        for key, amount in history.spend(part.source, part.span).items():
            found[key] = found.get(key, 0) + amount
    return found


def _covered(hours: set[int], span: Span, now_s: float) -> float:
    """The share of the hours (since 1970) of the span, up to now, that have rows."""
    first, last = int(span.from_s // HOUR_S), int(-(-min(span.to_s, now_s) // HOUR_S))
    return sum(first <= hour < last for hour in hours) / max(last - first, 1)


def _outlooks(
    series: dict[tuple[int, str], int], figures: Figures, ask: Ask, now_s: float, live: str
) -> tuple[Outlook, ...]:
    return tuple(_outlook(series, figures, one, ask, now_s, live) for one in figures.currencies)


def _outlook(
    series: dict[tuple[int, str], int], figures: Figures, currency: str, ask: Ask, now_s: float, live: str
) -> Outlook:
    """`live` is the currency that is measured now, if one is."""
    period = ask.question.period
    spent = sum(figures.total(currency))
    mine = {hour: amount for (hour, one), amount in series.items() if one == currency}
    # Bills come late: what is after the last row is not known yet, not free of cost.
    last_s = now_s if currency == live else max(mine, default=period.start_s) + HOUR_S
    known_s = min(now_s, period.end_s, last_s)
    length_s = known_s - period.start_s
    before = [a for hour, a in mine.items() if period.start_s - length_s <= hour < period.start_s]
    whole = mine and length_s > 0 and min(mine) <= period.start_s - length_s
    spend = _spend(mine, int(known_s // HOUR_S) * HOUR_S, currency)
    found = None if spend is None else trend(_daily(spend))
    rest = _band(spend, period, known_s, now_s, ask.rules)
    return Outlook(currency, spent, rest, sum(before) if whole else None, found)


def _spend(hours: Mapping[int, int], end_s: int, currency: str) -> SpendSeries | None:
    """Spend by hour up to `end_s`; hours without rows are not known. `None` before the first whole day of it."""
    start_s = min((hour for hour in hours if hour < end_s), default=end_s)
    if end_s - start_s < DAY_S:
        return None
    amounts = np.array([hours.get(hour, np.nan) for hour in range(start_s, end_s, HOUR_S)], dtype=np.float64)
    return SpendSeries(start_s, HOUR_S, amounts, currency)


def _daily(spend: SpendSeries) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Whole days, counted back from the end; one with an hour that is not known is not known."""
    days = len(spend.amounts_micro) // 24
    hours = spend.amounts_micro[len(spend.amounts_micro) - 24 * days :]
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = hours.reshape(days, 24).sum(axis=1)
    return found


def _band(
    spend: SpendSeries | None, period: Period, known_s: float, now_s: float, rules: ForecastRules
) -> Band | None:
    """What will be spent from `known_s` to the end of the period; the hour that is open counts in the series once it is over."""
    if spend is None or now_s >= period.end_s:
        return None
    rest_s = period.end_s - int(known_s)
    if spend.end_s < period.start_s:  # what lies between is not known, and not of this period
        return None
    found = forecast(backtest(spend, max(1, -(-rest_s // DAY_S)), rules), rest_s)
    low, mid, high = (round(one.amount * MICRO) for one in (found.low, found.mid, found.high))
    return Band(low, mid, high, found.errors, found.coverage, found.level_since_s)


def groups_of(
    history: History,
    period: Period,
    where: Mapping[str, tuple[str, ...]],
    by: tuple[str, ...],
    now_s: float,
    label: str | None = None,
) -> CostGroups:
    """The costs of a period by some dimensions, and nothing else."""
    ask = Ask(Question(period, (period,), where, by, ()), label=label)
    parts = chosen(history, "", Span(period.start_s, period.end_s), now_s)
    found = summed(history, ask, parts, now_s, _quiet).asked
    return found if len(found) else nothing(by)


def focus_days(history: History, ask: Ask, now_s: float) -> Iterator[tuple[Period, CostGroups]]:
    """The costs of the period day by day, by all that a FOCUS row says. Together they are the report."""
    question = ask.question
    parts = chosen(history, ask.source, Span(question.period.start_s, question.period.end_s), now_s)
    for day in steps(question.period, DAY_S):
        mine = [
            replace(
                part, span=Span(max(part.span.from_s, day.start_s), min(part.span.to_s, day.end_s)), rows=0
            )
            for part in parts
        ]
        one = replace(ask, question=Question(day, (day,), question.where, FOCUS_BY, ()))
        found = summed(
            history, one, [part for part in mine if part.span.from_s < part.span.to_s], now_s, _quiet
        )
        if found.rows:
            yield day, found.asked


def _quiet(_done: int, _every: int) -> None:
    """Nobody looks."""
