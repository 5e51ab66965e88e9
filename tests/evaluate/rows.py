"""A second evaluation, row by row in plain Python, written from the language's specification.

It shares nothing with the engine but the typed expressions. Unknown is `None`.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

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

Value = float | bool | str | None
Row = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Rows by kind, and samples by (kind, field, row): (age in seconds, value or None), oldest first."""

    rows: dict[str, list[Row]]
    samples: dict[tuple[str, str, str], list[tuple[float, float | None]]]
    interval_s: float
    coverage: float = 0.5


def value(e: Expression, world: World, row: Row, inner: Row | None = None) -> Value:  # noqa: PLR0911, PLR0912
    """The value of an expression for a row (and a row of the aggregated kind)."""
    match e:
        case Const():
            return e.value
        case Field():
            source = inner if e.scope == "inner" else row
            assert source is not None
            found: Value = source.get(e.name)
            return found
        case Window():
            source = inner if e.field.scope == "inner" else row
            assert source is not None
            return window(e, world, world.samples.get((e.field.kind, e.field.name, source["name"]), []))
        case Not():
            one = value(e.operand, world, row, inner)
            return None if one is None else not one
        case Logic():
            return logic(e.op, [value(o, world, row, inner) for o in e.operands])
        case Compare():
            return compare(e.op, value(e.left, world, row, inner), value(e.right, world, row, inner))
        case Membership():
            one = value(e.operand, world, row, inner)
            return None if one is None else one in [item.value for item in e.items]
        case IsKnown():
            return value(e.operand, world, row, inner) is not None
        case KnownElse():
            one = value(e.operand, world, row, inner)
            return value(e.default, world, row, inner) if one is None else one
        case Arithmetic():
            return arithmetic(e, value(e.left, world, row, inner), value(e.right, world, row, inner))
        case Apply():
            args = [value(arg, world, row, inner) for arg in e.args]
            if any(arg is None for arg in args):
                return None
            return {"min": min, "max": max, "abs": abs}[e.fn](*args)  # type: ignore[no-any-return, operator]
        case Aggregate():
            return aggregate(e, world, row)


def logic(op: str, values: list[Value]) -> Value:
    """Strong Kleene."""
    decides = op == "or"
    if any(one is decides for one in values):
        return decides
    return None if any(one is None for one in values) else not decides


def compare(op: str, one: Any, other: Any) -> Value:
    """A comparison with unknown is unknown."""
    if one is None or other is None:
        return None
    match op:
        case "==":
            return bool(one == other)
        case "!=":
            return bool(one != other)
        case "<":
            return bool(one < other)
        case "<=":
            return bool(one <= other)
        case ">":
            return bool(one > other)
        case _:
            return bool(one >= other)


def arithmetic(e: Arithmetic, one: Any, other: Any) -> Value:
    """A division by zero is unknown."""
    if one is None or other is None or (e.op == "/" and other == 0):
        return None
    found = {
        "+": lambda: one + other,
        "-": lambda: one - other,
        "*": lambda: one * other * e.factor,
        "/": lambda: one / other * e.factor,
    }
    result = float(found[e.op]())
    return result if math.isfinite(result) else None


def window(e: Window, world: World, samples: list[tuple[float, float | None]]) -> Value:  # noqa: PLR0911 - one return per function
    """The samples in (t - D, t]; unknown if stale or not covered."""
    known = [(age, one) for age, one in samples if one is not None]
    inside = [one for age, one in known if 0 <= age < e.over_s]
    if not inside or min(age for age, _ in known) > 3 * world.interval_s:
        return None
    if len(inside) < world.coverage * math.floor(e.over_s / world.interval_s):
        return None
    match e.fn:
        case "avg":
            return sum(inside) / len(inside)
        case "sum":
            return float(sum(inside))
        case "min":
            return min(inside)
        case "max":
            return max(inside)
        case "count":
            return float(len(inside))
        case "last":
            return inside[-1]
        case "p50":
            ordered = sorted(inside)
            place = (len(ordered) - 1) / 2
            low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
            return low + (high - low) * (place - math.floor(place))
        case "increase":
            if len(inside) < 2:
                return None
            pairs = pairwise(inside)
            return float(sum(b - a if b >= a else b for a, b in pairs))
    raise AssertionError(e.fn)


def aggregate(e: Aggregate, world: World, row: Row) -> Value:
    """By trying every way the unknown rows could turn out: in or out."""
    if e.kind not in world.rows:
        return None
    sure: list[Value] = []
    maybe: list[Value] = []
    for inner in world.rows[e.kind]:
        keys = logic(
            "and",
            [
                True,
                *(
                    compare("==", value(i, world, row, inner), value(o, world, row, inner))
                    for i, o in e.joins
                ),
            ],
        )
        holds = True if e.inner is None else value(e.inner, world, row, inner)
        if e.fn == "all":
            if keys is False or holds is True:
                continue
            (sure if keys is True and holds is False else maybe).append(None)
            continue
        truth = logic("and", [keys, holds])
        if truth is False:
            continue
        (sure if truth is True else maybe).append(
            value(e.value, world, row, inner) if e.value is not None else 1.0
        )
    return settled(e.fn, sure, maybe)


def settled(fn: str, sure: list[Value], maybe: list[Value]) -> Value:
    """The answer if it is the same either way."""
    if fn in ("any", "all"):
        if sure:
            return fn == "any"
        return None if maybe else fn == "all"
    if fn == "count":
        return None if maybe else float(len(sure))
    numbers = [float(one) for one in sure if one is not None]
    if len(numbers) < len(sure):
        return None
    if fn == "sum":
        return None if any(one != 0 for one in maybe) else float(sum(numbers))
    if fn == "avg":
        return None if maybe or not numbers else sum(numbers) / len(numbers)
    pick = min if fn == "min" else max
    if not numbers or any(one is None or pick(float(one), pick(numbers)) != pick(numbers) for one in maybe):
        return None
    return pick(numbers)
