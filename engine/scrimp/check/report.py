"""Findings as they are collected from one file."""

from scrimp.diagnostics import Diagnostic, Label, Severity, Source, Span


class Report:
    """Collects the findings of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str = "",
        note: str = "",
        labels: tuple[Label, ...] = (),
    ) -> None:
        """A mistake that refuses the file."""
        self.found.append(Diagnostic(code, message, self.source, span, note, labels, hint))

    def warning(
        self, code: str, message: str, span: Span, *, hint: str = "", labels: tuple[Label, ...] = ()
    ) -> None:
        """Something that is legal and probably not meant."""
        self.found.append(Diagnostic(code, message, self.source, span, "", labels, hint, Severity.WARNING))
