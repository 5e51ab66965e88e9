"""Expressions: names resolved, units checked, constants folded."""

from collections.abc import Mapping

from msgspec import Struct, field

from scrimp.check.calls import call
from scrimp.check.fields import literal_type, reference
from scrimp.check.hints import example_of
from scrimp.check.operators import alike, arithmetic, compare, membership, negative
from scrimp.check.report import Report
from scrimp.lang import ast, expression_text
from scrimp.model.catalogue import Catalogue, KindSpec
from scrimp.model.expression import (
    Const,
    Expression,
    IsKnown,
    KnownElse,
    Logic,
    Not,
)
from scrimp.model.types import (
    BOOL,
    STRING,
)


class Names(Struct):
    """What a name may stand for: constants and parameters, and which of them were used.

    `broken` are those whose own value is wrong, and reported: what uses them is not reported again.
    """

    constants: Mapping[str, Const]
    used: set[str] = field(default_factory=set)
    broken: frozenset[str] = frozenset()


class Typer:
    """Types the expressions of one policy, whose rows are of `kind` (`None`: constants only)."""

    def __init__(
        self,
        report: Report,
        catalogue: Catalogue,
        names: Names,
        kind: KindSpec | None,
        inner: KindSpec | None = None,
    ) -> None:
        self.report = report
        self.catalogue = catalogue
        self.names = names
        self.kind = kind
        self.inner = inner

    def truth(self, expr: ast.Expr) -> Expression | None:
        """An expression that must be true or false."""
        found = self.type(expr)
        if found is not None and found.type != BOOL:
            self.report.error(
                "SCR205",
                f"`{found.text}` is no condition",
                expr.span,
                note=str(found.type),
                hint=f"compare it with something, such as "
                f"`{found.text} {'>' if found.type.is_number else '=='} {example_of(found.type)}`",
            )
            return None
        return found

    def constant(self, expr: ast.Expr) -> Const | None:
        """An expression whose value is known here and now."""
        found = self.type(expr)
        if found is None or isinstance(found, Const):
            return found
        self.report.error("SCR225", f"`{found.text}` is not constant", expr.span)
        return None

    def type(self, expr: ast.Expr) -> Expression | None:  # noqa: C901, PLR0911, PLR0912 - one branch per class
        """Any expression; `None` where it is wrong, and reported."""
        text = expression_text(expr)
        match expr:
            case ast.Quantity():
                return Const(literal_type(self, expr), expr.text, expr.span, float(expr.value))
            case ast.Text():
                return Const(STRING, text, expr.span, expr.value)
            case ast.Truth():
                return Const(BOOL, text, expr.span, expr.value)
            case ast.Ref():
                return reference(self, expr, text)
            case ast.Call():
                return call(self, expr, text)
            case ast.Negative():
                return negative(self, expr, text)
            case ast.Arithmetic():
                return arithmetic(self, expr, text)
            case ast.Compare():
                return compare(self, expr, text)
            case ast.Membership():
                return membership(self, expr, text)
            case ast.Not():
                operand = self.truth(expr.operand)
                return operand and Not(BOOL, text, expr.span, operand)
            case ast.Logic():
                operands = [self.truth(operand) for operand in expr.operands]
                known = tuple(operand for operand in operands if operand is not None)
                return Logic(BOOL, text, expr.span, expr.op, known) if len(known) == len(operands) else None
            case ast.IsKnown():
                operand = self.type(expr.operand)
                return operand and IsKnown(BOOL, text, expr.span, operand)
            case ast.KnownElse():
                operand, default = self.type(expr.operand), self.type(expr.default)
                if (
                    operand is None
                    or default is None
                    or not alike(self, operand, default, "replace", expr.span)
                ):
                    return None
                return KnownElse(operand.type, text, expr.span, operand, default)

    def inside(self, kind: KindSpec) -> "Typer":
        """The same within an aggregate over the rows of another kind."""
        return Typer(self.report, self.catalogue, self.names, self.kind, kind)
