"""Findings as text for people and as plain values for tools."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from scrimp.diagnostics.canvas import Paint, snippet
from scrimp.diagnostics.diagnostic import Diagnostic, Severity
from scrimp.diagnostics.source import Source, Span

LIMIT = 50


def render_text(
    diagnostics: Iterable[Diagnostic], *, colour: bool, width: int = 80, limit: int | None = LIMIT
) -> str:
    """The findings in the order given, at most `limit` of them (None: all); source lines are cut at `width` columns."""
    found = list(diagnostics)
    shown = found if limit is None else found[:limit]
    paint = Paint(colour)
    blocks = [_block(one, paint, width) for one in shown]
    if len(found) > len(shown):
        blocks.append(paint.strong(f"and {len(found) - len(shown)} more") + "\n")
    return "\n".join(blocks)


def _block(one: Diagnostic, paint: Paint, width: int) -> str:
    head = paint.severity(f"{one.severity.value}[{one.code}]", warning=one.severity is Severity.WARNING)
    lines = [head + paint.strong(f": {clean(one.message)}")]
    gutter = 2
    if one.source is not None and one.span is not None:
        marks = [(one.span, clean(one.note)), *((label.span, clean(label.text)) for label in one.labels)]
        gutter, drawn = snippet(one.source, marks, paint, width, warning=one.severity is Severity.WARNING)
        place = one.source.place(one.span.start)
        lines.append(
            " " * gutter + paint.frame("--> ") + f"{clean(one.source.path)}:{place.line}:{place.column}"
        )
        lines.extend(drawn)
    elif one.source is not None:
        lines.append(" " * gutter + paint.frame("--> ") + clean(one.source.path))
        if one.note:
            lines.append(" " * gutter + paint.frame(" = ") + f"note: {clean(one.note)}")
    elif one.note:
        lines.append(" " * gutter + paint.frame(" = ") + f"note: {clean(one.note)}")
    if one.hint:
        first, *rest = _wrapped(f"hint: {clean(one.hint)}", width - gutter - 3)
        lines.append(" " * gutter + paint.frame(" = ") + first)
        lines.extend(" " * (gutter + 3 + len("hint: ")) + line for line in rest)
    lines.append(" " * gutter + paint.frame(" = ") + f"more: scrimp explain {one.code}")
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines; what is written in backticks may be copied, so words are never broken."""
    return textwrap.wrap(text, max(width - len("hint: "), 20), break_long_words=False, break_on_hyphens=False)


def clean(text: str) -> str:
    """One line without control characters: a message quotes what a user, or a file from elsewhere, wrote."""
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


def render_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """The findings as plain values; lines and columns count from 1, an end column is the first one not covered."""
    return [
        {
            "code": one.code,
            "severity": one.severity.value,
            "message": one.message,
            "path": one.source.path if one.source is not None else None,
            **_range(one.source, one.span),
            "note": one.note,
            "hint": one.hint,
            "labels": [{"text": label.text, **_range(one.source, label.span)} for label in one.labels],
        }
        for one in diagnostics
    ]


def _range(source: Source | None, span: Span | None) -> dict[str, int | None]:
    keys: Sequence[str] = ("line", "column", "end_line", "end_column")
    if source is None or span is None:
        return dict.fromkeys(keys)
    start, end = source.place(span.start), source.place(span.end)
    return dict(zip(keys, (start.line, start.column, end.line, end.column), strict=True))
