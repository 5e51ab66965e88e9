"""`# scrimp: disable SCR301 until 2027-01-31 reason`: warnings that a team has looked at, for a while.

Behind a statement such a comment is about that line; on a line of its own about the next one; at the head of a
block about all of it, and above the version line about the file. Errors cannot be silenced. A comment that is due,
or silences nothing, is a finding itself.
"""

import re
from datetime import date

from msgspec import Struct

from scrimp.diagnostics import Diagnostic, Severity, has_errors
from scrimp.lang import ast

_ASKS = re.compile(r"#\s*scrimp\s*:", re.IGNORECASE)
_FORM = re.compile(
    r"#\s*scrimp:\s*disable\s+(SCR\d{3}(?:\s*,\s*SCR\d{3})*)\s+until\s+(\d{4}-\d\d-\d\d)\s+\S.*"
)
_EXAMPLE = "write `# scrimp: disable SCR301 until 2027-01-31 reason`"


class _Silence(Struct):
    comment: ast.Comment
    code: str
    first_line: int
    last_line: int
    used: bool = False


def silence(file: ast.PolicyFile, found: list[Diagnostic], today: date | None) -> list[Diagnostic]:
    """The findings of one file without those that its comments silence, and with those about the comments.

    Without `today` no comment is due.
    """
    kept: list[Diagnostic] = []
    silences: list[_Silence] = []
    for comment in file.comments:
        if _ASKS.match(comment.text):
            wrong = _read(comment, file, today, silences)
            kept.extend((wrong,) if wrong is not None else ())
    for one in found:
        hit = [each for each in silences if _covers(each, one, file)]
        for each in hit:
            each.used = True
        if not hit:
            kept.append(one)
    if not has_errors(found):  # with errors, warnings may be missing
        kept.extend(
            _idle(f"there is no {each.code} here to silence", each.comment, file, "remove it")
            for each in silences
            if not each.used
        )
    return kept


def _read(
    comment: ast.Comment, file: ast.PolicyFile, today: date | None, silences: list[_Silence]
) -> Diagnostic | None:
    """Add what the comment silences, or say what is wrong with it."""
    form = _FORM.fullmatch(comment.text.rstrip())
    try:
        until = date.fromisoformat(form[2]) if form else None
    except ValueError:
        until = None
    first, last = _lines(comment, file)
    if form is None or until is None:
        meant = re.findall(r"SCR\d{3}", comment.text)  # one mistake is told once
        silences.extend(_Silence(comment, code, first, last, used=True) for code in meant)
        message = "a `disable` comment needs codes, a date and a reason"
        return Diagnostic("SCR112", message, file.source, comment.span, hint=_EXAMPLE)
    if today is not None and today > until:
        message = f"this comment was to silence a finding until {until.isoformat()}"
        return _idle(message, comment, file, "solve what it silences, or give it a new date")
    silences.extend(_Silence(comment, code.strip(), first, last) for code in form[1].split(","))
    return None


def _lines(comment: ast.Comment, file: ast.PolicyFile) -> tuple[int, int]:
    """First and last line that a comment is about."""
    source = file.source
    line = source.place(comment.span.start).line
    if comment.own_line:
        line += 1
        while line < len(source.line_starts) and source.line(line).lstrip()[:1] in ("", "#"):
            line += 1
    last = line
    if file.version is not None and source.place(file.version.span.start).line == line:
        last = len(source.line_starts)
    for item in file.items:
        block = isinstance(item, ast.Policy | ast.Allowance | ast.Test)
        if block and source.place(item.span.start).line == line:
            last = max(last, source.place(item.span.end).line)
    return line, last


def _covers(each: _Silence, one: Diagnostic, file: ast.PolicyFile) -> bool:
    if one.severity is Severity.ERROR or one.code != each.code or one.span is None:
        return False
    return each.first_line <= file.source.place(one.span.start).line <= each.last_line


def _idle(message: str, comment: ast.Comment, file: ast.PolicyFile, hint: str) -> Diagnostic:
    return Diagnostic("SCR306", message, file.source, comment.span, hint=hint, severity=Severity.WARNING)
