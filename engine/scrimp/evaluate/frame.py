"""Runs nodes over the columns of a snapshot, each node once."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scrimp.compile import Node
from scrimp.evaluate.aggregates import Lane, aggregate, group
from scrimp.evaluate.columns import (
    NO,
    UNKNOWN_NUMBER,
    UNKNOWN_TEXT,
    UNKNOWN_TRUTH,
    YES,
    Bools,
    Floats,
    Numbers,
    Result,
    Texts,
    Truths,
    conjunction,
    disjunction,
    finite,
    known,
    negation,
    recode,
)
from scrimp.evaluate.windows import window
from scrimp.model.expression import (
    Aggregate,
    Apply,
    Arithmetic,
    Compare,
    Const,
    Field,
    IsKnown,
    KnownElse,
    Logic,
    Membership,
    Not,
    Window,
)
from scrimp.model.policy import STALE_DEFAULT_INTERVALS
from scrimp.model.snapshot import Column, Series, Snapshot, Table
from scrimp.model.types import DURATION, Base, Type, unit_factor

_NOISE = 1e-9
_LABELS = "labels."


class Frame:
    """One snapshot at one instant. `outer` replaces the table of its kind for the rows that policies range over
    (a predicted state: some rows of the real one, by name), not for aggregates.
    """

    def __init__(self, snapshot: Snapshot, now_s: float, outer: Table | None = None) -> None:
        self.snapshot = snapshot
        self.now_s = now_s
        self._outer = outer
        self._done: dict[tuple[int, bool], Result] = {}
        self._lanes: dict[tuple[str, str, tuple[int, ...]], tuple[Lane, ...]] = {}  # grouped once per join

    def table(self, kind: str, *, inner: bool = False) -> Table | None:
        """The rows that nodes of a kind run over; `None` if no source reported the kind."""
        if self._outer is not None and self._outer.kind == kind and not inner:
            return self._outer
        return self.snapshot.tables.get(kind)

    def run(self, node: Node, *, inner: bool = False) -> Result:
        """The column of a node; `inner` for the rows of an aggregate."""
        key = (node.slot, inner and self._outer is not None)
        found = self._done.get(key)
        if found is None:
            found = self._compute(node, inner=inner)
            self._done[key] = found
        return found

    def truths(self, node: Node) -> Truths:
        """The column of a node of type bool."""
        found = self.run(node)
        assert isinstance(found, Truths)
        return found

    # ---- by class of expression ----

    def _compute(self, node: Node, *, inner: bool) -> Result:  # noqa: PLR0911, PLR0912 - one branch per class
        expression = node.expression
        if isinstance(expression, Aggregate):
            return self._aggregate(node, expression)
        if isinstance(expression, Field):
            return self._field(node, expression, inner=inner)
        if isinstance(expression, Window):
            return self._window(node, expression, inner=inner)
        if isinstance(expression, Const):
            return _constant(expression)
        operands = [self.run(child, inner=inner) for child in node.children if child is not None]
        match expression:
            case Logic():
                combine = conjunction if expression.op == "and" else disjunction
                found = operands[0]
                for operand in operands[1:]:
                    assert isinstance(found, Truths)
                    assert isinstance(operand, Truths)
                    found = combine(found, operand)
                return found
            case Not():
                assert isinstance(operands[0], Truths)
                return negation(operands[0])
            case Compare():
                return _compare(node, expression, operands[0], operands[1])
            case Arithmetic():
                return _arithmetic(expression, operands[0], operands[1])
            case Membership():
                return _membership(expression, operands[0])
            case IsKnown():
                defined = known(operands[0])
                return Truths(defined, ~defined)
            case KnownElse():
                return _known_else(operands[0], operands[1])
            case Apply():
                return _apply(expression.fn, operands)

    def _field(self, node: Node, field: Field, *, inner: bool) -> Result:
        table = self.table(field.kind, inner=inner or field.row is not None)
        if table is None:
            return _unknown(field.type)
        if field.name == "name":
            found: Result = Texts(
                np.arange(len(table), dtype=np.int32), np.ones(len(table), dtype=np.bool_), table.names
            )
        else:
            column = column_of(table, field.name)
            if column is None:
                return _unknown(field.type)
            found = _read(column, field.type, node.stale_s)
        return found if field.row is None else _row_of(found, table.rows.get(field.row), field.type)

    def _window(self, node: Node, expression: Window, *, inner: bool) -> Result:
        field = expression.field
        table = self.table(field.kind, inner=inner or field.row is not None)
        if table is None:
            return UNKNOWN_NUMBER
        series = self.snapshot.series.get((field.kind, field.name))
        if series is None:  # one value now, sampled nobody knows how often, covers no window
            return UNKNOWN_NUMBER
        if table is self._outer:  # what was measured stays as it was, whatever is predicted
            real = self.snapshot.tables[field.kind].rows
            series = _rows_of(series, np.array([real[name] for name in table.names], dtype=np.int64))
        found = window(
            series,
            self.now_s,
            expression.fn,
            expression.over_s,
            expression.horizon_s,
            node.stale_s,
            node.coverage,
        )
        if expression.fn in ("rate", "slope"):
            factor = unit_factor(field.type, DURATION, expression.type, -1)
            found = Numbers(found.values * factor, found.valid)
        return found if field.row is None else _row_of(found, table.rows.get(field.row), expression.type)

    def _aggregate(self, node: Node, expression: Aggregate) -> Result:
        table = self.table(expression.kind, inner=True)
        outer = self.table(node.kind)
        if table is None or outer is None:
            return _unknown(expression.type)
        value, predicate, *keys = node.children
        found_value = self.run(value, inner=True) if value else None
        found_predicate = self.run(predicate, inner=True) if predicate else None
        assert found_value is None or isinstance(found_value, Numbers)
        assert found_predicate is None or isinstance(found_predicate, Truths)
        joins = [
            (self.run(inner, inner=True), self.run(outer_key))
            for inner, outer_key in zip(keys[::2], keys[1::2], strict=True)
            if inner is not None and outer_key is not None
        ]
        by = tuple(key.slot for key in keys if key is not None)
        lanes = self._lanes.get((node.kind, expression.kind, by))
        if lanes is None:
            lanes = group(joins, len(table), len(outer) if joins else 1)
            self._lanes[node.kind, expression.kind, by] = lanes
        result = aggregate(expression.fn, found_predicate, found_value, len(table), lanes)
        return _of_partial(expression.fn, result) if table.partial else result


def column_of(table: Table, name: str) -> Column | None:
    """The column of a field, or of `labels.KEY`."""
    if name.startswith(_LABELS):
        return table.labels.get(name.removeprefix(_LABELS))
    return table.columns.get(name)


def fresh(column: Column, stale_s: float | None) -> Bools:
    """Which rows have a value that is not stale."""
    limit = STALE_DEFAULT_INTERVALS * column.interval_s if stale_s is None else stale_s
    if np.isnan(limit):
        return column.valid
    young: Bools = column.valid & (column.age_s <= limit * (1 + _NOISE))
    return young


def _of_partial(fn: str, result: Result) -> Result:
    """An aggregate over a kind of which a source failed: rows may be missing, so only a true `any` or a false `all` is sure."""
    if isinstance(result, Truths):
        return Truths(result.true, NO) if fn == "any" else Truths(NO, result.false)
    assert isinstance(result, Numbers)
    return Numbers(result.values, np.zeros_like(result.valid))


def _rows_of(series: Series, rows: NDArray[np.int64]) -> Series:
    """Some rows of a series."""

    def cut(array: NDArray[Any]) -> NDArray[Any]:
        return array[rows] if array.shape[0] > 1 else array

    values = series.values[rows]
    return Series(cut(series.times_s), values, cut(series.interval_s), cut(series.failed))


def _read(column: Column, wanted: Type, stale_s: float | None) -> Result:
    valid = fresh(column, stale_s)
    if wanted.base is Base.BOOL:
        truth = column.values.astype(np.bool_, copy=False)
        return Truths(valid & truth, valid & ~truth)
    if wanted.base is Base.STRING:
        return Texts(column.values.astype(np.int32, copy=False), valid, column.words)
    return Numbers(column.values.astype(np.float64, copy=False), valid)


def _row_of(found: Result, row: int | None, wanted: Type) -> Result:
    """One row's value for all rows."""
    if row is None:
        return _unknown(wanted)
    one = slice(row, row + 1)
    if isinstance(found, Truths):
        return Truths(found.true[one], found.false[one]) if found.true.size > 1 else found
    if isinstance(found, Numbers):
        return Numbers(found.values[one], found.valid[one]) if found.values.size > 1 else found
    return Texts(found.codes[one], found.valid[one], found.words) if found.codes.size > 1 else found


