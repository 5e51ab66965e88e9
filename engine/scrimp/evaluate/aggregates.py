"""Aggregates over the rows of another kind, joined by equality: a group-by, never a nested loop.

Three-valued throughout: a row whose predicate or join key is unknown may or may not belong to a group, and an
aggregate is unknown wherever that could change its answer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scrimp.evaluate.columns import Bools, Floats, Numbers, Result, Texts, Truths, finite, recode
from scrimp.model.expression import AggregateFn

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group each row belongs to.

    `inner` (inner rows,) and `outer` (outer rows,) number the groups from 0; -1 is a key that is unknown. An outer
    key that no inner row has gets the group `count` - 1, which is always empty.
    """

    inner: Ints
    outer: Ints
    count: int


def group(joins: list[tuple[Result, Result]], inner_rows: int, outer_rows: int) -> Groups:
    """Number the groups by the joined keys; without a join all rows are one group."""
    inner = np.zeros(inner_rows, dtype=np.int64)
    outer = np.zeros(outer_rows, dtype=np.int64)
    inner_known = np.ones(inner_rows, dtype=np.bool_)
    outer_known = np.ones(outer_rows, dtype=np.bool_)
    for inner_key, outer_key in joins:
        codes, other, valid, other_valid = _codes(inner_key, outer_key, inner_rows, outer_rows)
        width = int(max(codes.max(initial=-1), other.max(initial=-1))) + 1
        inner, outer = inner * width + codes, outer * width + other
        inner_known &= valid
        outer_known &= other_valid
        present, inner = np.unique(inner, return_inverse=True)
        places = np.searchsorted(present, outer)
        found = (
            (places < len(present)) & (present[np.minimum(places, len(present) - 1)] == outer)
            if len(present)
            else np.zeros(outer_rows, dtype=np.bool_)
        )
        outer = np.where(found, places, len(present))
    count = int(max(inner.max(initial=-1), outer.max(initial=-1))) + 2
    return Groups(np.where(inner_known, inner, -1), np.where(outer_known, outer, -1), count)


