"""Expressions: names resolved, units checked, constants folded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

from scrimp.check.hints import example_of, near
from scrimp.check.report import Report
from scrimp.diagnostics import Label, Span
from scrimp.functions import AGGREGATES, SCALARS, WINDOWS
from scrimp.lang import ast, expression_text
from scrimp.model.catalogue import Catalogue, KindSpec
from scrimp.model.expression import (
    Aggregate,
    AggregateFn,
    Apply,
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
    Scope,
    Window,
)
from scrimp.model.types import (
    BOOL,
    BYTES,
    COUNT,
    DURATION,
    LABELS,
    RATIO,
    STRING,
    Type,
    money,
    money_per_hour,
    product,
    quotient,
    unit_factor,
)

_TEXT_OPS = ("starts_with", "ends_with", "contains", "matches")


@dataclass(slots=True)
class Names:
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
                return Const(self._literal_type(expr), expr.text, expr.span, float(expr.value))
            case ast.Text():
                return Const(STRING, text, expr.span, expr.value)
            case ast.Truth():
                return Const(BOOL, text, expr.span, expr.value)
            case ast.Ref():
                return self._ref(expr, text)
            case ast.Call():
                return self._call(expr, text)
            case ast.Negative():
                return self._negative(expr, text)
            case ast.Arithmetic():
                return self._arithmetic(expr, text)
            case ast.Compare():
                return self._compare(expr, text)
            case ast.Membership():
                return self._membership(expr, text)
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
                    or not self._alike(operand, default, "replace", expr.span)
                ):
                    return None
                return KnownElse(operand.type, text, expr.span, operand, default)

    # ---- names ----

    def _literal_type(self, expr: ast.Quantity) -> Type:
        currency = expr.currency or self.catalogue.currency
        return {
            "count": COUNT,
            "ratio": RATIO,
            "duration": DURATION,
            "bytes": BYTES,
            "money": money(currency),
            "money/h": money_per_hour(currency),
        }[expr.unit]

    def _ref(self, expr: ast.Ref, text: str) -> Expression | None:
        first = expr.parts[0]
        if expr.row is not None:
            return self._row_field(expr, text)
        if len(expr.parts) == 1 and first in self.names.constants:
            self.names.used.add(first)
            found = self.names.constants[first]
            return Const(found.type, found.text, expr.span, found.value)
        if len(expr.parts) == 1 and first in self.names.broken:
            return None
        if first in self.catalogue.kinds and len(expr.parts) > 1:
            return self._qualified(expr, text, self.catalogue.kinds[first])
        return self._unqualified(expr, text)

    def _unqualified(self, expr: ast.Ref, text: str) -> Expression | None:
        name = expr.parts[0]
        own = self.kind if self.kind is not None and name in self.kind.fields else None
        inner = self.inner if self.inner is not None and name in self.inner.fields else None
        if own and inner and self.kind is not self.inner:
            self.report.error(
                "SCR214",
                f"`{text}` is a field of `{own.name}` and of `{inner.name}`",
                expr.span,
                hint=f"write `{inner.name}.{text}` or `{own.name}.{text}`",
            )
            return None
        if own:
            return self._field(expr, text, own, expr.parts, "self")
        if inner:
            return self._field(expr, text, inner, expr.parts, "inner")
        kinds = [kind for kind in (self.kind, self.inner) if kind is not None]
        options = [*self.names.constants, *(name for kind in kinds for name in kind.fields)]
        where = " or ".join(f"`{kind.name}`" for kind in kinds)
        if name in self.catalogue.kinds:
            hint = f"name a field of it, or aggregate over its rows: `count({name} where …)`"
            self.report.error("SCR201", f"`{text}` is a kind, not a value", expr.span, hint=hint)
            return None
        self.report.error(
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

    def _qualified(self, expr: ast.Ref, text: str, kind: KindSpec) -> Expression | None:
        if self.inner is not None and kind.name == self.inner.name:
            return self._field(expr, text, kind, expr.parts[1:], "inner")
        if self.kind is not None and kind.name == self.kind.name:
            return self._field(expr, text, kind, expr.parts[1:], "self")
        if kind.singleton:
            return self._field(expr, text, kind, expr.parts[1:], "self", row=kind.name)
        self.report.error(
            "SCR215",
            f"`{text}` is of another kind than the target",
            expr.span,
            hint=f'take one row, `{kind.name}["NAME"].{".".join(expr.parts[1:])}`, or an aggregate, '
            f"`max({text} where …)`",
        )
        return None

    def _row_field(self, expr: ast.Ref, text: str) -> Expression | None:
        kind = self.catalogue.kinds.get(expr.parts[0])
        if kind is None:
            self.report.error(
                "SCR202",
                f"unknown kind `{expr.parts[0]}`",
                expr.span,
                hint=near(expr.parts[0], self.catalogue.kinds),
            )
            return None
        return self._field(expr, text, kind, expr.parts[1:], "self", row=expr.row)

    def _field(
        self,
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
            self.report.error(
                "SCR201",
                f"unknown field `{shown}` of `{kind.name}`",
                expr.span,
                hint=near(shown, kind.fields) or f"see its fields with `scrimp schema catalogue {kind.name}`",
            )
            return None
        if spec.type == LABELS:
            if len(parts) != 2:
                self.report.error(
                    "SCR205", f"`{text}` is a map", expr.span, hint="name a label: `labels.tier`"
                )
                return None
            return Field(STRING, text, expr.span, kind.name, f"labels.{parts[1]}", scope, row)
        if len(parts) > 1:
            self.report.error("SCR201", f"`{'.'.join(parts[:1])}` has no parts", expr.span)
            return None
        return Field(spec.type, text, expr.span, kind.name, spec.name, scope, row)

    # ---- operators ----

    def _negative(self, expr: ast.Negative, text: str) -> Expression | None:
        operand = self.type(expr.operand)
        if operand is None or not self._number(operand):
            return None
        zero = Const(operand.type, "0", expr.span, 0.0)
        return fold(Arithmetic(operand.type, text, expr.span, "-", zero, operand))

    def _arithmetic(self, expr: ast.Arithmetic, text: str) -> Expression | None:
        left, right = self.type(expr.left), self.type(expr.right)
        if left is None or right is None or not (self._number(left) and self._number(right)):
            return None
        if expr.op in ("+", "-"):
            verb = "add" if expr.op == "+" else "subtract"
            if not self._alike(left, right, verb, expr.span):
                return None
            return self._folded(Arithmetic(left.type, text, expr.span, expr.op, left, right))
        sign = 1 if expr.op == "*" else -1
        result = product(left.type, right.type) if sign > 0 else quotient(left.type, right.type)
        if result is None:
            self._currencies(left, right, expr.span)
            return None
        if expr.op == "/" and isinstance(right, Const) and right.value == 0:
            self.report.error("SCR225", "division by zero", right.span)
            return None
        factor = unit_factor(left.type, right.type, result, sign)
        return self._folded(Arithmetic(result, text, expr.span, expr.op, left, right, factor))

    def _folded(self, operation: Arithmetic) -> Expression | None:
        try:
            return fold(operation)
        except OverflowError:
            self.report.error("SCR225", f"`{operation.text}` is too large to compute", operation.span)
            return None

    def _compare(self, expr: ast.Compare, text: str) -> Expression | None:
        left, right = self.type(expr.left), self.type(expr.right)
        if left is None or right is None:
            return None
        if expr.op in _TEXT_OPS:
            if left.type != STRING or right.type != STRING or not isinstance(right, Const):
                self.report.error(
                    "SCR204",
                    f"`{expr.op}` takes a text and a constant text",
                    expr.op_span,
                    hint='`name starts_with "audio-"`',
                )
                return None
            if expr.op == "matches" and not self._pattern(right):
                return None
        elif not self._alike(left, right, "compare", expr.span):
            return None
        elif expr.op not in ("==", "!=") and not left.type.is_number:
            self.report.error(
                "SCR204", f"`{expr.op}` needs numbers", expr.op_span, hint="use `==`, `!=` or `in`"
            )
            return None
        return Compare(BOOL, text, expr.span, expr.op, left, right)

    def _pattern(self, pattern: Const) -> bool:
        import re2  # noqa: PLC0415 - only where a pattern is used

        options = re2.Options()
        options.log_errors = False  # it would write to standard error by itself
        try:
            re2.compile(str(pattern.value), options)
        except re2.error as error:
            told = error.args[0] if error.args else error
            cause = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            hint = "patterns are those of RE2, without look-around and back-references"
            self.report.error("SCR226", f"wrong pattern: {cause}", pattern.span, hint=hint)
            return False
        return True

    def _membership(self, expr: ast.Membership, text: str) -> Expression | None:
        operand = self.type(expr.operand)
        items = [self.constant(item) for item in expr.items]
        if operand is None or any(item is None for item in items):
            return None
        known = tuple(item for item in items if item is not None)
        if not all(self._alike(operand, item, "compare", item.span) for item in known):
            return None
        if operand.type == BOOL:
            self.report.error("SCR204", "`in` needs numbers or texts", expr.span)
            return None
        return Membership(BOOL, text, expr.span, operand, known)

    def _number(self, found: Expression) -> bool:
        if not found.type.is_number:
            self.report.error("SCR205", f"`{found.text}` is no number", found.span, note=str(found.type))
        return found.type.is_number

    def _alike(self, left: Expression, right: Expression, verb: str, span: Span) -> bool:
        """Whether both are of one type; literals of another unit get a hint that shows the right one."""
        if left.type == right.type:
            return True
        if (
            left.type.dimension == right.type.dimension
            and left.type.money
            and left.type.base == right.type.base
        ):
            self._currencies(left, right, span)
            return False
        wanted, wrong = (
            (right, left) if isinstance(left, Const) and not isinstance(right, Const) else (left, right)
        )
        self.report.error(
            "SCR204",
            f"cannot {verb} `{left.text}` {'by' if verb == 'replace' else 'with' if verb == 'compare' else 'and'} "
            f"`{right.text}`",
            left.span,
            note=str(left.type),
            labels=(Label(right.span, str(right.type)),),
            hint=_unit_hint(wanted.type, wrong),
        )
        return False

    def _currencies(self, left: Expression, right: Expression, span: Span) -> None:
        self.report.error(
            "SCR209",
            f"`{left.text}` is in {left.type.currency}, `{right.text}` in {right.type.currency}",
            span,
            hint="write both in one currency; fields are in the one that scrimp.yaml names",
        )

    # ---- calls ----

    def _call(self, expr: ast.Call, text: str) -> Expression | None:
        if expr.over is not None:
            return self._window(expr, text, expr.over)
        kind = self._aggregated(expr)
        if kind is not None:
            return self._aggregate(expr, text, kind)
        function = SCALARS.get(expr.name)
        if function is None:
            if expr.name in WINDOWS and expr.name not in AGGREGATES:
                hint = f"say over what time: `{text} over 15m`"
            elif expr.name in AGGREGATES:
                hint = f"name a kind, `{AGGREGATES[expr.name].example}`, or a window, `{text} over 15m`"
            else:
                hint = near(expr.name, [*SCALARS, *WINDOWS, *AGGREGATES])
            self.report.error(
                "SCR210",
                f"unknown function `{expr.name}`"
                if expr.name not in WINDOWS
                else f"`{expr.name}` needs rows or a window",
                expr.name_span,
                hint=hint,
            )
            return None
        args = [self.type(arg) for arg in expr.args]
        known = [arg for arg in args if arg is not None and self._number(arg)]
        if len(known) != len(args):
            return None
        if len(known) < function.least or (function.most is not None and len(known) > function.most):
            hint = f"such as `{function.example}`"
            if expr.name in WINDOWS:
                hint += f", or over time: `{WINDOWS[expr.name].example}`"
            self.report.error("SCR211", f"wrong number of arguments for `{expr.name}`", expr.span, hint=hint)
            return None
        if not all(self._alike(known[0], arg, "compare", arg.span) for arg in known[1:]):
            return None
        return Apply(known[0].type, text, expr.span, expr.name, tuple(known))

    def _window(self, expr: ast.Call, text: str, over: ast.Quantity) -> Expression | None:
        if expr.name not in WINDOWS:
            self.report.error(
                "SCR210",
                f"unknown window function `{expr.name}`",
                expr.name_span,
                hint=near(expr.name, WINDOWS),
            )
            return None
        horizon_s = 0.0
        wanted = 2 if expr.name == "forecast" else 1
        if len(expr.args) != wanted or expr.where is not None:
            self.report.error(
                "SCR211",
                f"wrong arguments for `{expr.name}`",
                expr.span,
                hint=f"such as `{WINDOWS[expr.name].example}`",
            )
            return None
        if wanted == 2:
            ahead = self.constant(expr.args[1])
            if ahead is None or ahead.type != DURATION:
                self.report.error(
                    "SCR211", "how far ahead must be a duration", expr.args[1].span, hint="`2h`"
                )
                return None
            horizon_s = float(ahead.value)
        field_ = self.type(expr.args[0])
        if field_ is None:
            return None
        if not isinstance(field_, Field) or not field_.type.is_number:
            self.report.error(
                "SCR212",
                f"`{field_.text}` is no numeric field",
                expr.args[0].span,
                note=str(field_.type),
                hint="a window looks back over the samples of one numeric field",
            )
            return None
        if over.value <= 0:
            self.report.error("SCR221", "a window must be longer than nothing", over.span)
            return None
        result = field_.type
        if expr.name == "count":
            result = COUNT
        elif expr.name in ("rate", "slope"):
            result = quotient(field_.type, DURATION) or COUNT
        return Window(result, text, expr.span, expr.name, field_, float(over.value), horizon_s)

    def _aggregated(self, expr: ast.Call) -> KindSpec | None:
        """The kind that a call aggregates over, if it does."""
        if expr.name not in AGGREGATES or len(expr.args) != 1:
            return None
        for ref in _refs(expr.args[0]):
            kind = self.catalogue.kinds.get(ref.parts[0])
            is_field = len(ref.parts) == 1 and self.kind is not None and ref.parts[0] in self.kind.fields
            if kind is None or ref.row is not None or is_field:
                continue
            if not (kind.singleton and len(ref.parts) > 1):
                return kind
        return None

    def _aggregate(self, expr: ast.Call, text: str, kind: KindSpec) -> Expression | None:
        if self.inner is not None:
            self.report.error("SCR216", "an aggregate cannot stand within another", expr.span)
            return None
        inside = Typer(self.report, self.catalogue, self.names, self.kind, kind)
        name = expr.name
        value = None
        if name in ("count", "any", "all"):
            arg = expr.args[0]
            if not (isinstance(arg, ast.Ref) and arg.parts == (kind.name,)):
                self.report.error(
                    "SCR211", f"`{name}` takes a kind", arg.span, hint=f"`{AGGREGATES[name].example}`"
                )
                return None
            result = COUNT if name == "count" else BOOL
        else:
            value = inside.type(expr.args[0])
            if value is None or not inside._number(value):
                return None
            result = value.type
        joins, predicate, fine = inside._split(expr.where)
        if not fine:
            return None
        if name in ("any", "all") and expr.where is None:
            self.report.error(
                "SCR211", f"`{name}` needs a `where`", expr.span, hint=f"`{AGGREGATES[name].example}`"
            )
            return None
        return Aggregate(
            result, text, expr.span, cast("AggregateFn", name), kind.name, value, joins, predicate
        )

    def _split(
        self, where: ast.Expr | None
    ) -> tuple[tuple[tuple[Expression, Expression], ...], Expression | None, bool]:
        """Take a `where` apart into joins and what concerns inner rows alone; false if it is wrong."""
        joins: list[tuple[Expression, Expression]] = []
        rest: list[Expression] = []
        fine = True
        for part in _conjuncts(where):
            found = self.truth(part)
            if found is None:
                fine = False
                continue
            scopes = set(_scopes(found))
            if scopes <= {"inner"}:
                rest.append(found)
            elif (join := _join(found)) is not None:
                joins.append(join)
            else:
                self.report.error(
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
        written = {str(RATIO): f"{number}%", str(DURATION): "0s" if wrong.value == 0 else f"{number}m"}.get(
            str(wanted)
        )
        if written:
            return f"write a {wanted}, such as `{written}`"
    if wanted == COUNT and wrong.type == RATIO:
        return "a bare number is a count: write `100%` for a whole"
    return f"write an amount of the same unit, such as `{example_of(wanted)}`"


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
