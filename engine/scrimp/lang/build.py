"""Reductions of the grammar to nodes of the syntax tree: one function for each rule's name.

A function gets the rule's children (tokens, and nodes that were built before) and the span of them all.
"""

import re
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from scrimp.diagnostics import Span
from scrimp.lang import ast
from scrimp.lang.numbers import quantity
from scrimp.lang.tokens import Token

Children = list[Any]
Builder = Callable[[Children, Span], Any]

_ESCAPE = re.compile(r"\\(.)")


def unquote(text: str) -> str:
    """The value of a string literal."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def _text(token: Token) -> ast.Text:
    return ast.Text(token.span, unquote(token.text))


def _word(token: Token) -> ast.Word:
    return ast.Word(token.span, token.text)


def _number(token: Token) -> ast.Quantity:
    return quantity(token.kind, token.text, token.span)


def _nodes(children: Children) -> Children:
    """Without the keywords and signs."""
    return [child for child in children if not isinstance(child, Token)]


def _texts(children: Children) -> tuple[ast.Text, ...]:
    return tuple(_text(child) for child in children if isinstance(child, Token) and child.kind == "STRING")


def _kept(children: Children, _span: Span) -> Any:
    """What a rule passes on: its only child, or all of them as they are."""
    return children[0] if len(children) == 1 else children


# ---- expressions ----------------------------------------------------------------------------------------


def _literal(c: Children, span: Span) -> ast.Expr:
    token = c[0]
    if token.kind in ("TRUE", "FALSE"):
        return ast.Truth(span, token.kind == "TRUE")
    return _text(token) if token.kind == "STRING" else _number(token)


def _logic(c: Children, span: Span) -> ast.Logic:
    """`(a and b) and c` is one operator over three operands."""
    op = c[1].text
    return ast.Logic(span, op, tuple(c[::2]))


def _arithmetic(c: Children, _span: Span) -> ast.Expr:
    left: ast.Expr = c[0]
    for op, right in zip(c[1::2], c[2::2], strict=True):
        left = ast.Arithmetic(left.span.to(right.span), op.text, left, right)
    return left


def _compare(c: Children, span: Span) -> ast.Compare:
    return ast.Compare(span, c[1].value, c[1].span, c[0], c[2])


def _call(c: Children, span: Span) -> ast.Call:
    """NAME ( args [where E] ) [over D]."""
    args: list[ast.Expr] = []
    where = over = None
    marker = ""
    for child in c[2:]:
        if not isinstance(child, Token):
            if marker == "WHERE":
                where = child
            else:
                args.append(child)
        elif marker == "OVER":
            over = _number(child)
        elif child.kind in ("WHERE", "OVER"):
            marker = child.kind
    return ast.Call(span, c[0].text, c[0].span, tuple(args), where, over)


def _parts(c: Children) -> tuple[str, ...]:
    return tuple(child.text for child in c if child.kind == "NAME")


# ---- policies -------------------------------------------------------------------------------------------


def _hold(c: Children, span: Span) -> ast.Hold:
    return ast.Hold(span, _number(c[1]), _number(c[3]) if len(c) > 3 else None)


def _unknown(c: Children, span: Span) -> ast.Unknown:
    after = _number(c[3]) if len(c) > 2 else None
    return ast.Unknown(span, c[1].text, after, c[5] if len(c) > 2 else None)


def _approvers(c: Children, span: Span) -> ast.Approvers:
    within = _number(c[-1]) if c[-2].kind == "WITHIN" else None
    return ast.Approvers(span, _texts(c), within)


def _limit(c: Children, span: Span) -> ast.Limit:
    amount, of = c[1]
    return ast.Limit(span, amount, of, _number(c[3]), c[5].text if len(c) > 4 else None)


def _param(c: Children, span: Span) -> ast.Param:
    nodes = _nodes(c)
    within = (nodes[2], nodes[3]) if len(nodes) > 2 else None
    return ast.Param(span, _word(c[1]), nodes[0], nodes[1], within)


def _type(c: Children, span: Span) -> ast.Word:
    return ast.Word(span, "".join(token.text for token in c))


# ---- tests ----------------------------------------------------------------------------------------------


def _value(c: Children, span: Span) -> ast.Expr:
    value: ast.Expr = c[-1]
    return ast.Negative(span, value) if len(c) > 1 else value


def _sample(c: Children, span: Span) -> ast.SampleRun:
    repeat = 1
    if isinstance(c[-1], Token) and c[-1].kind == "REPEAT":
        repeat = int(c[-1].text[1:])
        c = c[:-1]
    if isinstance(c[0], Token):
        return ast.SampleRun(span, "missing" if c[0].kind == "MISSING" else "stale", None, repeat)
    if len(c) == 1:
        return ast.SampleRun(span, c[0], None, repeat)
    step = c[2] if c[1].text == "+" else ast.Negative(c[1].span.to(c[2].span), c[2])
    return ast.SampleRun(span, c[0], step, repeat)


BUILDERS: dict[str, Builder] = {
    # expressions
    "literal": _literal,
    "or_": _logic,
    "and_": _logic,
    "negation": lambda c, span: ast.Not(span, c[1]),
    "negative": lambda c, span: ast.Negative(span, c[1]),
    "compare": _compare,
    "compare_op": lambda c, _: _word(c[0]),
    "text_op": lambda c, _: _word(c[0]),
    "membership": lambda c, span: ast.Membership(span, c[0], tuple(_nodes(c)[1:])),
    "is_known": lambda c, span: ast.IsKnown(span, c[0]),
    "arithmetic": _arithmetic,
    "paren": lambda c, span: replace(c[1], span=span),
    "call": _call,
    "known_else": lambda c, span: ast.KnownElse(span, c[2], c[5]),
    "path": lambda c, span: ast.Ref(span, _parts(c)),
    "ref": lambda c, _: c[0],
    "row_ref": lambda c, span: ast.Ref(span, _parts(c), unquote(c[2].text)),
    # clauses
    "description": lambda c, _: _text(c[0]),
    "owner": lambda c, span: ast.Owner(span, _text(c[1])),
    "mode": lambda c, span: ast.Mode(span, c[1].text),
    "priority": lambda c, span: ast.Priority(span, _number(c[1])),
    "target": lambda c, span: ast.Target(span, _word(c[1]), c[3] if len(c) > 2 else None),
    "when": lambda c, span: ast.When(span, c[1], c[2] if len(c) > 2 else None),
    "do": lambda c, span: ast.Do(span, tuple(_nodes(c))),
    "on_failure": lambda c, span: ast.OnFailure(span, c[3]),
    "undo": lambda c, span: ast.Undo(span, c[2], c[3] if len(c) > 3 else None),
    "cooldowns": lambda c, span: ast.Cooldowns(span, tuple(_nodes(c))),
    "cooldown": lambda c, span: ast.Cooldown(span, _number(c[0]), c[2].text),
    "scope": _kept,
    "unknown": _unknown,
    "stale": lambda c, span: ast.Stale(span, _number(c[2])),
    "coverage": lambda c, span: ast.Coverage(span, _number(c[1])),
    "uses_allowance": lambda c, span: ast.UsesAllowance(span, _word(c[2])),
    "approvers": _approvers,
    "hold": _hold,
    "action": lambda c, span: ast.ActionCall(span, _word(c[0]), tuple(_nodes(c))),
    "argument": lambda c, span: ast.Argument(span, _word(c[0]), c[2]),
    # guards
    "ensure": lambda c, span: ast.Ensure(span, c[1]),
    "halt": lambda c, span: ast.Halt(span, c[2]),
    "save": lambda c, span: ast.Save(span, c[3]),
    "payback": lambda c, span: ast.Payback(span, _number(c[2])),
    "during": lambda c, span: ast.During(span, c[0].kind == "ONLY", _text(c[-1]), c[2].kind == "CALENDAR"),
    "limit": _limit,
    "number": _kept,
    "amount": lambda c, _: (_number(c[0]), c[-1].text),
    # other items
    "version": lambda c, span: ast.Version(
        span, int(c[1].text.replace("_", "")) if c[1].kind == "INT" else 1
    ),
    "use": lambda c, span: ast.Use(span, c[1].text, _text(c[2])),
    "const": lambda c, span: ast.Const(span, _word(c[1]), c[3]),
    "param": _param,
    "type": _type,
    "allowance_head": lambda c, _: _word(c[1]),
    "policy_head": lambda c, _: _word(c[1]),
    "test_head": lambda c, _: (_word(c[1]), _text(c[2])),
    "guard_head": _kept,
    # steps of a test
    "start_at": lambda c, span: ast.Start(span, _text(c[1]), _number(c[3])),
    "given": lambda c, span: ast.Given(span, _word(c[1]), _text(c[2]), tuple(_nodes(c))),
    "pair": lambda c, _: (c[0], c[2]),
    "series": lambda c, span: ast.SeriesStep(
        span, c[1], _texts(c), tuple(n for n in _nodes(c) if isinstance(n, ast.SampleRun))
    ),
    "sample": _sample,
    "value": _value,
    "at": lambda c, span: ast.At(span, _number(c[1]), c[3]),
    "always": lambda c, span: ast.Always(span, c[2]),
    "restart": lambda c, span: ast.Restart(span, _number(c[2])),
    "expect_nothing": lambda c, span: ast.ExpectNothing(span, _text(c[2]) if len(c) > 1 else None),
    "expect_action": lambda c, span: ast.ExpectAction(span, c[0]),
    "expect_no": lambda c, span: ast.ExpectNo(span, _word(c[1]), c[3] if len(c) > 2 else None),
    "expect_saving": lambda c, span: ast.ExpectSaving(span, c[1].value, c[2]),
}
