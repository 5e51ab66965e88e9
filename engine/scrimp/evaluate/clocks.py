"""How long a condition has held: one clock per target, in arrays.

At each true tick a clock gains the time since the last tick, from 0 at the first true tick or after a reset. An
unknown tick gains nothing; false resets, and so does being unknown for longer than `tolerating` without a break.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scrimp.evaluate.columns import Bools, Floats, Truths
from scrimp.model.ledger import Holds

Names = tuple[str, ...]
Ints = NDArray[np.int64]
_NOISE_S = 1e-6  # instants are floats of seconds since 1970, exact to about 2e-7


class Places:
    """Where names stood before: found once a tick, since all clocks of a kind list the same targets."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], tuple[Names, Names, Ints | None]] = {}

    def rows(self, before: Names, names: Names) -> Ints | None:
        """The place in `before` of each name, -1 where it is new; `None` if both list the same."""
        key = (id(before), id(names))
        if (
            key not in self._found
        ):  # both are kept with the answer, so that no other object takes their identity
            self._found[key] = (before, names, None if before == names else _places(before, names))
        return self._found[key][2]


def _places(before: Names, names: Names) -> Ints:
    place = {name: row for row, name in enumerate(before)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def advance(
    before: Holds | None,
    names: Names,
    condition: Truths,
    now_s: float,
    *,
    tolerating_s: float,
    on_unknown: Literal["hold", "skip", "freeze"],
    places: Places,
) -> Holds:
    """The clocks after this tick, for rows `names` with their condition's truth, shapes (rows,)."""
    rows = len(names)
    true_before, unknown_before, there, last_s = align(before, names, places)
    elapsed_s = 0.0 if last_s is None else max(0.0, now_s - last_s)
    unknown = np.broadcast_to(condition.unknown, (rows,))
    true = np.broadcast_to(condition.true, (rows,))
    first_s = np.where(there, elapsed_s, 0.0)
    since_s = np.where(np.isnan(unknown_before), first_s, unknown_before + elapsed_s)
    unknown_s = np.where(unknown, since_s, np.nan)
    gained = np.where(np.isnan(true_before), 0.0, true_before + elapsed_s)
    true_s = np.where(true, gained, np.nan)
    if on_unknown == "freeze" and unknown.any():
        true_s = true_before
    elif on_unknown != "skip":
        with np.errstate(invalid="ignore"):
            paused = unknown & (unknown_s <= tolerating_s + _NOISE_S)
        true_s = np.where(paused, true_before, true_s)
    return Holds(names, true_s, unknown_s, now_s)


def due(holds: Holds, true: Bools, for_s: float) -> Bools:
    """Which rows are true now and have been for long enough."""
    with np.errstate(invalid="ignore"):
        long_enough: Bools = holds.true_s >= for_s - _NOISE_S
    return true & long_enough


def blind_for(holds: Holds, after_s: float) -> Bools:
    """Which rows have been unknown for at least `after_s`."""
    with np.errstate(invalid="ignore"):
        found: Bools = holds.unknown_s >= after_s - _NOISE_S
    return found


def align(before: Holds | None, names: Names, places: Places) -> tuple[Floats, Floats, Bools, float | None]:
    """Earlier clocks in the order of `names`, which rows were there, and when the clocks were last touched."""
    if before is None:
        empty = np.full(len(names), np.nan)
        return empty, empty, np.zeros(len(names), dtype=np.bool_), None
    rows = places.rows(before.names, names)
    if rows is None:
        return before.true_s, before.unknown_s, np.ones(len(names), dtype=np.bool_), before.last_s
    there = rows >= 0
    if not len(before.names):
        return np.full(len(names), np.nan), np.full(len(names), np.nan), there, before.last_s
    true_s = np.where(there, before.true_s[rows], np.nan)
    unknown_s = np.where(there, before.unknown_s[rows], np.nan)
    return true_s, unknown_s, there, before.last_s
