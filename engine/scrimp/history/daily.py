"""A day's usage split and added up: the stream `daily`, from which reports of many days are made.

A row of it stands for all rows of a day that differ only in their hour: their quantities and the four parts of their cost
are added, so any sum over whole days is the same as over the hours, to the last millionth. A file names the usage files that it
was made of, and the method of splitting; where either has changed since it is not read, and is made again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scrimp.costs import BillShares, known_amounts, split_costs, sums
from scrimp.history.columns import (
    AMOUNTS,
    STORED,
    dictionary_of,
    extent_of,
    labels_of,
    read_tables,
    table_of,
    usage_of,
)
from scrimp.history.files import DAY_S, Folder, Part, Stream, day_of, day_start_s, guarded, place
from scrimp.history.hours import Span
from scrimp.history.query import Limits, connect, run, scan
from scrimp.model.costs import PARTS, CostTable, PriceBook
from scrimp.model.usage import DIMENSIONS, Integers, usage_table

DAILY: Final[Stream] = "daily"
METHOD: Final = "split-1"
"""Of `split_costs` with an empty price book and the usual shares. A change of what it gives needs a new name here."""
NOTE: Final = b"scrimp.daily"
_PARTS: Final = tuple(f"{name}_micro" for name in PARTS)
_ROWS: Final = "rows"
_TEXTS: Final = (*DIMENSIONS, "labels")
_MOST: Final = 2.0**62
_TOGETHER: Final = 8  # pieces that are added at a time
_PIECE_ROWS: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files to read for a span: sums of whole days, and usage of all other days."""

    daily: tuple[Path, ...]
    usage: tuple[Path, ...]


def choose(folder: Folder, source: str, span: Span, edges: Sequence[float] = ()) -> Chosen:
    """Sums where a day lies in the span as a whole, and no edge within it. Hold `folder.reading()` meanwhile."""
    daily, usage = [], []
    for part in folder.parts("usage", source):
        start_s = day_start_s(part.day)
        if start_s + DAY_S <= span.from_s or start_s >= span.to_s:
            continue
        whole = span.from_s <= start_s and start_s + DAY_S <= span.to_s
        cut = any(start_s < edge < start_s + DAY_S for edge in edges)
        found = _current(folder, part) if whole and not cut else None
        if found is not None:
            daily.append(found)
        else:
            usage.extend(folder.files_of(part))
    return Chosen(tuple(daily), tuple(usage))


def read_daily(paths: Sequence[Path], label: str | None = None) -> Iterator[tuple[CostTable, Integers]]:
    """The sums of some days in pieces, with the number of rows that each stands for."""
    wanted = [*STORED, *_PARTS, _ROWS, *(("labels",) if label is not None else ())]
    waiting: list[pa.Table] = []
    for path in paths:
        with guarded(f"read {place(path)}"):
            there = [name for name in pq.read_schema(path).names if name in wanted]
            waiting.append(pq.read_table(path, columns=there, read_dictionary=_TEXTS, use_threads=False))
        if sum(one.num_rows for one in waiting) >= _PIECE_ROWS:
            yield _costs(waiting, label)
            waiting = []
    if waiting:
        yield _costs(waiting, label)


def rows_of(paths: Sequence[Path]) -> int:
    """How many rows these files have."""
    return sum(extent_of(path)[2] for path in paths)


def spend_of(path: Path) -> Mapping[tuple[int, str], int]:
    """What was billed by hour (epoch seconds) and currency, as the file notes it."""
    return {(int(hour), str(currency)): int(micro) for hour, currency, micro in _note(path)["spend"]}


def due_days(folder: Folder, now_s: float) -> list[Part]:
    """The parts of `usage` whose day is over, and that have no sums or sums of other files; oldest first."""
    today = day_of(now_s)
    return [part for part in folder.parts("usage") if part.day < today and _current(folder, part) is None]


def add_up(folder: Folder, part: Part, limits: Limits | None = None) -> bool:
    """Make the sums of a part of `usage`; whether there was anything to add up. Rows of another day leave it as it is."""
    span = Span(day_start_s(part.day), day_start_s(part.day) + DAY_S)
    with folder.reading():
        files = folder.files_of(part)
        if not files or not all(_inside(path, span) for path in files):
            return False
        with connect(folder.root, limits or Limits(256, 1)) as link:
            spend = run(link, spend_sql(files), (span.from_s, span.to_s)).fetchall()
        found = _split(files, span)
    note = {"of": [path.name for path in files], "method": METHOD, "spend": spend}
    of_day = Part(DAILY, part.kind, part.day)
    folder.write_stream(of_day, found.to_reader(), folder.files_of(of_day), {NOTE: json.dumps(note).encode()})
    return True


