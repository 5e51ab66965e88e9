"""What simple conditions say of their terms: which numbers and words each may still be."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct, field

from scrimp.check.ranges import Range, range_of
from scrimp.model.catalogue import Catalogue
from scrimp.model.expression import (
    Aggregate,
    Apply,
    Arithmetic,
    Compare,
    Const,
    Expression,
    Field,
    Logic,
    Membership,
    Not,
    Window,
)
from scrimp.model.types import BOOL, COUNT, Type

FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_BRANCHES = 64  # alternatives of a condition that are looked at

Term = Field | Window | Aggregate | Arithmetic | Apply


class Allowed(Struct):
    """What a term's value may still be: numbers between two bounds, or words."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    words: frozenset[str | bool] | None = None  # `None`: any
    without: set[str | bool] = field(default_factory=set)
    other_than: set[float] = field(default_factory=set)

    def narrow(self, op: str, value: float) -> None:
        """Keep what compares so with `value`."""
        if op in ("<", "<=", "==") and (value < self.high or (value == self.high and op == "<")):
            self.high, self.high_open = value, op == "<"
        if op in (">", ">=", "==") and (value > self.low or (value == self.low and op == ">")):
            self.low, self.low_open = value, op == ">"

    def keep(self, words: Iterable[str | bool]) -> None:
        """Keep these words only."""
        self.words = frozenset(words) if self.words is None else self.words & frozenset(words)

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        if self.low > self.high or (self.low == self.high and (self.low_open or self.high_open)):
            return True
        if self.low == self.high and self.low in self.other_than:
            return True
        return self.words is not None and not (self.words - self.without)

    def sample(self, *, whole: bool) -> float | str | bool | None:
        """A value that is left, `None` if none is at hand; a number near the middle, a `whole` one if there is one."""
        if self.words is not None:
            return min(self.words - self.without, key=str, default=None)
        if math.isfinite(self.high) and math.isfinite(self.low):
            middle = (self.low + self.high) / 2
            options = [float(math.floor(middle)), float(math.ceil(middle))] if whole else []
            options += [middle, (self.low + middle) / 2]
        elif math.isfinite(self.low):
            options = [self.low, self.low + 1, self.low + 2]
        elif math.isfinite(self.high):
            options = [self.high, self.high - 1, self.high - 2]
        else:
            return None
        return next((value for value in options if self.holds(value)), None)

    def holds(self, value: float) -> bool:
        """Whether a number is left."""
        above = value > self.low or (value == self.low and not self.low_open)
        below = value < self.high or (value == self.high and not self.high_open)
        return above and below and value not in self.other_than


def narrow(allowed: Allowed, op: str, values: Sequence[Const]) -> None:
    """Keep what compares so with the constants."""
    first = values[0].value
    if isinstance(first, float):
        numbers = [float(one.value) for one in values]
        if op == "in":
            allowed.narrow(">=", min(numbers))
            allowed.narrow("<=", max(numbers))
        elif op in ("!=", "not in"):
            allowed.other_than.update(numbers)
        else:
            allowed.narrow(op, first)
    elif op in ("==", "in"):
        allowed.keep(_word(one) for one in values)
    elif op in ("!=", "not in"):
        allowed.without.update(_word(one) for one in values)
        if isinstance(first, bool):
            allowed.keep((True, False))


def _word(value: Const) -> str | bool:
    assert not isinstance(value.value, float)
    return value.value


def state_of(term: Expression, allowed: Allowed) -> str:
    """A value that what was said so far allows, as text; empty if none is at hand."""
    value = allowed.sample(whole=term.type == COUNT)
    return "" if value is None else f"`{term.text}` = {shown(value, term.type)}"


def shown(value: float | str | bool, of: Type) -> str:
    """A value as a policy writes it."""
    return written(value, of) if isinstance(value, float) else _quoted(value)


