"""The world of a policy test: rows with given values and series, changed by the acts of the policies."""

import numpy as np

from scrimp.model.catalogue import Catalogue, KindSpec
from scrimp.model.decision import PlannedAction, Value
from scrimp.model.series import SeriesRings
from scrimp.model.snapshot import Column, Snapshot, Table, number_column, text_column, truth_column
from scrimp.model.testing import CheckedTest, Sampled
from scrimp.model.types import Base, Type

_LABELS = "labels."


class World:
    """What the policies of a test see at each tick.

    A row is there if it is given or has a series. Kinds without rows are known to be empty. A field with a series
    has its newest sample, with its age; a given one is fresh at every tick. An act changes given fields at once.
    """

    def __init__(self, test: CheckedTest, catalogue: Catalogue, rings: SeriesRings) -> None:
        self.test = test
        self.catalogue = catalogue
        self.rings = rings
        self._rows: dict[str, dict[str, dict[str, Value]]] = {kind: {} for kind in catalogue.kinds}
        for (kind, name), values in test.givens.items():
            self._rows[kind].setdefault(name, {}).update({key: value.value for key, value in values.items()})
        for kind, name, _ in test.series:
            self._rows[kind].setdefault(name, {})

    def snapshot(self, tick: int) -> Snapshot:
        """All rows at a tick, counted from 0."""
        at_s = self.test.start_s + tick * self.test.every_s
        tables = {kind: self._table(spec, tick) for kind, spec in self.catalogue.kinds.items()}
        series = self.rings.append(tables, at_s)
        return Snapshot(at_s, tables, series, currency=self.catalogue.currency)

    def apply(self, action: PlannedAction) -> None:
        """An act takes effect at once."""
        kind, _, name = action.target.partition("/")
        self._rows[kind][name].update(action.after)

    def _table(self, spec: KindSpec, tick: int) -> Table:
        rows = self._rows[spec.name]
        names = tuple(rows)
        fields = {field for values in rows.values() for field in values}
        fields |= {field for kind, _, field in self.test.series if kind == spec.name}
        columns: dict[str, Column] = {}
        labels: dict[str, Column] = {}
        for field in sorted(fields):
            found = [self._newest(spec.name, name, field, tick) for name in names]
            values = [value for value, _ in found]
            ages = np.array([age_s for _, age_s in found], dtype=np.float64)
            if field.startswith(_LABELS):
                labels[field.removeprefix(_LABELS)] = text_column([_text(value) for value in values], ages)
            else:
                columns[field] = _column(values, ages, spec.fields[field].type, self.test.every_s)
        return Table(spec.name, names, columns, labels)

    def _newest(self, kind: str, name: str, field: str, tick: int) -> tuple[Value, float]:
        """The newest sample up to a tick, and its age in seconds."""
        samples: tuple[Sampled, ...] | None = self.test.series.get((kind, name, field))
        if samples is None:
            return self._rows[kind][name].get(field), 0.0
        for place in range(min(tick, len(samples) - 1), -1, -1):
            if samples[place].value is not None:
                return samples[place].value, (tick - place) * self.test.every_s
        return None, 0.0


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _column(values: list[Value], ages: np.ndarray, kind: Type, every_s: float) -> Column:
    if kind.base is Base.STRING:
        return text_column([_text(value) for value in values], ages, interval_s=every_s)
    if kind.base is Base.BOOL:
        return truth_column([None if v is None else bool(v) for v in values], ages, interval_s=every_s)
    return number_column([None if v is None else float(v) for v in values], ages, interval_s=every_s)
