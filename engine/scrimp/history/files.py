"""The folder of the history: where what lies, and writes that a crash leaves whole or undone.

    history/history.json                                     the version of the layout
    history/STREAM/kind=KIND/day=2026-11-25/NAME.parquet     UTC days

A file is written under a hidden name, synced and renamed, so a reader never sees half of one; what a crash leaves
under a hidden name is swept. A file that merges others names them in its metadata: until they are deleted they are not
read, so no row counts twice. Readers share a lock that whoever deletes holds alone.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

Stream = Literal["samples", "usage", "daily", "work", "prices", "actions"]
STREAMS: tuple[Stream, ...] = ("samples", "usage", "daily", "work", "prices", "actions")
FORMAT = "history/1"
REPLACES = b"scrimp.replaces"
MERGED = "merged-"
HIDDEN = "."
DAY_S = 86400.0
ABANDONED_S = 3600.0  # a hidden file this old is a leftover, whoever has its process number now

_serial = count()


class HistoryError(Exception):
    """The history cannot be read or written; `code` is of the table of codes."""

    def __init__(self, message: str, code: str = "SCR807") -> None:
        super().__init__(message)
        self.code = code


def day_of(at_s: float) -> date:
    """The UTC day of an instant (epoch seconds)."""
    return datetime.fromtimestamp(at_s, UTC).date()


def day_start_s(day: date) -> float:
    """Its first instant, in epoch seconds."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Part:
    """One day of one kind of a stream."""

    stream: Stream
    kind: str
    day: date

    @property
    def path(self) -> str:
        """Below the root."""
        return f"{self.stream}/kind={self.kind}/day={self.day.isoformat()}"


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a history. All methods raise `HistoryError`."""

    root: Path

    def open(self) -> None:
        """Make it where it is not there, and check its version: one that is newer is left alone."""
        mark = self.root / "history.json"
        with guarded("make the folder of the history"):
            self.root.mkdir(parents=True, exist_ok=True)
            if not mark.exists():
                _write_bytes(mark, json.dumps({"scrimp": FORMAT}).encode() + b"\n")
        self.check()

    def check(self) -> None:
        """Raise where another version wrote it."""
        try:
            found = json.loads((self.root / "history.json").read_text("utf-8")).get("scrimp")
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError) as error:
            raise HistoryError(f"`{self.root / 'history.json'}` cannot be read: {error}") from error
        if found != FORMAT:
            raise HistoryError(f"the history has the form `{found}`, this scrimp knows `{FORMAT}`", "SCR803")

    def write(self, part: Part, table: pa.Table, replaces: Sequence[Path] = ()) -> Path:
        """One file more in a part, on the disk when this returns. Its name sorts by the time of writing."""
        return self.write_stream(part, table.to_reader(), replaces)

    def write_stream(
        self,
        part: Part,
        reader: pa.RecordBatchReader,
        replaces: Sequence[Path] = (),
        notes: Mapping[bytes, bytes] | None = None,
    ) -> Path:
        """As `write`, for more rows than fit in memory. It stands for the files that it `replaces`, all of the same part.

        `notes` go into the file's metadata.
        """
        path = self._new_path(part, replaces)
        with guarded(f"write {part.path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            told = {**(notes or {}), **({REPLACES: _names(replaces)} if replaces else {})}
            _write_parquet(path, reader, told)
            with self.alone() as held:
                for one in replaces if held else ():  # else the next sweep does it
                    one.unlink(missing_ok=True)
        return path

    def _new_path(self, part: Part, replaces: Sequence[Path]) -> Path:
        stamp = f"{MERGED if replaces else ''}{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        return self.root / part.path / f"{stamp}-{os.getpid()}-{next(_serial)}.parquet"

    def parts(self, stream: Stream, kind: str | None = None) -> list[Part]:
        """All that there are, by kind and day."""
        found = []
        pattern = f"{stream}/kind={kind or '*'}/day=*"
        for path in sorted(self.root.glob(pattern)):
            try:
                day = date.fromisoformat(path.name.removeprefix("day="))
            except ValueError:
                continue
            found.append(Part(stream, path.parent.name.removeprefix("kind="), day))
        return found

    def files(
        self, stream: Stream, kind: str | None = None, from_s: float | None = None, to_s: float | None = None
    ) -> list[Path]:
        """The files to read for `[from_s, to_s)`, oldest day first; whole days, so rows have to be filtered still."""
        found: list[Path] = []
        for part in self.parts(stream, kind):
            begin_s = day_start_s(part.day)
            if (from_s is not None and begin_s + DAY_S <= from_s) or (to_s is not None and begin_s >= to_s):
                continue
            found.extend(self.files_of(part))
        return found

    def files_of(self, part: Part) -> list[Path]:
        """The files of one part that are in force: none that a merged one replaces."""
        try:
            names = sorted(one.name for one in (self.root / part.path).iterdir())
        except FileNotFoundError:
            return []
        names = [name for name in names if name.endswith(".parquet") and not name.startswith(HIDDEN)]
        merged = [name for name in names if name.startswith(MERGED)]
        gone: set[str] = set()
        if merged and len(names) > 1:
            for name in merged:
                gone.update(replaced(self.root / part.path / name))
        return [self.root / part.path / name for name in names if name not in gone]

    def sweep(self) -> int:
        """Delete what crashes left: hidden files, and files that a merged one replaces. Call it under `alone`."""
        swept = 0
        with guarded("sweep the history"):
            for path in self.root.rglob(f"{HIDDEN}*.tmp"):
                if _abandoned(path):
                    path.unlink(missing_ok=True)
                    swept += 1
            for stream in STREAMS:
                for part in self.parts(stream):
                    folder = self.root / part.path
                    keep = {path.name for path in self.files_of(part)}
                    for path in folder.glob("*.parquet"):
                        if path.name not in keep:
                            path.unlink()
                            swept += 1
        return swept

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing is deleted meanwhile. A folder that cannot be locked (read-only) is read all the same."""
        with self._locked(fcntl.LOCK_SH) as _:
            yield

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody reads now, so that files may be deleted; never waits."""
        with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            yield held

    @contextmanager
    def _locked(self, how: int) -> Iterator[bool]:
        try:
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            yield False
            return
        try:
            try:
                fcntl.flock(lock, how)
                held = True
            except OSError:
                held = False
            yield held
        finally:
            os.close(lock)


def place(path: Path) -> str:
    """A file of the history as a person finds it: stream, kind, day and name."""
    return "/".join(path.parts[-4:])


def replaced(path: Path) -> list[str]:
    """The names of the files that a merged one stands for."""
    with guarded(f"read {place(path)}"):
        metadata: Mapping[bytes, bytes] = pq.read_schema(path).metadata or {}
    return [str(name) for name in json.loads(metadata.get(REPLACES, b"[]"))]


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """What the file system or Arrow throws, as `HistoryError`."""
    try:
        yield
    except OSError as error:
        raise HistoryError(f"cannot {doing}: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise HistoryError(f"cannot {doing}: {str(error).splitlines()[0]}") from error


def _abandoned(path: Path) -> bool:
    """Whether nobody can be writing it still: its process is gone, or it has not grown for long."""
    try:
        os.kill(int(path.name.split("-")[-2]), 0)
        return time.time() - path.stat().st_mtime > ABANDONED_S
    except PermissionError:  # it runs, as another user
        return False
    except (ValueError, IndexError, OSError):
        return True


def _names(paths: Sequence[Path]) -> bytes:
    return json.dumps([one.name for one in paths]).encode()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` to write to, which becomes it at the end: half of one is never there.

    What is no file, such as `/dev/stdout`, is written to as it is.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    hidden = path.with_name(f"{HIDDEN}{path.name}.tmp")
    try:
        yield hidden
        hidden.rename(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise


def _write_parquet(path: Path, reader: pa.RecordBatchReader, metadata: Mapping[bytes, bytes]) -> None:
    schema = reader.schema.with_metadata({**(reader.schema.metadata or {}), **metadata})
    with whole_file(path) as hidden, hidden.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd", compression_level=1) as writer:
            for batch in reader:
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _write_bytes(path: Path, data: bytes) -> None:
    with whole_file(path) as hidden, hidden.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
