"""Operators in expressions: what they may be applied to, and their result on constants."""

from fractions import Fraction
from typing import TYPE_CHECKING

from scrimp.check.hints import example_of
from scrimp.diagnostics import Label, Span
from scrimp.lang import ast
from scrimp.model.expression import (
    Arithmetic,
    Compare,
    Const,
    Expression,
    Membership,
)
from scrimp.model.types import (
    BOOL,
    COUNT,
    DURATION,
    PER_SECOND,
    RATIO,
    STRING,
    Type,
    product,
    quotient,
    unit_factor,
)

if TYPE_CHECKING:
    from scrimp.check.expressions import Typer

_TEXT_OPS = ("starts_with", "ends_with", "contains", "matches")


def negative(typer: "Typer", expr: ast.Negative, text: str) -> Expression | None:
    """`-E`."""
    operand = typer.type(expr.operand)
    if operand is None or not number(typer, operand):
        return None
    zero = Const(operand.type, "0", expr.span, 0.0)
    return fold(Arithmetic(operand.type, text, expr.span, "-", zero, operand))


def arithmetic(typer: "Typer", expr: ast.Arithmetic, text: str) -> Expression | None:
    """`+ - * /`: numbers whose dimensions fit, folded where both are constant."""
    left, right = typer.type(expr.left), typer.type(expr.right)
    if left is None or right is None or not (number(typer, left) and number(typer, right)):
        return None
    if expr.op in ("+", "-"):
        verb = "add" if expr.op == "+" else "subtract"
        if not alike(typer, left, right, verb, expr.span):
            return None
        return _folded(typer, Arithmetic(left.type, text, expr.span, expr.op, left, right))
    sign = 1 if expr.op == "*" else -1
    result = product(left.type, right.type) if sign > 0 else quotient(left.type, right.type)
    if result is None:
        _currencies(typer, left, right, expr.span)
        return None
    if expr.op == "/" and isinstance(right, Const) and right.value == 0:
        typer.report.error("SCR225", "division by zero", right.span)
        return None
    factor = unit_factor(left.type, right.type, result, sign)
    return _folded(typer, Arithmetic(result, text, expr.span, expr.op, left, right, factor))


def _folded(typer: "Typer", operation: Arithmetic) -> Expression | None:
    try:
        return fold(operation)
    except OverflowError:
        typer.report.error("SCR225", f"`{operation.text}` is too large to compute", operation.span)
        return None


def compare(typer: "Typer", expr: ast.Compare, text: str) -> Expression | None:
    """A comparison of two values of one type, or of a text with a pattern."""
    left, right = typer.type(expr.left), typer.type(expr.right)
    if left is None or right is None:
        return None
    if expr.op in _TEXT_OPS:
        if left.type != STRING or right.type != STRING or not isinstance(right, Const):
            typer.report.error(
                "SCR204",
                f"`{expr.op}` takes a text and a constant text",
                expr.op_span,
                hint='`name starts_with "audio-"`',
            )
            return None
        if expr.op == "matches" and not _pattern(typer, right):
            return None
    elif not alike(typer, left, right, "compare", expr.span):
        return None
    elif expr.op not in ("==", "!=") and not left.type.is_number:
        typer.report.error(
            "SCR204", f"`{expr.op}` needs numbers", expr.op_span, hint="use `==`, `!=` or `in`"
        )
        return None
    return Compare(BOOL, text, expr.span, expr.op, left, right)


def _pattern(typer: "Typer", pattern: Const) -> bool:
    import re2  # noqa: PLC0415 - only where a pattern is used

    options = re2.Options()
    options.log_errors = False  # it would write to standard error by itself
    try:
        re2.compile(str(pattern.value), options)
    except re2.error as error:
        told = error.args[0] if error.args else error
        cause = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        hint = "patterns are those of RE2, without look-around and back-references"
        typer.report.error("SCR226", f"wrong pattern: {cause}", pattern.span, hint=hint)
        return False
    return True


def membership(typer: "Typer", expr: ast.Membership, text: str) -> Expression | None:
    """`E in [a, b]`: constants of the type of E."""
    operand = typer.type(expr.operand)
    items = [typer.constant(item) for item in expr.items]
    if operand is None or any(item is None for item in items):
        return None
    known = tuple(item for item in items if item is not None)
    if not all(alike(typer, operand, item, "compare", item.span) for item in known):
        return None
    if operand.type == BOOL:
        typer.report.error("SCR204", "`in` needs numbers or texts", expr.span)
        return None
    return Membership(BOOL, text, expr.span, operand, known)


def number(typer: "Typer", found: Expression) -> bool:
    """Whether it is a number; reported where it is not."""
    if not found.type.is_number:
        typer.report.error("SCR205", f"`{found.text}` is no number", found.span, note=str(found.type))
    return found.type.is_number


def alike(typer: "Typer", left: Expression, right: Expression, verb: str, span: Span) -> bool:
    """Whether both are of one type; literals of another unit get a hint that shows the right one."""
    if left.type == right.type:
        return True
    if left.type.dimension == right.type.dimension and left.type.money and left.type.base == right.type.base:
        _currencies(typer, left, right, span)
        return False
    wanted, wrong = (
        (right, left) if isinstance(left, Const) and not isinstance(right, Const) else (left, right)
    )
    typer.report.error(
        "SCR204",
        f"cannot {verb} `{left.text}` {'by' if verb == 'replace' else 'with' if verb == 'compare' else 'and'} "
        f"`{right.text}`",
        left.span,
        note=str(left.type),
        labels=(Label(right.span, str(right.type)),),
        hint=_unit_hint(wanted.type, wrong),
    )
    return False


def _currencies(typer: "Typer", left: Expression, right: Expression, span: Span) -> None:
    typer.report.error(
        "SCR209",
        f"`{left.text}` is in {left.type.currency}, `{right.text}` in {right.type.currency}",
        span,
        hint="write both in one currency; fields are in the one that scrimp.yaml names",
    )


def fold(expression: Arithmetic) -> Expression:
    """The value of an operation on constants, computed exactly from the decimals as written.

    Raises `OverflowError` where no float is that large.
    """
    left, right = expression.left, expression.right
    if not (isinstance(left, Const) and isinstance(right, Const)):
        return expression
    one, other = Fraction(repr(left.value)), Fraction(repr(right.value))
    match expression.op:
        case "+":
            value = one + other
        case "-":
            value = one - other
        case "*":
            value = one * other * Fraction(expression.factor)
        case "/":
            value = one / other * Fraction(expression.factor)
    return Const(expression.type, expression.text, expression.span, float(value))


def _unit_hint(wanted: Type, wrong: Expression) -> str:
    if not (wanted.is_number and wrong.type.is_number):
        return f"write a {wanted}, such as `{example_of(wanted)}`"
    if isinstance(wrong, Const) and wrong.type == COUNT and isinstance(wrong.value, float):
        share = wanted == RATIO and 0 < wrong.value <= 1
        number = f"{wrong.value * 100 if share else wrong.value:g}"
        written = {
            str(RATIO): f"{number}%",
            str(DURATION): "0s" if wrong.value == 0 else f"{number}m",
            str(PER_SECOND): f"{number} / 1s",
        }.get(str(wanted))
        if written:
            return f"write a {wanted}, such as `{written}`"
    if wanted == COUNT and wrong.type == RATIO:
        return "a bare number is a count: write `100%` for a whole"
    if wanted == COUNT:
        return f"a count has no unit: write a bare number, such as `{example_of(wanted)}`"
    return f"write an amount of the same unit, such as `{example_of(wanted)}`"
