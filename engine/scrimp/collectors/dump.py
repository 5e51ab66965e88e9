"""A snapshot as a `snapshot/1` document, so that reading it back gives the same: for recordings.

Beside what people write, `columns` keeps each column's ages, interval and cause, and `failures` the causes per kind.
"""

from datetime import UTC, datetime
from math import isnan
from typing import Any

import numpy as np

from scrimp.collectors.document import FORMAT
from scrimp.model.snapshot import Column, Series, Snapshot, Table


def dump_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """The document, of plain JSON values."""
    document: dict[str, Any] = {
        "scrimp": FORMAT,
        "at": _time(snapshot.at_s),
        "currency": snapshot.currency,
        "kinds": {kind: _rows(table) for kind, table in snapshot.tables.items()},
    }
    columns = {kind: _details(table) for kind, table in snapshot.tables.items()}
    document["columns"] = {kind: found for kind, found in columns.items() if found}
    document["series"] = _series(snapshot)
    document["failures"] = dict(snapshot.failures)
    return {key: value for key, value in document.items() if value or key in ("at", "kinds")}


def _time(at_s: float) -> str | float:
    """RFC 3339 where that is exact, else epoch seconds."""
    try:
        when = datetime.fromtimestamp(at_s, UTC)
    except (OverflowError, ValueError, OSError):
        return at_s
    return when.isoformat().replace("+00:00", "Z") if when.timestamp() == at_s else at_s


def plain_values(column: Column) -> list[float | bool | str | None]:
    """A column's values as JSON has them, `None` where unknown."""
    if column.words or column.values.dtype == np.int32:
        found: list[Any] = [column.words[code] if code >= 0 else None for code in column.values]
    else:
        found = column.values.tolist()
    return [value if known else None for value, known in zip(found, column.valid.tolist(), strict=True)]


def _rows(table: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"name": name} for name in table.names]
    for key, column in table.columns.items():
        for row, value in zip(rows, plain_values(column), strict=True):
            if value is not None:
                row[key] = value
    for key, column in table.labels.items():
        for row, value in zip(rows, plain_values(column), strict=True):
            if value is not None:
                row.setdefault("labels", {})[key] = value
    return rows


def _details(table: Table) -> dict[str, dict[str, Any]]:
    return {field: found for field, column in table.columns.items() if (found := _detail(column)) is not None}


def _detail(column: Column) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    ages = column.age_s.tolist()
    if any(age != 0.0 for age in ages):
        found["age"] = [None if isnan(age) else age for age in ages]
    if not isnan(column.interval_s):
        found["interval"] = column.interval_s
    if column.reason:
        found["reason"] = column.reason
    return found if found or not column.valid.any() else None


def _series(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for (kind, field), series in snapshot.series.items():
        table = snapshot.tables.get(kind)
        for row, name in enumerate(table.names) if table else ():
            one = _recent(series, row, snapshot.at_s)
            if one is not None:
                found.setdefault(f"{kind}/{name}", {})[field] = one
    return found


def _recent(series: Series, row: int, at_s: float) -> dict[str, Any] | None:
    """One row's samples; `times` only where they are not a step apart and end at the snapshot's time."""
    times = series.times_s[row % len(series.times_s)]
    step_s = float(series.interval_s[row % len(series.interval_s)])
    if not step_s > 0:
        return None
    values = [None if isnan(value) else value for value in series.values[row].tolist()]
    one: dict[str, Any] = {"step": step_s, "values": values}
    if not np.array_equal(times, at_s - np.arange(len(times) - 1, -1, -1) * step_s):
        one["times"] = times.tolist()
    return one
