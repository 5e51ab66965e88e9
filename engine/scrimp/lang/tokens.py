"""Text to tokens: every character of a file is a token, a comment, white space, or reported.

Mistakes that are clear from the characters alone (`30min`, `'text'`, `&&`) are reported here and repaired, so
that the parser goes on as if they had been written rightly.
"""

import re
from typing import NamedTuple

from scrimp.diagnostics import Diagnostic, Source, Span
from scrimp.lang.ast import Comment
from scrimp.lang.numbers import mend_number

# Kinds of token beside the terminals of the grammar.
WORD = "WORD"  # a keyword or a name: the parser's state decides
BROKEN = "BROKEN"  # a number that was reported already: taken wherever any literal is
END = "$END"


class Token(NamedTuple):
    """One token; `kind` is a terminal of the grammar, `WORD`, `BROKEN` or `END`."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.start, self.end)


_NUMBER = r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?"
_CURLED = "\u201c\u201d\u201e\u2018\u2019"  # what word processors make of quotes
_TOKEN = re.compile(
    rf"""[ \t\r\n\f]*+(?:
    (?P<COMMENT>\#[^\n]*)
    |(?P<WORD>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<RATE>[$€£]{_NUMBER}/[hd])
    |(?P<MONEY>[$€£]{_NUMBER})
    |(?P<PERCENT>{_NUMBER}%)
    |(?P<BYTES>{_NUMBER}(?:KiB|MiB|GiB|TiB|kB|MB|GB|TB|B))
    |(?P<DURATION>(?:[0-9]+(?:ms|s|m|h|d|w))+)
    |(?P<FLOAT>[0-9]+(?:_[0-9]+)*\.[0-9]+)
    |(?P<INT>[0-9]+(?:_[0-9]+)*)
    |(?P<STRING>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<OPEN_STRING>"[^\n]*)
    |(?P<FOREIGN>&&?|\|\|?|!(?!=)|<>)
    |(?P<SIGN>==|!=|<=|>=|[<>=+\-*/{{}}()\[\],.:])
    |(?P<SINGLE>'[^'\n]*'|[{_CURLED}][^{_CURLED}"'\n]*[{_CURLED}"'])
    |(?P<OTHER>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBERS = frozenset(("RATE", "MONEY", "PERCENT", "BYTES", "DURATION", "FLOAT", "INT"))
_FOREIGN = {"&&": "and", "||": "or", "&": "and", "|": "or", "!": "not", "<>": "!="}
_REPEAT = re.compile(r"x[0-9]{1,9}(?![A-Za-z0-9_])")
_MAX_NUMBER = 40  # characters; beyond it no float is exact, and some have no float at all
_WORD_PART = re.compile(r"[A-Za-z0-9_]*")
_TAIL = re.compile(r"[A-Za-z0-9_%.]*")
_ESCAPE = re.compile(r"\\(.)")
_BOM = "\ufeff"


class Lexed(NamedTuple):
    """A file's tokens, the last of them `END`; its comments; what was wrong with its characters."""

    tokens: list[Token]
    comments: tuple[Comment, ...]
    diagnostics: list[Diagnostic]


def tokenize(source: Source) -> Lexed:
    """All tokens of a file."""
    lexer = _Lexer(source)
    lexer.run()
    lexer.tokens.append(Token(END, "", len(source.text), len(source.text)))
    return Lexed(lexer.tokens, tuple(lexer.comments), lexer.found)


class _Lexer:
    """The state of one run over a text."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.tokens: list[Token] = []
        self.comments: list[Comment] = []
        self.found: list[Diagnostic] = []

    def report(self, code: str, start: int, end: int, message: str, hint: str) -> None:
        self.found.append(Diagnostic(code, message, self.source, Span(start, end), hint=hint))

    def run(self) -> None:
        at = 1 if self.text.startswith(_BOM) else 0
        last_line = -1  # the end of the newest token: a comment with no line break since is a trailing one
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:  # only white space is left: OTHER takes any other character
                break
            kind = str(match.lastgroup)
            at, end = match.span(kind)
            text = match[kind]
            if kind == "WORD" or kind == "SIGN":  # noqa: PLR1714 -- the two kinds that nearly every token has
                self.tokens.append(Token(WORD if kind == "WORD" else text, text, at, end))
                last_line = end
            elif kind == "COMMENT":
                text = text.rstrip()
                own_line = last_line < 0 or "\n" in self.text[last_line:at]
                self.comments.append(Comment(Span(at, at + len(text)), text, own_line))
            else:
                end = self.token(kind, text, at, end)
                last_line = end
            at = end

    def token(self, kind: str, text: str, start: int, end: int) -> int:
        """Add the token, mended where needed; returns where the text goes on."""
        if kind in _NUMBERS:
            return self.number(kind, text, start, end)
        if kind == "STRING":
            self.escapes(text, start)
            self.tokens.append(Token("STRING", text, start, end))
        elif kind == "OPEN_STRING":
            self.open_string(text.rstrip(), start)
        elif kind == "FOREIGN":
            right = _FOREIGN[text]
            self.report("SCR106", start, end, f"`{text}` is not an operator", f"write `{right}`")
            self.tokens.append(Token(right if right == "!=" else WORD, right, start, end))
        elif kind == "SINGLE":
            inner = text[1:-1]
            hint = f'write `"{inner}"`' if inner else 'write `""`'
            self.report("SCR103", start, end, "a text stands in double quotes", hint)
            body = inner.replace("\\", "\\\\").replace('"', '\\"')
            self.tokens.append(Token("STRING", f'"{body}"', start, end))
        else:
            return self.other(text, start, end)
        return end

    def number(self, kind: str, text: str, start: int, end: int) -> int:
        """A number with its unit; `10x5` is two tokens, anything else glued to it is reported."""
        if end - start > _MAX_NUMBER:
            message = f"a number of more than {_MAX_NUMBER} characters"
            self.report("SCR105", start, end, message, "write it in a larger unit, such as `5d` or `2TiB`")
            self.tokens.append(Token(BROKEN, text, start, end))
            return end
        following = self.text[end : end + 1]
        glued = following.isalnum() or following in {".", "_", "%"}
        if not glued or _REPEAT.match(self.text, end):
            wrong = mend_number(text) if kind == "DURATION" else None
            if wrong is None or wrong == text:
                self.tokens.append(Token(kind, text, start, end))
                return end
            self.report("SCR105", start, end, f"`{text}` is not a duration", f"write `{wrong}`")
            self.tokens.append(Token(BROKEN, text, start, end))
            return end
        tail = _TAIL.match(self.text, end)
        end = tail.end() if tail else end
        written = self.text[start:end].rstrip(".")
        end = start + len(written)
        right = mend_number(written)
        hint = (
            f"write `{right}`"
            if right
            else "a number ends with its unit, such as `30m`, `50%`, `16GiB` or `$4.20/h`"
        )
        self.report("SCR105", start, end, f"`{written}` is not a number with a unit", hint)
        self.tokens.append(Token(BROKEN, written, start, end))
        return end

    def escapes(self, text: str, start: int) -> None:
        for match in _ESCAPE.finditer(text):
            if match.group(1) not in '"\\':
                at = start + match.start()
                hint = 'only `\\"` and `\\\\` are escaped; a backslash is written `\\\\`'
                self.report("SCR104", at, at + 2, f"`{match.group()}` is not an escape", hint)

    def open_string(self, text: str, start: int) -> None:
        end = start + len(text)
        hint = 'a text starts and ends with `"` on one line'
        self.report("SCR103", start, end, 'this text has no closing `"`', hint)
        body = text[1:].rstrip("\\").replace("\\", "\\\\")
        self.tokens.append(Token("STRING", f'"{body}"', start, end))

    def other(self, text: str, start: int, end: int) -> int:
        """A character that the language does not have: skipped, a run of the same one is one finding."""
        if text == "%" and self.tokens and self.tokens[-1].kind in ("INT", "FLOAT"):
            whole = self.tokens.pop()
            hint = f"write `{whole.text}%`"
            self.report("SCR105", whole.start, end, "a space stands between a number and its `%`", hint)
            self.tokens.append(Token("PERCENT", f"{whole.text}%", whole.start, end))
            return end
        while end < len(self.text) and self.text[end] == text:
            end += 1
        shown = text if text.isprintable() else f"U+{ord(text):04X}"
        hints = {
            ";": "a clause ends with its line; nothing stands between clauses",
            "'": "a text stands in double quotes",
            "$": "the sign of a currency stands in front of the amount: `$4.20/h`",
            "€": "the sign of a currency stands in front of the amount: `€4.20/h`",
            "£": "the sign of a currency stands in front of the amount: `£4.20/h`",
        }
        message = f"`{shown}` is not a character of the language"
        letters = "names are letters from a to z, digits and `_`" if text.isalpha() else ""
        self.report("SCR104", start, end, message, hints.get(text, letters))
        return self.around(text, start, end)

    def around(self, text: str, start: int, end: int) -> int:
        """What stands without a space around a character that is none of ours is one word with it, or a number."""
        before = self.tokens[-1] if self.tokens and self.tokens[-1].end == start else None
        rest = _WORD_PART.match(self.text, end)
        assert rest is not None
        inside = before is not None and before.kind == WORD
        if (inside and (rest.end() > end or text.isalpha())) or (text.isalpha() and rest.end() > end):
            word = f"{before.text if inside and before else ''}{rest.group()}" or "_"
            first = before.start if inside and before else start
            if inside:
                self.tokens.pop()
            self.tokens.append(Token(WORD, word, first, rest.end()))
            return rest.end()
        if text.isdigit() and not inside:
            self.tokens.append(Token(BROKEN, text, start, rest.end()))
            return rest.end()
        return end