def _unknown(wanted: Type) -> Result:
    if wanted.base is Base.BOOL:
        return UNKNOWN_TRUTH
    return UNKNOWN_TEXT if wanted.base is Base.STRING else UNKNOWN_NUMBER


def _constant(expression: Const) -> Result:
    value = expression.value
    if isinstance(value, bool):
        return Truths(YES, NO) if value else Truths(NO, YES)
    if isinstance(value, str):
        return Texts(np.zeros(1, dtype=np.int32), YES, (value,))
    return Numbers(np.full(1, value), YES)


_ORDER: Mapping[str, np.ufunc] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def _compare(node: Node, expression: Compare, left: Result, right: Result) -> Truths:
    if isinstance(left, Numbers) and isinstance(right, Numbers):
        valid = left.valid & right.valid
        with np.errstate(invalid="ignore"):
            true = _ORDER[expression.op](left.values, right.values)
    elif isinstance(left, Truths) and isinstance(right, Truths):
        valid = known(left) & known(right)
        true = _ORDER[expression.op](left.true, right.true)
    else:
        assert isinstance(left, Texts)
        assert isinstance(right, Texts)
        valid = left.valid & right.valid
        true = _compare_texts(node, expression, left, right)
    true = true & valid
    return Truths(true, valid & ~true)