def spend_sql(files: Sequence[Path]) -> str:
    """Hour, currency and what was billed: a charge of many hours is spread over them. Takes the start and end of a span."""
    return f"""SELECT hour * 3600, currency, sum((micro * (least(end_s, (hour + 1) * 3600) - start_s) // (end_s - start_s)
      - micro * (greatest(start_s, hour * 3600) - start_s) // (end_s - start_s))::BIGINT)::BIGINT
    FROM (SELECT *, unnest(range(start_s // 3600, (end_s - 1) // 3600 + 1)) AS hour FROM (
      SELECT start_s, end_s, CAST(currency AS VARCHAR) AS currency, sum(billed_micro)::HUGEINT AS micro
      FROM {scan(files)} WHERE start_s >= ? AND start_s < ? GROUP BY ALL)) GROUP BY ALL ORDER BY ALL"""


def _inside(path: Path, span: Span) -> bool:
    first, last, rows = extent_of(path)
    return rows == 0 or (span.from_s <= first and last <= span.to_s)


def _split(files: Sequence[Path], span: Span) -> pa.Table:
    """The rows of the files, split and added up piece by piece."""
    found: list[pa.Table] = []
    for path in files:
        for table in read_tables(path, span, (*STORED, "labels")):
            found.append(_added(_with_costs(table), span))
            if len(found) >= _TOGETHER:
                found = [_added(_joined(found), span)]
    return _added(_joined(found), span) if found else _added(_with_costs(_NOTHING), span)


def _with_costs(table: pa.Table) -> pa.Table:
    usage = usage_of(table)
    costs = split_costs(usage, PriceBook({}), BillShares())
    found = table_of(usage, labels_of(table))
    for name in PARTS:
        found = found.append_column(f"{name}_micro", pa.array(costs.part(name)))
    return found.append_column(_ROWS, pa.array(np.ones(len(usage), dtype=np.int64)))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _added(table: pa.Table, span: Span) -> pa.Table:
    """One row for all that differ in time and amounts only.

    Quantities are added as the split takes them; those that were not measured, and bills by their sign, are added by
    themselves, so that a sum is nan, or 0, only where every row is.
    """
    usage = usage_of(table)
    unmeasured = np.isnan(usage.used)
    texts = [*(usage.dimension(name) for name in DIMENSIONS), labels_of(table)]
    keys = np.sign(usage.billed_micro) + 1 + 3 * unmeasured
    for column in texts:
        keys = keys * len(column.names) + column.codes
        if len(keys) and float(keys.max()) * max(len(one.names) for one in texts) >= _MOST:
            keys = np.unique(keys, return_inverse=True)[1]
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    count = len(first)
    columns: dict[str, Any] = {
        name: pa.array(np.full(count, at_s, dtype=np.int64))
        for name, at_s in (("start_s", round(span.from_s)), ("end_s", round(span.to_s)))
    }
    columns |= {name: dictionary_of(column.take(first)) for name, column in zip(_TEXTS, texts, strict=True)}
    for name in AMOUNTS:
        columns[name] = np.bincount(group, known_amounts(getattr(usage, name)), count).astype(np.float64)
    columns["used"] = np.where(unmeasured[first], np.nan, columns["used"])
    for name in ("billed_micro", *_PARTS, _ROWS):
        columns[name] = sums(group, table[name].to_numpy(), count)
    return pa.table(columns)


def _costs(tables: Sequence[pa.Table], label: str | None) -> tuple[CostTable, Integers]:
    table = pa.concat_tables(tables, promote_options="default")  # an older file may lack a text
    parts: list[Integers] = [table[name].to_numpy() for name in _PARTS]
    return CostTable(usage_of(table.unify_dictionaries(), label), *parts), table[_ROWS].to_numpy()


def _current(folder: Folder, part: Part) -> Path | None:
    """The sums of a part of `usage`, if they are of the files that are in force."""
    files: list[str] | None = None
    for path in reversed(folder.files_of(Part(DAILY, part.kind, part.day))):
        note = _note(path)
        files = files if files is not None else [one.name for one in folder.files_of(part)]
        if note.get("method") == METHOD and note.get("of") == files:
            return path
    return None


def _note(path: Path) -> dict[str, Any]:
    with guarded(f"read {place(path)}"):
        metadata: Mapping[bytes, bytes] = pq.read_schema(path).metadata or {}
    found: dict[str, Any] = json.loads(metadata.get(NOTE, b"{}"))
    return found


_NOTHING: Final = table_of(usage_table(()))
