"""What is written where: results on stdout, the rest on stderr; colour on a terminal only."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from scrimp.diagnostics import Diagnostic, render_text

NARROW, WIDE = 60, 120


def coloured(stream: TextIO) -> bool:
    """Whether a stream shows colour: a terminal, and `NO_COLOR` is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def width() -> int:
    """The columns to write in; 80 where there is no terminal."""
    import shutil  # noqa: PLC0415 - only where text is laid out, for a fast start

    return min(max(shutil.get_terminal_size((80, 24)).columns, NARROW), WIDE)


def style(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """The text in a colour, if stdout shows any."""
    return click.style(text, fg=colour, bold=bold) if coloured(sys.stdout) else text


def show(diagnostics: Sequence[Diagnostic], *, result: bool = False) -> None:
    """Write findings to stderr, or to stdout where they are the result."""
    stream = sys.stdout if result else sys.stderr
    if diagnostics:
        stream.write(render_text(diagnostics, colour=coloured(stream), width=width()))


def write_json(value: Any) -> None:
    """Write one JSON value; text is kept as it is."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def iso(at_s: float) -> str:
    """Seconds since the epoch as `2026-11-23T12:00:00Z`, with a fraction only where there is one."""
    moment = datetime.fromtimestamp(at_s, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def plural(count: int, word: str, words: str = "") -> str:
    """`1 file`, `2 files`, `3 policies`."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"
