"""Aggregates over the rows of another kind, joined by equality: a group-by, never a nested loop.

Three-valued throughout: a row whose predicate or join key is unknown may or may not belong to a group, and an
aggregate is unknown wherever that could change its answer. With several joins, a key that is known and differs keeps
a row out whatever the others say, as `false and unknown` is false.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scrimp.evaluate.columns import Bools, Floats, Numbers, Result, Texts, Truths, finite, negation, recode
from scrimp.model.expression import AggregateFn

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """Inner rows of which the same keys are known, by group: `inner` numbers the groups of `rows`, `outer` the group
    that each outer row of the lane looks at, both below `groups`. `certain`: all keys of both sides are known, so that
    equal numbers mean that the row belongs to the target; else they mean that it may.
    """

    rows: Ints
    inner: Ints
    outer: Ints
    groups: int
    certain: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """Outer rows of which the same keys are known, with the inner rows as they see them."""

    rows: Ints
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Keys:
    """Both sides of a join as numbers that are equal where the keys are, and where they are known."""

    inner: Ints
    outer: Ints
    inner_known: Bools
    outer_known: Bools


def group(joins: list[tuple[Result, Result]], inner_rows: int, outer_rows: int) -> tuple[Lane, ...]:
    """Group by the joined keys, (inner, outer); without a join all rows are one group."""
    keys = [_keys(inner, outer, inner_rows, outer_rows) for inner, outer in joins]
    inner_pattern = np.zeros(inner_rows, dtype=np.int64)
    outer_pattern = np.zeros(outer_rows, dtype=np.int64)
    for place, key in enumerate(keys):
        inner_pattern |= key.inner_known.astype(np.int64) << place
        outer_pattern |= key.outer_known.astype(np.int64) << place
    inner_sets = [(int(one), np.flatnonzero(inner_pattern == one)) for one in np.unique(inner_pattern)]
    lanes = []
    for pattern in np.unique(outer_pattern).tolist():
        outer = np.flatnonzero(outer_pattern == pattern)
        parts = tuple(_part(keys, rows, outer, known & pattern) for known, rows in inner_sets)
        lanes.append(Lane(outer, parts))
    return tuple(lanes)


def _part(keys: list[_Keys], rows: Ints, outer_rows: Ints, common: int) -> Part:
    """Group by those keys that are known on both sides: the bits of `common`."""
    split = len(rows)
    both = np.zeros(split + len(outer_rows), dtype=np.int64)
    width = 1
    for place, key in enumerate(keys):
        if not common >> place & 1:
            continue
        codes = np.concatenate([key.inner[rows], key.outer[outer_rows]])
        if width > 1:  # numbered anew, so that products of dictionaries cannot overflow
            _, both = np.unique(both * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)
        else:
            both = codes
        width = int(both.max(initial=0)) + 1
    return Part(rows, both[:split], both[split:], width, common == (1 << len(keys)) - 1)


def _keys(inner: Result, outer: Result, inner_rows: int, outer_rows: int) -> _Keys:
    if isinstance(inner, Texts) and isinstance(outer, Texts):
        words = tuple(dict.fromkeys((*inner.words, *outer.words)))
        codes = recode(inner, words).astype(np.int64)
        other = recode(outer, words).astype(np.int64)
        known, other_known = inner.valid, outer.valid
    elif isinstance(inner, Numbers) and isinstance(outer, Numbers):
        both = np.concatenate([np.atleast_1d(inner.values), np.atleast_1d(outer.values)])
        _, numbered = np.unique(both, return_inverse=True)
        codes, other = numbered[: inner.values.size], numbered[inner.values.size :]
        known, other_known = inner.valid, outer.valid
    else:
        assert isinstance(inner, Truths)
        assert isinstance(outer, Truths)
        codes, other = inner.true.astype(np.int64), outer.true.astype(np.int64)
        known, other_known = inner.true | inner.false, outer.true | outer.false
    return _Keys(
        np.broadcast_to(np.maximum(codes, 0), (inner_rows,)),
        np.broadcast_to(np.maximum(other, 0), (outer_rows,)),
        np.broadcast_to(known, (inner_rows,)),
        np.broadcast_to(other_known, (outer_rows,)),
    )


@dataclass(frozen=True, slots=True)
class Members:
    """The inner rows of an aggregate: the predicate's truth, and the value where there is one, all (rows,)."""

    true: Bools
    unknown: Bools
    values: Floats
    valid: Bools


def members(predicate: Truths | None, value: Numbers | None, rows: int) -> Members:
    """Lay predicate and value out over all inner rows."""
    true = np.ones(rows, dtype=np.bool_) if predicate is None else np.broadcast_to(predicate.true, (rows,))
    false = np.zeros(rows, dtype=np.bool_) if predicate is None else np.broadcast_to(predicate.false, (rows,))
    values = np.zeros(rows) if value is None else np.broadcast_to(value.values, (rows,))
    valid = np.ones(rows, dtype=np.bool_) if value is None else np.broadcast_to(value.valid, (rows,))
    return Members(true, ~(true | false), values, valid)


