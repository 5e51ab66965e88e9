"""The language row by row, in plain Python: slow, and short enough to be checked by reading.

It is written from the specification alone and shares nothing with the engine but the checked expressions. `None` is
unknown throughout. The engine must agree with it on everything.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from tests.naive.world import Plain, Row, World

from scrimp.model.expression import (
    Aggregate,
    Apply,
    Arithmetic,
    Compare,
    Const,
    Expression,
    Field,
    IsKnown,
    KnownElse,
    Logic,
    Membership,
    Not,
    Window,
)

Truth = bool | None


def both(truths: Iterable[Truth]) -> Truth:
    """Strong Kleene `and`."""
    seen = list(truths)
    if False in seen:
        return False
    return None if None in seen else True


def either(truths: Iterable[Truth]) -> Truth:
    """Strong Kleene `or`."""
    seen = list(truths)
    if True in seen:
        return True
    return None if None in seen else False


def opposite(truth: Truth) -> Truth:
    """Strong Kleene `not`."""
    return None if truth is None else not truth


@dataclass(frozen=True)
class Naive:
    """Evaluates expressions of a policy in a world; `stale_s` is `None` for three collection intervals."""

    world: World
    stale_s: float | None = None
    coverage: Fraction = Fraction(1, 2)

    def truth(self, expression: Expression, row: Row, inner: Row | None = None) -> Truth:
        """An expression of type bool."""
        found = self.value(expression, row, inner)
        assert found is None or isinstance(found, bool)
        return found

    def number(self, expression: Expression, row: Row, inner: Row | None = None) -> float | None:
        """A numeric expression."""
        found = self.value(expression, row, inner)
        assert found is None or isinstance(found, float)
        return found

    def value(self, expression: Expression, row: Row, inner: Row | None = None) -> Plain:  # noqa: PLR0911 - one per class
        """Any expression, for a target and, within an aggregate, a row of the other kind."""
        match expression:
            case Const():
                return expression.value
            case Field():
                return self._field(expression, row, inner)
            case Window():
                return self._window(expression, row, inner)
            case Aggregate():
                return self._aggregate(expression, row)
            case Arithmetic():
                one = self.number(expression.left, row, inner)
                other = self.number(expression.right, row, inner)
                return None if one is None or other is None else _arithmetic(expression, one, other)
            case Apply():
                args = [self.number(arg, row, inner) for arg in expression.args]
                return None if None in args else _SCALARS[expression.fn](*args)
            case Compare():
                left, right = (
                    self.value(expression.left, row, inner),
                    self.value(expression.right, row, inner),
                )
                return None if left is None or right is None else _COMPARE[expression.op](left, right)
            case Membership():
                item = self.value(expression.operand, row, inner)
                return None if item is None else item in [one.value for one in expression.items]
            case Not():
                return opposite(self.truth(expression.operand, row, inner))
            case Logic():
                truths = [self.truth(operand, row, inner) for operand in expression.operands]
                return both(truths) if expression.op == "and" else either(truths)
            case IsKnown():
                return self.value(expression.operand, row, inner) is not None
            case KnownElse():
                found = self.value(expression.operand, row, inner)
                return self.value(expression.default, row, inner) if found is None else found

    # ---- leaves ----

    def _row(self, field: Field, row: Row, inner: Row | None) -> Row | None:
        rows = self.world.kinds.get(field.kind)
        if rows is None:
            return None
        if field.row is not None:
            return next((one for one in rows if one.name == field.row), None)
        return inner if field.scope == "inner" else row

    def _field(self, field: Field, row: Row, inner: Row | None) -> Plain:
        found = self._row(field, row, inner)
        if found is None:
            return None
        if field.name == "name":
            return found.name
        if field.name.startswith("labels."):
            return found.labels.get(field.name.removeprefix("labels."))
        if self._is_stale(found.ages_s.get(field.name, 0.0), self.world.interval_s):
            return None
        return found.values.get(field.name)

    def _is_stale(self, age_s: float, interval_s: float) -> bool:
        limit_s = 3 * interval_s if self.stale_s is None else self.stale_s
        return age_s > limit_s  # never, where the interval is not known (nan)

    def _window(self, window: Window, row: Row, inner: Row | None) -> float | None:
        found = self._row(window.field, row, inner)
        if found is None:
            return None
        now_s, name = self.world.now_s, window.field.name
        track = self.world.tracks.get((window.field.kind, name))
        if track is None or found.name in track.failed:
            return None
        samples, interval_s = track.samples.get(found.name, []), track.interval_s
        known = [(at_s, value) for at_s, value in samples if value is not None and at_s <= now_s]
        if not known or self._is_stale(now_s - known[-1][0], interval_s):
            return None
        inside = [(at_s - now_s, value) for at_s, value in known if at_s > now_s - window.over_s]
        if math.isnan(interval_s):
            return None
        expected = max(1, math.floor(window.over_s / interval_s + 1e-9))
        if not inside or len(inside) < self.coverage * expected:
            return None
        return window_value(window.fn, inside, window.horizon_s)

    # ---- other kinds ----

    def _aggregate(self, expression: Aggregate, row: Row) -> float | bool | None:
        rows = self.world.kinds.get(expression.kind)
        if rows is None:
            return None
        partial = expression.kind in self.world.partial
        grouped = [both(self._joined(expression, row, inner)) for inner in rows]
        held = [self._holds(expression, row, inner) for inner in rows]
        where = [both(pair) for pair in zip(grouped, held, strict=True)]
        if expression.fn == "any":
            found = either(where)
            return found if found or not partial else None
        if expression.fn == "all":
            found = both(either((opposite(g), h)) for g, h in zip(grouped, held, strict=True))
            return found if found is False or not partial else None
        if partial:
            return None
        if expression.fn == "count":
            return None if None in where else float(where.count(True))
        assert expression.value is not None
        values = [self.number(expression.value, row, inner) for inner in rows]
        sure = [value for value, truth in zip(values, where, strict=True) if truth]
        maybe = [value for value, truth in zip(values, where, strict=True) if truth is None]
        return _numbers(expression.fn, sure, maybe)

    def _joined(self, expression: Aggregate, row: Row, inner: Row) -> Iterable[Truth]:
        for own, outer in expression.joins:
            one, other = self.value(own, row, inner), self.value(outer, row)
            yield None if one is None or other is None else one == other

    def _holds(self, expression: Aggregate, row: Row, inner: Row) -> Truth:
        return True if expression.inner is None else self.truth(expression.inner, row, inner)


def _numbers(fn: str, sure: list[float | None], maybe: list[float | None]) -> float | None:
    """sum, avg, min or max of the rows that are in for sure, if those that may be in cannot matter."""
    values = [value for value in sure if value is not None]
    if len(values) < len(sure):
        return None
    if fn == "sum":
        return None if any(value != 0 for value in maybe) else float(sum(values))
    if not values or (fn == "avg" and maybe):
        return None
    if fn == "avg":
        return sum(values) / len(values)
    pick: Callable[[list[float]], float] = min if fn == "min" else max
    found = pick(values)
    return found if all(value is not None and pick([found, value]) == found for value in maybe) else None


def window_value(fn: str, samples: list[tuple[float, float]], horizon_s: float = 0.0) -> float | None:
    """A window function of known samples, as (seconds relative to now, value), oldest first."""
    times, values = [at_s for at_s, _ in samples], [value for _, value in samples]
    count = len(values)
    simple: dict[str, Callable[[], float]] = {
        "avg": lambda: sum(values) / count,
        "min": lambda: min(values),
        "max": lambda: max(values),
        "sum": lambda: sum(values),
        "count": lambda: count,
        "last": lambda: values[-1],
        "stddev": lambda: math.sqrt(sum((v - sum(values) / count) ** 2 for v in values) / count),
    }
    if fn in simple:
        return float(simple[fn]())
    if fn.startswith("p"):
        return _quantile(sorted(values), int(fn[1:]) / 100)
    if count < 2:
        return None
    if fn in ("increase", "rate"):
        rises = [b - a if b >= a else b for a, b in itertools.pairwise(values)]
        return float(sum(rises)) if fn == "increase" else sum(rises) / (times[-1] - times[0])
    exact = [Fraction(at_s) for at_s in times]
    middle = sum(exact) / count
    level = sum(map(Fraction, values)) / count
    slope = sum((t - middle) * (Fraction(v) - level) for t, v in zip(exact, values, strict=True)) / sum(
        (t - middle) ** 2 for t in exact
    )
    return float(slope) if fn == "slope" else float(level + slope * (Fraction(horizon_s) - middle))


def _quantile(values: list[float], share: float) -> float:
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def _arithmetic(expression: Arithmetic, one: float, other: float) -> float | None:
    if expression.op == "/" and other == 0:
        return None
    found = {
        "+": lambda: one + other,
        "-": lambda: one - other,
        "*": lambda: one * other * expression.factor,
        "/": lambda: one / other * expression.factor,
    }[expression.op]()
    return found if math.isfinite(found) else None


_SCALARS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": lambda value: float(math.floor(value)),
    "ceil": lambda value: float(math.ceil(value)),
    "round": lambda value: float(math.floor(value + 0.5)),
    "clamp": lambda value, low, high: min(max(value, low), high),
}
_COMPARE: dict[str, Callable[..., bool]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "starts_with": lambda one, other: one.startswith(other),
    "ends_with": lambda one, other: one.endswith(other),
    "contains": lambda one, other: other in one,
    "matches": lambda one, other: re.search(other, one) is not None,
}
