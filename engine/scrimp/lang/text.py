"""An expression's canonical text, on one line: what `fmt` prints and what keys a value in JSON output."""

from scrimp.lang import ast

# How tightly an expression binds; an operand that binds less than its place asks for stands in parentheses.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY, _ATOM = range(1, 9)


def expression_text(expr: ast.Expr) -> str:
    """The text with single spaces and no parentheses but those that the tree needs; literals as they were written."""
    return _text(expr)[0]


def quote(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def action_text(action: ast.ActionCall) -> str:
    """`scale_down(to = max(2, size / 2))`."""
    args = ", ".join(f"{arg.name.value} = {expression_text(arg.value)}" for arg in action.args)
    return f"{action.name.value}({args})"


def ref_text(ref: ast.Ref) -> str:
    """`job.group`, `budget["audio"].used`."""
    first, *rest = ref.parts
    row = f"[{quote(ref.row)}]" if ref.row is not None else ""
    return ".".join((first + row, *rest))


def operand_text(expr: ast.Expr, op: str) -> str:
    """An operand of `and` or `or`, in parentheses where it needs them."""
    return _within(expr, _NOT if op == "and" else _AND)


def _within(expr: ast.Expr, place: int) -> str:
    text, binds = _text(expr)
    return text if binds >= place else f"({text})"


def _text(expr: ast.Expr) -> tuple[str, int]:
    """The text and how tightly it binds."""
    match expr:
        case ast.Logic():
            return f" {expr.op} ".join(operand_text(one, expr.op) for one in expr.operands), (
                _AND if expr.op == "and" else _OR
            )
        case ast.Not():
            return f"not {_within(expr.operand, _NOT)}", _NOT
        case ast.Compare():
            return f"{_within(expr.left, _SUM)} {expr.op} {_within(expr.right, _SUM)}", _COMPARE
        case ast.Membership():
            items = ", ".join(expression_text(one) for one in expr.items)
            return f"{_within(expr.operand, _SUM)} in [{items}]", _COMPARE
        case ast.IsKnown():
            return f"{_within(expr.operand, _SUM)} is known", _COMPARE
        case ast.Arithmetic():
            binds = _SUM if expr.op in "+-" else _PRODUCT
            return f"{_within(expr.left, binds)} {expr.op} {_within(expr.right, binds + 1)}", binds
        case ast.Negative():
            return f"-{_within(expr.operand, _UNARY)}", _UNARY
        case _:
            return _atom(expr), _ATOM


def _atom(expr: ast.Quantity | ast.Text | ast.Truth | ast.Ref | ast.Call | ast.KnownElse) -> str:
    match expr:
        case ast.Quantity():
            return expr.text
        case ast.Text():
            return quote(expr.value)
        case ast.Truth():
            return "true" if expr.value else "false"
        case ast.Ref():
            return ref_text(expr)
        case ast.KnownElse():
            return f"known({expression_text(expr.operand)}, else {expression_text(expr.default)})"
        case ast.Call():
            args = ", ".join(expression_text(arg) for arg in expr.args)
            where = f" where {expression_text(expr.where)}" if expr.where is not None else ""
            over = f" over {expr.over.text}" if expr.over is not None else ""
            return f"{expr.name}({args}{where}){over}"