def aggregate(
    fn: AggregateFn, predicate: Truths | None, value: Numbers | None, rows: int, lanes: tuple[Lane, ...]
) -> Result:
    """The aggregate for every outer row, over `rows` inner rows."""
    if fn == "all":  # no row of the group for which it does not hold
        unmet = Truths(np.zeros(1, dtype=np.bool_), np.ones(1, dtype=np.bool_))
        found = aggregate("any", negation(predicate) if predicate else unmet, None, rows, lanes)
        assert isinstance(found, Truths)
        return negation(found)
    inner = members(predicate, value, rows)
    outer_rows = sum(len(lane.rows) for lane in lanes)
    values, valid = np.zeros(outer_rows), np.zeros(outer_rows, dtype=np.bool_)
    for lane in lanes:
        found = _KERNELS[fn](_Tally(inner, lane))
        values[lane.rows], valid[lane.rows] = found.values, found.valid
    if fn == "any":
        return Truths(valid & (values > 0), valid & (values == 0))
    return Numbers(values, valid)


class _Tally:
    """Sums over the inner rows, for each outer row of a lane."""

    def __init__(self, rows: Members, lane: Lane) -> None:
        self.rows = rows
        self.lane = lane

    def sure(self, part: Part) -> Bools:
        """Rows of a part that are in, if they are of the group."""
        if part.certain:
            return self.rows.true[part.rows]
        return np.zeros(len(part.rows), dtype=np.bool_)

    def maybe(self, part: Part) -> Bools:
        """Rows of a part that may be in."""
        unknown = self.rows.unknown[part.rows]
        return unknown if part.certain else unknown | self.rows.true[part.rows]

    def number(self, chosen: Callable[[Part], Bools]) -> Ints:
        """How many chosen rows each outer row has."""
        total = np.zeros(len(self.lane.rows), dtype=np.int64)
        for part in self.lane.parts:
            total += np.bincount(part.inner[chosen(part)], minlength=part.groups)[part.outer]
        return total

    def sums(self) -> Floats:
        """The sums of the values that are in and known."""
        total = np.zeros(len(self.lane.rows))
        for part in self.lane.parts:
            chosen = self.sure(part) & self.rows.valid[part.rows]
            weights = self.rows.values[part.rows[chosen]]
            total += np.bincount(part.inner[chosen], weights, part.groups)[part.outer]
        return total

    def extremes(self, chosen: Callable[[Part], Bools], pick: np.ufunc, neutral: float) -> Floats:
        """Least or greatest of the chosen values that are known; `neutral` where there is none."""
        total = np.full(len(self.lane.rows), neutral)
        for part in self.lane.parts:
            rows = chosen(part) & self.rows.valid[part.rows]
            by_group = np.full(part.groups, neutral)
            pick.at(by_group, part.inner[rows], self.rows.values[part.rows[rows]])
            total = pick(total, by_group[part.outer])
        return total

    def missing(self, part: Part) -> Bools:
        """Rows that are in, with an unknown value."""
        return self.sure(part) & ~self.rows.valid[part.rows]


def _any(tally: _Tally) -> Numbers:
    true = tally.number(tally.sure) > 0
    return Numbers(true.astype(np.float64), true | (tally.number(tally.maybe) == 0))


def _count(tally: _Tally) -> Numbers:
    return Numbers(tally.number(tally.sure).astype(np.float64), tally.number(tally.maybe) == 0)


def _sum(tally: _Tally) -> Numbers:
    harmless = tally.rows.valid & (tally.rows.values == 0)
    doubtful = tally.number(lambda part: tally.maybe(part) & ~harmless[part.rows])
    return finite(tally.sums(), (doubtful == 0) & (tally.number(tally.missing) == 0))


def _avg(tally: _Tally) -> Numbers:
    known = (tally.number(tally.maybe) == 0) & (tally.number(tally.missing) == 0)
    with np.errstate(all="ignore"):
        return finite(tally.sums() / tally.number(tally.sure), known)


def _extreme(pick: np.ufunc, neutral: float) -> Callable[[_Tally], Numbers]:
    """An unknown row is harmless where its value could not change the answer."""

    def kernel(tally: _Tally) -> Numbers:
        sure = tally.extremes(tally.sure, pick, neutral)
        loose = pick(sure, tally.extremes(tally.maybe, pick, neutral))
        lost = tally.number(
            lambda part: (tally.sure(part) | tally.maybe(part)) & ~tally.rows.valid[part.rows]
        )
        return finite(sure, (loose == sure) & (lost == 0))

    return kernel


_KERNELS: dict[str, Callable[[_Tally], Numbers]] = {
    "any": _any,
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "min": _extreme(np.minimum, np.inf),
    "max": _extreme(np.maximum, -np.inf),
}
