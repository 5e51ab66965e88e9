"""Findings about what a user wrote: sources, spans, the table of codes, rendering to text and JSON."""

from scrimp.diagnostics.codes import CODES, Code, explain
from scrimp.diagnostics.diagnostic import Diagnostic, Label, Severity, has_errors
from scrimp.diagnostics.near import did_you_mean
from scrimp.diagnostics.render import render_json, render_text
from scrimp.diagnostics.source import Place, Source, Span

__all__ = [
    "CODES",
    "Code",
    "Diagnostic",
    "Label",
    "Place",
    "Severity",
    "Source",
    "Span",
    "did_you_mean",
    "explain",
    "has_errors",
    "render_json",
    "render_text",
]
