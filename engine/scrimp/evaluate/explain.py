"""Why a condition is true, false or unknown for one target: its clauses with values, margins and causes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scrimp.compile import CompiledPolicy, Node
from scrimp.evaluate.columns import at
from scrimp.evaluate.frame import Frame, column_of, fresh
from scrimp.evaluate.words import value_text
from scrimp.model.decision import Value
from scrimp.model.expression import (
    Aggregate,
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
from scrimp.model.types import DURATION, Base


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison or truth within a condition.

    `value` is that of its left side (or its own, for a bare truth), `margin` how far a number is from its threshold
    (positive: beyond it), both in canonical units. `cause` says why it is unknown. `negated`: it stands under `not`.
    """

    text: str
    truth: bool | None
    value: Value
    shown: str
    margin: float | None = None
    cause: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """A condition for one row: its truth, the sentence that says why, each clause, and the values it rests on."""

    truth: bool | None
    reason: str
    clauses: tuple[Clause, ...]
    values: Mapping[str, Value]


def explain(compiled: CompiledPolicy, frame: Frame, expression: Expression, row: int) -> Explanation:
    """Explain one of the policy's own expressions of type bool for one row of its kind."""
    node = compiled.node(expression)
    truth = at(frame.run(node), row)
    assert truth is None or isinstance(truth, bool)
    clauses = tuple(_clause(leaf, frame, row, negated=negated) for leaf, negated in _leaves(node))
    values: dict[str, Value] = {}
    for leaf, _ in _leaves(node):
        for side in _shown_sides(leaf):
            values[side.expression.text] = at(frame.run(side), row)
    telling = [
        clause for leaf, clause in _deciding(node, frame, row) if truth is not None or clause.truth is None
    ]
    told = [
        f"{clause.shown}: {clause.cause}" if clause.truth is None and clause.cause else clause.shown
        for clause in telling
    ]
    return Explanation(truth, " and ".join(dict.fromkeys(told)), clauses, values)


def _leaves(node: Node, *, negated: bool = False) -> Iterator[tuple[Node, bool]]:
    if isinstance(node.expression, Logic | Not):
        flips = isinstance(node.expression, Not)
        for child in node.children:
            if child is not None:
                yield from _leaves(child, negated=negated != flips)
    else:
        yield node, negated


def _deciding(node: Node, frame: Frame, row: int, *, negated: bool = False) -> Iterator[tuple[Node, Clause]]:
    """The leaves that an answer rests on: all of a true `and`, the true ones of an `or`, and so on."""
    if not isinstance(node.expression, Logic | Not):
        yield node, _clause(node, frame, row, negated=negated)
        return
    truth = at(frame.run(node), row)
    for child in node.children:
        assert child is not None
        same = isinstance(node.expression, Not) or at(frame.run(child), row) == truth
        if same:
            yield from _deciding(child, frame, row, negated=negated != isinstance(node.expression, Not))


def _shown_sides(leaf: Node) -> list[Node]:
    """The operands of a comparison that are not constants, or a bare truth itself."""
    if isinstance(leaf.expression, Compare | Membership):
        return [c for c in leaf.children if c is not None and not isinstance(c.expression, Const)]
    return [] if isinstance(leaf.expression, Const) else [leaf]


def _clause(leaf: Node, frame: Frame, row: int, *, negated: bool) -> Clause:
    expression = leaf.expression
    truth = at(frame.run(leaf), row)
    assert truth is None or isinstance(truth, bool)
    cause = "" if truth is not None else "; ".join(dict.fromkeys(_causes(leaf, frame, row)))
    if isinstance(expression, Compare):
        left, right = leaf.children
        assert left is not None
        assert right is not None
        one, other = at(frame.run(left), row), at(frame.run(right), row)
        return Clause(
            expression.text,
            truth,
            one,
            f"{_side(left, one)} {expression.op} {_side(right, other)}",
            _margin(expression.op, one, other),
            cause,
            negated,
        )
    if isinstance(expression, Membership):
        assert leaf.children[0] is not None
        one = at(frame.run(leaf.children[0]), row)
        options = ", ".join(item.text for item in expression.items)
        return Clause(
            expression.text,
            truth,
            one,
            f"{_side(leaf.children[0], one)} in [{options}]",
            None,
            cause,
            negated,
        )
    return Clause(
        expression.text,
        truth,
        truth,
        f"{expression.text} = {value_text(truth, expression.type)}",
        None,
        cause,
        negated,
    )


