"""What tests of the language share: the text of files, checked against the built-in catalogue and actions."""

from collections.abc import Sequence

from scrimp.check import check_files
from scrimp.config.catalogue import builtin_catalogue
from scrimp.diagnostics import Diagnostic, Source
from scrimp.lang import parse
from scrimp.model.policy import CheckedSet
from scrimp_actions.specs import SPECS

CATALOGUE = builtin_catalogue().with_actions(SPECS)


def check_texts(texts: Sequence[str]) -> tuple[CheckedSet | None, tuple[Diagnostic, ...]]:
    """A set of files `0.scrimp`, `1.scrimp`, …: what they mean, and all findings of parser and checker."""
    files, found = [], []
    for number, text in enumerate(texts):
        file, diagnostics = parse(Source(f"{number}.scrimp", text))
        files.append(file)
        found.extend(diagnostics)
    checked, diagnostics = check_files(files, CATALOGUE)
    return checked, (*found, *diagnostics)
