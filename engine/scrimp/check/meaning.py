"""Conditions that decide nothing: never true, or always true, by what the catalogue says of the fields.

Only what is certain is reported. Unknown is left out of account: a condition counts as always true if every
known state makes it true.
"""

import math
from collections.abc import Sequence

from scrimp.check.facts import FLIPPED, Allowed, conjuncts, constraints, key_of, narrow, state_of, written
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
    KnownElse,
    Logic,
    Membership,
    Not,
)
from scrimp.model.policy import Policy


def check_meaning(policy: Policy, catalogue: Catalogue, report: Report) -> None:
    """Report the parts of a policy's conditions that no state, or every state, makes true."""
    looker = _Looker(catalogue, report)
    conditions = [policy.where, policy.when.expression, policy.undo.expression if policy.undo else None]
    conditions += [*policy.guards.ensure, *policy.guards.halt]
    for condition in conditions:
        if condition is not None:
            looker.look(condition)
    if policy.where is not None and not looker.found:
        both = [*conjuncts(policy.where), *conjuncts(policy.when.expression)]
        looker.together(both, policy.when.expression)


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
        allowed: dict[str, Allowed] = {}
        last: dict[str, Expression] = {}
        for one in (part for operand in operands for part in conjuncts(operand)):
            for term, op, values in constraints(one):
                key = key_of(term)
                if key not in allowed:
                    span = range_of(term, self.catalogue) if term.type.is_number else Range()
                    allowed[key] = Allowed(span.low, span.high)
                before = allowed[key]
                state = state_of(term, before)
                narrow(before, op, values)
                if before.empty:
                    return last.get(key, one), one, state
                last[key] = one
        return None


def _compare(op: str, left: Range, right: Range) -> bool | None:
    match op:
        case "<" | "<=":
            strict = op == "<"
            if left.high < right.low or (left.high == right.low and not strict):
                return True
            return False if left.low > right.high or (left.low == right.high and strict) else None
        case ">" | ">=":
            return _compare(FLIPPED[op], right, left)
        case "==" | "!=":
            apart = left.high < right.low or left.low > right.high
            same = left.single and right.single and left.low == right.low
            return (op == "!=") if apart else (op == "==") if same else None
    return None


def _largest_matters(expression: Compare) -> bool:
    """Whether the greatest value of the field is the one that comes nearest to changing the answer."""
    op = FLIPPED[expression.op] if isinstance(expression.left, Const) else expression.op
    bound = expression.left if isinstance(expression.left, Const) else expression.right
    above = isinstance(bound, Const) and isinstance(bound.value, float) and bound.value > 0
    return above and op in (">", ">=", "==", "!=", "<", "<=")


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
