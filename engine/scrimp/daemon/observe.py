"""What the engine knows of the world between ticks: who was there last, and the recent samples that windows need."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from scrimp.api import Refilling, SeriesBatch
from scrimp.collectors import Gathered, Gatherer, unknown_column
from scrimp.history import HistoryError
from scrimp.model.catalogue import Catalogue
from scrimp.model.series import SeriesRings
from scrimp.model.snapshot import Column, Table, text_column

IMPLIED = ("name", "labels")


@dataclass(frozen=True, slots=True)
class KnownRows:
    """The rows of a kind when it was last read. Labels say which target it is, as its name does; they are no measurement."""

    names: tuple[str, ...]
    labels: Mapping[str, Column]

    def same_as(self, other: "KnownRows | None") -> bool:
        """Whether both say the same; arrays cannot be compared by `==`."""
        if other is None or self.names != other.names or self.labels.keys() != other.labels.keys():
            return False
        pairs = [(column, other.labels[key]) for key, column in self.labels.items()]
        return all(
            one is two
            or (
                one.words == two.words
                and np.array_equal(one.values, two.values)
                and np.array_equal(one.valid, two.valid)
            )
            for one, two in pairs
        )


class World:
    """Snapshots with their series, one a tick. `keep_s` is kept of each series beyond its window, for staleness.

    `known` are the rows of each kind when it was last read, from an earlier run where there was one. `past` fills the
    windows of fields whose source has no past of its own.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        catalogue: Catalogue,
        keep_s: float = 0.0,
        known: Mapping[str, KnownRows] | None = None,
        past: Refilling | None = None,
    ) -> None:
        self.gatherer = gatherer
        self._catalogue = catalogue
        self._keep_s = keep_s
        self._past = past
        self._rings = SeriesRings()
        self._windows: dict[tuple[str, str], float] = {}
        self._wanting: dict[tuple[str, str], float] = {}
        self.known: dict[str, KnownRows] = dict(known or {})

    def observe(self, windows: Mapping[tuple[str, str], float], now_s: float) -> Gathered:
        """Collect, fill in what failed as unknown, add the samples to the series of `windows` (seconds by kind and field).

        A kind that no source could report keeps its rows, all of them unknown for the cause; one of which a source
        failed is `partial`, and keeps the rows that are missing in the same way.
        """
        self._want(windows)
        gathered = self.gatherer.collect(now_s)
        self._refill({one.name for one in gathered.statuses if not one.cause}, now_s)
        snapshot = gathered.snapshot
        tables = dict(snapshot.tables)
        for kind, cause in snapshot.failures.items():
            table = tables.get(kind)
            if table is not None:
                tables[kind] = self._with_missing(replace(table, partial=table.partial or cause), cause)
            elif kind in self.known:
                tables[kind] = self._unknown(kind, cause)
        for kind, table in tables.items():
            if not table.partial or kind not in self.known:
                self.known[kind] = KnownRows(table.names, table.labels)
        series = self._rings.append(tables, now_s)
        return replace(gathered, snapshot=replace(snapshot, tables=tables, series=series))

    def _unknown(self, kind: str, cause: str) -> Table:
        known, spec = self.known[kind], self._catalogue.kinds[kind]
        columns = {
            name: unknown_column(field, len(known.names), cause)
            for name, field in spec.fields.items()
            if name not in IMPLIED
        }
        return Table(kind, known.names, columns, known.labels, partial=cause)

    def _with_missing(self, table: Table, cause: str) -> Table:
        """The table with the rows that were there before a source failed, unknown: their clocks must not be lost."""
        known = self.known.get(table.kind)
        missing = [name for name in known.names if name not in table.rows] if known is not None else []
        if known is None or not missing:
            return table
        rows = {name: row for row, name in enumerate(known.names)}
        columns = {name: _lengthened(column, len(missing), cause) for name, column in table.columns.items()}
        labels = {
            key: text_column(
                [
                    *_texts(table.labels.get(key), range(len(table))),
                    *_texts(known.labels.get(key), [rows[name] for name in missing]),
                ]
            )
            for key in {**table.labels, **known.labels}
        }
        return replace(table, names=(*table.names, *missing), columns=columns, labels=labels)

    def _want(self, windows: Mapping[tuple[str, str], float]) -> None:
        """Keep these windows from now on."""
        new = {key: over_s for key, over_s in windows.items() if over_s > self._windows.get(key, 0.0)}
        self._windows.update(new)
        self._wanting.update(new)
        self._rings.want(new, self._keep_s)

    def _refill(self, answering: Collection[str], now_s: float) -> None:
        """Fill new windows with the past, where a source has it and answers; one that does not is asked when it does.

        Where no source has a past it comes from `past`.
        """
        if not self._wanting:
            return
        having: dict[str, dict[tuple[str, str], float]] = {}
        for name, covered in self.gatherer.refilling.items():
            wanted = {
                key: over_s
                for key, over_s in self._wanting.items()
                if key in covered or (key[0], "*") in covered
            }
            if wanted:
                having[name] = wanted
        found = self.gatherer.refill(
            now_s, {name: wanted for name, wanted in having.items() if name in answering}
        )
        had = {key for wanted in having.values() for key in wanted}
        noted = self._noted({key: over_s for key, over_s in self._wanting.items() if key not in had}, now_s)
        for batch in (*found.batches, *noted):
            values = np.array(batch.values, dtype=np.float64)  # `None` becomes nan
            shape = (len(batch.names), len(batch.times_s))
            self._rings.refill((batch.kind, batch.field), batch.names, batch.times_s, values.reshape(shape))
        late = {name for name in having if name not in answering or name in found.causes}
        self._wanting = {key: over_s for name in late for key, over_s in having[name].items()}

    def _noted(self, wanted: Mapping[tuple[str, str], float], now_s: float) -> Sequence[SeriesBatch]:
        """What was noted here of the past. A history that cannot be read is none."""
        if self._past is not None and wanted:
            with suppress(HistoryError):
                return self._past.refill(now_s, wanted, deadline_s=0.0)
        return ()


def _lengthened(column: Column, more: int, cause: str) -> Column:
    """The column with unknown rows at its end."""
    return replace(
        column,
        values=np.concatenate([column.values, np.zeros(more, dtype=column.values.dtype)]),
        valid=np.concatenate([column.valid, np.zeros(more, dtype=np.bool_)]),
        age_s=np.concatenate([column.age_s, np.full(more, np.nan)]),
        reason=column.reason or cause,
    )


def _texts(column: Column | None, rows: Sequence[int]) -> list[str | None]:
    if column is None:
        return [None] * len(rows)
    return [column.words[int(column.values[row])] if column.valid[row] else None for row in rows]
