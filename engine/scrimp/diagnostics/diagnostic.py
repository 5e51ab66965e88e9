"""A finding about something that a user wrote: a value, never an exception."""

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from scrimp.diagnostics.source import Source, Span


class Severity(Enum):
    """How bad a finding is: errors refuse the input, warnings do not (but for `--strict`)."""

    ERROR = "error"
    WARNING = "warning"


class Label(Struct, frozen=True):
    """A second place that matters to a finding, with a word about it."""

    span: Span
    text: str


class Diagnostic(Struct, frozen=True):
    """One finding.

    `code` is a row of `codes.CODES`; `message` is one line in lower case with the user's words in
    backticks; `note` stands under the carets of `span`; advice goes into `hint`.
    """

    code: str
    message: str
    source: Source | None = None
    span: Span | None = None
    note: str = ""
    labels: tuple[Label, ...] = ()
    hint: str = ""
    severity: Severity = Severity.ERROR


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any finding refuses the input."""
    return any(found.severity is Severity.ERROR for found in diagnostics)
