"""Snapshots for the history's tests, from plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scrimp.history import Folder, Recorder
from scrimp.history.recorder import RecorderSettings
from scrimp.model.snapshot import Column, Snapshot, Table, number_column, text_column, truth_column

HOUR_S = 1_790_000_000 // 3600 * 3600


def column(values: Sequence[Any]) -> Column:
    known = [one for one in values if one is not None]
    if known and all(isinstance(one, bool) for one in known):
        return truth_column(values)
    if known and all(isinstance(one, str) for one in known):
        return text_column(values)
    return number_column(values)


def table(kind: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Rows by name; the field `labels` holds labels."""
    fields = dict.fromkeys(name for row in rows.values() for name in row if name != "labels")
    labels = dict.fromkeys(key for row in rows.values() for key in row.get("labels", {}))
    return Table(
        kind,
        tuple(rows),
        {name: column([row.get(name) for row in rows.values()]) for name in fields},
        {key: text_column([row.get("labels", {}).get(key) for row in rows.values()]) for key in labels},
    )


def snapshot(at_s: float, **kinds: Mapping[str, Mapping[str, Any]]) -> Snapshot:
    return Snapshot(at_s, {kind: table(kind, rows) for kind, rows in kinds.items()})


def recorded(root: Path, snapshots: Sequence[Snapshot], interval_s: float = 30.0) -> Folder:
    """A folder with these snapshots in it."""
    folder = Folder(root)
    folder.open()
    recorder = Recorder(folder, RecorderSettings(interval_s))
    for one in snapshots:
        recorder.note(one)
    recorder.close()
    assert recorder.troubles() == ()
    return folder
