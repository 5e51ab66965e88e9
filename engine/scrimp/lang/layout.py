"""How each statement is written: its text in pieces, between which a line may be broken."""

from typing import NamedTuple

from scrimp.diagnostics import Span
from scrimp.lang import ast
from scrimp.lang.text import action_text, expression_text, operand_text, quote, ref_text

KEYWORD = 8  # clause values of a policy stand in one column, behind the longest usual keyword


class Piece(NamedTuple):
    """A part of a statement that stays on one line."""

    text: str
    span: Span


class Laid(NamedTuple):
    """A statement's pieces; `column` is where a broken line goes on, counted from the statement's own start.

    A statement that `fills` puts as many pieces on a line as fit; any other that is broken has one on each.
    `close` ends it on a line of its own if it is broken.
    """

    pieces: tuple[Piece, ...]
    column: int = 0
    fills: bool = False
    close: str = ""


Statement = ast.Version | ast.Use | ast.Const | ast.Param | ast.Clause | ast.GuardEntry | ast.Step


def lay(node: Statement) -> Laid:
    """The pieces of a statement that has no block."""
    if isinstance(node, ast.Start | ast.Given | ast.SeriesStep | ast.At | ast.Always | ast.Restart):
        return _step(node)
    if isinstance(node, ast.Limit | ast.Ensure | ast.Halt | ast.Save | ast.Payback | ast.During):
        return _entry(node)
    if isinstance(node, ast.Version | ast.Use | ast.Const | ast.Param):
        return _line(node)
    return _clause(node)


def _whole(node: Statement, text: str) -> Laid:
    return Laid((Piece(text, node.span),))


def _condition(head: str, column: int, expr: ast.Expr, hold: ast.Hold | None, start: Span) -> Laid:
    """A condition, broken before its outermost `and` or `or`, and before `for`."""
    if isinstance(expr, ast.Logic):
        first, *rest = expr.operands
        pieces = [Piece(f"{head}{operand_text(first, expr.op)}", start.to(first.span))]
        pieces.extend(Piece(f"{expr.op} {operand_text(one, expr.op)}", one.span) for one in rest)
    else:
        pieces = [Piece(f"{head}{expression_text(expr)}", start.to(expr.span))]
    if hold is not None:
        tolerating = f" tolerating {hold.tolerating.text} unknown" if hold.tolerating is not None else ""
        pieces.append(Piece(f"for {hold.duration.text}{tolerating}", hold.span))
    return Laid(tuple(pieces), column)


def _start(node: Statement) -> Span:
    return Span(node.span.start, node.span.start)


def _line(node: ast.Version | ast.Use | ast.Const | ast.Param) -> Laid:
    match node:
        case ast.Version():
            return _whole(node, f"scrimp {node.number}")
        case ast.Use():
            return _whole(node, f"use {node.what} {quote(node.path.value)}")
        case ast.Const():
            head = f"const {node.name.value} = "
            return _condition(head, 2, node.value, None, _start(node))
        case ast.Param():
            text = f"param {node.name.value}: {node.type.value} = {expression_text(node.default)}"
            if node.within is not None:
                least, most = node.within
                text += f" within [{expression_text(least)}, {expression_text(most)}]"
            return _whole(node, text)


def _clause(node: ast.Clause) -> Laid:
    match node:
        case ast.When() | ast.Undo():
            head = _key("when") if isinstance(node, ast.When) else "undo when "
            return _condition(head, len(head), node.condition, node.hold, _start(node))
        case ast.Target() if node.where is not None:
            head = f"{_key('target')}{node.kind.value} where "
            return _condition(head, KEYWORD + 1, node.where, None, _start(node))
        case ast.Do():
            first, *rest = node.actions
            pieces = [Piece(_key("do") + action_text(first), _start(node).to(first.span))]
            pieces.extend(Piece(f"then {action_text(one)}", one.span) for one in rest)
            return Laid(tuple(pieces), KEYWORD + 1)
        case _:
            return _whole(node, _plain_clause(node))


def _key(word: str) -> str:
    return f"{word:<{KEYWORD}} "


