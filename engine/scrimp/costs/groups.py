"""Costs filtered and grouped: by any dimensions and periods, over tables of any size piece by piece.

A table that does not fit into memory is read in pieces: split and group each, then `merge_groups`. The sums are integers,
so the pieces add to what the whole would have given.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from scrimp.costs.rounding import known_amounts, sums
from scrimp.model.costs import PARTS, CostGroups, CostTable
from scrimp.model.usage import Bools, Floats, Integers, Period, UsageTable

PERIOD: Final = "period"
_QUANTITIES = ("capacity", "allocated", "used")
_NONE: Final = np.zeros(0, dtype=np.int64)


def select(usage: UsageTable, wanted: Mapping[str, Collection[str]], period: Period | None = None) -> Bools:
    """The rows whose dimensions all have one of the texts that are wanted of them, and that start within the period."""
    hit = np.ones(len(usage), dtype=np.bool_)
    for name, texts in wanted.items():
        hit &= usage.dimension(name).is_any(texts)
    if period is not None:
        hit &= (usage.start_s >= period.start_s) & (usage.start_s < period.end_s)
    return hit


def group_costs(costs: CostTable, by: Sequence[str], periods: Sequence[Period] = ()) -> CostGroups:
    """Sums by dimensions; also by `periods` (ascending, not overlapping), each row counted where it starts.

    With periods, rows outside of all of them are left out. Keys are in order of period, then alphabetical.
    """
    return groupings(costs, [(PERIOD, *by) if periods else by], periods)[0]


def groupings(
    costs: CostTable, wanted: Iterable[Sequence[str]], periods: Sequence[Period] = ()
) -> list[CostGroups]:
    """As `group_costs`, for several groupings of the same rows: by `periods` where `PERIOD` is one of the dimensions."""
    at, inside = _periods(costs.usage.start_s, periods) if periods else (_NONE, _NONE > 0)
    values: list[Integers | Floats] = [*(costs.part(name) for name in PARTS), *_amounts(costs.usage)]
    found = []
    for by in wanted:
        dimensions = (*(name for name in by if name not in ("currency", PERIOD)), "currency")
        codes, texts = np.zeros(len(costs), dtype=np.int64), []
        if PERIOD in by:
            first, last = (int(at.min()), int(at.max())) if len(at) else (0, 0)
            codes = at - first  # so that a piece of a long time does not count the periods of all of it
            texts.append(tuple(str(one) for one in periods[first : last + 1]))
        for column in map(costs.usage.dimension, dimensions):
            codes = codes * len(column.names) + column.codes if len(column.names) > 1 else codes
            texts.append(column.names)
        if PERIOD not in by:
            found.append(_sums(dimensions, texts, codes, values))
        elif inside.all():
            found.append(_sums((PERIOD, *dimensions), texts, codes, values))
        else:
            found.append(_sums((PERIOD, *dimensions), texts, codes[inside], [one[inside] for one in values]))
    return found


def merge_groups(pieces: Iterable[CostGroups]) -> CostGroups:
    """Groups of several pieces, added by key. All pieces are grouped by the same dimensions."""
    number: dict[tuple[str, ...], int] = {}
    by: tuple[str, ...] = ()
    places, columns = [], []
    for piece in pieces:
        if by and piece.by != by:
            raise ValueError(f"pieces are grouped by {by} and by {piece.by}")
        by = piece.by
        at = (number.setdefault(key, len(number)) for key in piece.keys)
        places.append(np.fromiter(at, np.int64, len(piece)))
        amounts = (getattr(piece, name) for name in _QUANTITIES)
        columns.append([*(piece.part(name) for name in PARTS), *amounts])
    keys = sorted(number)
    order = np.array([number[key] for key in keys], dtype=np.int64)
    if not keys:
        columns, places = [[order] * (len(PARTS) + len(_QUANTITIES))], [order]
    joined = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return _groups(by, keys, (np.concatenate(places), len(keys)), joined, order)


def _amounts(usage: UsageTable) -> tuple[Floats, Floats, Floats]:
    """Capacity, allocated and used of every row, as the split takes them: what was not measured counts as used."""
    allocated = known_amounts(usage.allocated)
    used = np.where(np.isnan(usage.used), allocated, known_amounts(usage.used))
    return known_amounts(usage.capacity), allocated, np.where(usage.is_charge(), 0.0, used)


def _periods(start_s: Integers, periods: Sequence[Period]) -> tuple[Integers, Bools]:
    """The number of the period that each row starts in, and whether there is one."""
    starts = np.array([one.start_s for one in periods], dtype=np.int64)
    ends = np.array([one.end_s for one in periods], dtype=np.int64)
    if np.any(starts[1:] < ends[:-1]):
        raise ValueError("periods must ascend and not overlap")
    at = np.searchsorted(starts, start_s, side="right").astype(np.int64) - 1
    inside = (at >= 0) & (start_s < ends[np.maximum(at, 0)])
    return np.maximum(at, 0), inside


def _sums(
    by: tuple[str, ...],
    texts: Sequence[tuple[str, ...]],
    codes: Integers,
    values: Sequence[Integers | Floats],
) -> CostGroups:
    """Sums of rows with equal codes: numbers in mixed radix, a digit for each of `by`, that counts its `texts`."""
    size = int(np.prod([max(len(names), 1) for names in texts], dtype=np.float64))
    if size <= 4 * len(codes) + 1024:
        present = np.flatnonzero(np.bincount(codes, minlength=size))
        places, at = codes, present
    else:
        present, places = np.unique(codes, return_inverse=True)
        size, at = len(present), np.arange(len(present))
    digits, rest = [], present
    for names in reversed(texts):
        rest, digit = np.divmod(rest, max(len(names), 1))
        digits.append([names[code] for code in digit.tolist()])
    keys = list(zip(*reversed(digits), strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return _groups(by, [keys[one] for one in order], (places, size), values, at[order])


def _groups(
    by: tuple[str, ...],
    keys: Sequence[tuple[str, ...]],
    places: tuple[Integers, int],
    values: Sequence[Integers | Floats],
    order: Integers,
) -> CostGroups:
    """The groups at `order` of all sums: of the parts and quantities in `values`, by the place of each row, of so many."""
    where, count = places
    parts = [sums(where, one, count)[order] for one in values[: len(PARTS)]]
    amounts = [np.bincount(where, one, count)[order] for one in values[len(PARTS) :]]
    return CostGroups(by, tuple(keys), *parts, *amounts)
