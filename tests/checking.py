"""What tests of the language share: the text of files, checked against the built-in catalogue and actions."""

from collections.abc import Sequence

from scrimp.check import check_files, costly_clauses, without_consequences
from scrimp.config.catalogue import builtin_catalogue
from scrimp.diagnostics import Diagnostic, Severity, Source
from scrimp.lang import parse
from scrimp.model.policy import CheckedSet
from scrimp_actions.specs import SPECS

CATALOGUE = builtin_catalogue().with_actions(SPECS)


def check_texts(texts: Sequence[str]) -> tuple[CheckedSet | None, tuple[Diagnostic, ...]]:
    """A set of files `0.scrimp`, `1.scrimp`, …: what they mean, and all findings that a user sees of them."""
    files, found = [], []
    for number, text in enumerate(texts):
        file, diagnostics = parse(Source(f"{number}.scrimp", text))
        files.append(file)
        found.extend(diagnostics)
    checked, diagnostics = check_files(files, CATALOGUE)
    broken = [one for one in found if one.severity is Severity.ERROR]
    if broken:
        diagnostics = tuple(without_consequences(diagnostics, broken, [file.source for file in files]))
    costly = (
        one
        for policy in (checked.policies if checked else ())
        for one in costly_clauses(policy, 60.0, 100_000)
    )
    return checked, (*found, *diagnostics, *costly)


def told(found: Diagnostic) -> str:
    """One line: severity, code, where, message, and the hint."""
    assert found.source is not None
    assert found.span is not None
    start, end = found.source.place(found.span.start), found.source.place(found.span.end)
    path = "" if found.source.path == "0.scrimp" else f"{found.source.path}:"
    place = f"{path}{start.line}:{start.column}-{end.line}:{end.column}"
    hint = f" | {found.hint}" if found.hint else ""
    return f"{found.severity.value}[{found.code}] {place} {found.message}{hint}"
