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
    dimensions = tuple(name for name in by if name not in ("currency", PERIOD))
    codes = np.zeros(len(costs), dtype=np.int64)
    radix: list[tuple[tuple[str, ...], int]] = []
    inside = None
    if periods:
        codes, inside = _periods(costs.usage.start_s, periods)
        first, last = (int(codes.min()), int(codes.max())) if len(codes) else (0, 0)
        codes = codes - first  # so that a piece of a long time does not count the periods of all of it
        radix.append((tuple(str(one) for one in periods[first : last + 1]), last + 1 - first))
    for name in (*dimensions, "currency"):
        column = costs.usage.dimension(name)
        codes = codes * max(len(column.names), 1) + column.codes
        radix.append((column.names, max(len(column.names), 1)))
    names = (*((PERIOD,) if periods else ()), *dimensions, "currency")
    table = costs if inside is None or inside.all() else costs.take(inside)
    codes = codes if inside is None else codes[inside]
    return _sums(table, codes, names, radix)


def merge_groups(pieces: Iterable[CostGroups]) -> CostGroups:
    """Groups of several pieces, added by key. All pieces are grouped by the same dimensions."""
    found: dict[tuple[str, ...], list[int | float]] = {}
    by: tuple[str, ...] = ()
    for piece in pieces:
        if by and piece.by != by:
            raise ValueError(f"pieces are grouped by {by} and by {piece.by}")
        by = piece.by
        columns = [*(piece.part(name).tolist() for name in PARTS)]
        columns += [getattr(piece, name).tolist() for name in _QUANTITIES]
        for key, values in zip(piece.keys, zip(*columns, strict=True), strict=True):
            old = found.get(key)
            found[key] = list(values) if old is None else [a + b for a, b in zip(old, values, strict=True)]
    keys = sorted(found)
    totals = list(zip(*(found[key] for key in keys), strict=True)) or [()] * 7
    integers = [np.array(column, dtype=np.int64) for column in totals[:4]]
    floats = [np.array(column, dtype=np.float64) for column in totals[4:]]
    return _groups(by, keys, integers, floats)


def _amounts(usage: UsageTable) -> tuple[Floats, Floats, Floats]:
    """Capacity, allocated and used of every row, as the split takes them: what was not measured counts as used."""
    allocated = known_amounts(usage.allocated)
    used = np.where(np.isnan(usage.used), allocated, known_amounts(usage.used))
    return known_amounts(usage.capacity), allocated, np.where(usage.is_charge(), 0.0, used)


def _groups(
    by: tuple[str, ...], keys: Sequence[tuple[str, ...]], parts: Sequence[Integers], amounts: Sequence[Floats]
) -> CostGroups:
    used, workload_idle, pool_idle, overhead = parts
    capacity, allocated, in_use = amounts
    return CostGroups(by, tuple(keys), used, workload_idle, pool_idle, overhead, capacity, allocated, in_use)


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
    costs: CostTable, codes: Integers, by: tuple[str, ...], radix: Sequence[tuple[tuple[str, ...], int]]
) -> CostGroups:
    """Sums of rows with equal codes; a code is a number in mixed radix, a digit per dimension."""
    size = int(np.prod([base for _, base in radix], dtype=np.float64))
    if size <= 4 * len(codes) + 1024:
        present = np.flatnonzero(np.bincount(codes, minlength=size))
        number = np.zeros(size, dtype=np.int64)
        number[present] = np.arange(len(present))
        inverse = number[codes]
    else:
        present, inverse = np.unique(codes, return_inverse=True)
    digits, rest = [], present
    for names, base in reversed(radix):
        rest, digit = np.divmod(rest, base)
        digits.append([names[at] for at in digit.tolist()])
    keys = list(zip(*reversed(digits), strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    inverse = place[inverse]
    parts = [sums(inverse, costs.part(name), len(keys)) for name in PARTS]
    amounts = [np.bincount(inverse, values, len(keys)).astype(np.float64) for values in _amounts(costs.usage)]
    return _groups(by, [keys[at] for at in order], parts, amounts)
