"""Snapshots from files, JSON or Parquet: for `plan --snapshot`, for replays, and as a collector of a file that changes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scrimp.api import Collected, FieldSpec, KindBatch, SeriesBatch, Services, Unavailable, Value
from scrimp.collectors.columns import column, label_columns, unknown_column
from scrimp.collectors.document import Detail, Document, Recent, Rows, parse_document
from scrimp.diagnostics import Diagnostic, Severity, Source, Span, render_text
from scrimp.model.catalogue import CURRENCY_DEFAULT, Catalogue
from scrimp.model.snapshot import Column, Floats, Series, Snapshot, Table
from scrimp.model.types import Base

Loaded = tuple[Snapshot | None, tuple[Diagnostic, ...]]


def load_snapshot(path: Path, catalogue: Catalogue) -> Loaded:
    """The snapshot in a JSON or Parquet file, or in a folder with one Parquet file per kind."""
    found, diagnostics = load_document(path, catalogue)
    return (None if found is None else as_snapshot(found, catalogue)), diagnostics


def snapshot_currency(path: Path) -> str:
    """The currency that a snapshot file says its prices are in; the default if it cannot be read or says nothing."""
    raw, _ = _read(path)
    currency = raw.get("currency") if isinstance(raw, dict) else None
    return currency if isinstance(currency, str) else CURRENCY_DEFAULT


def load_document(path: Path, catalogue: Catalogue) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The document in a file, before it is laid into columns."""
    raw, refused = _read(path)
    if refused:
        return None, refused
    return parse_document(raw, catalogue, Source(str(path), ""))


def _read(path: Path) -> tuple[Any, tuple[Diagnostic, ...]]:
    source = Source(str(path), "")
    try:
        if path.is_dir() or path.suffix == ".parquet":
            from scrimp.collectors.parquet import read_parquet  # noqa: PLC0415 - pyarrow is slow to import

            return read_parquet(path), ()
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, (Diagnostic("SCR505", f"the snapshot is not UTF-8: byte {error.start}", source),)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return None, (Diagnostic("SCR505", f"cannot read the snapshot: {cause}", source),)
    try:
        return json.loads(text, parse_constant=lambda _: None), ()
    except json.JSONDecodeError as error:
        at = min(error.pos, max(len(text) - 1, 0))
        span = Span(at, at + 1)
        return None, (Diagnostic("SCR505", f"not JSON: {error.msg.lower()}", Source(str(path), text), span),)
    except RecursionError:
        return None, (Diagnostic("SCR505", "not a snapshot: it nests too deeply", source),)


def as_snapshot(document: Document, catalogue: Catalogue) -> Snapshot:
    """The document in columns, as of its own time."""
    tables = {kind: _table(document, kind, rows, catalogue) for kind, rows in document.kinds.items()}
    series = {
        (kind, field): _series(document, tables[kind], field, recents)
        for (kind, field), recents in document.series.items()
        if catalogue.kinds[kind].fields[field].type.base is Base.NUMBER
    }
    return Snapshot(document.at_s, tables, series, document.failures, document.currency)


def _table(document: Document, kind: str, rows: Rows, catalogue: Catalogue) -> Table:
    specs = catalogue.kinds[kind].fields
    in_series = [field for of, field in document.series if of == kind]
    detailed = [field for of, field in document.details if of == kind and field in specs]
    columns = {
        field: _column(document, kind, rows, specs[field])
        for field in dict.fromkeys([*rows.fields, *in_series, *detailed])
    }
    return Table(kind, tuple(rows.names), columns, label_columns(rows.labels))


def _column(document: Document, kind: str, rows: Rows, spec: FieldSpec) -> Column:
    """The row's own values as of now; where a field stands only in a series, its newest that is not null."""
    recents = document.series.get((kind, spec.name), {})
    detail = document.details.get((kind, spec.name), Detail())
    values = list(rows.fields.get(spec.name, [None] * len(rows.names)))
    ages = _ages(detail, len(values))
    if detail.reason and all(value is None for value in values) and not recents:
        return unknown_column(spec, len(values), detail.reason, _nan(detail.interval_s))
    for row, name in enumerate(rows.names) if recents else ():
        if values[row] is None and name in recents:
            values[row], ages[row] = _newest(recents[name], document.at_s)
    steps = [recent.step_s for recent in recents.values()]
    # One interval for the column: the shortest, so that a value is sooner stale rather than too long believed.
    interval_s = detail.interval_s if detail.interval_s is not None else min(steps, default=float("nan"))
    found, _ = column(spec, values, ages, interval_s=interval_s)
    return replace(found, reason=detail.reason)