def _quoted(value: str | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def constraints(expression: Expression) -> Iterator[tuple[Expression, str, tuple[Const, ...]]]:
    """`term op constants` of a condition, where it is as simple as that."""
    yes = True
    while isinstance(expression, Not):
        expression, yes = expression.operand, not yes
    match expression:
        case Compare() if expression.op in FLIPPED:
            left, right, op = expression.left, expression.right, str(expression.op)
            if isinstance(left, Const):
                left, right, op = right, left, FLIPPED[op]
            if isinstance(right, Const) and isinstance(left, Term):
                yield left, op if yes else _NEGATED[op], (right,)
        case Membership() if isinstance(expression.operand, Term):
            yield expression.operand, "in" if yes else "not in", expression.items
        case Field() | Aggregate() if expression.type == BOOL:
            yield expression, "==", (Const(expression.type, str(yes).lower(), expression.span, yes),)


def key_of(term: Expression) -> str:
    """Equal for two terms that are the same value, however the user qualified them."""
    if isinstance(term, Window):
        return f"{term.fn}({key_of(term.field)}, {term.horizon_s}) over {term.over_s}"
    if isinstance(term, Field):
        return f"{term.kind}[{term.row}].{term.name} {term.scope}"
    return resolved(term)


def resolved(expression: Expression) -> str:
    """What an expression computes, constants and parameters by value; spans left out."""
    return re.sub(r"span=Span\(start=\d+, end=\d+\)", "", repr(expression))


def conjuncts(expression: Expression) -> Iterator[Expression]:
    """The conditions that must all be true."""
    if isinstance(expression, Logic) and expression.op == "and":
        for operand in expression.operands:
            yield from conjuncts(operand)
    else:
        yield expression


def branches(conditions: Sequence[Expression]) -> Iterator[tuple[Expression, ...]]:
    """Ways in which all conditions can be true: in each, all of some simple ones. The first few of many."""
    yield from islice(_branches(tuple(conditions)), _BRANCHES)


def _branches(conditions: tuple[Expression, ...]) -> Iterator[tuple[Expression, ...]]:
    for place, one in enumerate(conditions):
        options = _options(one)
        if options is None:
            continue
        for option in options:
            yield from _branches((*conditions[:place], *option, *conditions[place + 1 :]))
        return
    yield conditions


def _options(expression: Expression) -> list[tuple[Expression, ...]] | None:
    """What of an `and`, an `or` or their negation must hold: alternatives; `None` if it is simple."""
    negated = isinstance(expression, Not)
    inner = expression.operand if isinstance(expression, Not) else expression
    if negated and isinstance(inner, Not):
        return [(inner.operand,)]
    if not isinstance(inner, Logic):
        return None
    operands = inner.operands
    if negated:
        operands = tuple(Not(BOOL, f"not ({one.text})", one.span, one) for one in operands)
    return [operands] if (inner.op == "and") != negated else [(one,) for one in operands]


def facts_of(
    conditions: Sequence[Expression],
    catalogue: Catalogue,
    moving: Callable[[Expression], bool] = lambda _: False,
) -> Mapping[str, tuple[Expression, Allowed]] | None:
    """By term what simple conditions leave of it; `None` if they exclude each other. `moving` terms are left out."""
    found: dict[str, tuple[Expression, Allowed]] = {}
    for one in conditions:
        for term, op, values in constraints(one):
            if moving(term):
                continue
            key = key_of(term)
            if key not in found:
                span = range_of(term, catalogue) if term.type.is_number else Range()
                found[key] = (term, Allowed(span.low, span.high))
            narrow(found[key][1], op, values)
            if found[key][1].empty:
                return None
    return found


def written(value: float, of: Type) -> str:
    """A number as a policy writes it, near enough for a message."""
    symbol = {"USD": "$", "EUR": "€", "GBP": "£"}.get(of.currency or "", "")
    match str(of):
        case "ratio":
            return f"{value * 100:g}%"
        case "duration":
            return f"{value:g}s"
        case "bytes":
            return f"{value:g}B"
        case "money":
            return f"{symbol}{value:g}"
        case "money/h":
            return f"{symbol}{value:g}/h"
    return f"{value:g}"
