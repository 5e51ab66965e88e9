"""The history as its readers meet it: usage in pieces, work, acts, and the past of windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scrimp.api import SeriesBatch
from scrimp.history.actions import Done, read_acts
from scrimp.history.columns import extent_of, read_pieces, usage_of, with_currency, work_of
from scrimp.history.daily import Chosen, choose, spend_of, spend_sql
from scrimp.history.files import Folder, HistoryError
from scrimp.history.fleet import (
    Fleet,
    GpuSeries,
    MemoryPeaks,
    read_discounts,
    read_fleet,
    read_gpu_series,
    read_memory_peaks,
)
from scrimp.history.hours import Span
from scrimp.history.keeper import HOUR_S, MEASURED, rolled_part, unrolled_hours
from scrimp.history.query import Limits, arrow, connect, named, run, scan
from scrimp.history.rollup import Rolled
from scrimp.model.usage import UsageTable, WorkTable

DAYS_BACK_S = 2 * 86400.0


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is of one source: from when to when (epoch seconds), in how many rows."""

    source: str
    from_s: float
    to_s: float
    rows: int


@dataclass(frozen=True, slots=True)
class History:
    """All methods raise `HistoryError`; where there is no history they give nothing."""

    folder: Folder
    currency: str = "USD"
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """Raise where another version wrote it."""
        self.folder.check()

    def begin_s(self, now_s: float) -> float | None:
        """When measuring here began, the hours that are not rolled up yet included; `None` if it did not."""
        begins = [one.from_s for one in self.extents() if one.source == MEASURED]
        begins += [float(hour * HOUR_S) for hour in self.open_hours(now_s)]
        return min(begins, default=None)

    def known_s(self, now_s: float) -> float:
        """Up to when usage is known: now while it is measured, else to the end of the last row; now where there is none."""
        if self.open_hours(now_s):
            return now_s
        return min(now_s, max((one.to_s for one in self.extents()), default=now_s))

    def extents(self) -> tuple[Extent, ...]:
        """What there is of usage, by source: `measured` here, or imported. The hour that is open counts once it is over."""
        found = []
        for source in sorted({part.kind for part in self.folder.parts("usage")}):
            files = self.folder.files("usage", source)
            if not files:
                continue
            bounds = [extent_of(path) for path in files]
            rows = sum(one[2] for one in bounds)
            if rows:
                first = min(one[0] for one in bounds if one[2])
                found.append(Extent(source, first, max(one[1] for one in bounds if one[2]), rows))
        return tuple(found)

    def usage(
        self, source: str, span: Span, now_s: float | None = None, label: str | None = None
    ) -> Iterator[UsageTable]:
        """Rows that start within the span, in pieces that can be split one by one and added.

        With `now_s` the hours that are not rolled up yet are too, up to then. `label` stands in for `team`.
        """
        with self.folder.reading():
            for path in self.usage_files(source, span):
                yield from read_pieces(path, span, label)
            yield from self.open_usage(source, span, now_s, label)

    def open_usage(
        self, source: str, span: Span, now_s: float | None, label: str | None = None
    ) -> Iterator[UsageTable]:
        """Of `usage` the hours that are not rolled up yet."""
        for rolled in self._open_hours(source, span, now_s):
            yield usage_of(with_currency(rolled.usage, self.currency), label)

    def usage_files(self, source: str, span: Span) -> list[Path]:
        """The files with rows of a span, for readers that share them out. Hold `folder.reading()` meanwhile."""
        return self.folder.files("usage", source, span.from_s, span.to_s)

    def files(self, source: str, span: Span, edges: Sequence[float]) -> Chosen:
        """The same, with a day's sums where no edge lies within it; for costs at the usual shares."""
        return choose(self.folder, source, span, edges)

    def spend(self, source: str, span: Span) -> Mapping[tuple[int, str], int]:
        """What was billed by hour (epoch seconds) and currency, in millionths; hours without any row are not there.

        A charge of many hours is spread over them.
        """
        with self.folder.reading():
            files = choose(self.folder, source, span)
            found: dict[tuple[int, str], int] = {}
            for path in files.daily:
                found |= spend_of(path)
            if files.usage:
                with connect(self.folder.root, self.limits) as link:
                    rows = run(link, spend_sql(files.usage), (span.from_s, span.to_s)).fetchall()
                for hour, currency, micro in rows:
                    key = (int(hour), str(currency))
                    found[key] = found.get(key, 0) + int(micro)
        return found

    def work(self, source: str, span: Span, now_s: float | None = None) -> WorkTable:
        """What was produced within the span."""
        return self._work("SELECT * FROM {0} WHERE start_s >= ? AND start_s < ?", source, span, now_s)

    def produced(self, source: str, span: Span, now_s: float | None = None) -> WorkTable:
        """The same in a row for each operation, team and unit, whoever did it and when."""
        summed = """SELECT min(start_s) AS start_s, max(end_s) AS end_s, '' AS job, CAST(operation AS VARCHAR) AS operation,
          CAST(team AS VARCHAR) AS team, CAST(unit AS VARCHAR) AS unit, sum(quantity) AS quantity
          FROM {0} WHERE start_s >= ? AND start_s < ? GROUP BY ALL ORDER BY ALL"""
        return self._work(summed, source, span, now_s)

    def _work(self, sql: str, source: str, span: Span, now_s: float | None) -> WorkTable:
        with self.folder.reading():
            files = self.folder.files("work", source, span.from_s, span.to_s)
            tables = [rolled.work for rolled in self._open_hours(source, span, now_s)]
            if files:
                with connect(self.folder.root, self.limits) as link:
                    tables.insert(0, arrow(link, sql.format(scan(files)), (span.from_s, span.to_s)))
        return work_of(tables)

    def acts(self, from_s: float, to_s: float) -> tuple[Done, ...]:
        """What was done, in order of time."""
        with self.folder.reading():
            return read_acts(self.folder, from_s, to_s)

    def memory_peaks(self, span: Span, block_s: float) -> tuple[MemoryPeaks, ...] | None:
        """Peak memory by block and operation; `None` without any samples of jobs."""
        with self.folder.reading():
            return read_memory_peaks(self.folder, span, block_s, self.limits)

    def fleet(self, span: Span) -> Fleet:
        """The nodes and the jobs of the last tick of the span."""
        with self.folder.reading():
            return read_fleet(self.folder, span, self.limits)

    def gpu_series(self, span: Span, nodes: Sequence[str], block_s: float) -> GpuSeries:
        """What the GPUs of those nodes did in each block."""
        with self.folder.reading():
            return read_gpu_series(self.folder, span, nodes, block_s, self.limits)

    def discounts(self, span: Span) -> Mapping[str, float]:
        """By how much spot is cheaper than on demand, by instance type, where the samples know."""
        with self.folder.reading():
            return read_discounts(self.folder, span, self.limits)

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float = 0.0
    ) -> Sequence[SeriesBatch]:
        """Samples of the last `windows[kind, field]` seconds, oldest first. A sample never looks younger than it was."""
        del deadline_s  # it reads local files
        with self.folder.reading():
            found = (self._past(kind, field, now_s, back_s) for (kind, field), back_s in windows.items())
            return [one for one in found if one is not None]

    def _past(self, kind: str, field: str, now_s: float, back_s: float) -> SeriesBatch | None:
        files = self.folder.files("samples", kind, now_s - back_s, now_s)
        if not files:
            return None
        with connect(self.folder.root, self.limits) as link:
            there = {row[0] for row in run(link, f"DESCRIBE SELECT * FROM {scan(files)}").fetchall()}
            if field not in there:
                return None
            rows = run(
                link,
                f"""SELECT CAST(name AS VARCHAR) AS name, epoch_us("at") / 1e6 - max(age_s) OVER (PARTITION BY "at") AS t,
                  CAST({named(field)} AS DOUBLE) AS v
                FROM {scan(files)} WHERE epoch_us("at") >= ? AND epoch_us("at") < ? AND {named(field)} IS NOT NULL""",
                [round((now_s - back_s) * 1e6), round(now_s * 1e6)],
            ).fetchnumpy()
        if not len(rows["t"]):
            return None
        times, at = np.unique(np.asarray(rows["t"], dtype=np.float64), return_inverse=True)
        names, row = np.unique(np.asarray(rows["name"], dtype=object).astype(str), return_inverse=True)
        values: Any = np.full((len(names), len(times)), np.nan)
        values[row, at] = np.asarray(rows["v"], dtype=np.float64)
        return SeriesBatch(kind, field, names.tolist(), times.tolist(), values)

    def open_hours(self, now_s: float) -> set[int]:
        """The hours (since 1970) of late that have samples and are not rolled up yet."""
        return unrolled_hours(self.folder, now_s, DAYS_BACK_S)

    def _open_hours(self, source: str, span: Span, now_s: float | None) -> Iterator[Rolled]:
        if source != MEASURED or now_s is None:
            return
        for hour in sorted(self.open_hours(min(now_s, span.to_s))):
            start_s = float(hour * HOUR_S)
            if span.from_s <= start_s < span.to_s:
                yield rolled_part(self.folder, Span(start_s, min(start_s + HOUR_S, now_s)), self.limits)


def open_history(store: Path, currency: str = "USD", limits: Limits | None = None) -> History:
    """The history of a state folder, for reading. Raises `HistoryError` where a newer version wrote it."""
    found = History(Folder(store / "history"), currency, limits or Limits())
    found.check()
    return found


__all__ = ["Extent", "History", "HistoryError", "open_history"]