def _side(node: Node, value: Value) -> str:
    if isinstance(node.expression, Const):
        return node.expression.text
    return f"{node.expression.text} = {value_text(value, node.expression.type)}"


def _margin(op: str, one: Value, other: Value) -> float | None:
    if isinstance(one, float) and isinstance(other, float):
        return other - one if op in ("<", "<=") else one - other
    return None


def _causes(node: Node, frame: Frame, row: int) -> Iterator[str]:
    """Why a node is unknown for a row, from its leaves."""
    expression = node.expression
    if at(frame.run(node), row) is not None:
        return
    if isinstance(expression, Field):
        yield _field_cause(expression, node.stale_s, frame, row)
        return
    if isinstance(expression, Window):
        yield _window_cause(expression, node, frame, row)
        return
    if isinstance(expression, Aggregate):
        yield _aggregate_cause(expression, frame)
        return
    inner = [cause for child in node.children if child is not None for cause in _causes(child, frame, row)]
    if inner:
        yield from inner
    elif isinstance(expression, Arithmetic):
        yield (
            f"`{expression.text}` divides by zero"
            if expression.op == "/"
            else f"`{expression.text}` overflows"
        )


def _field_cause(field: Field, stale_s: float | None, frame: Frame, row: int) -> str:
    table = frame.table(field.kind)
    failure = frame.snapshot.failures.get(field.kind) or frame.snapshot.failures.get(
        f"{field.kind}.{field.name}"
    )
    if table is None:
        return failure or f"no source reports `{field.kind}`"
    at_row: int | None = row
    if field.row is not None:
        at_row = table.rows.get(field.row)
        if at_row is None:
            return f'there is no {field.kind} "{field.row}"'
    column = column_of(table, field.name)
    if column is None:
        return failure or f"no source reports `{field.name}`"
    if column.valid[at_row] and not fresh(column, stale_s)[at_row]:
        return f"`{field.name}` is {value_text(float(column.age_s[at_row]), DURATION)} old"
    return column.reason or failure or f"`{field.name}` is missing"


def _window_cause(expression: Window, node: Node, frame: Frame, row: int) -> str:
    field = expression.field
    table = frame.table(field.kind)
    series = frame.snapshot.series.get((field.kind, field.name))
    if table is None or series is None:
        return _field_cause(field, node.stale_s, frame, row)
    at_row = table.rows.get(field.row, 0) if field.row is not None else row
    if series.failed[at_row if series.failed.size > 1 else 0]:
        failures = frame.snapshot.failures
        column = table.columns.get(field.name)
        cause = column.reason if column is not None else ""
        return cause or failures.get(field.kind) or f"the source of `{field.name}` failed"
    times = series.times_s[at_row if series.times_s.shape[0] > 1 else 0] - frame.now_s
    known = ~np.isnan(series.values[at_row]) & (times <= 0)
    inside = int((known & (times > -expression.over_s)).sum())
    interval = float(series.interval_s[at_row if series.interval_s.size > 1 else 0])
    if not known.any():
        return f"`{field.name}` has no samples"
    age_s = -float(times[known].max())
    limit_s = node.stale_s if node.stale_s is not None else 3 * interval
    if age_s > limit_s:
        return f"the newest `{field.name}` is {value_text(age_s, DURATION)} old"
    expected = max(1, int(expression.over_s / interval)) if interval == interval else 1  # noqa: PLR0124 - not nan
    return f"{inside} of {expected} samples of `{field.name}`"


def _aggregate_cause(expression: Aggregate, frame: Frame) -> str:
    table = frame.table(expression.kind, inner=True)
    if table is None:
        return frame.snapshot.failures.get(expression.kind) or f"no source reports `{expression.kind}`"
    if table.partial:
        return table.partial
    if expression.type.base is Base.NUMBER and not len(table):
        return f"there is no {expression.kind}"
    return f"some rows of `{expression.kind}` are unknown, or none match"
