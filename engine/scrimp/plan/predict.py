"""The snapshot as it will be: rows with some fields replaced, and what earlier proposals of the tick take away.

An `ensure` may ask about other rows than the target's own, as in `count(job where job.state == "running") >= 2`. Each
proposal by itself may leave enough while all of them together leave none, so those that passed their guards count.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scrimp.compile import operands
from scrimp.model.decision import Value
from scrimp.model.expression import Aggregate, Expression, Field, Window
from scrimp.model.snapshot import Column, Snapshot, Table, number_column, text_column, truth_column

Changes = Mapping[str, Value]  # field -> what it will be, `None` where that is unknown


class Prediction:
    """A snapshot, and the changes that were admitted so far."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._tables: dict[str, Table] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing was admitted yet."""
        return not self._tables

    def admit(self, kind: str, row: int, changes: Changes) -> None:
        """From here on, the row is as it will be."""
        table = self._table(kind)
        if table is not None and changes:
            self._tables[kind] = changed_row(table, row, changes)

    def snapshot(self, kind: str, row: int, changes: Changes) -> Snapshot:
        """The world after what was admitted, and after `changes` of one row."""
        tables = {**self._snapshot.tables, **self._tables}
        if changes and kind in tables:
            tables[kind] = changed_row(tables[kind], row, changes)
        return replace(self._snapshot, tables=tables)

    def _table(self, kind: str) -> Table | None:
        return self._tables.get(kind, self._snapshot.tables.get(kind))


def looks_around(expression: Expression) -> bool:
    """Whether an expression reads other rows than the target's own."""
    if isinstance(expression, Aggregate):
        return True
    if isinstance(expression, Window):
        return False  # what was measured stays as it was, whatever is predicted
    if isinstance(expression, Field):
        return expression.row is not None
    return any(looks_around(operand) for operand, _ in operands(expression, "") if operand is not None)


def changed_row(table: Table, row: int, changes: Changes) -> Table:
    """A table in which one row has other values, fresh ones."""
    columns = dict(table.columns)
    for name, value in changes.items():
        columns[name] = _with(columns.get(name), len(table), row, value)
    return Table(table.kind, table.names, columns, table.labels, table.partial)


def alone(table: Table, row: int, changes: Changes) -> Table:
    """The row as the only one of its kind."""
    columns = {name: _cut(column, row) for name, column in table.columns.items()}
    columns.update({name: _column([value]) for name, value in changes.items()})
    labels = {key: _cut(column, row) for key, column in table.labels.items()}
    return Table(table.kind, (table.names[row],), columns, labels)


def _cut(column: Column, row: int) -> Column:
    one = slice(row, row + 1)
    return replace(column, values=column.values[one], valid=column.valid[one], age_s=column.age_s[one])


def _column(values: list[Value]) -> Column:
    """A column of the type of its first known value; of numbers if there is none."""
    sample = next((value for value in values if value is not None), None)
    if isinstance(sample, bool):
        return truth_column([None if value is None else bool(value) for value in values])
    if isinstance(sample, str):
        return text_column([None if value is None else str(value) for value in values])
    return number_column([None if value is None else float(value) for value in values])


def _with(column: Column | None, rows: int, row: int, value: Value) -> Column:
    if column is None:
        values: list[Value] = [None] * rows
        values[row] = value
        return _column(values)
    array, valid, age_s, words = column.values.copy(), column.valid.copy(), column.age_s.copy(), column.words
    valid[row], age_s[row] = value is not None, 0.0
    if isinstance(value, str):
        words = words if value in words else (*words, value)
        array[row] = words.index(value)
    elif value is not None:
        array[row] = value
    assert array.dtype in (np.float64, np.bool_, np.int32)
    return replace(column, values=array, valid=valid, age_s=age_s, words=words)
