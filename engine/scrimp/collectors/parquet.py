"""Snapshots in Parquet, for many rows. Read into the same document as JSON, so that both mean the same.

Layout: one file with a column `kind`, or one file per kind named `KIND.parquet` (alone, or together in a folder).
Columns: `name` (string), `labels` (map or struct of strings) or `labels.KEY` (string), `at` (timestamp, or epoch
seconds), and one per field, numbers in canonical units. Without `at` the file's key-value metadata says
`scrimp.at`. Rows of the newest `at` of a kind's file are the snapshot; older ones are the series, at the step
`scrimp.step` (seconds) or the smallest distance between two times. `scrimp.currency` names the currency.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scrimp.collectors.document import FORMAT, parse_time

KEYS = ("kind", "name", "labels", "at")


def read_parquet(path: Path) -> dict[str, Any]:
    """The files as one raw `snapshot/1` document. Raises ValueError or OSError if they are none."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise ValueError("the folder has no Parquet files")
    tables = [(file.stem, _table(file)) for file in files]
    metadata = {k.decode(): v.decode() for _, t in tables for k, v in (t.schema.metadata or {}).items()}
    times = [at for _, table in tables for at in _times(table, metadata)]
    if not times:
        raise ValueError("no time: give a column `at`, or `scrimp.at` in the metadata")
    at_s = max(times)
    document: dict[str, Any] = {
        "scrimp": FORMAT,
        "at": datetime.fromtimestamp(at_s, UTC).isoformat(),
        "kinds": {},
        "series": {},
    }
    if "scrimp.currency" in metadata:
        document["currency"] = metadata["scrimp.currency"]
    for stem, table in tables:
        for kind, part in _kinds(stem, table):
            _add(document, kind, part, at_s, metadata)
    return document


def _table(file: Path) -> pa.Table:
    try:
        table = pq.read_table(file)
    except pa.ArrowException as error:
        raise ValueError(f"{file.name} is not Parquet: {error}") from error
    if "name" not in table.column_names:
        raise ValueError(f"{file.name} has no column `name`")
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):  # Python's times have microseconds
            plain = table.column(place).cast(pa.timestamp("us", field.type.tz), safe=False)
            table = table.set_column(place, field.name, plain)
        elif pa.types.is_decimal(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.float64()))
    return table


def _times(table: pa.Table, metadata: Mapping[str, str]) -> Iterator[float]:
    if "at" in table.column_names:
        yield from (at for one in table["at"].unique().to_pylist() if (at := _epoch(one)) is not None)
    elif (at := parse_time(metadata.get("scrimp.at"))) is not None:
        yield at


def _epoch(value: Any) -> float | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return parse_time(value)


def _kinds(stem: str, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if "kind" not in table.column_names:
        yield stem, table
        return
    for kind in table["kind"].unique().to_pylist():
        yield str(kind), table.filter(pa.compute.equal(table["kind"], kind))


def _add(
    document: dict[str, Any], kind: str, table: pa.Table, at_s: float, metadata: Mapping[str, str]
) -> None:
    """Rows of `at_s` to the kind's list, older ones to the series."""
    rows = [_row(raw) for raw in table.to_pylist()]
    document["kinds"].setdefault(kind, []).extend(row for at, row in rows if at is None or at == at_s)
    older = sorted({at for at, _ in rows if at is not None})
    if len(older) < 2:
        return
    gaps = [after - before for before, after in pairwise(older)]
    step = float(metadata.get("scrimp.step", 0)) or min(gaps)
    samples = round((at_s - older[0]) / step) + 1
    for at, row in rows:
        place = samples - 1 - round((at_s - (at_s if at is None else at)) / step)
        fields = document["series"].setdefault(f"{kind}/{row['name']}", {})
        for key, value in row.items():
            if key not in KEYS and value is not None and 0 <= place < samples:
                one = fields.setdefault(key, {"step": step, "values": [None] * samples})
                one["values"][place] = value
    current = {row["name"] for at, row in rows if at is None or at == at_s}
    for target in [t for t in document["series"] if t.startswith(f"{kind}/")]:
        if target.partition("/")[2] not in current:  # gone by `at`: rows are those of the snapshot's time
            del document["series"][target]


def _row(raw: dict[str, Any]) -> tuple[float | None, dict[str, Any]]:
    labels = raw.get("labels") or {}
    labels = dict(labels) if not isinstance(labels, dict) else labels
    row: dict[str, Any] = {"name": raw["name"]}
    for key, value in raw.items():
        if key.startswith("labels.") and value is not None:
            labels[key.removeprefix("labels.")] = value
        elif key not in KEYS and value is not None:
            row[key] = value
    row["labels"] = {key: value for key, value in labels.items() if value is not None}
    return _epoch(raw.get("at")), row
