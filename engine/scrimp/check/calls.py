"""Calls in expressions: scalar functions, windows over samples, aggregates over the rows of another kind."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from scrimp.check.hints import near
from scrimp.check.operators import alike, number
from scrimp.functions import AGGREGATES, SCALARS, WINDOWS
from scrimp.lang import ast
from scrimp.model.catalogue import KindSpec
from scrimp.model.expression import (
    Aggregate,
    AggregateFn,
    Apply,
    Arithmetic,
    Compare,
    Expression,
    Field,
    IsKnown,
    KnownElse,
    Logic,
    Membership,
    Not,
    Window,
)
from scrimp.model.types import (
    BOOL,
    COUNT,
    DURATION,
    quotient,
)

if TYPE_CHECKING:
    from scrimp.check.expressions import Typer

# What other languages call our functions.
_MEANT = {
    "mean": "avg",
    "average": "avg",
    "median": "p50",
    "minimum": "min",
    "maximum": "max",
    "std": "stddev",
}


def call(typer: "Typer", expr: ast.Call, text: str) -> Expression | None:
    """A function of the language: scalar, over a window, or over rows."""
    if expr.over is not None:
        return _window(typer, expr, text, expr.over)
    kind = _aggregated(typer, expr)
    if kind is not None:
        return _aggregate(typer, expr, text, kind)
    if expr.where is not None or expr.name in ("any", "all"):
        _no_rows(typer, expr)
        return None
    function = SCALARS.get(expr.name)
    if function is None:
        if expr.name in WINDOWS and expr.name not in AGGREGATES:
            hint = f"say over what time: `{text} over 15m`"
        elif expr.name in AGGREGATES:
            hint = f"name a kind, `{AGGREGATES[expr.name].example}`, or a window, `{text} over 15m`"
        else:
            hint = _function_near(expr.name, [*SCALARS, *WINDOWS, *AGGREGATES])
        typer.report.error(
            "SCR210",
            f"unknown function `{expr.name}`"
            if expr.name not in WINDOWS
            else f"`{expr.name}` needs rows or a window",
            expr.name_span,
            hint=hint,
        )
        return None
    args = [typer.type(arg) for arg in expr.args]
    known = [arg for arg in args if arg is not None and number(typer, arg)]
    if len(known) != len(args):
        return None
    if len(known) < function.least or (function.most is not None and len(known) > function.most):
        hint = f"such as `{function.example}`"
        if expr.name in WINDOWS:
            hint += f", or over time: `{WINDOWS[expr.name].example}`"
        typer.report.error("SCR211", f"wrong number of arguments for `{expr.name}`", expr.span, hint=hint)
        return None
    if not all(alike(typer, known[0], arg, "compare", arg.span) for arg in known[1:]):
        return None
    return Apply(known[0].type, text, expr.span, expr.name, tuple(known))


def _window(typer: "Typer", expr: ast.Call, text: str, over: ast.Quantity) -> Expression | None:
    if expr.name not in WINDOWS:
        typer.report.error(
            "SCR210",
            f"unknown window function `{expr.name}`",
            expr.name_span,
            hint=_function_near(expr.name, WINDOWS),
        )
        return None
    horizon_s = 0.0
    wanted = 2 if expr.name == "forecast" else 1
    if len(expr.args) != wanted or expr.where is not None:
        typer.report.error(
            "SCR211",
            f"wrong arguments for `{expr.name}`",
            expr.span,
            hint=f"such as `{WINDOWS[expr.name].example}`",
        )
        return None
    if wanted == 2:
        ahead = typer.constant(expr.args[1])
        if ahead is None or ahead.type != DURATION:
            typer.report.error("SCR211", "how far ahead must be a duration", expr.args[1].span, hint="`2h`")
            return None
        horizon_s = float(ahead.value)
    field_ = typer.type(expr.args[0])
    if field_ is None:
        return None
    if not isinstance(field_, Field) or not field_.type.is_number:
        typer.report.error(
            "SCR212",
            f"`{field_.text}` is no numeric field",
            expr.args[0].span,
            note=str(field_.type),
            hint="a window looks back over the samples of one numeric field",
        )
        return None
    if over.value <= 0:
        typer.report.error("SCR221", "a window must be longer than nothing", over.span)
        return None
    result = field_.type
    if expr.name == "count":
        result = COUNT
    elif expr.name in ("rate", "slope"):
        result = quotient(field_.type, DURATION) or COUNT
    return Window(result, text, expr.span, expr.name, field_, float(over.value), horizon_s)


def _aggregated(typer: "Typer", expr: ast.Call) -> KindSpec | None:
    """The kind that a call aggregates over, if it does."""
    if expr.name not in AGGREGATES or len(expr.args) != 1:
        return None
    for ref in _refs(expr.args[0]):
        kind = typer.catalogue.kinds.get(ref.parts[0])
        is_field = len(ref.parts) == 1 and typer.kind is not None and ref.parts[0] in typer.kind.fields
        if kind is None or ref.row is not None or is_field:
            continue
        if not (kind.singleton and len(ref.parts) > 1):
            return kind
    return None


def _no_rows(typer: "Typer", expr: ast.Call) -> None:
    """Report a call over the rows of nothing that there is."""
    ref = expr.args[0] if len(expr.args) == 1 else None
    if expr.name not in AGGREGATES:
        hint = _function_near(expr.name, AGGREGATES)
        typer.report.error("SCR210", f"`{expr.name}` does not go over rows", expr.name_span, hint=hint)
    elif isinstance(ref, ast.Ref) and ref.parts[0] not in typer.catalogue.kinds:
        hint = near(ref.parts[0], typer.catalogue.kinds) or "see all with `scrimp schema catalogue`"
        typer.report.error("SCR202", f"unknown kind `{ref.parts[0]}`", ref.span, hint=hint)
    else:
        hint = f"such as `{AGGREGATES[expr.name].example}`"
        typer.report.error("SCR211", f"`{expr.name}` needs the rows of a kind", expr.span, hint=hint)


def _aggregate(typer: "Typer", expr: ast.Call, text: str, kind: KindSpec) -> Expression | None:
    if typer.inner is not None:
        typer.report.error("SCR216", "an aggregate cannot stand within another", expr.span)
        return None
    inside = typer.inside(kind)
    name = expr.name
    value = None
    if name in ("count", "any", "all"):
        arg = expr.args[0]
        if not (isinstance(arg, ast.Ref) and arg.parts == (kind.name,)):
            typer.report.error(
                "SCR211", f"`{name}` takes a kind", arg.span, hint=f"`{AGGREGATES[name].example}`"
            )
            return None
        result = COUNT if name == "count" else BOOL
    else:
        value = inside.type(expr.args[0])
        if value is None or not number(inside, value):
            return None
        result = value.type
    joins, predicate, fine = _split(inside, expr.where)
    if not fine:
        return None
    if name in ("any", "all") and expr.where is None:
        typer.report.error(
            "SCR211", f"`{name}` needs a `where`", expr.span, hint=f"`{AGGREGATES[name].example}`"
        )
        return None
    return Aggregate(result, text, expr.span, cast("AggregateFn", name), kind.name, value, joins, predicate)


def _split(
    typer: "Typer", where: ast.Expr | None
) -> tuple[tuple[tuple[Expression, Expression], ...], Expression | None, bool]:
    """Take a `where` apart into joins and what concerns inner rows alone; false if it is wrong."""
    joins: list[tuple[Expression, Expression]] = []
    rest: list[Expression] = []
    fine = True
    for part in _conjuncts(where):
        found = typer.truth(part)
        if found is None:
            fine = False
            continue
        scopes = set(_scopes(found))
        if scopes <= {"inner"}:
            rest.append(found)
        elif (join := _join(found)) is not None:
            joins.append(join)
        else:
            typer.report.error(
                "SCR216",
                "only equality can relate two kinds",
                part.span,
                hint="join by `job.group == node_group.name`, and compare outside of the aggregate",
            )
            fine = False
    if len(rest) < 2:
        return tuple(joins), rest[0] if rest else None, fine
    text = " and ".join(one.text for one in rest)
    return tuple(joins), Logic(BOOL, text, rest[0].span.to(rest[-1].span), "and", tuple(rest)), fine


def _function_near(name: str, options: Iterable[str]) -> str:
    meant = _MEANT.get(name)
    return f"write `{meant}`" if meant is not None else near(name, options)


def _conjuncts(where: ast.Expr | None) -> Iterator[ast.Expr]:
    if isinstance(where, ast.Logic) and where.op == "and":
        for operand in where.operands:
            yield from _conjuncts(operand)
    elif where is not None:
        yield where


def _refs(expr: ast.Expr) -> Iterator[ast.Ref]:
    match expr:
        case ast.Ref():
            yield expr
        case ast.Arithmetic() | ast.Compare():
            yield from (*_refs(expr.left), *_refs(expr.right))
        case ast.Negative() | ast.Not() | ast.IsKnown() | ast.KnownElse() | ast.Membership():
            yield from _refs(expr.operand)
        case ast.Call():
            for arg in expr.args:
                yield from _refs(arg)
        case _:
            return


def _scopes(expression: Expression) -> Iterator[str]:
    match expression:
        case Field():
            if expression.row is None:
                yield expression.scope
        case Window():
            yield from _scopes(expression.field)
        case Arithmetic() | Compare():
            yield from (*_scopes(expression.left), *_scopes(expression.right))
        case Apply():
            for arg in expression.args:
                yield from _scopes(arg)
        case Logic():
            for operand in expression.operands:
                yield from _scopes(operand)
        case Not() | IsKnown() | Membership():
            yield from _scopes(expression.operand)
        case KnownElse():
            yield from (*_scopes(expression.operand), *_scopes(expression.default))
        case _:
            return


def _join(found: Expression) -> tuple[Expression, Expression] | None:
    if not (isinstance(found, Compare) and found.op == "=="):
        return None
    left, right = set(_scopes(found.left)), set(_scopes(found.right))
    if left == {"inner"} and "inner" not in right:
        return found.left, found.right
    if right == {"inner"} and "inner" not in left:
        return found.right, found.left
    return None
