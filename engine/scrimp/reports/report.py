"""A report put together: what the history has of a period, split, summed, compared and looked ahead from."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from scrimp.costs import (
    Advice,
    BillShares,
    ForecastRules,
    Marks,
    Realised,
    SpendSeries,
    Trend,
    UnitCost,
    backtest,
    forecast,
    trend,
    unit_costs,
)
from scrimp.history import FOCUS_BY, MEASURED, Chosen, History, Span, read_daily, read_pieces, rows_of
from scrimp.model.costs import CostGroups, PriceBook
from scrimp.model.usage import MICRO, Period
from scrimp.reports.advice import advise
from scrimp.reports.figures import (
    Figures,
    Question,
    Sums,
    added,
    finished,
    marginal,
    nothing,
    sums_of,
    sums_of_costs,
)
from scrimp.reports.periods import DAY_S, HOUR_S, bins, steps
from scrimp.reports.pools import AdviceRules, Samples

MANY_ROWS = 8_000_000  # from here on it is worth to start processes
ROWS_TOGETHER = 4_000_000  # or a file of more, in one call of a process
PER = {"samples": 1000.0, "audio_hours": 1.0}
LOOK_BACK_DAYS = 150  # of spend, for forecasts and their coverage

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a history. `source` empty: imports up to where measuring began, then what was measured."""

    question: Question
    source: str = ""
    label: str | None = None
    book: PriceBook = field(default_factory=lambda: PriceBook({}))
    shares: BillShares = field(default_factory=BillShares)
    rules: ForecastRules = field(default_factory=ForecastRules)
    marks: Mapping[str, Marks] = field(default_factory=dict)
    advising: AdviceRules = field(default_factory=AdviceRules)

    @classmethod
    def of(
        cls,
        period: Period,
        over: tuple[Period, ...] = (),
        where: Mapping[str, tuple[str, ...]] | None = None,
        by: tuple[str, ...] = (),
        label: str | None = None,
        marks: Mapping[str, tuple[float, float]] | None = None,
    ) -> "Ask":
        """A question about a period, with the usual bins where none are given."""
        told = {name: Marks(*one) for name, one in (marks or {}).items()}
        return cls(Question(period, over or bins(period), where or {}, by), label=label, marks=told)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one source within a span."""

    source: str
    span: Span
    rows: int


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
        figures = finished(_summed(history, ask, parts, now_s, progress or _quiet), question)
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
    return finished(_summed(history, ask, parts, now_s, _quiet), ask.question)


def chosen(history: History, source: str, span: Span, now_s: float) -> tuple[Part, ...]:
    """Which source speaks for which part of the span. No hour is told twice: where measuring began, imports end."""
    extents = {one.source: one for one in history.extents()}
    begin_s = history.begin_s(now_s)
    found = []
    for name in sorted({*extents, *((MEASURED,) if begin_s is not None else ())}):
        if source and name != source:
            continue
        to_s = span.to_s if source or name == MEASURED or begin_s is None else min(span.to_s, begin_s)
        if name in extents and name != MEASURED:
            to_s = min(to_s, extents[name].to_s)
        from_s = (
            span.from_s if name not in extents or name == MEASURED else max(span.from_s, extents[name].from_s)
        )
        if name == MEASURED and begin_s is not None:
            from_s = max(from_s, begin_s)
        if from_s < to_s:
            rows = extents[name].rows if name in extents else 0
            found.append(Part(name, Span(from_s, to_s), rows))
    return tuple(found)


def _summed(history: History, ask: Ask, parts: Sequence[Part], now_s: float, progress: Progress) -> Sums:
    """The sums of all parts; by a few processes where there is much to read."""
    told = sum(part.rows for part in parts)
    calls = [call for part in parts for call in _calls(history, ask, part)]
    opened = (one for part in parts for one in history.open_usage(part.source, part.span, now_s, ask.label))
    late = (sums_of(one, ask.question, ask.book, ask.shares) for one in opened)
    if len(calls) < 2 or (os.cpu_count() or 1) < 2 or sum(call.rows for call in calls) < MANY_ROWS:
        found = (one for call in calls for one in _read(call))
        return added(_counted(chain(found, late), told, progress))
    processes = min(os.cpu_count() or 1, 8)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return added(_counted(chain(_results(pool, calls, 2 * processes), late), told, progress))


@dataclass(frozen=True, slots=True)
class _Call:
    """Files to sum, for one process: sums of whole days, or usage."""

    paths: tuple[Path, ...]
    rows: int
    span: Span
    ask: Ask
    daily: bool


def _calls(history: History, ask: Ask, part: Part) -> list[_Call]:
    edges = [edge for one in (ask.question.period, *ask.question.bins) for edge in (one.start_s, one.end_s)]
    if ask.book.vectors or ask.shares != BillShares():
        files = Chosen((), tuple(history.usage_files(part.source, part.span)))
    else:
        files = history.files(part.source, part.span, edges)
    return [
        _Call(tuple(some), rows, part.span, ask, daily)
        for daily, paths in ((True, files.daily), (False, files.usage))
        for some, rows in _together(paths)
    ]


def _together(paths: Sequence[Path]) -> Iterator[tuple[list[Path], int]]:
    """The files in runs of about `ROWS_TOGETHER`, and the rows of each run: what calls give back is added here, by one."""
    waiting: list[Path] = []
    rows = 0
    for path in paths:
        waiting.append(path)
        rows += rows_of([path])
        if rows >= ROWS_TOGETHER:
            yield waiting, rows
            waiting, rows = [], 0
    if waiting:
        yield waiting, rows


def _results(pool: ProcessPoolExecutor, calls: Sequence[_Call], most: int) -> Iterator[Sums]:
    """What the calls give, as it comes; at most so many under way or not yet taken, however slowly they are taken."""
    under_way: set[Future[Sums]] = set()
    for number, call in enumerate(calls, 1):
        under_way.add(pool.submit(_added, call))
        while under_way and (len(under_way) >= most or number == len(calls)):
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            while done:
                yield done.pop().result()


def _added(call: _Call) -> Sums:
    return added(_read(call))


def _read(call: _Call) -> Iterator[Sums]:
    ask = call.ask
    if not call.daily:
        for path in call.paths:
            for usage in read_pieces(path, call.span, ask.label):
                yield sums_of(usage, ask.question, ask.book, ask.shares)
    else:
        for costs, rows in read_daily(call.paths, ask.label):
            yield sums_of_costs(costs, ask.question, rows)


def _counted(sums: Iterator[Sums], rows: int, progress: Progress) -> Iterator[Sums]:
    done = 0
    for one in sums:
        done += one.rows
        progress(done, max(rows, done))
        yield one


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
    spend = spend_series(mine, int(known_s // HOUR_S) * HOUR_S, currency)
    found = None if spend is None else trend(daily(spend))
    rest = _band(spend, period, known_s, now_s, ask.rules)
    return Outlook(currency, spent, rest, sum(before) if whole else None, found)


def spend_series(hours: Mapping[int, int], end_s: int, currency: str) -> SpendSeries | None:
    """Spend by hour up to `end_s`; hours without rows are not known. `None` before the first whole day of it."""
    start_s = min((hour for hour in hours if hour < end_s), default=end_s)
    if end_s - start_s < DAY_S:
        return None
    amounts = np.array([hours.get(hour, np.nan) for hour in range(start_s, end_s, HOUR_S)], dtype=np.float64)
    return SpendSeries(start_s, HOUR_S, amounts, currency)


def daily(spend: SpendSeries) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
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
    found = _summed(history, ask, parts, now_s, _quiet).asked
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
        found = _summed(
            history, one, [part for part in mine if part.span.from_s < part.span.to_s], now_s, _quiet
        )
        if found.rows:
            yield day, found.asked


def _quiet(_done: int, _every: int) -> None:
    """Nobody looks."""
