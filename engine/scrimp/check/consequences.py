"""Findings that only follow from a statement that did not parse: they are no news to anybody.

The parser leaves a broken statement out of the tree. A policy then seems to lack its `when`, a constant to be
unknown; all else that is wrong in the file is as true as before, and is told together with the broken statement.
"""

import re
from collections.abc import Iterator, Sequence

from scrimp.diagnostics import Diagnostic, Severity, Source, Span

# A clause that is missing, something to undo that is missing.
_ABOUT_ABSENCE = frozenset({"SCR207", "SCR220"})
_ABOUT_NAMES = frozenset({"SCR201", "SCR224"})
_ABOUT_USE = "SCR301"
_DECLARED = re.compile(r"\b(?:const|param|allowance|policy)\s+([a-z_]\w*)")
_QUOTED = re.compile(r"`([^`]*)`")


def without_consequences(
    findings: Sequence[Diagnostic], broken: Sequence[Diagnostic], sources: Sequence[Source]
) -> Iterator[Diagnostic]:
    """The findings of the checks that stand whatever the broken statements were to say.

    `broken` are the errors of reading and parsing, `sources` all files that could be read.
    """
    paths = {one.source.path for one in broken if one.source is not None}
    unread = bool(paths - {source.path for source in sources})
    lost = {name for source in sources if source.path in paths for name in _DECLARED.findall(source.text)}
    for finding in findings:
        source, span = finding.source, finding.span
        if finding.code in _ABOUT_NAMES and (unread or _named(finding) in lost):
            continue
        if finding.code == _ABOUT_USE:
            continue
        if source is not None and span is not None and source.path in paths:
            follows = finding.code in _ABOUT_ABSENCE or finding.severity is not Severity.ERROR
            if follows or any(_touches(source, finding, span, one) for one in broken):
                continue
        yield finding


def _named(finding: Diagnostic) -> str:
    """The name that a message is about."""
    quoted = _QUOTED.search(finding.message)
    return quoted.group(1) if quoted else ""


def _touches(source: Source, finding: Diagnostic, span: Span, broken: Diagnostic) -> bool:
    """Whether a finding is about what stands at, or after, a broken place of the same line."""
    if broken.source is None or broken.source.path != source.path or broken.span is None:
        return False
    if source.place(span.start).line != source.place(broken.span.start).line:
        return False
    last = max([span.end, *(label.span.end for label in finding.labels)])
    return last > broken.span.start