def _codes(inner: Result, outer: Result, inner_rows: int, outer_rows: int) -> tuple[Ints, Ints, Bools, Bools]:
    """Both sides of a join as numbers from 0 that are equal where the keys are."""
    if isinstance(inner, Texts) and isinstance(outer, Texts):
        words = tuple(dict.fromkeys((*inner.words, *outer.words)))
        codes = recode(inner, words).astype(np.int64)
        other = recode(outer, words).astype(np.int64)
        valid, other_valid = inner.valid, outer.valid
    elif isinstance(inner, Numbers) and isinstance(outer, Numbers):
        both = np.concatenate([np.atleast_1d(inner.values), np.atleast_1d(outer.values)])
        _, numbered = np.unique(both, return_inverse=True)
        codes, other = numbered[: inner.values.size], numbered[inner.values.size :]
        valid, other_valid = inner.valid, outer.valid
    else:
        assert isinstance(inner, Truths)
        assert isinstance(outer, Truths)
        codes, other = inner.true.astype(np.int64), outer.true.astype(np.int64)
        valid, other_valid = inner.true | inner.false, outer.true | outer.false
    return (
        np.broadcast_to(np.maximum(codes, 0), (inner_rows,)).astype(np.int64),
        np.broadcast_to(np.maximum(other, 0), (outer_rows,)).astype(np.int64),
        np.broadcast_to(valid, (inner_rows,)),
        np.broadcast_to(other_valid, (outer_rows,)),
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


def aggregate(fn: AggregateFn, rows: Members, groups: Groups) -> Result:
    """The aggregate for every outer row."""
    tally = _Tally(rows, groups)
    if fn == "any":
        return _spread_truths(tally.any(), groups)
    if fn == "all":
        return _spread_truths(tally.all(), groups)
    match fn:
        case "count":
            found = tally.count()
        case "sum":
            found = tally.sum()
        case "avg":
            found = tally.avg()
        case "min":
            found = tally.extreme(np.minimum, np.inf)
        case "max":
            found = tally.extreme(np.maximum, -np.inf)
    return _spread_numbers(found, groups)


class _Tally:
    """Sums by group. Rows with an unknown key that are not surely out may be in any group: they are `stray`."""

    def __init__(self, rows: Members, groups: Groups) -> None:
        self.rows = rows
        self.groups = groups
        self.keyed = groups.inner >= 0
        self.stray = ~self.keyed & (rows.true | rows.unknown)

    def number(self, chosen: Bools) -> Ints:
        """How many chosen rows each group has."""
        return np.bincount(self.groups.inner[chosen], minlength=self.groups.count)

    def any(self) -> Truths:
        true = self.number(self.keyed & self.rows.true) > 0
        maybe = (self.number(self.keyed & self.rows.unknown) > 0) | self.stray.any()
        return Truths(true, ~true & ~maybe)

    def all(self) -> Truths:
        out = ~(self.rows.true | self.rows.unknown)
        false = self.number(self.keyed & out) > 0
        maybe = (self.number(self.keyed & self.rows.unknown) > 0) | bool(
            (~self.keyed & ~self.rows.true).any()
        )
        return Truths(~false & ~maybe, false)

    def count(self) -> Numbers:
        doubtful = (self.number(self.keyed & self.rows.unknown) > 0) | self.stray.any()
        return Numbers(self.number(self.keyed & self.rows.true).astype(np.float64), ~doubtful)

    def _sums(self) -> Floats:
        chosen = self.keyed & self.rows.true & self.rows.valid
        weights = self.rows.values[chosen]
        return np.bincount(self.groups.inner[chosen], weights, self.groups.count).astype(np.float64)

    def sum(self) -> Numbers:
        harmless = self.rows.valid & (self.rows.values == 0)
        doubtful = (
            (self.number(self.keyed & self.rows.true & ~self.rows.valid) > 0)
            | (self.number(self.keyed & self.rows.unknown & ~harmless) > 0)
            | (self.stray & ~harmless).any()
        )
        return finite(self._sums(), ~doubtful)

    def avg(self) -> Numbers:
        doubtful = (
            (self.number(self.keyed & self.rows.true & ~self.rows.valid) > 0)
            | (self.number(self.keyed & self.rows.unknown) > 0)
            | self.stray.any()
        )
        with np.errstate(all="ignore"):
            return finite(self._sums() / self.number(self.keyed & self.rows.true), ~doubtful)

    def extreme(self, pick: np.ufunc, neutral: float) -> Numbers:
        """Least or greatest; an unknown row is harmless where its value could not change the answer."""
        sure = np.full(self.groups.count, neutral)
        chosen = self.keyed & self.rows.true & self.rows.valid
        pick.at(sure, self.groups.inner[chosen], self.rows.values[chosen])
        loose = sure.copy()
        doubt = self.keyed & self.rows.unknown
        pick.at(loose, self.groups.inner[doubt & self.rows.valid], self.rows.values[doubt & self.rows.valid])
        stray = self.stray
        if stray.any():
            loose = pick(loose, pick.reduce(self.rows.values[stray & self.rows.valid], initial=neutral))
        doubtful = (
            (loose != sure)
            | (self.number(self.keyed & (self.rows.true | self.rows.unknown) & ~self.rows.valid) > 0)
            | (stray & ~self.rows.valid).any()
        )
        return finite(sure, ~doubtful)


def _spread_numbers(found: Numbers, groups: Groups) -> Numbers:
    """From groups to outer rows; a row with an unknown key is known only where every group agrees."""
    values, valid = found.values[groups.outer], found.valid[groups.outer]
    lost = groups.outer < 0
    if lost.any():
        agreed = bool(found.valid.all()) and bool((found.values == found.values[0]).all())
        values = np.where(lost, found.values[0], values)
        valid = np.where(lost, agreed, valid)
    return Numbers(values, valid)


def _spread_truths(found: Truths, groups: Groups) -> Truths:
    true, false = found.true[groups.outer], found.false[groups.outer]
    lost = groups.outer < 0
    if lost.any():
        true = np.where(lost, bool(found.true.all()), true)
        false = np.where(lost, bool(found.false.all()), false)
    return Truths(true, false)
