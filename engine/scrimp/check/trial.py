"""Expressions under values that are tried out for their terms: made ready once, for many trials."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence

from scrimp.check.facts import key_of
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

Value = float | str | bool
Values = Mapping[str, Value]  # by the key of a term
Trial = Callable[[Values], Value | None]
# Of a field that stays as it is.
STEADY = frozenset(("avg", "min", "max", "last", "p50", "p90", "p95", "p99"))

_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS: Mapping[str, Callable[[str, str], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
}
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_SCALARS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "clamp": lambda value, low, high: min(max(value, low), high),
}


def on_trial(expression: Expression) -> Trial:  # noqa: PLR0911 - one return per class
    """What gives the expression's value for values of its terms; `None` where one that matters is not given."""
    match expression:
        case Const():
            value = expression.value
            return lambda _: value
        case Field() | Aggregate():
            key = key_of(expression)
            return lambda values: values.get(key)
        case Window():
            return _window(expression)
        case Not():
            operand = on_trial(expression.operand)
            return lambda values: None if (truth := operand(values)) is None else not truth
        case Logic():
            return _logic(
                [on_trial(operand) for operand in expression.operands], decides=expression.op == "or"
            )
        case Compare():
            return _compare(expression.op, on_trial(expression.left), on_trial(expression.right))
        case Membership():
            operand, items = on_trial(expression.operand), [item.value for item in expression.items]
            return lambda values: None if (value := operand(values)) is None else value in items
        case Arithmetic():
            return _arithmetic(expression, on_trial(expression.left), on_trial(expression.right))
        case Apply():
            return _apply(_SCALARS.get(expression.fn), [on_trial(arg) for arg in expression.args])
        case IsKnown():
            return lambda _: True  # what happens while nothing is missing
        case KnownElse():
            operand, default = on_trial(expression.operand), on_trial(expression.default)
            return lambda values: default(values) if (value := operand(values)) is None else value


def _window(window: Window) -> Trial:
    own, field = key_of(window), key_of(window.field)
    if window.fn not in STEADY:
        return lambda values: values.get(own)
    return lambda values: values.get(own, values.get(field))


def _logic(operands: Sequence[Trial], *, decides: bool) -> Trial:
    def decided(values: Values) -> bool | None:
        unknown = False
        for operand in operands:
            truth = operand(values)
            if truth is decides:
                return decides
            unknown = unknown or truth is None
        return None if unknown else not decides

    return decided


def _compare(op: str, left: Trial, right: Trial) -> Trial:
    def compared(values: Values) -> bool | None:
        one, other = left(values), right(values)
        if one is None or other is None:
            return None
        if isinstance(one, float) and isinstance(other, float):
            return _NUMBERS[op](one, other)
        test = _WORDS.get(op)
        return None if test is None else test(str(one), str(other))

    return compared


def _arithmetic(operation: Arithmetic, left: Trial, right: Trial) -> Trial:
    combine = _ARITHMETIC[operation.op]
    factor = operation.factor if operation.op in ("*", "/") else 1.0

    def combined(values: Values) -> float | None:
        one, other = left(values), right(values)
        if not (isinstance(one, float) and isinstance(other, float)) or (operation.op == "/" and other == 0):
            return None
        return combine(one, other) * factor

    return combined


def _apply(scalar: Callable[..., float] | None, args: Sequence[Trial]) -> Trial:
    def applied(values: Values) -> float | None:
        numbers = [arg(values) for arg in args]
        known = [one for one in numbers if isinstance(one, float)]
        return None if scalar is None or len(known) < len(numbers) else float(scalar(*known))

    return applied