def _compare_texts(node: Node, expression: Compare, left: Texts, right: Texts) -> Bools:
    if expression.op in ("==", "!="):
        same: Bools = left.codes == recode(right, left.words)
        return same if expression.op == "==" else ~same
    pattern = right.words[0]
    tests: dict[str, Callable[[str], bool]] = {
        "starts_with": lambda word: word.startswith(pattern),
        "ends_with": lambda word: word.endswith(pattern),
        "contains": lambda word: pattern in word,
        "matches": lambda word: node.pattern.search(word) is not None,
    }
    test = tests[expression.op]
    by_word = np.array([test(word) for word in left.words] or [False], dtype=np.bool_)
    found: Bools = by_word[np.clip(left.codes, 0, len(by_word) - 1)]
    return found


def _arithmetic(expression: Arithmetic, left: Result, right: Result) -> Numbers:
    assert isinstance(left, Numbers)
    assert isinstance(right, Numbers)
    with np.errstate(all="ignore"):
        match expression.op:
            case "+":
                values: Floats = left.values + right.values
            case "-":
                values = left.values - right.values
            case "*":
                values = left.values * right.values * expression.factor
            case "/":
                values = left.values / right.values * expression.factor
    return finite(values, left.valid & right.valid)


def _membership(expression: Membership, operand: Result) -> Truths:
    if isinstance(operand, Texts):
        wanted = {str(item.value) for item in expression.items}
        by_word = np.array([word in wanted for word in operand.words] or [False], dtype=np.bool_)
        true = by_word[np.clip(operand.codes, 0, len(by_word) - 1)] & operand.valid
        return Truths(true, operand.valid & ~true)
    assert isinstance(operand, Numbers)
    true = np.isin(operand.values, [float(item.value) for item in expression.items]) & operand.valid
    return Truths(true, operand.valid & ~true)


def _known_else(operand: Result, default: Result) -> Result:
    if isinstance(operand, Truths) and isinstance(default, Truths):
        missing = operand.unknown
        return Truths(operand.true | (missing & default.true), operand.false | (missing & default.false))
    if isinstance(operand, Numbers) and isinstance(default, Numbers):
        return Numbers(np.where(operand.valid, operand.values, default.values), operand.valid | default.valid)
    assert isinstance(operand, Texts)
    assert isinstance(default, Texts)
    words = tuple(dict.fromkeys((*operand.words, *default.words)))
    codes = np.where(operand.valid, recode(operand, words), recode(default, words))
    return Texts(codes, operand.valid | default.valid, words)


def _apply(fn: str, operands: list[Result]) -> Numbers:
    numbers = [operand for operand in operands if isinstance(operand, Numbers)]
    assert len(numbers) == len(operands)
    valid = numbers[0].valid
    for number in numbers[1:]:
        valid = valid & number.valid
    values = [number.values for number in numbers]
    with np.errstate(all="ignore"):
        return finite(SCALARS[fn](*values), valid)


def _least(*values: Floats) -> Floats:
    found = values[0]
    for value in values[1:]:
        found = np.minimum(found, value)
    return found


def _greatest(*values: Floats) -> Floats:
    found = values[0]
    for value in values[1:]:
        found = np.maximum(found, value)
    return found


SCALARS: Mapping[str, Callable[..., Floats]] = {
    "min": _least,
    "max": _greatest,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": lambda value: np.floor(value + 0.5),
    "clamp": lambda value, low, high: np.minimum(np.maximum(value, low), high),
}
