"""Why a condition is true, false or unknown for one target: its clauses with values, margins and causes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scrimp.compile import CompiledPolicy, Node, operands
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
    IsKnown,
    KnownElse,
    Logic,
    Membership,
    Not,
    Window,
)
from scrimp.model.policy import STALE_DEFAULT_INTERVALS
from scrimp.model.types import DURATION, RATIO, Base

_NOISE = 1e-9  # as in `windows`: 15m of samples every 0.1s are 9000, whatever the division says
_NO_SERIES = "`{}` has a value now and no series to look back over"


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison or truth within a condition.

    `value` is that of its left side (or its own, for a bare truth), `margin` how far a number is from its threshold
    (positive: beyond it), both in canonical units. `cause` says why it is unknown. `negated`: it stands under `not`.
    `certain`: it asks or replaces what is unknown, and cannot be unknown itself.
    """

    text: str
    truth: bool | None
    value: Value
    shown: str
    margin: float | None = None
    cause: str = ""
    negated: bool = False
    certain: bool = False

    @property
    def told(self) -> str:
        """As it stands in the condition. A bare truth says itself what it is: `critical = false`."""
        bare = self.shown.startswith(f"{self.text} = ")
        return f"not ({self.shown})" if self.negated and not bare else self.shown


@dataclass(frozen=True, slots=True)
class Explanation:
    """A condition for one row: its truth, the sentence that says why, each clause, and the values it rests on."""

    truth: bool | None
    reason: str
    clauses: tuple[Clause, ...]
    values: Mapping[str, Value]


def explain(compiled: CompiledPolicy, frame: Frame, expression: Expression, row: int) -> Explanation:
    """Explain one of the policy's own expressions of type bool for one row of its kind."""
    whole = _Term(expression, compiled.node(expression))
    truth = _truth(whole, frame, row)
    clauses = tuple(_clause(leaf, frame, row, negated=negated) for leaf, negated in _leaves(whole))
    values: dict[str, Value] = {}
    for leaf, _ in _leaves(whole):
        for side in _shown_sides(leaf):
            values[side.expression.text] = at(frame.run(side.node), row)
    telling = [clause for clause in _deciding(whole, frame, row) if truth is not None or clause.truth is None]
    told = [
        f"{clause.told}: {clause.cause}" if clause.truth is None and clause.cause else clause.told
        for clause in telling
    ]
    return Explanation(truth, " and ".join(dict.fromkeys(told)), clauses, values)


@dataclass(frozen=True, slots=True)
class _Term:
    """An expression as this policy has it, with its node, which may be shared with others that write it in other words."""

    expression: Expression
    node: Node

    def children(self) -> list["_Term"]:
        """Its operands, in order."""
        own = (one for one, _ in operands(self.expression, self.node.kind))
        pairs = zip(own, self.node.children, strict=True)
        return [_Term(one, node) for one, node in pairs if one is not None and node is not None]


def _truth(term: _Term, frame: Frame, row: int) -> bool | None:
    truth = at(frame.run(term.node), row)
    assert truth is None or isinstance(truth, bool)
    return truth


def _leaves(term: _Term, *, negated: bool = False) -> Iterator[tuple[_Term, bool]]:
    if isinstance(term.expression, Logic | Not):
        flips = isinstance(term.expression, Not)
        for child in term.children():
            yield from _leaves(child, negated=negated != flips)
    else:
        yield term, negated


def _deciding(term: _Term, frame: Frame, row: int, *, negated: bool = False) -> Iterator[Clause]:
    """The leaves that an answer rests on: all of a true `and`, the true ones of an `or`, and so on."""
    flips = isinstance(term.expression, Not)
    if not (flips or isinstance(term.expression, Logic)):
        yield _clause(term, frame, row, negated=negated)
        return
    truth = _truth(term, frame, row)
    for child in term.children():
        if flips or _truth(child, frame, row) == truth:
            yield from _deciding(child, frame, row, negated=negated != flips)


def _shown_sides(leaf: _Term) -> list[_Term]:
    """The operands of a comparison that are not constants, or a bare truth itself."""
    sides = leaf.children() if isinstance(leaf.expression, Compare | Membership) else [leaf]
    return [side for side in sides if not isinstance(side.expression, Const)]


def _clause(leaf: _Term, frame: Frame, row: int, *, negated: bool) -> Clause:
    expression = leaf.expression
    truth = _truth(leaf, frame, row)
    value: Value = truth
    margin = None
    shown = f"{expression.text} = {value_text(truth, expression.type)}"
    if isinstance(expression, Compare):
        left, right = leaf.children()
        value, other = at(frame.run(left.node), row), at(frame.run(right.node), row)
        shown = f"{_side(left, value)} {expression.op} {_side(right, other)}"
        margin = _margin(expression.op, value, other)
    elif isinstance(expression, Membership):
        (operand,) = leaf.children()
        value = at(frame.run(operand.node), row)
        shown = f"{_side(operand, value)} in [{', '.join(item.text for item in expression.items)}]"
    cause = "" if truth is not None else "; ".join(dict.fromkeys(_causes(leaf, frame, row)))
    return Clause(expression.text, truth, value, shown, margin, cause, negated, _certain(expression))


