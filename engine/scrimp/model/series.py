"""Recent samples of the fields that windows look back over, in rings: one column of values is added a tick.

Whoever drives the engine keeps a `SeriesRings` and puts its `view` into each snapshot, so that `decide` itself stays
a function of values.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scrimp.model.snapshot import Series, Table

_SPARE = 1.5  # room in a ring, in windows, so that old samples are cut off only now and then
_LEAST = 16


class SeriesRing:
    """The samples of one field of one kind, a row per target.

    All rows are sampled together: there is one time per column. Rows come and go by name.
    """

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s
        self._names: tuple[str, ...] = ()
        self._times = np.full(_LEAST, np.nan)
        self._values = np.full((0, _LEAST), np.nan)
        self._used = 0
        self._tick_s = float("-inf")

    def widen(self, over_s: float) -> None:
        """Keep at least this much."""
        self._over_s = max(self._over_s, over_s)

    @property
    def last_s(self) -> float:
        """The newest instant that the ring knows of: of a column, or of a tick that added one; else minus infinity."""
        newest = float(self._times[self._used - 1]) if self._used else float("-inf")
        return max(newest, self._tick_s)

    def append(
        self,
        names: tuple[str, ...],
        at_s: float,
        values: NDArray[np.float64],
        age_s: NDArray[np.float64] | float = 0.0,
    ) -> None:
        """Add what a tick at `at_s` found: a value per row, `nan` where it is missing, and how old it is.

        A value that is older than the tick before is no new sample. The rows share one time, that of the oldest new
        sample, so that none looks younger than it is. The first tick takes the youngest values only.
        """
        self._rename(names)
        if at_s < self._tick_s:
            self._set_back(at_s)
        new = ~np.isnan(values) & (age_s < at_s - self.last_s)
        if not new.any():
            return
        ages = np.broadcast_to(age_s, values.shape)
        if self.last_s == -np.inf:
            new &= ages <= ages[new].min()
        sampled_s = at_s - float(ages[new].max())
        self._make_room(sampled_s)
        self._times[self._used] = sampled_s
        self._values[:, self._used] = np.where(new, values, np.nan)
        self._used += 1
        self._tick_s = at_s

    def refill(self, names: Sequence[str], times_s: Sequence[float], values: NDArray[np.float64]) -> None:
        """Put past samples, shape (rows, samples), before those that are there; rows are matched by name."""
        first_s = self._times[0] if self._used else np.inf
        keep = [place for place, at_s in enumerate(times_s) if at_s < first_s]
        own_names = self._names or tuple(names)
        place_of = {name: row for row, name in enumerate(names)}
        past = np.full((len(own_names), len(keep)), np.nan)
        for row, name in enumerate(own_names):
            if name in place_of:
                past[row] = values[place_of[name], keep]
        own = self._values[:, : self._used] if self._names else np.empty((len(own_names), 0))
        self._names = own_names
        self._times = np.concatenate([np.array(times_s, dtype=np.float64)[keep], self._times[: self._used]])
        self._values = np.concatenate([past, own], axis=1)
        self._used = len(self._times)

    def view(self, names: tuple[str, ...], interval_s: float, failed: NDArray[np.bool_]) -> Series:
        """The samples in the order of `names`; a copy is made only where rows moved."""
        self._rename(names)
        return Series(
            times_s=self._times[None, : self._used],
            values=self._values[:, : self._used],
            interval_s=np.full(1, interval_s),
            failed=failed,
        )

    def _set_back(self, at_s: float) -> None:
        """The clock was set back: samples of a future are dropped, or none would be new until it has come again."""
        self._used = int(np.searchsorted(self._times[: self._used], at_s, side="right"))
        self._tick_s = float("-inf")

    def _rename(self, names: tuple[str, ...]) -> None:
        if names is self._names or names == self._names:
            self._names = names
            return
        place = {name: row for row, name in enumerate(self._names)}
        rows = np.array([place.get(name, -1) for name in names], dtype=np.int64)
        moved = np.full((len(names), self._values.shape[1]), np.nan)
        moved[rows >= 0] = self._values[rows[rows >= 0]]
        self._names, self._values = names, moved

    def _make_room(self, at_s: float) -> None:
        if self._used < len(self._times):
            return
        old = int(np.searchsorted(self._times[: self._used], at_s - self._over_s, side="right"))
        kept = self._used - old
        size = max(_LEAST, int(kept * _SPARE) + 1)
        times = np.full(size, np.nan)
        values = np.full((len(self._names), size), np.nan)
        times[:kept] = self._times[old : self._used]
        values[:, :kept] = self._values[:, old : self._used]
        self._times, self._values, self._used = times, values, kept


class SeriesRings:
    """A ring per (kind, field) that some policy has a window over."""

    def __init__(self) -> None:
        self._rings: dict[tuple[str, str], SeriesRing] = {}

    def want(self, windows: Mapping[tuple[str, str], float], keep_s: float = 0.0) -> None:
        """Keep at least these windows (seconds), and `keep_s` beyond for staleness; rings that are there stay."""
        for key, over_s in windows.items():
            ring = self._rings.get(key)
            if ring is None:
                self._rings[key] = SeriesRing(over_s + keep_s)
            else:
                ring.widen(over_s + keep_s)

    def refill(
        self,
        key: tuple[str, str],
        names: Sequence[str],
        times_s: Sequence[float],
        values: NDArray[np.float64],
    ) -> None:
        """Put past samples into a ring, if it is wanted."""
        if key in self._rings:
            self._rings[key].refill(names, times_s, values)

    def append(self, tables: Mapping[str, Table], at_s: float) -> dict[tuple[str, str], Series]:
        """Add the samples of one tick, and give all series for the snapshot.

        A row of a column with a `reason` that has no value failed: its windows are unknown now, whatever there is.
        """
        series = {}
        for (kind, field), ring in self._rings.items():
            table = tables.get(kind)
            column = table.columns.get(field) if table is not None else None
            if table is None or column is None:
                continue
            values = np.where(column.valid, column.values.astype(np.float64), np.nan)
            failed = ~column.valid if column.reason else np.zeros(1, dtype=np.bool_)
            ring.append(table.names, at_s, values, column.age_s)
            series[kind, field] = ring.view(table.names, column.interval_s, failed)
        return series
