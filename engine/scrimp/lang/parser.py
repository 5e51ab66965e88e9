"""Source to syntax tree: blocks by hand, statements by the LALR machine, and recovery between them.

A statement ends where the machine could stop and does not take the next token. One that is broken is reported
and skipped up to the next word that begins a statement, or its block's `}`; what stands beside it is kept.
"""

from typing import Any

from msgspec import Struct

from scrimp.diagnostics import Diagnostic, Label, Source, Span
from scrimp.lang import ast
from scrimp.lang.depth import too_deep
from scrimp.lang.mend import Cursor, Mender
from scrimp.lang.statement import Statement
from scrimp.lang.tables import Tables, load
from scrimp.lang.tokens import END, WORD, Token, tokenize
from scrimp.lang.unknown import unknown_statement
from scrimp.lang.words import BLOCKS, ITEMS, begins

VERSION = 1
# Limits on what is taken at all, so that no input can exhaust memory or the stack.
MAX_CHARACTERS = 1_000_000
MAX_NESTING = 100
MAX_FINDINGS = 200

_OPEN = {"(": ")", "[": "]", "{": "}"}


def parse(source: Source) -> tuple[ast.PolicyFile, tuple[Diagnostic, ...]]:
    """The syntax tree of a file and all that is wrong with its syntax; what is broken is left out of the tree."""
    if len(source.text) > MAX_CHARACTERS:
        message = f"the file has {len(source.text):,} characters; at most {MAX_CHARACTERS:,} are read"
        found = Diagnostic("SCR111", message, source, Span(0, 0), hint="split it into several files")
        return ast.PolicyFile(source, None, (), ()), (found,)
    lexed = tokenize(source)
    cursor = Cursor(source, load(), lexed.tokens, lexed.diagnostics)
    parser = _Parser(cursor)
    version, items = parser.file()
    return ast.PolicyFile(source, version, tuple(items), lexed.comments), _in_order(cursor.found)


def parse_expression(source: Source) -> tuple[ast.Expr | None, tuple[Diagnostic, ...]]:
    """The text as one expression, such as `avg(gpu_utilization) over 15m < 20%`."""
    lexed = tokenize(source)
    cursor = Cursor(source, load(), lexed.tokens, lexed.diagnostics)
    node: ast.Expr | None = _Parser(cursor).statement("expr", {})
    if node is not None and cursor.token.kind != END:
        cursor.report("SCR101", cursor.token.span, f"the expression ends before {cursor.shown(cursor.token)}")
    return node, _in_order(cursor.found)


def _in_order(found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(found, key=lambda one: one.span.start if one.span else 0))


class _Opened(Struct):
    """A `{` and, once known, the `}` that seems not to be its own."""

    brace: Token
    what: str
    suspect: "_Opened | None" = None