def _certain(expression: Expression) -> bool:
    if isinstance(expression, KnownElse):
        return _certain(expression.default)
    if isinstance(expression, Compare):
        return _certain(expression.left) and _certain(expression.right)
    if isinstance(expression, Membership):
        return _certain(expression.operand)
    return isinstance(expression, IsKnown | Const)


def _side(term: _Term, value: Value) -> str:
    if isinstance(term.expression, Const):
        return term.expression.text
    return f"{term.expression.text} = {value_text(value, term.expression.type)}"


def _margin(op: str, one: Value, other: Value) -> float | None:
    if isinstance(one, float) and isinstance(other, float):
        return other - one if op in ("<", "<=") else one - other
    return None


def _causes(term: _Term, frame: Frame, row: int) -> Iterator[str]:
    """Why a term is unknown for a row, from its leaves."""
    expression = term.expression
    if at(frame.run(term.node), row) is not None:
        return
    if isinstance(expression, Field):
        yield _field_cause(expression, term.node.stale_s, frame, row)
        return
    if isinstance(expression, Window):
        yield _window_cause(expression, term.node, frame, row)
        return
    if isinstance(expression, Aggregate):
        yield _aggregate_cause(expression, frame)
        return
    inner = [cause for child in term.children() for cause in _causes(child, frame, row)]
    if inner:
        yield from inner
    elif isinstance(expression, Arithmetic):
        yield f"`{expression.text}` {'divides by zero' if expression.op == '/' else 'overflows'}"


def _field_cause(field: Field, stale_s: float | None, frame: Frame, row: int) -> str:
    table = frame.table(field.kind, inner=field.row is not None)
    failures = frame.snapshot.failures
    failure = failures.get(field.kind) or failures.get(f"{field.kind}.{field.name}")
    if table is None:
        return failure or f"no source reports `{field.kind}`"
    at_row = row if field.row is None else table.rows.get(field.row)
    if at_row is None:
        return f'there is no {field.kind} "{field.row}"'
    column = column_of(table, field.name)
    if column is None:
        return failure or f"no source reports `{field.name}`"
    if column.valid[at_row] and not fresh(column, stale_s)[at_row]:
        limit = STALE_DEFAULT_INTERVALS * column.interval_s if stale_s is None else stale_s
        return _too_old(f"`{field.name}`", float(column.age_s[at_row]), limit)
    return column.reason or failure or f"`{field.name}` is missing"


def _too_old(what: str, age_s: float, limit_s: float) -> str:
    return f"{what} is {value_text(age_s, DURATION)} old, more than {value_text(limit_s, DURATION)}"


def _window_cause(expression: Window, node: Node, frame: Frame, row: int) -> str:
    field = expression.field
    shown = frame.table(field.kind, inner=field.row is not None)
    table = frame.snapshot.tables.get(field.kind)
    series = frame.snapshot.series.get((field.kind, field.name))
    name = field.row or (shown.names[row] if shown is not None else "")
    if table is None or name not in table.rows:
        return _field_cause(field, node.stale_s, frame, row)
    place = table.rows[name]
    column = column_of(table, field.name)
    if series is None:
        lone = column is not None and column.valid[place]
        return _NO_SERIES.format(field.name) if lone else _field_cause(field, node.stale_s, frame, row)
    if series.failed[place if series.failed.size > 1 else 0]:
        cause = column.reason if column is not None else ""
        return cause or frame.snapshot.failures.get(field.kind) or f"the source of `{field.name}` failed"
    times = series.times_s[place if series.times_s.shape[0] > 1 else 0] - frame.now_s
    known = ~np.isnan(series.values[place]) & (times <= 0)
    if not known.any():
        return f"`{field.name}` has no samples"
    interval_s = float(series.interval_s[place if series.interval_s.size > 1 else 0])
    if np.isnan(interval_s):
        return _NO_SERIES.format(field.name)
    age_s = -float(times[known].max())
    limit_s = STALE_DEFAULT_INTERVALS * interval_s if node.stale_s is None else node.stale_s
    if age_s > limit_s:
        return _too_old(f"the newest `{field.name}`", age_s, limit_s)
    inside = int((known & (times > -expression.over_s)).sum())
    expected = max(1, int(expression.over_s / interval_s * (1 + _NOISE)))
    enough = inside >= node.coverage * expected
    why = (
        f"too few for {expression.fn}" if enough else f"less than {value_text(node.coverage, RATIO)} covered"
    )
    return f"{why}: {inside} of {expected} samples of `{field.name}`"


def _aggregate_cause(expression: Aggregate, frame: Frame) -> str:
    table = frame.table(expression.kind, inner=True)
    if table is None:
        return frame.snapshot.failures.get(expression.kind) or f"no source reports `{expression.kind}`"
    if table.partial:
        return table.partial
    if expression.type.base is Base.NUMBER and not len(table):
        return f"there is no {expression.kind}"
    return f"some rows of `{expression.kind}` are unknown, or none match"
