"""What a policy's clauses cost to evaluate: how many series are read for a target, and how many samples of them.

`scrimp check` prints it, and warns of clauses beyond a limit: a window of a month over samples of ten seconds is a
quarter of a million numbers for each target.
"""

import math
from collections.abc import Iterator

from msgspec import Struct

from scrimp.diagnostics import Diagnostic, Severity
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
from scrimp.model.policy import Policy


class ClauseCost(Struct, frozen=True):
    """Of one clause (`target`, `when`, …): the distinct fields and windows it reads, and their samples, for each row."""

    policy: str
    clause: str
    series: int
    samples: int


def clause_costs(policy: Policy, interval_s: float) -> tuple[ClauseCost, ...]:
    """The cost of each clause that has a condition, where sources sample every `interval_s` seconds."""
    found = []
    for clause, expressions in _clauses(policy).items():
        reads = {read for one in expressions for read in _reads(one)}
        samples = sum(max(1, math.ceil(over_s / interval_s)) for _, over_s in reads)
        if reads:
            found.append(ClauseCost(policy.name, clause, len(reads), samples))
    return tuple(found)


def costly_clauses(policy: Policy, interval_s: float, most: int) -> tuple[Diagnostic, ...]:
    """A warning for each clause that reads more than `most` samples for a target."""
    return tuple(
        Diagnostic(
            "SCR309",
            f"`{cost.clause}` reads {cost.samples:,} samples for each target, more than {most:,}",
            policy.source,
            _clauses(policy)[cost.clause][0].span,
            hint="look back over a shorter time, or let the source average first",
            severity=Severity.WARNING,
        )
        for cost in clause_costs(policy, interval_s)
        if cost.samples > most
    )


def _clauses(policy: Policy) -> dict[str, tuple[Expression, ...]]:
    """The expressions of each clause."""
    guards = (*policy.guards.ensure, *policy.guards.halt, *policy.guards.save)
    return {
        "target": (policy.where,) if policy.where is not None else (),
        "when": (policy.when.expression,),
        "do": tuple(value for call in policy.do for value in call.args.values()),
        "undo": (policy.undo.expression,) if policy.undo is not None else (),
        "guard": guards,
    }


def _reads(expression: Expression) -> Iterator[tuple[tuple[str, str, str, str | None], float]]:
    """The fields that are read, each with how far back (0: the newest sample)."""
    match expression:
        case Field():
            yield (expression.kind, expression.name, expression.scope, expression.row), 0.0
        case Window():
            (field, _), *_ = _reads(expression.field)
            yield field, expression.over_s
        case _:
            for operand in operands_of(expression):
                yield from _reads(operand)


def operands_of(expression: Expression) -> Iterator[Expression]:
    """The expressions that one is made of."""
    match expression:
        case Arithmetic() | Compare():
            yield from (expression.left, expression.right)
        case Apply():
            yield from expression.args
        case Not() | IsKnown() | Membership():
            yield expression.operand
        case KnownElse():
            yield from (expression.operand, expression.default)
        case Logic():
            yield from expression.operands
        case Aggregate():
            yield from (part for join in expression.joins for part in join)
            yield from (part for part in (expression.value, expression.inner) if part is not None)
        case Const() | Field() | Window():
            return
