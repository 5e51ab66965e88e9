"""Policy files and folders -> one policy set: read, parsed, checked together, compiled."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from scrimp.check import Uses, check_files, without_consequences
from scrimp.diagnostics import Diagnostic, Severity, Source, has_errors
from scrimp.lang import parse
from scrimp.model.catalogue import Catalogue
from scrimp.model.policy import CheckedSet

if TYPE_CHECKING:
    from scrimp.compile import PolicySet

SUFFIX = ".scrimp"
MAX_BYTES = 16 * 2**20  # of one file: what is larger is no policy, and is not read


class Read(Struct, frozen=True):
    """`checked` is `None` if any error stands among the diagnostics. `sources` are the files that could be read.

    `uses` read what they use, and knows whether that changed since.
    """

    checked: CheckedSet | None
    sources: tuple[Source, ...]
    diagnostics: tuple[Diagnostic, ...]
    uses: Uses | None = None


class Loaded(Struct, frozen=True):
    """`policy_set` is `None` if any error stands among the diagnostics; else as `Read`."""

    policy_set: "PolicySet | None"
    sources: tuple[Source, ...]
    diagnostics: tuple[Diagnostic, ...]
    uses: Uses | None = None


def load_policies(
    paths: Sequence[Path],
    catalogue: Catalogue,
    overrides: Mapping[str, str] | None = None,
    *,
    uses: Callable[[], Uses] | None = None,
) -> Loaded:
    """What `read_policies` gives, compiled."""
    from scrimp.compile import compile_set  # noqa: PLC0415 - `check` runs nothing, and starts faster without it

    read = read_policies(paths, catalogue, overrides, uses=uses)
    policy_set = compile_set(read.checked) if read.checked is not None else None
    return Loaded(policy_set, read.sources, read.diagnostics, read.uses)


def read_policies(
    paths: Sequence[Path],
    catalogue: Catalogue,
    overrides: Mapping[str, str] | None = None,
    *,
    uses: Callable[[], Uses] | None = None,
    today: date | None = None,
) -> Read:
    """All policies of some files, and of all `*.scrimp` files under some folders, as one set.

    `overrides` are values for parameters as a policy writes them. What cannot be read is told as SCR405. `uses` makes who
    reads the catalogues and calendars that files use, anew for each load. On `today`
    comments that silence findings fall due; without it, none does.
    """
    sources, found = read_sources(paths)
    files = []
    for source in sources:
        file, wrong = parse(source)
        files.append(file)
        found = (*found, *wrong)
    reader = uses() if uses is not None else None
    checked, findings = check_files(files, catalogue, overrides, uses=reader, today=today)
    if has_errors(found):
        broken = [one for one in found if one.severity is Severity.ERROR]
        findings = tuple(without_consequences(findings, broken, sources))
    told = _by_place((*found, *findings), sources)
    if checked is None or has_errors(told):
        return Read(None, sources, told, reader)
    return Read(checked, sources, told, reader)


def _by_place(found: Sequence[Diagnostic], sources: Sequence[Source]) -> tuple[Diagnostic, ...]:
    """File by file, and in a file from its start: what was read first, then what could not be."""
    order = {source.path: place for place, source in enumerate(sources)}

    def place(one: Diagnostic) -> tuple[int, int]:
        path = one.source.path if one.source is not None else ""
        return order.get(path, -1), one.span.start if one.span is not None else 0

    return tuple(sorted(found, key=place))


def read_sources(paths: Sequence[Path]) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    """The texts of the policy files, each once, in the order of their paths within each of `paths`."""
    sources: dict[Path, Source] = {}
    found: list[Diagnostic] = []
    for path in paths:
        try:
            files = policy_files(path)
        except OSError as error:
            found.append(_unread(path, f"cannot read `{path}`: {error.strerror}"))
            continue
        if not files:
            hint = f"policies stand in files that end in `{SUFFIX}`"
            found.append(_unread(path, f"there is no policy file in `{path}`", hint))
        for file in files:
            if file in sources:
                continue
            source = _read(file)
            if isinstance(source, Source):
                sources[file] = source
            else:
                found.append(source)
    return tuple(sources.values()), tuple(found)


def policy_files(path: Path) -> tuple[Path, ...]:
    """The file itself, or the policy files under a folder; hidden ones are left out. Raises `OSError` if there is nothing."""
    if not path.is_dir():
        path.stat()
        return (path,)

    def fail(error: OSError) -> None:
        raise error  # a folder that may not be read is not an empty one

    found: list[Path] = []
    for folder, inner, names in os.walk(path, onerror=fail):
        inner[:] = [name for name in inner if not name.startswith(".")]
        files = [Path(folder, name) for name in names if name.endswith(SUFFIX) and not name.startswith(".")]
        # A link that leads nowhere is a policy that is missing: reading it tells so. Pipes and sockets are no files.
        found.extend(one for one in files if one.is_file() or not one.exists())
    return tuple(sorted(found))


def _read(file: Path) -> Source | Diagnostic:
    try:
        if file.stat().st_size > MAX_BYTES:
            return _unread(file, f"`{file}` is larger than {MAX_BYTES // 2**20} MiB")
        return Source(str(file), file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return _unread(file, f"`{file}` is not UTF-8: byte {error.start}", "save the file as UTF-8")
    except OSError as error:
        return _unread(file, f"cannot read `{file}`: {error.strerror}")


def _unread(path: Path, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic("SCR405", message, Source(str(path), ""), hint=hint)
