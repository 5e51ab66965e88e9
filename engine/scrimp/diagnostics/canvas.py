"""Source lines with carets under what is meant: the picture in the middle of a finding."""

import unicodedata
from collections.abc import Sequence

from msgspec import Struct

from scrimp.diagnostics.source import Source, Span

_TAB = 4
_RESET = "\x1b[0m"


class Paint(Struct, frozen=True):
    """Colours for a terminal, or none."""

    colour: bool

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self.colour and text else text

    def severity(self, text: str, *, warning: bool) -> str:
        """Red for an error, yellow for a warning."""
        return self._wrap("1;33" if warning else "1;31", text)

    def strong(self, text: str) -> str:
        """The message."""
        return self._wrap("1", text)

    def frame(self, text: str) -> str:
        """Line numbers, bars and arrows."""
        return self._wrap("34", text)


class _Mark(Struct, frozen=True):
    """Carets on one line, in columns of the screen; `main` for those of the finding itself."""

    start: int
    end: int
    text: str
    main: bool


def snippet(
    source: Source, marks: Sequence[tuple[Span, str]], paint: Paint, width: int, *, warning: bool
) -> tuple[int, list[str]]:
    """The width of the margin, and the drawn lines; the first mark is the finding's own."""
    by_line: dict[int, list[_Mark]] = {}
    for at, (span, text) in enumerate(marks):
        line, mark = _placed(source, span, text, main=at == 0)
        by_line.setdefault(line, []).append(mark)
    numbers = sorted(by_line)
    digits = len(str(numbers[-1]))
    gutter = digits + 1
    bar = " " * gutter + paint.frame(" |")
    drawn = [bar]
    before = None
    for number in numbers:
        if before is not None and number == before + 2:
            text, _ = _cut(_expand(source.line(before + 1)), [], width - gutter - 3)
            drawn.append(f"{paint.frame(f' {before + 1:>{digits}} |')} {text}".rstrip())
        elif before is not None and number > before + 1:
            drawn.append(paint.frame("..."))
        text, placed = _cut(_expand(source.line(number)), by_line[number], width - gutter - 3)
        drawn.append(f"{paint.frame(f' {number:>{digits}} |')} {text}".rstrip())
        drawn.extend(f"{bar} {row}" for row in _under(placed, paint, warning=warning))
        before = number
    return gutter, drawn


def _placed(source: Source, span: Span, text: str, *, main: bool) -> tuple[int, _Mark]:
    """A span as carets on the line on which it starts."""
    start = source.place(span.start)
    end = source.place(max(span.start, span.end))
    line = source.line(start.line)
    first = _columns(line[: start.column - 1])
    if end.line > start.line:
        last = _columns(line)
        if end.column > 1 or end.line > start.line + 1:
            text = f"{text} (to line {end.line})".lstrip()
    else:
        last = _columns(line[: end.column - 1])
    return start.line, _Mark(first, max(last, first + 1), text, main)


def _expand(line: str) -> str:
    """A line as it is shown: tabs to the next stop, control characters replaced."""
    shown: list[str] = []
    column = 0
    for char in line:
        if char == "\t":
            step = _TAB - column % _TAB
            shown.append(" " * step)
            column += step
            continue
        shown.append(
            char if char.isprintable() or unicodedata.combining(char) else "\N{REPLACEMENT CHARACTER}"
        )
        column += _cell(char)
    return "".join(shown)


def _columns(text: str) -> int:
    """How many columns of the screen a text takes from the start of its line."""
    column = 0
    for char in text:
        column += _TAB - column % _TAB if char == "\t" else _cell(char)
    return column


def _cell(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut(line: str, marks: list[_Mark], room: int) -> tuple[str, list[_Mark]]:
    """A window of at most `room` columns of an expanded line, with the first mark in it."""
    total = _columns(line)
    room = max(room, 20)
    if total <= room and all(mark.end <= room for mark in marks):
        return line, marks
    first = min((mark.start for mark in marks), default=0)
    last = max((mark.end for mark in marks), default=0)
    start = 0 if last <= room - 1 else max(0, min(first - room // 4, total - room + 1))
    shown: list[str] = []
    column = 0
    for char in line:
        cell = _cell(char)
        if column >= start + (start > 0) and column + cell <= start + room - 1:
            shown.append(char)
        column += cell
    lead = "…" if start else ""
    tail = "…" if total > start + room - 1 else ""
    moved = [
        _Mark(
            min(max(mark.start - start, 0), room - 1),
            min(max(mark.end - start, 1), room),
            mark.text,
            mark.main,
        )
        for mark in marks
    ]
    return lead + "".join(shown) + tail, moved


def _under(marks: list[_Mark], paint: Paint, *, warning: bool) -> list[str]:
    """The rows below a line: all carets, the last one's text beside them, the others' texts hung below."""
    ordered = sorted(marks, key=lambda mark: (mark.start, mark.end))
    row = ""
    for mark in ordered:  # carets may overlap: only what lies beyond is added
        row = row.ljust(mark.start)
        row += "^" * (mark.end - max(len(row), mark.start))
    last = ordered[-1]
    first_row = row if not last.text else f"{row} {last.text}"
    hung = [mark for mark in ordered[:-1] if mark.text]
    rows = [first_row, *(" " * mark.start + mark.text for mark in reversed(hung))]
    if not paint.colour:
        return rows
    return [paint.severity(one, warning=warning) for one in rows]
