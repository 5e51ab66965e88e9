"""What a question is answered from: which source speaks for which part of a period, and the sums of all parts."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from scrimp.costs import BillShares, ForecastRules, Marks
from scrimp.history import MEASURED, Chosen, History, Span, read_daily, read_pieces, rows_of
from scrimp.model.costs import PriceBook
from scrimp.model.usage import Period
from scrimp.reports.figures import Question, Sums, added, sums_of, sums_of_costs
from scrimp.reports.periods import bins
from scrimp.reports.pools import AdviceRules

MANY_ROWS = 8_000_000  # from here on it is worth to start processes
ROWS_TOGETHER = 4_000_000  # or a file of more, in one call of a process

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


def summed(history: History, ask: Ask, parts: Sequence[Part], now_s: float, progress: Progress) -> Sums:
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
