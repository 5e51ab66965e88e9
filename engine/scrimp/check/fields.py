"""Names in expressions: constants, fields of the target or of an aggregate's rows, fields of one row by name."""

from typing import TYPE_CHECKING

from scrimp.check.hints import near
from scrimp.lang import ast
from scrimp.model.catalogue import KindSpec
from scrimp.model.expression import (
    Const,
    Expression,
    Field,
    Scope,
)
from scrimp.model.types import (
    BYTES,
    COUNT,
    DURATION,
    LABELS,
    RATIO,
    STRING,
    Type,
    money,
    money_per_hour,
)

if TYPE_CHECKING:
    from scrimp.check.expressions import Typer

_NOTHING = ("null", "none", "nil", "missing", "undefined")


def literal_type(typer: "Typer", expr: ast.Quantity) -> Type:
    """The type of a number with its unit; money without a sign is in the currency of the catalogue."""
    currency = expr.currency or typer.catalogue.currency
    return {
        "count": COUNT,
        "ratio": RATIO,
        "duration": DURATION,
        "bytes": BYTES,
        "money": money(currency),
        "money/h": money_per_hour(currency),
    }[expr.unit]


def reference(typer: "Typer", expr: ast.Ref, text: str) -> Expression | None:
    """What a name stands for."""
    first = expr.parts[0]
    if expr.row is not None:
        return _row_field(typer, expr, text)
    if len(expr.parts) == 1 and first in typer.names.constants:
        typer.names.used.add(first)
        found = typer.names.constants[first]
        return Const(found.type, found.text, expr.span, found.value)
    if len(expr.parts) == 1 and first in typer.names.broken:
        return None
    if first in typer.catalogue.kinds and len(expr.parts) > 1:
        return _qualified(typer, expr, text, typer.catalogue.kinds[first])
    return _unqualified(typer, expr, text)


def _unqualified(typer: "Typer", expr: ast.Ref, text: str) -> Expression | None:
    name = expr.parts[0]
    own = typer.kind if typer.kind is not None and name in typer.kind.fields else None
    inner = typer.inner if typer.inner is not None and name in typer.inner.fields else None
    if own and inner and typer.kind is not typer.inner:
        typer.report.error(
            "SCR214",
            f"`{text}` is a field of `{own.name}` and of `{inner.name}`",
            expr.span,
            hint=f"write `{inner.name}.{text}` or `{own.name}.{text}`",
        )
        return None
    if own:
        return _field(typer, expr, text, own, expr.parts, "self")
    if inner:
        return _field(typer, expr, text, inner, expr.parts, "inner")
    kinds = [kind for kind in (typer.kind, typer.inner) if kind is not None]
    options = [*typer.names.constants, *(name for kind in kinds for name in kind.fields)]
    where = " or ".join(f"`{kind.name}`" for kind in kinds)
    if name in typer.catalogue.kinds:
        hint = f"name a field of it, or aggregate over its rows: `count({name} where …)`"
        typer.report.error("SCR201", f"`{text}` is a kind, not a value", expr.span, hint=hint)
        return None
    if name in _NOTHING:
        hint = "what is not there is unknown: ask `E is known`, or replace it by `known(E, else V)`"
        typer.report.error("SCR201", f"unknown name `{text}`", expr.span, hint=hint)
        return None
    typer.report.error(
        "SCR201",
        f"unknown name `{text}`",
        expr.span,
        hint=near(name, options)
        or (
            f"see the fields of {where} with `scrimp schema catalogue`"
            if kinds
            else "only parameters, and constants that stand before it, are known here"
        ),
    )
    return None


def _qualified(typer: "Typer", expr: ast.Ref, text: str, kind: KindSpec) -> Expression | None:
    if typer.inner is not None and kind.name == typer.inner.name:
        return _field(typer, expr, text, kind, expr.parts[1:], "inner")
    if typer.kind is not None and kind.name == typer.kind.name:
        return _field(typer, expr, text, kind, expr.parts[1:], "self")
    if kind.singleton:
        return _field(typer, expr, text, kind, expr.parts[1:], "self", row=kind.name)
    typer.report.error(
        "SCR215",
        f"`{text}` is of another kind than the target",
        expr.span,
        hint=f'take one row, `{kind.name}["NAME"].{".".join(expr.parts[1:])}`, or an aggregate, '
        f"`max({text} where …)`",
    )
    return None


def _row_field(typer: "Typer", expr: ast.Ref, text: str) -> Expression | None:
    kind = typer.catalogue.kinds.get(expr.parts[0])
    if kind is None:
        typer.report.error(
            "SCR202",
            f"unknown kind `{expr.parts[0]}`",
            expr.span,
            hint=near(expr.parts[0], typer.catalogue.kinds),
        )
        return None
    return _field(typer, expr, text, kind, expr.parts[1:], "self", row=expr.row)


def _field(
    typer: "Typer",
    expr: ast.Ref,
    text: str,
    kind: KindSpec,
    parts: tuple[str, ...],
    scope: Scope,
    row: str | None = None,
) -> Expression | None:
    spec = kind.fields.get(parts[0]) if parts else None
    if spec is None:
        shown = parts[0] if parts else text
        typer.report.error(
            "SCR201",
            f"unknown field `{shown}` of `{kind.name}`",
            expr.span,
            hint=near(shown, kind.fields) or f"see its fields with `scrimp schema catalogue {kind.name}`",
        )
        return None
    if spec.type == LABELS:
        if len(parts) != 2:
            typer.report.error("SCR205", f"`{text}` is a map", expr.span, hint="name a label: `labels.tier`")
            return None
        return Field(STRING, text, expr.span, kind.name, f"labels.{parts[1]}", scope, row)
    if len(parts) > 1:
        typer.report.error("SCR201", f"`{'.'.join(parts[:1])}` has no parts", expr.span)
        return None
    return Field(spec.type, text, expr.span, kind.name, spec.name, scope, row)