def _nan(number: float | None) -> float:
    return float("nan") if number is None else number


def _ages(detail: Detail, rows: int) -> Floats:
    ages = detail.age_s
    if isinstance(ages, int | float) or (isinstance(ages, Sequence) and len(ages) == rows):
        return np.broadcast_to(np.array(ages, dtype=np.float64), (rows,)).copy()
    return np.zeros(rows)


def _newest(recent: Recent, at_s: float) -> tuple[Value, float]:
    for back, value in enumerate(reversed(recent.values)):
        if value is not None:
            age_s = back * recent.step_s if recent.times_s is None else at_s - recent.times_s[-1 - back]
            return value, age_s
    return None, 0.0


def _series(document: Document, table: Table, field: str, recents: Mapping[str, Recent]) -> Series:
    """All series of a field, aligned at their ends. A row without one has its current value as its only sample."""
    rows, samples = len(table), max((len(one.values) for one in recents.values()), default=0) or 1
    values = np.full((rows, samples), np.nan)
    interval_s = np.full(rows, np.nan)
    back = np.arange(samples - 1, -1, -1, dtype=np.float64)
    times_s = np.full((rows, samples), document.at_s)
    current = table.columns[field]
    for row, name in enumerate(table.names):
        recent = recents.get(name)
        if recent is None:
            values[row, -1] = current.values[row] if current.valid[row] else np.nan
            times_s[row] -= back
            continue
        interval_s[row] = recent.step_s
        count = len(recent.values)
        if count:
            values[row, samples - count :] = np.array(recent.values, dtype=np.float64)
        times_s[row] -= back * recent.step_s
        if recent.times_s is not None and count:
            times_s[row, samples - count :] = recent.times_s
            times_s[row, : samples - count] = recent.times_s[0]
    if rows and (times_s == times_s[0]).all():
        times_s = times_s[:1]
    return Series(times_s, values, interval_s, np.zeros(1, dtype=np.bool_))


# ---- as a collector -------------------------------------------------------------------------------------


class SnapshotCollector:
    """Reads a snapshot file at each tick, and its series at start."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        """`config` has `path`, and `kinds` where the file is not to speak for all. Raises `ValueError` or `KeyError`."""
        if services.catalogue is None:
            raise ValueError("it needs the catalogue")
        unknown = set(config) - {"name", "interval_s", "path", "kinds"}
        if unknown:
            raise ValueError(f"there is no option `{min(unknown)}`")
        self.name = str(config.get("name", "snapshot"))
        self.interval_s = float(config.get("interval_s", 60.0))
        self._path = Path(str(config["path"]))
        self._catalogue = services.catalogue
        self._kinds = tuple(config.get("kinds") or self._catalogue.kinds)

    def covers(self) -> Sequence[tuple[str, str]]:
        """The kinds that the configuration names; all of them if it names none."""
        return tuple((kind, "*") for kind in self._kinds)

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        """The rows of the file, sampled at its `at`."""
        del now_s, deadline_s  # a file is read in no time, or the gatherer goes on without it
        document = self._load()
        batches = [
            KindBatch(kind, rows.names, dict(rows.fields), rows.labels, document.at_s)
            for kind, rows in document.kinds.items()
            if kind in self._kinds
        ]
        return Collected(batches, {k: why for k, why in document.failures.items() if k in self._kinds})

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        """The series of the file, as far back as asked, one batch per step."""
        del deadline_s
        document = self._load()
        found = []
        for (kind, field), recents in document.series.items():
            for name, recent in recents.items() if (kind, field) in windows else ():
                count = len(recent.values)
                times = recent.times_s or [
                    document.at_s - (count - 1 - at) * recent.step_s for at in range(count)
                ]
                kept = [at for at in range(count) if times[at] > now_s - windows[kind, field]]
                values = [_sample(recent.values[at]) for at in kept]
                found.append(SeriesBatch(kind, field, [name], [times[at] for at in kept], [values]))
        return found

    def _load(self) -> Document:
        document, diagnostics = load_document(self._path, self._catalogue)
        if document is None:
            errors = [one for one in diagnostics if one.severity is Severity.ERROR]
            raise Unavailable(errors[0].message if errors else render_text(diagnostics, colour=False))
        return document


def _sample(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
