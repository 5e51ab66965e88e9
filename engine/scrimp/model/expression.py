"""Expressions with every name resolved, every unit known and every constant folded.

`check` makes them from the syntax tree; `compile` and `evaluate` run them over columns. `text` is the canonical
text of what the user wrote (the key under which values are shown), `span` where it stands.
"""

from typing import Literal

from msgspec import Struct

from scrimp.diagnostics import Span
from scrimp.model.types import Type

ScalarValue = float | bool | str
Scope = Literal["self", "inner"]
CompareOp = Literal["==", "!=", "<", "<=", ">", ">=", "starts_with", "ends_with", "contains", "matches"]
AggregateFn = Literal["count", "sum", "avg", "min", "max", "any", "all"]


class Const(Struct, frozen=True):
    """A value known at compile time, numbers in canonical units."""

    type: Type
    text: str
    span: Span
    value: ScalarValue


class Field(Struct, frozen=True):
    """A field of a row: of the target (`self`), of the aggregated kind (`inner`), or of the row named `row`.

    `name` is the field, or `labels.KEY`. `row` is set for `budget["audio"].used` and for the one row of a
    singleton kind (`fleet`), and `scope` does not matter then.
    """

    type: Type
    text: str
    span: Span
    kind: str
    name: str
    scope: Scope = "self"
    row: str | None = None


class Window(Struct, frozen=True):
    """`avg(field) over 15m`, `forecast(field, 2h) over 1d`: a function of the samples in (t - over_s, t]."""

    type: Type
    text: str
    span: Span
    fn: str
    field: Field
    over_s: float
    horizon_s: float = 0.0


class Aggregate(Struct, frozen=True):
    """`count(job where E)`, `sum(job.cost_rate where E)`, `any(job where E)`: over the rows of another kind.

    `where` was taken apart: `joins` are its equalities between an inner and an outer expression, which select
    the group of rows that belongs to a target; `inner` is the rest (scope `inner` only), or `None`. For `any` and
    `all`, `inner` is what must hold within the group. `value` is the aggregated inner expression, `None` for
    count, any and all.
    """

    type: Type
    text: str
    span: Span
    fn: AggregateFn
    kind: str
    value: "Expression | None"
    joins: tuple[tuple["Expression", "Expression"], ...]  # (inner, outer)
    inner: "Expression | None"


class Arithmetic(Struct, frozen=True):
    """`left op right`, multiplied with `factor` (see `types.unit_factor`) for `*` and `/`."""

    type: Type
    text: str
    span: Span
    op: Literal["+", "-", "*", "/"]
    left: "Expression"
    right: "Expression"
    factor: float = 1.0


class Apply(Struct, frozen=True):
    """A scalar function of `functions` (min, max, abs, floor, …)."""

    type: Type
    text: str
    span: Span
    fn: str
    args: tuple["Expression", ...]


class Compare(Struct, frozen=True):
    """A comparison. For `starts_with`, `ends_with`, `contains` and `matches`, `right` is a `Const` string."""

    type: Type
    text: str
    span: Span
    op: CompareOp
    left: "Expression"
    right: "Expression"


class Membership(Struct, frozen=True):
    """`E in [a, b]`: the items are constants."""

    type: Type
    text: str
    span: Span
    operand: "Expression"
    items: tuple[Const, ...]


class Not(Struct, frozen=True):
    """Strong Kleene negation."""

    type: Type
    text: str
    span: Span
    operand: "Expression"


class Logic(Struct, frozen=True):
    """Strong Kleene conjunction or disjunction of two operands or more."""

    type: Type
    text: str
    span: Span
    op: Literal["and", "or"]
    operands: tuple["Expression", ...]


class IsKnown(Struct, frozen=True):
    """`E is known`: never unknown itself."""

    type: Type
    text: str
    span: Span
    operand: "Expression"


class KnownElse(Struct, frozen=True):
    """`known(E, else V)`."""

    type: Type
    text: str
    span: Span
    operand: "Expression"
    default: "Expression"


Expression = (
    Const
    | Field
    | Window
    | Aggregate
    | Arithmetic
    | Apply
    | Compare
    | Membership
    | Not
    | Logic
    | IsKnown
    | KnownElse
)
