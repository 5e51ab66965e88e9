"""Tables of a snapshot as Arrow tables, in the layout of snapshot files: `name`, `labels.KEY`, `at`, a column per field.

One column more, `age_s`: how old the oldest new sample of the row was at `at`, so that a window that is refilled never
takes a sample for younger than it is. A number that the tick before had already (its source samples more slowly than
scrimp ticks) is left out: it is no second sample. Texts and truths describe the target and always stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scrimp.model.snapshot import Column, Table

AT = pa.timestamp("us", "UTC")
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows of one kind at one tick; `before_s` is the tick before, minus infinity for none."""

    table: Table
    at_s: float
    before_s: float


def seen_table(one: Seen) -> pa.Table:
    """The rows of one kind at one tick."""
    table = one.table
    rows = len(table)
    fields: dict[str, pa.Array] = {
        "name": pa.array(table.names, pa.string()).dictionary_encode(),
        "at": pa.array(np.full(rows, round(one.at_s * MICRO), dtype=np.int64), pa.int64()).cast(AT),
    }
    oldest = np.zeros(rows)
    for name, column in table.columns.items():
        if name in fields:
            continue
        if column.values.dtype == np.float64:
            known = column.valid & ~(column.age_s >= one.at_s - one.before_s)
            fields[name] = pa.array(column.values, pa.float64(), mask=~known)
            oldest = np.where(known & (column.age_s > oldest), column.age_s, oldest)
        else:
            fields[name] = _described(column)
    fields["age_s"] = pa.array(oldest)
    for key, column in table.labels.items():
        fields[f"labels.{key}"] = _described(column)
    return pa.table(fields)


def _described(column: Column) -> pa.Array:
    """Texts by dictionary, truths as they are."""
    if column.values.dtype == np.bool_:
        return pa.array(column.values, pa.bool_(), mask=~column.valid)
    codes = pa.array(column.values.astype(np.int32), pa.int32(), mask=~column.valid)
    return pa.DictionaryArray.from_arrays(codes, pa.array(column.words, pa.string()))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of many: what one lacks is null there, and dictionaries are unified."""
    plain = [_without_dictionaries(one) for one in tables]
    return _with_dictionaries(pa.concat_tables(plain, promote_options="default"))


def _without_dictionaries(table: pa.Table) -> pa.Table:
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _with_dictionaries(table: pa.Table) -> pa.Table:
    """Texts repeat: a dictionary keeps them small in memory and in the file."""
    columns = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column for column in table.columns
    ]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))
