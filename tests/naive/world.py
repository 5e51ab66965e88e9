"""Small worlds as plain rows, and the columns that the engine sees of them."""

from dataclasses import dataclass, field, replace

import numpy as np

from scrimp.model.catalogue import ActionSpec, Assign, Catalogue, FieldSpec, KindSpec
from scrimp.model.snapshot import (
    Column,
    Series,
    Snapshot,
    Table,
    number_column,
    text_column,
    truth_column,
)
from scrimp.model.types import BOOL, COUNT, DURATION, LABELS, RATIO, STRING, Base, Type, money_per_hour

Plain = float | bool | str | None
NOW_S = 1_700_000_000.0
NAN = float("nan")


def _kind(name: str, *, singleton: bool = False, **fields: Type) -> KindSpec:
    own = {"name": STRING, "labels": LABELS, **fields}
    return KindSpec(name, "", {key: FieldSpec(key, kind, "") for key, kind in own.items()}, singleton)


KINDS = {
    "thing": _kind(
        "thing",
        size=COUNT,
        other=COUNT,
        load=RATIO,
        age=DURATION,
        price=money_per_hour("USD"),
        tier=STRING,
        zone=STRING,
        busy=BOOL,
    ),
    "part": _kind("part", weight=COUNT, owner=STRING, area=STRING, hot=BOOL),
    "fleet": _kind("fleet", singleton=True, depth=COUNT),
}
_ACTIONS = (
    ActionSpec("note", "Says so.", ()),
    ActionSpec(
        "shut", "Makes it not busy.", (), inverse="wake", writes="state", effects={"*": Assign("busy", False)}
    ),
    ActionSpec(
        "wake", "Makes it busy.", (), inverse="shut", writes="state", effects={"*": Assign("busy", True)}
    ),
)
CATALOGUE = Catalogue(KINDS, {action.name: action for action in _ACTIONS})


@dataclass(frozen=True)
class Row:
    """One row: values by field (missing or `None` is unknown), how old they are, and labels."""

    name: str
    values: dict[str, Plain]
    ages_s: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Track:
    """The past samples of one field, by row name: (time, value or `None`), oldest first."""

    samples: dict[str, list[tuple[float, float | None]]]
    interval_s: float = 60.0
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class World:
    """Everything that is known at one instant. A kind that is not in `kinds` was reported by no source."""

    kinds: dict[str, list[Row]]
    interval_s: float = 60.0
    tracks: dict[tuple[str, str], Track] = field(default_factory=dict)
    partial: frozenset[str] = frozenset()
    now_s: float = NOW_S

    def snapshot(self) -> Snapshot:
        """As columns."""
        tables = {kind: self._table(kind, rows) for kind, rows in self.kinds.items()}
        series = {
            (kind, name): _series(track, [row.name for row in self.kinds[kind]])
            for (kind, name), track in self.tracks.items()
            if kind in self.kinds
        }
        return Snapshot(self.now_s, tables, series)

    def shuffled(self, order: dict[str, list[int]]) -> "World":
        """The same rows in another order."""
        return replace(
            self, kinds={kind: [rows[at] for at in order[kind]] for kind, rows in self.kinds.items()}
        )

    def _table(self, kind: str, rows: list[Row]) -> Table:
        columns = {
            name: self._column(name, spec.type, rows)
            for name, spec in KINDS[kind].fields.items()
            if name not in ("name", "labels") and any(name in row.values for row in rows)
        }
        keys = sorted({key for row in rows for key in row.labels})
        labels = {key: text_column([row.labels.get(key) for row in rows]) for key in keys}
        partial = "a source failed" if kind in self.partial else ""
        return Table(kind, tuple(row.name for row in rows), columns, labels, partial)

    def _column(self, name: str, kind: Type, rows: list[Row]) -> Column:
        ages = np.array([row.ages_s.get(name, 0.0) for row in rows])
        values = [row.values.get(name) for row in rows]
        if kind.base is Base.BOOL:
            return truth_column(
                [None if v is None else bool(v) for v in values], ages, interval_s=self.interval_s
            )
        if kind.base is Base.STRING:
            return text_column(
                [None if v is None else str(v) for v in values], ages, interval_s=self.interval_s
            )
        return number_column(
            [None if v is None else float(v) for v in values], ages, interval_s=self.interval_s
        )


def _series(track: Track, names: list[str]) -> Series:
    """Every row with its own times, as a source that samples rows one by one has them."""
    width = max([len(track.samples.get(name, ())) for name in names], default=0)
    times, values = np.full((len(names), width), NOW_S), np.full((len(names), width), NAN)
    for row, name in enumerate(names):
        for place, (at_s, value) in enumerate(track.samples.get(name, ())):
            times[row, place] = at_s
            values[row, place] = NAN if value is None else value
    failed = np.array([name in track.failed for name in names], dtype=np.bool_)
    return Series(times, values, np.full(1, track.interval_s), failed)