class _Parser:
    """The descent through items and blocks over one cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.tables: Tables = cursor.tables
        self.mender = Mender(cursor)
        self._braces = 0  # opened inside the statement under way

    # ---- items ------------------------------------------------------------------------------------------

    def file(self) -> tuple[ast.Version | None, list[ast.Item]]:
        """The version and all items that parsed."""
        cursor = self.cursor
        version = self.version()
        items: list[ast.Item] = []
        while cursor.token.kind != END and len(cursor.found) < MAX_FINDINGS:
            token = cursor.token
            item: ast.Item | None = None
            if token.kind == WORD and token.text in ("policy", "allowance", "test"):
                item = self.block_item(token)
            elif token.kind == WORD and token.text in ITEMS:
                start = cursor.at
                item = self.statement("line", ITEMS)
                if item is None:
                    self.skip("line", start)
            elif token.kind == "}":
                cursor.report(
                    "SCR102",
                    token.span,
                    "`}` closes nothing",
                    hint="remove it, or open a block with `{` before it",
                )
                cursor.at += 1
                continue
            elif not unknown_statement(cursor, "line"):
                cursor.at += 1
            else:
                self.skip("line", cursor.at)
                continue
            if item is not None:
                items.append(item)
        return version, items

    def version(self) -> ast.Version | None:
        cursor = self.cursor
        token = cursor.token
        hint = f"a file starts with `scrimp {VERSION}`"
        if token.kind != WORD or token.text.lower() != "scrimp":
            cursor.report("SCR109", Span(token.start, token.end), "the version line is missing", hint=hint)
            return None
        cursor.tokens[cursor.at] = token._replace(text="scrimp")
        version: ast.Version | None = self.statement("version", ITEMS)
        if version is not None and version.number != VERSION:
            message = f"version {version.number} of the language is not known"
            cursor.report("SCR109", version.span, message, hint=f"this scrimp reads version {VERSION}")
        return version

    def block_item(self, token: Token) -> ast.Item | None:
        """`policy`, `allowance` or `test` with its block."""
        head: Any = self.statement(f"{token.text}_head", {})
        kind = {"policy": "clause", "allowance": "limit", "test": "step"}[token.text]
        if head is None and not self._brace_ahead():
            return None
        entries, end = self.block(kind, f"{token.text}")
        if head is None:
            return None
        span = Span(token.start, end)
        if token.text == "policy":
            return ast.Policy(span, head, tuple(entries))
        if token.text == "allowance":
            return ast.Allowance(span, head, tuple(entries))
        return ast.Test(span, head[0], head[1], tuple(entries))

    def _brace_ahead(self) -> bool:
        """After a broken head: go to its `{`, so that the block's own findings are still reported."""
        cursor = self.cursor
        while cursor.token.kind not in ("{", END) and not begins(cursor.tokens, cursor.at, ITEMS):
            cursor.at += 1
        return cursor.token.kind == "{"

    # ---- blocks -----------------------------------------------------------------------------------------

    def block(self, kind: str, what: str, outer: _Opened | None = None) -> tuple[list[Any], int]:
        """The statements between braces and where the block ends; `kind` is the symbol of a statement in it."""
        cursor = self.cursor
        if cursor.token.kind != "{":
            hint = f"the block of a {what} stands in `{{` and `}}`"
            cursor.report(
                "SCR102", cursor.gap(), f"expected `{{`, found {cursor.shown(cursor.token)}", hint=hint
            )
            described = kind == "clause" and cursor.token.kind == "STRING"
            if not described and not begins(cursor.tokens, cursor.at, BLOCKS[kind]):
                self.skip("line", cursor.at)
                return [], cursor.end
            opened = _Opened(cursor.tokens[cursor.at - 1], what)
        else:
            opened = _Opened(cursor.token, what)
            cursor.at += 1
        words = BLOCKS[kind]
        entries: list[Any] = []
        while len(cursor.found) < MAX_FINDINGS:
            token = cursor.token
            if token.kind == "}":
                cursor.at += 1
                if (
                    outer is not None
                    and self._column(opened.brace) > self._column(token)
                    and cursor.first_on_line(cursor.at - 1)
                ):
                    outer.suspect = opened
                break
            if token.kind == END or begins(cursor.tokens, cursor.at, ITEMS):
                self.unclosed(opened)
                break
            if (
                outer is not None
                and token.text not in words
                and begins(cursor.tokens, cursor.at, BLOCKS["clause"])
            ):
                self.unclosed(opened)
                break
            entry = self.entry(kind, words, opened)
            if entry is not None:
                entries.append(entry)
        return entries, cursor.end

    def entry(self, kind: str, words: dict[str, Any], opened: _Opened) -> Any:
        """One statement of a block; None if it was broken, and skipped."""
        cursor = self.cursor
        start = cursor.at
        token = cursor.token
        if token.kind == WORD and token.text == "guard" and kind == "clause":
            cursor.at += 1
            entries, end = self.block("entry", "guard", opened)
            return ast.Guard(Span(token.start, end), tuple(entries))
        known = (token.kind == WORD and token.text in words) or (token.kind == "STRING" and kind == "clause")
        if not known and not unknown_statement(cursor, kind):
            return self.entry(kind, words, opened)  # one letter's case was mended: once more
        found = self.statement(kind, words) if known else None
        if found is None:
            self.skip(kind, start)
        return found

    def _column(self, token: Token) -> int:
        """The column of the first character on the token's line."""
        text = self.cursor.source.text
        start = text.rfind("\n", 0, token.start) + 1
        return len(text[start : token.start]) - len(text[start : token.start].lstrip())

    def unclosed(self, opened: _Opened) -> None:
        """Report a missing `}` where it is noticed, and point at the brace that lacks it."""
        cursor = self.cursor
        if opened.suspect is not None:
            opened = opened.suspect
        label = Label(opened.brace.span, f"this {opened.what} is not closed")
        cursor.report(
            "SCR102", cursor.gap(), "expected `}`", labels=(label,), hint=f"close the {opened.what} with `}}`"
        )

    # ---- statements -------------------------------------------------------------------------------------

    def statement(self, start: str, words: dict[str, Any]) -> Any:
        """The node of the statement at the cursor; None if it was reported as broken (the cursor stays there)."""
        cursor = self.cursor
        run = Statement(self.tables, start)
        brackets: list[Token] = []
        self._braces = 0
        first = cursor.at
        while True:
            token = cursor.token
            terminal = cursor.resolve(run, words)
            if terminal is None:
                if run.accepts(END) and (cursor.at > first) and self.mender.ends(words):
                    break
                if not self.mender.mend(run, words, brackets):
                    self._braces = sum(one.kind == "{" for one in brackets)
                    return None
                continue
            if token.kind in _OPEN:
                brackets.append(token)
                if len(brackets) > MAX_NESTING:
                    hint = "name parts of it with `const`, or split the policy"
                    message = f"more than {MAX_NESTING} brackets are open here"
                    cursor.report("SCR110", token.span, message, hint=hint)
                    return None
            elif token.kind in (")", "]", "}"):
                brackets.pop()
            run.shift(terminal, token)
            cursor.at += 1
        node = run.finish()
        if cursor.at - first > MAX_NESTING and too_deep(node, MAX_NESTING):
            span = Span(cursor.tokens[first].start, cursor.end)
            hint = "name parts of it with `const`, or split the policy"
            cursor.report("SCR110", span, f"more than {MAX_NESTING} operations are nested here", hint=hint)
            return None
        return node

    def skip(self, kind: str, start: int) -> None:
        """Go to the next statement, `}` or item; always past `start`."""
        cursor = self.cursor
        words = BLOCKS[kind]
        outer = BLOCKS["clause"] if kind == "entry" else {}
        if cursor.at == start and cursor.token.kind != END:
            cursor.at += 1
        depth = self._braces
        self._braces = 0
        while (token := cursor.token).kind != END:
            if begins(cursor.tokens, cursor.at, ITEMS) and cursor.first_on_line(cursor.at):
                return
            if token.kind == "{":
                depth += 1
            elif token.kind == "}":
                if depth == 0:
                    return
                depth -= 1
            elif depth == 0 and token.kind == WORD and (token.text in words or token.text in outer):
                known = begins(cursor.tokens, cursor.at, words) or begins(cursor.tokens, cursor.at, outer)
                if (known or cursor.first_on_line(cursor.at)) and not cursor.continues():
                    return
            cursor.at += 1
