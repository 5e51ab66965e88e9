"""Files that policies use: found beside the policy's file or beside `scrimp.yaml`, each read once."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from scrimp.config.catalogue import team_catalogue
from scrimp.diagnostics import Diagnostic, Source
from scrimp.model.catalogue import Catalogue
from scrimp.model.policy import Calendar

# Inode, size in bytes, modified in nanoseconds; `None` where nothing can be read.
_Stamp = tuple[int, int, int] | None
MAX_BYTES = 16 * 2**20  # of one file: what is larger is neither a catalogue nor a calendar


class FilesUsed:
    """`folder` is where `scrimp.yaml` stands, `calendars` are those that it names."""

    def __init__(self, folder: Path, calendars: Mapping[str, Path] | None = None) -> None:
        self._folder = folder
        self._named = calendars or {}
        self._extended: set[Path] = set()
        self._stamps: dict[Path, _Stamp] = {}

    def catalogue(
        self, path: str, source: Source, base: Catalogue
    ) -> tuple[Catalogue | str, Sequence[Diagnostic]]:
        """`base` with what the file says; as it is where the file was read before."""
        file = self._find(path, source)
        if file in self._extended:
            return base, ()
        text = self._read(file)
        if isinstance(text, OSError | ValueError):
            return _cause(text), ()
        self._extended.add(file)
        extended, wrong = team_catalogue(Source(str(file), text), base)
        return (extended, wrong) if extended is not None else ("it has errors", wrong)

    def calendar(self, path: str, source: Source) -> Calendar | str:
        """The calendar of the file's name."""
        return self._calendar(Path(path).stem, self._find(path, source))

    def calendars(self) -> Mapping[str, Calendar | str]:
        """Those that `scrimp.yaml` names."""
        return {name: self._calendar(name, path) for name, path in self._named.items()}

    def changed(self) -> bool:
        """Whether a file that was read, or looked for, is not as it was then."""
        return any(_stamp(file) != stamp for file, stamp in self._stamps.items())

    def _find(self, path: str, source: Source) -> Path:
        beside = Path(source.path).parent / path
        self._stamps.setdefault(beside, _stamp(beside))  # one that appears there takes the other's place
        # `Path.exists` raises where a folder above may not be entered, or a name is too long
        return beside if os.path.exists(beside) else self._folder / path  # noqa: PTH110

    def _calendar(self, name: str, file: Path) -> Calendar | str:
        from scrimp.config.calendars import read_calendar  # noqa: PLC0415 - only where there is one, for a fast start

        text = self._read(file)
        return _cause(text) if isinstance(text, OSError | ValueError) else read_calendar(name, text)

    def _read(self, file: Path) -> str | OSError | ValueError:
        self._stamps.setdefault(file, _stamp(file))
        return _read(file)


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(file: Path) -> str | OSError | ValueError:
    try:
        if file.stat().st_size > MAX_BYTES:
            return ValueError(f"it is larger than {MAX_BYTES // 2**20} MiB")
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        return ValueError("it is not UTF-8")
    except (OSError, ValueError) as error:
        return error


def _cause(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
