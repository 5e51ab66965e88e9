"""What files of policies use from outside: a team's catalogue, calendars. Whoever has a disk hands in who reads them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from scrimp.check.report import Report
from scrimp.diagnostics import Diagnostic, Source
from scrimp.lang import ast
from scrimp.model.catalogue import Catalogue
from scrimp.model.policy import Calendar


class Uses(Protocol):
    """Reads what policies use. A cause, a line without full stop, says why something could not be read."""

    def catalogue(
        self, path: str, source: Source, base: Catalogue
    ) -> tuple[Catalogue | str, Sequence[Diagnostic]]:
        """`base` with the kinds and fields of the file that `source` names; or a cause, with what is wrong in the file."""

    def calendar(self, path: str, source: Source) -> Calendar | str:
        """The calendar in the file that `source` names."""

    def calendars(self) -> Mapping[str, Calendar | str]:
        """Those that every policy may name."""

    def changed(self) -> bool:
        """Whether a file that was read, or looked for, is not as it was then."""


_NO_DISK = "files cannot be used here"


class Used(Struct, frozen=True):
    """The catalogue with all that is used, calendars by name, and the findings about used files themselves.

    It is not `whole` where a catalogue could not be used: names that policies rightly use are not in it then.
    """

    whole: bool
    catalogue: Catalogue
    calendars: Mapping[str, Calendar | str]
    found: tuple[Diagnostic, ...]


def used_by(files: Sequence[tuple[ast.PolicyFile, Report]], catalogue: Catalogue, uses: Uses | None) -> Used:
    """Read what the files use, each once; what cannot be is reported where it is asked for."""
    calendars = dict(uses.calendars()) if uses is not None else {}
    found: list[Diagnostic] = []
    whole = True
    for file, report, item in _items(files):
        match item.what:
            case "catalog":
                extended, wrong = (
                    (_NO_DISK, ())
                    if uses is None
                    else uses.catalogue(item.path.value, file.source, catalogue)
                )
                found.extend(one for one in wrong if one not in found)
                if isinstance(extended, Catalogue):
                    catalogue = extended
                else:
                    whole = False
                    _unread(report, item, extended)
            case "calendar":
                calendar = _NO_DISK if uses is None else uses.calendar(item.path.value, file.source)
                if not isinstance(calendar, Calendar):
                    _unread(report, item, calendar)
                    stem = item.path.value.rpartition("/")[2].rpartition(".")[0]
                    calendar = Calendar(stem, ())  # so that its use is no second finding
                calendars[calendar.name] = calendar
            case "params":
                report.error(
                    "SCR223",
                    "`use params` is not available in this version",
                    item.span,
                    hint="set parameters in `params` of scrimp.yaml",
                )
    return Used(whole, catalogue, calendars, tuple(found))


def _unread(report: Report, item: ast.Use, cause: str) -> None:
    hint = "the path is taken from this file's folder, and then from that of scrimp.yaml"
    report.error("SCR228", f"cannot use `{item.path.value}`: {cause}", item.path.span, hint=hint)


def _items(
    files: Sequence[tuple[ast.PolicyFile, Report]],
) -> Iterator[tuple[ast.PolicyFile, Report, ast.Use]]:
    for file, report in files:
        for item in file.items:
            if isinstance(item, ast.Use):
                yield file, report, item
