"""A token that does not fit: say so in the language's terms, and mend it where the meaning is plain.

Mending goes on as if the usual mistake (`=` for `==`, a missing comma, `30` without its unit) had not been made,
so that one mistake is one finding.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from scrimp.diagnostics import Diagnostic, Label, Source, Span, did_you_mean
from scrimp.lang.advice import advice
from scrimp.lang.numbers import unit_meant
from scrimp.lang.statement import Statement
from scrimp.lang.tables import Tables
from scrimp.lang.tokens import BROKEN, END, WORD, Token
from scrimp.lang.words import INFIX, ITEMS, LITERALS, NUMBERS, begins

_REPEAT = re.compile(r"x[0-9]{1,9}")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_OPERATORS = frozenset(("+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "=", ",", "(", "[", ".", ":"))
_COMPARE = frozenset(("==", "!=", "<", "<=", ">", ">="))

# How an expected terminal is called; the order is that of the message.
_CALLED = {
    "NAME": "a name",
    "STRING": 'a text in double quotes, such as `"team-a"`',
    "DURATION": "a duration, such as `30m`",
    "PERCENT": "a percentage, such as `50%`",
    "RATE": "an amount per hour, such as `$4.20/h`",
    "MONEY": "an amount of money, such as `$4.20`",
    "BYTES": "a size, such as `16GiB`",
    "INT": "a whole number",
    "FLOAT": "a number",
    "REPEAT": "a repetition, such as `x15`",
    END: "the end",
}


class Cursor:
    """Where the parser stands in the tokens, and what it has found so far."""

    def __init__(self, source: Source, tables: Tables, tokens: list[Token], found: list[Diagnostic]) -> None:
        self.source = source
        self.tables = tables
        self.tokens = tokens
        self.found = found
        self.at = 0

    @property
    def token(self) -> Token:
        """The token to be looked at."""
        return self.tokens[self.at]

    @property
    def end(self) -> int:
        """Where the newest token taken ends."""
        return self.tokens[self.at - 1].end if self.at else 0

    def peek(self, ahead: int = 1) -> Token:
        """A token further on, `END` beyond the last."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def gap(self) -> Span:
        """Where something is missing: the token at the cursor, or just behind the newest one at the file's end."""
        token = self.token
        return Span(self.end, self.end) if token.kind == END else token.span

    def report(
        self, code: str, span: Span, message: str, *, hint: str = "", labels: tuple[Label, ...] = ()
    ) -> None:
        """Add a finding."""
        self.found.append(Diagnostic(code, message, self.source, span, hint=hint, labels=labels))

    def first_on_line(self, at: int) -> bool:
        """Whether a token is the first of its line."""
        return at == 0 or "\n" in self.source.text[self.tokens[at - 1].end : self.tokens[at].start]

    def continues(self) -> bool:
        """Whether the token before the cursor leaves something open."""
        before = self.tokens[self.at - 1]
        return before.kind in _OPERATORS or (before.kind == WORD and before.text in INFIX)

    def shown(self, token: Token) -> str:
        """A token in a message."""
        if token.kind == END:
            return "the end of the file"
        text = self.source.text[token.start : token.end] or token.text
        return f"`{text if len(text) <= 40 else text[:37] + '...'}`"

    def lower_case(self, right: str) -> None:
        """Report capitals at the cursor and go on without them."""
        token = self.token
        message = f"`{token.text}` has capital letters"
        self.report("SCR107", token.span, message, hint=f"keywords and names are lower case: `{right}`")
        self.tokens[self.at] = token._replace(text=right)

    def resolve(self, run: Statement, words: dict[str, Any]) -> str | None:
        """The terminal as which the statement takes the token at the cursor."""
        return next(filter(run.accepts, self.terminals(words)), None)

    def terminals(self, words: dict[str, Any]) -> Iterator[str]:
        """What the token at the cursor can be taken as, the likeliest first."""
        token = self.token
        if token.kind == BROKEN:
            yield from LITERALS
        elif token.kind != WORD:
            if token.kind != END:
                yield self.tables.words.get(token.kind, token.kind)
        else:
            if token.text in self.tables.words:
                yield self.tables.words[token.text]
            if token.text[0] == "x" and _REPEAT.fullmatch(token.text):
                yield "REPEAT"
            if _NAME.fullmatch(token.text) and not self.begins_another(words):
                yield "NAME"

    def begins_another(self, words: dict[str, Any]) -> bool:
        """Whether the word at the cursor rather begins the next statement or item."""
        return begins(self.tokens, self.at, words) or (
            begins(self.tokens, self.at, ITEMS) and self.first_on_line(self.at)
        )

    def looks_new(self, words: dict[str, Any]) -> bool:
        """Whether the token at the cursor seems to begin something new, even if it is wrong after its first word."""
        new_line = self.first_on_line(self.at) and not self.continues()
        return self.begins_another(words) or (new_line and self.token.text in words)


