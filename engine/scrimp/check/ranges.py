"""Which values an expression can have, by the bounds of the fields in the catalogue."""

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from scrimp.model.catalogue import Catalogue
from scrimp.model.expression import (
    Aggregate,
    Apply,
    Arithmetic,
    Const,
    Expression,
    Field,
    KnownElse,
    Window,
)

_SLACK = 1e-9  # of a computed bound: evaluation rounds, and no finding may rest on the last digit


class Range(Struct, frozen=True):
    """All numbers from `low` to `high`, both included, in the canonical unit."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def single(self) -> bool:
        """Whether this is one number."""
        return self.low == self.high

    def hull(self, other: "Range") -> "Range":
        """The least range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


ANY = Range()
NOT_NEGATIVE = Range(0.0)


def range_of(expression: Expression, catalogue: Catalogue) -> Range:
    """The range of a numeric expression, as narrow as is certain."""
    match expression:
        case Const():
            return Range(expression.value, expression.value) if isinstance(expression.value, float) else ANY
        case Field():
            return _field(expression, catalogue)
        case Window():
            return _window(expression, catalogue)
        case Aggregate():
            return _aggregate(expression, catalogue)
        case Arithmetic():
            left, right = range_of(expression.left, catalogue), range_of(expression.right, catalogue)
            return _widened(_arithmetic(expression, left, right))
        case Apply():
            return _apply(expression.fn, [range_of(arg, catalogue) for arg in expression.args])
        case KnownElse():
            return range_of(expression.operand, catalogue).hull(range_of(expression.default, catalogue))
    return ANY


def _field(field: Field, catalogue: Catalogue) -> Range:
    kind = catalogue.kinds.get(field.kind)
    spec = kind.fields.get(field.name) if kind else None
    if spec is None:
        return ANY
    return Range(
        -math.inf if spec.minimum is None else spec.minimum,
        math.inf if spec.maximum is None else spec.maximum,
    )


def _window(window: Window, catalogue: Catalogue) -> Range:
    field = _field(window.field, catalogue)
    if window.fn in ("min", "max", "last"):
        return field
    if window.fn in ("avg", "p50", "p90", "p95", "p99"):
        return _widened(field)
    if window.fn in ("count", "stddev", "increase", "rate"):
        return NOT_NEGATIVE
    return NOT_NEGATIVE if window.fn == "sum" and field.low >= 0 else ANY


def _aggregate(aggregate: Aggregate, catalogue: Catalogue) -> Range:
    if aggregate.fn == "count" or aggregate.value is None:
        return NOT_NEGATIVE
    value = range_of(aggregate.value, catalogue)
    if aggregate.fn in ("min", "max"):
        return value
    if aggregate.fn == "avg":
        return _widened(value)
    return NOT_NEGATIVE if value.low >= 0 else ANY


def _arithmetic(operation: Arithmetic, left: Range, right: Range) -> Range:
    match operation.op:
        case "+":
            return Range(left.low + right.low, left.high + right.high)
        case "-":
            return Range(left.low - right.high, left.high - right.low)
        case "*":
            return _products(left, right, operation.factor)
        case "/" if right.low > 0 or right.high < 0:
            return _products(left, Range(1 / right.high, 1 / right.low), operation.factor)
    # A divisor that comes close to zero: its sign is all that is certain.
    positive = left.low >= 0 and right.low >= 0
    return NOT_NEGATIVE if positive else ANY


def _products(left: Range, right: Range, factor: float) -> Range:
    ends = [
        a * b * factor if a and b else 0.0 for a in (left.low, left.high) for b in (right.low, right.high)
    ]
    return Range(min(ends), max(ends))


def _apply(name: str, args: Sequence[Range]) -> Range:
    first = args[0]
    match name:
        case "min":
            return Range(min(arg.low for arg in args), min(arg.high for arg in args))
        case "max":
            return Range(max(arg.low for arg in args), max(arg.high for arg in args))
        case "abs":
            low = 0.0 if first.low <= 0 <= first.high else min(abs(first.low), abs(first.high))
            return Range(low, max(abs(first.low), abs(first.high)))
        case "floor" | "ceil" | "round":
            return Range(_whole(first.low, math.floor), _whole(first.high, math.ceil))
        case "clamp":
            return Range(args[1].low, args[2].high)
    return ANY


def _whole(bound: float, way: Callable[[float], int]) -> float:
    return float(way(bound)) if math.isfinite(bound) else bound


def _widened(found: Range) -> Range:
    low = found.low if found.low == 0 else found.low - abs(found.low) * _SLACK
    return Range(low, found.high + abs(found.high) * _SLACK)
