"""Costs filtered and grouped: by any dimensions and periods, over tables of any size piece by piece.

A table that does not fit into memory is read in pieces: split and group each, then `merge_groups`. The sums are integers,
so the pieces add to what the whole would have given.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scrimp.costs.rounding import known_amounts, sums
from scrimp.model.costs import PARTS, CostGroups, CostTable
from scrimp.model.usage import Bools, Floats, Integers, Period, UsageTable

PERIOD: Final = "period"
_QUANTITIES = ("capacity", "allocated", "used")
_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Values:
    """What is summed, a column each: the four parts, and the quantities."""

    parts: Sequence[Integers]
    amounts: Sequence[Floats]

    def take(self, rows: Bools) -> "_Values":
        """Those of some rows."""
        return _Values([one[rows] for one in self.parts], [one[rows] for one in self.amounts])


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
    values = _Values([costs.part(name) for name in PARTS], _amounts(costs.usage))
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
            found.append(_sums((PERIOD, *dimensions), texts, codes[inside], values.take(inside)))
    return found


def merge_groups(pieces: Iterable[CostGroups]) -> CostGroups:
    """Groups of several pieces, added by key. All pieces are grouped by the same dimensions."""
    number: dict[tuple[str, ...], int] = {}
    by: tuple[str, ...] = ()
    places, parts, amounts = [_NONE], [[_NONE] * len(PARTS)], [[np.zeros(0)] * len(_QUANTITIES)]
    for piece in pieces:
        if by and piece.by != by:
            raise ValueError(f"pieces are grouped by {by} and by {piece.by}")
        by = piece.by
        at = (number.setdefault(key, len(number)) for key in piece.keys)
        places.append(np.fromiter(at, np.int64, len(piece)))
        parts.append([piece.part(name) for name in PARTS])
        amounts.append([getattr(piece, name) for name in _QUANTITIES])
    keys = sorted(number)
    order = np.array([number[key] for key in keys], dtype=np.int64)
    joined = _Values(*([np.concatenate(one) for one in zip(*some, strict=True)] for some in (parts, amounts)))
    return _groups(by, keys, np.concatenate(places), joined, order)


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
    values: _Values,
) -> CostGroups:
    """Sums of rows with equal codes: numbers in mixed radix, a digit for each of `by`, that counts its `texts`."""
    size = int(np.prod([max(len(names), 1) for names in texts], dtype=np.float64))
    # A place for every code there might be is cheaper than to number those there are, unless there might be many more.
    if size <= 4 * len(codes) + 1024:
        present, places = np.flatnonzero(np.bincount(codes, minlength=size)), codes
        at = present
    else:
        present, places = np.unique(codes, return_inverse=True)
        at = np.arange(len(present))
    digits, rest = [], present
    for names in reversed(texts):
        rest, digit = np.divmod(rest, max(len(names), 1))
        digits.append([names[code] for code in digit.tolist()])
    keys = list(zip(*reversed(digits), strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return _groups(by, [keys[one] for one in order], places, values, at[order])


def _groups(
    by: tuple[str, ...],
    keys: Sequence[tuple[str, ...]],
    places: Integers,
    values: _Values,
    order: Integers,
) -> CostGroups:
    """The groups with these keys; the sum of each is at `order`, that of the rows with this number in `places`."""
    count = int(order.max(initial=-1)) + 1
    used, workload_idle, pool_idle, overhead = (sums(places, one, count)[order] for one in values.parts)
    amounts = [np.bincount(places, one, count)[order].astype(np.float64) for one in values.amounts]
    return CostGroups(by, tuple(keys), used, workload_idle, pool_idle, overhead, *amounts)
