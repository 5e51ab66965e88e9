"""Expressions as a graph of nodes in which equal sub-expressions of all policies are one node.

A node is equal to another if both compute the same over the same rows: the structure is the same, and so are the
kind whose rows it runs over and the policy's `stale` and `coverage`, which decide what its leaves count as unknown.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import re2
from msgspec import Struct

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


class Node(Struct, frozen=True, eq=False):
    """One computation over the rows of `kind`: `slot` is its number, `children` its operands in order.

    `stale_s` is `None` for three collection intervals. `pattern` is the compiled pattern of `matches`.
    For an `Aggregate` the children are its value, its predicate and then the inner and outer sides of each join;
    a missing value or predicate is `None`.
    """

    slot: int
    expression: Expression
    kind: str
    children: tuple["Node | None", ...]
    stale_s: float | None
    coverage: float
    pattern: Any = None


class Graph:
    """Makes nodes, one for each distinct computation."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def node(self, expression: Expression, kind: str, stale_s: float | None, coverage: float) -> Node:
        """The node of an expression over the rows of `kind`."""
        children = tuple(
            None if child is None else self.node(child, child_kind, stale_s, coverage)
            for child, child_kind in operands(expression, kind)
        )
        leaf = isinstance(expression, Field | Window)
        key = (
            type(expression),
            kind,
            _payload(expression),
            tuple(child.slot if child else -1 for child in children),
            (stale_s, coverage) if leaf else None,
        )
        found = self._nodes.get(key)
        if found is None:
            pattern = None
            if isinstance(expression, Compare) and expression.op == "matches":
                assert isinstance(expression.right, Const)
                pattern = re2.compile(str(expression.right.value))
            found = Node(len(self._nodes), expression, kind, children, stale_s, coverage, pattern)
            self._nodes[key] = found
        return found


def operands(expression: Expression, kind: str) -> Iterator[tuple[Expression | None, str]]:
    """The operands with the kind whose rows each runs over."""
    match expression:
        case Arithmetic() | Compare():
            yield from ((expression.left, kind), (expression.right, kind))
        case Apply():
            yield from ((arg, kind) for arg in expression.args)
        case Membership() | Not() | IsKnown():
            yield (expression.operand, kind)
        case Logic():
            yield from ((operand, kind) for operand in expression.operands)
        case KnownElse():
            yield from ((expression.operand, kind), (expression.default, kind))
        case Aggregate():
            yield from ((expression.value, expression.kind), (expression.inner, expression.kind))
            for inner, outer in expression.joins:
                yield from ((inner, expression.kind), (outer, kind))
        case _:
            return


def _payload(expression: Expression) -> tuple[Any, ...]:  # noqa: PLR0911 - one return per class
    """What tells two expressions of one class apart, beside their operands."""
    match expression:
        case Const():
            return (type(expression.value), expression.value)
        case Field():
            return (expression.kind, expression.name, expression.row)
        case Window():
            field = expression.field
            return (
                expression.fn,
                field.kind,
                field.name,
                field.row,
                expression.over_s,
                expression.horizon_s,
                expression.type,
            )
        case Aggregate():
            return (expression.fn, expression.kind)
        case Arithmetic():
            return (expression.op, expression.factor)
        case Apply():
            return (expression.fn,)
        case Compare() | Logic():
            return (expression.op,)
        case Membership():
            return tuple(item.value for item in expression.items)
        case _:
            return ()


def windows_of(expression: Expression) -> Iterator[Window]:
    """All windows within an expression."""
    if isinstance(expression, Window):
        yield expression
    for operand, _ in operands(expression, ""):
        if operand is not None:
            yield from windows_of(operand)


NodesByExpression = Mapping[int, Node]