class Mender:
    """What happens where a statement does not take the token at the cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def ends(self, words: dict[str, Any]) -> bool:
        """Whether a statement that could end here does: not where the rest of its line is a mistake within it."""
        cursor = self.cursor
        token = cursor.token
        if token.kind in (END, "}", "STRING") or cursor.begins_another(words):
            return True
        if token.kind in _COMPARE or token.kind in ("=", "-"):
            return False
        if not words:  # the head of a block, or an expression by itself
            return True
        new_line = cursor.first_on_line(cursor.at)
        if token.kind == WORD:
            return new_line or token.text in words or token.text in ITEMS
        return new_line and token.kind not in _OPERATORS

    def mend(self, run: Statement, words: dict[str, Any], brackets: list[Token]) -> bool:
        """Report the token; True if it was mended and the statement goes on at the cursor."""
        expected = run.expected()
        token = self.cursor.token
        mended = (
            (token.kind == WORD and self._word(expected, words))
            or (token.kind in NUMBERS and self._number(token, expected))
            or (token.kind in ("=", "==") and self._equals(token, run))
            or (token.kind == "STRING" and self._quoted_name(token, expected))
            or self._dash(run)
            or self._missing(run, expected, words, brackets)
        )
        if not mended:
            self._report(expected, words, brackets)
        return mended

    def _equals(self, token: Token, run: Statement) -> bool:
        """`=` for `==`, or the other way round."""
        other, what = (
            ("==", "`=` gives a value; it does not compare")
            if token.kind == "="
            else ("=", "`==` compares; it gives no value")
        )
        if not run.accepts(self.cursor.tables.words[other]):
            return False
        return self._replace(token._replace(kind=other, text=other), "SCR106", what, f"write `{other}`")

    def _quoted_name(self, token: Token, expected: set[str]) -> bool:
        """`policy "shrink"`."""
        name = re.sub(r"[^a-z0-9_]+", "_", token.text[1:-1].lower()).strip("_")
        if "NAME" not in expected or "STRING" in expected or not _NAME.fullmatch(name):
            return False
        message = f"expected a name, found the text {self.cursor.shown(token)}"
        return self._replace(token._replace(kind=WORD, text=name), "SCR101", message, f"write `{name}`")

    def _replace(self, right: Token, code: str, message: str, hint: str, tokens: int = 1) -> bool:
        """Report the token, and so many from it on, and put the right one in their place."""
        cursor = self.cursor
        last = cursor.tokens[cursor.at + tokens - 1]
        right = right._replace(end=last.end)
        cursor.report(code, right.span, message, hint=hint)
        cursor.tokens[cursor.at : cursor.at + tokens] = [right]
        return True

    def _word(self, expected: set[str], words: dict[str, Any]) -> bool:
        """A word with capitals, for a unit, without its quotes, or misspelt."""
        cursor = self.cursor
        token = cursor.token
        lower = token.text.lower()
        if lower != token.text and (cursor.tables.words.get(lower) in expected or "NAME" in expected):
            cursor.lower_case(lower)
            return True
        if "NAME" in expected or cursor.looks_new(words):
            return False
        unit = unit_meant(token.text)
        before = cursor.tokens[cursor.at - 1]
        if unit is not None and before.kind == "INT" and before.end + 1 == token.start:
            message, hint = "a space stands between a number and its unit", f"write `{before.text}{unit}`"
            cursor.report("SCR105", Span(before.start, token.end), message, hint=hint)
            del cursor.tokens[cursor.at]
            return True
        if "STRING" in expected:
            return self._unquoted(token)
        if expected == {"KNOWN"} and not cursor.first_on_line(cursor.at):
            hint = "ask `E is known`: what is not there is unknown"
            message = f"expected `known`, found `{token.text}`"
            return self._replace(token._replace(text="known"), "SCR101", message, hint)
        spelled = [
            word for word, name in cursor.tables.words.items() if name in expected and word[0].isalpha()
        ]
        near = did_you_mean(token.text, spelled)
        if near is None:
            return False
        message = f"expected {self._listed(expected)}, found `{token.text}`"
        return self._replace(token._replace(text=near), "SCR101", message, f"did you mean `{near}`?")

    def _unquoted(self, token: Token) -> bool:
        """`owner team-a`: the words up to the next space are one text."""
        cursor = self.cursor
        count = 1
        while cursor.peek(count).start == cursor.peek(count - 1).end and cursor.peek(count).kind in (
            WORD,
            "-",
            ".",
            "/",
            "INT",
            ":",
        ):
            count += 1
        text = cursor.source.text[token.start : cursor.peek(count - 1).end]
        right = Token("STRING", f'"{text}"', token.start, token.end)
        message = f"expected a text in double quotes, found `{text}`"
        return self._replace(right, "SCR101", message, f'write `"{text}"`', count)

    def _number(self, token: Token, expected: set[str]) -> bool:
        """A number of another kind than expected; `30 minutes`, where only a duration fits."""
        cursor = self.cursor
        wanted = [kind for kind in LITERALS if kind in expected]
        if not wanted:
            return False
        if token.kind == "INT" and (unit := cursor.peek()).kind == WORD and unit_meant(unit.text):
            right = f"{token.text}{unit_meant(unit.text)}"
            message = "a space stands between a number and its unit"
            return self._replace(token._replace(kind=BROKEN), "SCR105", message, f"write `{right}`", 2)
        hint = ""
        if token.kind == "INT" and wanted == ["DURATION"]:
            hint = f"a duration has a unit: `{token.text}s`, `{token.text}m`, `{token.text}h`"
        elif token.kind == "INT" and wanted == ["PERCENT"]:
            hint = f"write `{token.text}%`"
        message = f"expected {self._listed(expected)}, found {cursor.shown(token)}"
        return self._replace(token._replace(kind=BROKEN), "SCR101", message, hint)

    def _dash(self, run: Statement) -> bool:
        """`shrink-idle` as a name."""
        cursor = self.cursor
        before, dash, after = cursor.tokens[cursor.at - 1], cursor.token, cursor.peek()
        if dash.kind != "-":
            return False
        if (
            run.took_keyword
            or before.kind != WORD
            or after.kind != WORD
            or before.end != dash.start
            or dash.end != after.start
        ):
            return False
        name = f"{before.text}-{after.text}".replace("-", "_")
        span = Span(before.start, after.end)
        cursor.report("SCR107", span, f"`{before.text}-{after.text}` is not a name", hint=f"write `{name}`")
        del cursor.tokens[cursor.at : cursor.at + 2]
        run.rename(before._replace(text=name, end=after.end))
        return True

    def _missing(
        self, run: Statement, expected: set[str], words: dict[str, Any], brackets: list[Token]
    ) -> bool:
        """Put in the one token that is missing, where with it the statement would go on."""
        cursor = self.cursor
        token = cursor.token
        following = (
            [] if token.kind in (END, "}") or cursor.looks_new(words) else list(cursor.terminals(words))
        )
        if brackets and "COMMA" in expected and any(run.accepts("COMMA", one) for one in following):
            cursor.report(
                "SCR101",
                Span(cursor.end, cursor.end),
                f"expected `,` before {cursor.shown(token)}",
                hint="write a `,` between them",
            )
            cursor.tokens.insert(cursor.at, Token(",", ",", cursor.end, cursor.end))
            return True
        if len(expected) != 1:
            return False
        only = next(iter(expected))
        text = next((word for word, name in cursor.tables.words.items() if name == only), None)
        fits = run.accepts(only, END) or any(run.accepts(only, one) for one in following)
        if text is None or not fits:
            return False
        cursor.report(
            "SCR101",
            cursor.gap(),
            f"expected `{text}`, found {cursor.shown(token)}",
            hint=f"write `{text}` before {cursor.shown(token)}",
        )
        kind = WORD if text[0].isalpha() else text
        cursor.tokens.insert(cursor.at, Token(kind, text, cursor.end, cursor.end))
        return True

    def _report(self, expected: set[str], words: dict[str, Any], brackets: list[Token]) -> None:
        cursor = self.cursor
        token = cursor.token
        closing = token.kind in (")", "]", "}", END) or cursor.looks_new(words)
        if brackets and closing and expected & {"RPAR", "RSQB", "RBRACE"} and not (expected & {"NAME"}):
            opened = brackets[-1]
            right = {"(": ")", "[": "]", "{": "}"}[opened.kind]
            label = Label(opened.span, f"this `{opened.kind}` is not closed")
            message = f"expected `{right}`, found {cursor.shown(token)}"
            cursor.report("SCR102", cursor.gap(), message, labels=(label,), hint=f"close it with `{right}`")
            return
        before = cursor.tokens[cursor.at - 1] if cursor.at else token
        message = f"expected {self._listed(expected)}, found {cursor.shown(token)}"
        cursor.report("SCR101", cursor.gap(), message, hint=advice(before, token, cursor.peek(), expected))

    def _listed(self, expected: Iterable[str]) -> str:
        """What was expected, in words: the kinds of value together, then keywords and signs."""
        left = set(expected)
        parts: list[str] = []
        if {"NAME", "INT", "STRING", "DURATION"} <= left:
            parts.append("a value")
            left -= {*LITERALS, "NAME", "STRING", "TRUE", "FALSE", "LPAR", "MINUS", "KNOWN", "NOT"}
        elif {"INT", "DURATION", "PERCENT"} <= left:
            parts.append("a value")
            left -= {*LITERALS, "STRING", "TRUE", "FALSE", "MINUS"}
        signs = {name: word for word, name in self.cursor.tables.words.items()}
        if {"PLUS", "MINUS", "STAR", "SLASH"} & left and {"AND", "OR"} & left:
            parts.append("an operator")
            left -= {
                name
                for name, word in signs.items()
                if word in _OPERATORS - {",", "="} or word in _INFIX_OPERATORS
            }
            left -= {"LPAR", "LSQB", "DOT"}
        if "END" in left or END in left:
            left.discard(END)
            parts.append("the end of the statement")
        parts.extend(called for name, called in _CALLED.items() if name in left)
        parts.extend(f"`{signs[name]}`" for name in sorted(left & signs.keys(), key=lambda name: signs[name]))
        if len(parts) > 6:
            parts = [*parts[:5], "…"]
        return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


_INFIX_OPERATORS = frozenset(("and", "or", "in", "is", "starts_with", "ends_with", "contains", "matches"))
