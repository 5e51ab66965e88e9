"""Expressions, and the literals in them."""

from fractions import Fraction
from typing import Literal

from msgspec import Struct

from scrimp.diagnostics import Span

Unit = Literal["count", "ratio", "duration", "bytes", "money", "money/h"]
CompareOp = Literal["==", "!=", "<", "<=", ">", ">=", "starts_with", "ends_with", "contains", "matches"]


class Quantity(Struct, frozen=True):
    """A number with a unit: `50%`, `2h30m`, `$4.20/h`, `16GiB`, `10_000`."""

    span: Span
    text: str
    value: Fraction
    unit: Unit
    currency: str | None = None  # ISO 4217, for money only


class Text(Struct, frozen=True):
    """A string literal; `value` is without its quotes and escapes."""

    span: Span
    value: str


class Truth(Struct, frozen=True):
    """`true` or `false`."""

    span: Span
    value: bool


class Ref(Struct, frozen=True):
    """A name: `gpu_utilization`, `labels.tier`, `job.group`, `budget["audio"].used`, a const or a param.

    `row` is the string in brackets, after the first part.
    """

    span: Span
    parts: tuple[str, ...]
    row: str | None = None


class Call(Struct, frozen=True):
    """`max(2, size / 2)`, `avg(gpu_utilization) over 15m`, `count(job where job.critical)`."""

    span: Span
    name: str
    name_span: Span
    args: tuple["Expr", ...]
    where: "Expr | None" = None
    over: Quantity | None = None


class KnownElse(Struct, frozen=True):
    """`known(E, else V)`."""

    span: Span
    operand: "Expr"
    default: "Expr"


class IsKnown(Struct, frozen=True):
    """`E is known`."""

    span: Span
    operand: "Expr"


class Negative(Struct, frozen=True):
    """`-E`."""

    span: Span
    operand: "Expr"


class Arithmetic(Struct, frozen=True):
    """`+ - * /`."""

    span: Span
    op: Literal["+", "-", "*", "/"]
    left: "Expr"
    right: "Expr"


class Compare(Struct, frozen=True):
    """A comparison of two values, or of a text with a pattern."""

    span: Span
    op: CompareOp
    op_span: Span
    left: "Expr"
    right: "Expr"


class Membership(Struct, frozen=True):
    """`E in [a, b]`."""

    span: Span
    operand: "Expr"
    items: tuple["Expr", ...]


class Not(Struct, frozen=True):
    """`not E`."""

    span: Span
    operand: "Expr"


class Logic(Struct, frozen=True):
    """`a and b and c`, `a or b`: two operands or more, all under one operator."""

    span: Span
    op: Literal["and", "or"]
    operands: tuple["Expr", ...]


Expr = (
    Quantity
    | Text
    | Truth
    | Ref
    | Call
    | KnownElse
    | IsKnown
    | Negative
    | Arithmetic
    | Compare
    | Membership
    | Not
    | Logic
)
