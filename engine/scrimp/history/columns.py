"""Usage in Parquet, and as the columns that costs are computed from.

Texts are dictionary-encoded in the file and stay so. Besides the columns of `UsageTable` a row keeps its `labels` (a JSON
text), so that costs can be grouped by any label: it then stands in for `team`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scrimp.history.files import guarded, place
from scrimp.history.hours import Span
from scrimp.model.usage import DIMENSIONS, Categorical, UsageTable, WorkTable

TIMES = ("start_s", "end_s")
WORK_TEXTS = ("job", "operation", "team", "unit")
AMOUNTS = ("capacity", "allocated", "used")
STORED = (*TIMES, *DIMENSIONS, *AMOUNTS, "billed_micro")
PIECE_ROWS = 1 << 17


def with_currency(table: pa.Table, currency: str) -> pa.Table:
    """The table with one currency in all rows."""
    codes = pa.array(np.zeros(table.num_rows, dtype=np.int32))
    return table.append_column("currency", pa.DictionaryArray.from_arrays(codes, pa.array([currency])))


def table_of(usage: UsageTable, labels: Categorical | None = None) -> pa.Table:
    """Rows of usage as they are stored; `labels` has a JSON text of each."""
    columns: dict[str, Any] = {name: pa.array(getattr(usage, name)) for name in TIMES}
    for name in DIMENSIONS:
        columns[name] = dictionary_of(usage.dimension(name))
    columns |= {name: pa.array(getattr(usage, name)) for name in AMOUNTS}
    columns["billed_micro"] = pa.array(usage.billed_micro)
    if labels is not None:
        columns["labels"] = dictionary_of(labels)
    return pa.table(columns)


def labels_of(table: pa.Table) -> Categorical:
    """The labels of stored rows, a JSON text each, "" where there are none."""
    return _categorical(table["labels"]) if "labels" in table.column_names else _constant("", table.num_rows)


def dictionary_of(column: Categorical) -> pa.DictionaryArray:
    """A column of texts as Arrow has it."""
    return pa.DictionaryArray.from_arrays(pa.array(column.codes), pa.array(column.names, pa.string()))


def usage_of(table: pa.Table, label: str | None = None) -> UsageTable:
    """Stored rows as columns for costs. `label` names a label that stands in for `team`."""
    rows = table.num_rows
    columns: dict[str, Any] = {}
    for name in DIMENSIONS:
        columns[name] = _categorical(table[name]) if name in table.column_names else _constant("", rows)
    if label is not None:
        columns["team"] = _labelled(table, label)
    for name in (*TIMES, "billed_micro"):
        columns[name] = (
            table[name].combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        )
    for name in AMOUNTS:
        columns[name] = (
            table[name].combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        )
    return UsageTable(**columns)


def read_pieces(
    path: Path, span: Span, label: str | None = None, rows: int = PIECE_ROWS
) -> Iterator[UsageTable]:
    """The rows of a file that start within the span, in pieces; one period of one node is never cut in two."""
    for table in read_tables(path, span, (*STORED, *(("labels",) if label is not None else ())), rows):
        yield usage_of(table, label)


def read_tables(path: Path, span: Span, wanted: Sequence[str], rows: int = PIECE_ROWS) -> Iterator[pa.Table]:
    """As `read_pieces`, some columns as they are stored; those that the file lacks are left out.

    INVARIANT: within a file, rows of one period of one node lie together, as `roll_up` and the imports write them.
    """
    with guarded(f"read {place(path)}"):
        schema = pq.read_schema(path)
    names = [name for name in wanted if name in schema.names]
    texts = [name for name in names if name in DIMENSIONS or name == "labels"]
    with guarded(f"read {place(path)}"), pq.ParquetFile(path, read_dictionary=texts) as file:
        rest: pa.Table | None = None
        for batch in file.iter_batches(rows, columns=names, use_threads=False):
            table = pa.Table.from_batches([batch])
            if rest is not None and rest.num_rows:
                table = pa.concat_tables([rest, table]).unify_dictionaries().combine_chunks()
            whole = _whole(table) if file.metadata.num_rows > rows else table.num_rows
            rest = table.slice(whole)
            yield from _within(table.slice(0, whole), span)
        if rest is not None and rest.num_rows:
            yield from _within(rest, span)


def extent_of(path: Path) -> tuple[float, float, int]:
    """First start, last end and number of rows of a file, from what the file says of itself."""
    with guarded(f"read {place(path)}"):
        metadata = pq.read_metadata(path)
    names = metadata.schema.names
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    groups = [group for group in groups if group.num_rows]
    first = min((group.column(names.index("start_s")).statistics.min for group in groups), default=0)
    last = max((group.column(names.index("end_s")).statistics.max for group in groups), default=0)
    return float(first), float(last), metadata.num_rows


def _within(table: pa.Table, span: Span) -> Iterator[pa.Table]:
    starts = table["start_s"].combine_chunks().to_numpy()
    if not len(starts):
        return
    inside = (starts >= span.from_s) & (starts < span.to_s)
    if not inside.any():
        return
    yield table if inside.all() else table.filter(pa.array(inside))


def _whole(table: pa.Table) -> int:
    """How many rows there are before the last period of the last node, which may go on."""
    if not table.num_rows:
        return 0
    starts = table["start_s"].combine_chunks().to_numpy()
    nodes = _codes(table["node"])
    same = (starts == starts[-1]) & (nodes == nodes[-1])
    before = np.flatnonzero(~same)
    return int(before[-1]) + 1 if len(before) else 0


def _codes(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int32]]:
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    found: np.ndarray[Any, np.dtype[np.int32]] = (
        pc.fill_null(array.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    )
    return found


def _categorical(column: pa.ChunkedArray | pa.Array) -> Categorical:
    """Of a text column; what is null says nothing."""
    array = column
    if isinstance(column, pa.ChunkedArray):
        array = column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # no rows
        array = pa.array([], array.type)
    if not pa.types.is_dictionary(array.type):
        array = array.cast(pa.string()).dictionary_encode()
    names = tuple(name or "" for name in array.dictionary.to_pylist())
    codes = array.indices.fill_null(-1) if array.null_count else array.indices
    found = codes.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    if array.null_count:
        if "" not in names:
            names = (*names, "")
        found = np.where(found < 0, np.int32(names.index("")), found)
    return Categorical(found, names or ("",))


def _constant(text: str, rows: int) -> Categorical:
    return Categorical(np.zeros(rows, dtype=np.int32), (text,))


def _labelled(table: pa.Table, label: str) -> Categorical:
    texts = labels_of(table)
    found = [str(json.loads(text).get(label) or "") if text else "" for text in texts.names]
    distinct = tuple(dict.fromkeys(found))
    place = {name: at for at, name in enumerate(distinct)}
    codes = np.array([place[name] for name in found], dtype=np.int32)
    return Categorical(codes[texts.codes], distinct)


def work_of(tables: Sequence[pa.Table]) -> WorkTable:
    """What was produced, as costs per item are computed from it."""
    if not tables:
        none = pa.array([], pa.int64())
        texts = {name: pa.array([], pa.string()) for name in WORK_TEXTS}
        tables = [pa.table({"start_s": none, "end_s": none, **texts, "quantity": pa.array([], pa.float64())})]
    names = [*TIMES, *WORK_TEXTS, "quantity"]
    table = pa.concat_tables([one.select(names) for one in tables], promote_options="permissive")
    start_s, end_s = (table[name].to_numpy().astype(np.int64) for name in TIMES)
    job, operation, team, unit = (
        _categorical(table[name].combine_chunks().dictionary_encode()) for name in WORK_TEXTS
    )
    return WorkTable(
        start_s, end_s, job, operation, team, unit, table["quantity"].to_numpy().astype(np.float64)
    )
