"""Expressions, and the literals in them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from scrimp.diagnostics import Span

Unit = Literal["count", "ratio", "duration", "bytes", "money", "money/h"]
CompareOp = Literal["==", "!=", "<", "<=", ">", ">=", "starts_with", "ends_with", "contains", "matches"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: `50%`, `2h30m`, `$4.20/h`, `16GiB`, `10_000`."""

    span: Span
    text: str
    value: Fraction
    unit: Unit
    currency: str | None = None  # ISO 4217, for money only


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal; `value` is without its quotes and escapes."""

    span: Span
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    span: Span
    value: bool


@dataclass(frozen=True, slots=True)
class Ref:
    """A name: `gpu_utilization`, `labels.tier`, `job.group`, `budget["audio"].used`, a const or a param.

    `row` is the string in brackets, after the first part.
    """

    span: Span
    parts: tuple[str, ...]
    row: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """`max(2, size / 2)`, `avg(gpu_utilization) over 15m`, `count(job where job.critical)`."""

    span: Span
    name: str
    name_span: Span
    args: tuple["Expr", ...]
    where: "Expr | None" = None
    over: Quantity | None = None


@dataclass(frozen=True, slots=True)
class KnownElse:
    """`known(E, else V)`."""

    span: Span
    operand: "Expr"
    default: "Expr"


@dataclass(frozen=True, slots=True)
class IsKnown:
    """`E is known`."""

    span: Span
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Negative:
    """`-E`."""

    span: Span
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * /`."""

    span: Span
    op: Literal["+", "-", "*", "/"]
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of two values, or of a text with a pattern."""

    span: Span
    op: CompareOp
    op_span: Span
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Membership:
    """`E in [a, b]`."""

    span: Span
    operand: "Expr"
    items: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not E`."""

    span: Span
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Logic:
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