def _plain_clause(node: ast.Clause) -> str:  # noqa: PLR0911, PLR0912 -- one line for each clause of the language
    match node:
        case ast.Text():
            return quote(node.value)
        case ast.Owner():
            return _key("owner") + quote(node.value.value)
        case ast.Mode():
            return _key("mode") + node.value
        case ast.Priority():
            return _key("priority") + node.value.text
        case ast.Target():
            return _key("target") + node.kind.value
        case ast.OnFailure():
            return f"on failure do {action_text(node.action)}"
        case ast.Cooldowns():
            return _key("cooldown") + ", ".join(
                f"{one.duration.text} per {one.scope}" for one in node.entries
            )
        case ast.Unknown():
            text = _key("unknown") + node.value
            if node.after is not None and node.action is not None:
                text += f" after {node.after.text} do {action_text(node.action)}"
            return text
        case ast.Stale():
            return f"{_key('stale')}after {node.after.text}"
        case ast.Coverage():
            return _key("coverage") + node.value.text
        case ast.UsesAllowance():
            return f"{_key('uses')}allowance {node.name.value}"
        case ast.Approvers():
            within = f" within {node.within.text}" if node.within is not None else ""
            return _key("approvers") + ", ".join(quote(one.value) for one in node.names) + within
    raise TypeError(f"no plain clause: {type(node).__name__}")


def _entry(node: ast.GuardEntry) -> Laid:
    match node:
        case ast.Limit():
            amount = node.amount.text + (" actions" if node.of == "actions" else f" of {node.of}")
            scope = f" per {node.scope}" if node.scope is not None else ""
            return _whole(node, f"limit {amount} per {node.per.text}{scope}")
        case ast.Ensure() | ast.Halt():
            head = "ensure " if isinstance(node, ast.Ensure) else "halt if "
            return _condition(head, len(head), node.condition, None, _start(node))
        case ast.Save():
            return _whole(node, f"save at least {expression_text(node.least)}")
        case ast.Payback():
            return _whole(node, f"payback within {node.within.text}")
        case ast.During():
            word = "only" if node.only else "never"
            calendar = "calendar " if node.calendar else ""
            return _whole(node, f"{word} during {calendar}{quote(node.window.value)}")


def _step(node: ast.Step) -> Laid:
    match node:
        case ast.Start():
            return _whole(node, f"start {quote(node.at.value)} every {node.every.text}")
        case ast.Given():
            return _given(node)
        case ast.SeriesStep():
            rows = ", ".join(quote(row.value) for row in node.rows)
            head = f"series {ref_text(node.field)}[{rows}] = "
            return Laid(
                _listed(head, _start(node), [(sample_text(one), one.span) for one in node.samples]),
                4,
                fills=True,
            )
        case ast.At():
            return _whole(node, f"at {node.at.text} expect {_expectation(node.expect)}")
        case ast.Always():
            return _whole(node, f"always expect {_expectation(node.expect)}")
        case ast.Restart():
            return _whole(node, f"restart at {node.at.text}")


def _given(node: ast.Given) -> Laid:
    head = f"given {node.kind.value} {quote(node.name.value)} {{"
    if not node.values:
        return _whole(node, head + "}")
    values = [
        (f"{ref_text(ref)} = {expression_text(value)}", ref.span.to(value.span)) for ref, value in node.values
    ]
    return Laid((Piece(head, _start(node).to(node.name.span)), *_listed("", None, values)), 2, close="}")


def _listed(head: str, start: Span | None, entries: list[tuple[str, Span]]) -> tuple[Piece, ...]:
    """Entries with commas between them, the first behind the head."""
    last = len(entries) - 1
    pieces = [Piece(text + ("," if at < last else ""), span) for at, (text, span) in enumerate(entries)]
    first = pieces[0]
    return (Piece(head + first.text, start.to(first.span) if start is not None else first.span), *pieces[1:])


def sample_text(run: ast.SampleRun) -> str:
    """`5% x15`, `missing x3`, `0+10x5`."""
    value = run.value if isinstance(run.value, str) else expression_text(run.value)
    if run.step is None:
        return value if run.repeat == 1 else f"{value} x{run.repeat}"
    falls = isinstance(run.step, ast.Negative)
    step = run.step.operand if isinstance(run.step, ast.Negative) else run.step
    repeat = f"x{run.repeat}" if run.repeat != 1 else ""
    return f"{value}{'-' if falls else '+'}{expression_text(step)}{repeat}"


def _expectation(expect: ast.Expectation) -> str:
    match expect:
        case ast.ExpectAction():
            return action_text(expect.action)
        case ast.ExpectNothing():
            return "nothing" + (
                f" because {quote(expect.because.value)}" if expect.because is not None else ""
            )
        case ast.ExpectNo():
            where = f" where {expression_text(expect.where)}" if expect.where is not None else ""
            return f"no {expect.action.value}{where}"
        case ast.ExpectSaving():
            return f"saving {expect.op} {expression_text(expect.amount)}"
