"""Conditions that decide nothing: never true, or always true, by what the catalogue says of the fields.

Only what is certain is reported. Unknown is left out of account: a condition counts as always true if every
known state makes it true.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from scrimp.check.ranges import Range, range_of
from scrimp.check.report import Report
from scrimp.diagnostics import Label
from scrimp.model.catalogue import Catalogue
from scrimp.model.expression import (
    Aggregate,
    Apply,
    Arithmetic,
    Compare,
    Const,
    Expression,
    Field,
    KnownElse,
    Logic,
    Membership,
    Not,
    Window,
)
from scrimp.model.policy import Policy
from scrimp.model.types import Type

_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def check_meaning(policy: Policy, catalogue: Catalogue, report: Report) -> None:
    """Report the parts of a policy's conditions that no state, or every state, makes true."""
    looker = _Looker(catalogue, report)
    conditions = [policy.where, policy.when.expression, policy.undo.expression if policy.undo else None]
    conditions += [*policy.guards.ensure, *policy.guards.halt]
    for condition in conditions:
        if condition is not None:
            looker.look(condition)
    if policy.where is not None and not looker.found:
        both = [*_conjuncts(policy.where), *_conjuncts(policy.when.expression)]
        looker.together(both, policy.when.expression)


@dataclass(slots=True)
class _Allowed:
    """What a term's value may still be: numbers between two bounds, or words."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    words: frozenset[str | bool] | None = None  # `None`: any
    without: set[str | bool] = field(default_factory=set)

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
        return self.words is not None and not (self.words - self.without)


class _Looker:
    def __init__(self, catalogue: Catalogue, report: Report) -> None:
        self.catalogue = catalogue
        self.report = report
        self.found = False

    def look(self, expression: Expression) -> bool:
        """Report within `expression`; whether anything was."""
        if isinstance(expression, Compare | Membership):
            decided = self.decided(expression)
            if decided is not None:
                self.tell(expression, always=decided)
                return True
        seen = [self.look(part) for part in _parts(expression)]
        if any(seen) or not isinstance(expression, Logic):
            return any(seen)
        if expression.op == "and":
            return self.together(expression.operands, expression)
        negated = [Not(one.type, f"not {one.text}", one.span, one) for one in expression.operands]
        if self.clash(negated) is None:
            return False
        self.tell(expression, always=True)
        return True

    def together(self, operands: Sequence[Expression], whole: Expression) -> bool:
        """Report conditions that exclude each other."""
        clash = self.clash(operands)
        if clash is None:
            return False
        self.found = True
        label = (Label(clash[0].span, "with this"),) if clash[0].span != clash[1].span else ()
        self.report.warning(
            "SCR303",
            f"`{clash[1].text}` can never be true together with `{clash[0].text}`",
            clash[1].span,
            labels=label,
            hint=f"a state with {clash[2]} makes the one true and the other false"
            if clash[2]
            else f"`{whole.text}` is false in every state",
        )
        return True

    def tell(self, expression: Expression, *, always: bool) -> None:
        """Report a condition that is decided beforehand, with a state that shows it."""
        self.found = True
        code, word = ("SCR305", "is always true") if always else ("SCR303", "can never be true")
        self.report.warning(
            code, f"`{expression.text}` {word}", expression.span, hint=self.example(expression)
        )

    def example(self, expression: Expression) -> str:
        """`… never goes above 100%: even a state with … makes it false`."""
        if not (isinstance(expression, Compare) and expression.left.type.is_number):
            return ""
        term = expression.right if isinstance(expression.left, Const) else expression.left
        span = range_of(term, self.catalogue)
        if math.isfinite(span.low) and math.isfinite(span.high):
            said = f"is between {written(span.low, term.type)} and {written(span.high, term.type)}"
        elif math.isfinite(span.low):
            said = f"is never below {written(span.low, term.type)}"
        elif math.isfinite(span.high):
            said = f"is never above {written(span.high, term.type)}"
        else:
            return ""
        truth = "true" if self.decided(expression) else "false"
        edge = span.low if math.isfinite(span.low) else span.high
        if math.isfinite(span.high) and _largest_matters(expression):
            edge = span.high
        return f"`{term.text}` {said}: `{term.text}` = {written(edge, term.type)} makes it {truth}, like any other"

    def decided(self, expression: Compare | Membership) -> bool | None:
        """True or false if it cannot be otherwise; `None` if it can, or if there is no field in it."""
        if isinstance(expression, Membership):
            if not expression.operand.type.is_number or isinstance(expression.operand, Const):
                return None
            span = range_of(expression.operand, self.catalogue)
            inside = any(span.low <= float(item.value) <= span.high for item in expression.items)
            return None if inside else False
        left, right = expression.left, expression.right
        if not left.type.is_number or (isinstance(left, Const) and isinstance(right, Const)):
            return None
        return _compare(expression.op, range_of(left, self.catalogue), range_of(right, self.catalogue))

    def clash(self, operands: Sequence[Expression]) -> tuple[Expression, Expression, str] | None:
        """Two conditions that exclude each other, with a state that makes the first true; by term, in order."""
        allowed: dict[str, _Allowed] = {}
        last: dict[str, Expression] = {}
        for one in (part for operand in operands for part in _conjuncts(operand)):
            for term, op, values in _constraints(one):
                key = _key(term)
                if key not in allowed:
                    span = range_of(term, self.catalogue) if term.type.is_number else Range()
                    allowed[key] = _Allowed(span.low, span.high)
                before = allowed[key]
                state = _state(term, before)
                _narrow(before, op, values)
                if before.empty:
                    return last.get(key, one), one, state
                last[key] = one
        return None


def _narrow(allowed: _Allowed, op: str, values: Sequence[Const]) -> None:
    first = values[0].value
    if isinstance(first, float):
        numbers = [float(one.value) for one in values]
        if op == "in":
            allowed.narrow(">=", min(numbers))
            allowed.narrow("<=", max(numbers))
        elif op not in ("!=", "not in"):
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


def _state(term: Expression, allowed: _Allowed) -> str:
    """A value that what was said so far allows, as text; empty if none is at hand."""
    if allowed.words is not None:
        left = sorted(allowed.words - allowed.without, key=str)
        return f"`{term.text}` = {_quoted(left[0])}" if left else ""
    if not term.type.is_number:
        return ""
    if math.isfinite(allowed.high) and math.isfinite(allowed.low):
        value = (allowed.low + allowed.high) / 2
    elif math.isfinite(allowed.low):
        value = allowed.low + 1 if allowed.low_open else allowed.low
    elif math.isfinite(allowed.high):
        value = allowed.high - 1 if allowed.high_open else allowed.high
    else:
        return ""
    return f"`{term.text}` = {written(value, term.type)}"


def _quoted(value: str | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _compare(op: str, left: Range, right: Range) -> bool | None:
    match op:
        case "<" | "<=":
            strict = op == "<"
            if left.high < right.low or (left.high == right.low and not strict):
                return True
            return False if left.low > right.high or (left.low == right.high and strict) else None
        case ">" | ">=":
            return _compare(_FLIPPED[op], right, left)
        case "==" | "!=":
            apart = left.high < right.low or left.low > right.high
            same = left.single and right.single and left.low == right.low
            return (op == "!=") if apart else (op == "==") if same else None
    return None


def _largest_matters(expression: Compare) -> bool:
    """Whether the greatest value of the field is the one that comes nearest to changing the answer."""
    op = _FLIPPED[expression.op] if isinstance(expression.left, Const) else expression.op
    bound = expression.left if isinstance(expression.left, Const) else expression.right
    above = isinstance(bound, Const) and isinstance(bound.value, float) and bound.value > 0
    return above and op in (">", ">=", "==", "!=", "<", "<=")


def _constraints(expression: Expression) -> Iterator[tuple[Expression, str, tuple[Const, ...]]]:
    """`term op constants` of a condition, where it is as simple as that."""
    yes = True
    while isinstance(expression, Not):
        expression, yes = expression.operand, not yes
    match expression:
        case Compare() if expression.op in _FLIPPED:
            left, right, op = expression.left, expression.right, str(expression.op)
            if isinstance(left, Const):
                left, right, op = right, left, _FLIPPED[op]
            if isinstance(right, Const) and isinstance(left, Field | Window):
                yield left, op if yes else _NEGATED[op], (right,)
        case Membership() if isinstance(expression.operand, Field | Window):
            yield expression.operand, "in" if yes else "not in", expression.items
        case Field():
            yield expression, "==", (Const(expression.type, str(yes).lower(), expression.span, yes),)


def _key(term: Expression) -> str:
    """Equal for two terms that are the same value, however the user qualified them."""
    if isinstance(term, Window):
        return f"{term.fn}({_key(term.field)}, {term.horizon_s}) over {term.over_s}"
    assert isinstance(term, Field)
    return f"{term.kind}[{term.row}].{term.name} {term.scope}"


def _conjuncts(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Logic) and expression.op == "and":
        for operand in expression.operands:
            yield from _conjuncts(operand)
    else:
        yield expression


def _parts(expression: Expression) -> tuple[Expression, ...]:
    """The operands in which conditions may stand."""
    match expression:
        case Logic():
            return expression.operands
        case Compare() | Arithmetic():
            return (expression.left, expression.right)
        case Not() | Membership():
            return (expression.operand,)
        case KnownElse():
            return (expression.operand, expression.default)
        case Apply():
            return expression.args
        case Aggregate():
            return (expression.inner,) if expression.inner is not None else ()
    return ()


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
