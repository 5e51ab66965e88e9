"""The audit log: hash-chained JSONL in `audit/`, appended under a lock between processes, synced before it counts.

A file is named after the first record in it. Who appends holds `Log.locked()` and hands in the end of the chain as
SQLite knows it; what is in the files beyond that comes from a writer that died, and is given back by `beyond`.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrimp.store.errors import LogUnwritable
from scrimp.store.records import GENESIS, Record, canonical, record_hash


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the chain: the last record, and the file and size (bytes) in which it ends."""

    seq: int = 0
    hash: str = GENESIS
    file: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Bad:
    """The first record that is not as it was written."""

    file: str
    line: int
    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """How many records are sound, and the first that is not, if any."""

    records: int
    bad: Bad | None = None


class Log:
    """The files. `largest_bytes` is the size from which a new file is begun."""

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        self.folder = folder
        self._largest_bytes = largest_bytes

    def files(self) -> list[Path]:
        """All files, oldest first."""
        return sorted(self.folder.glob("*.jsonl"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The right to append, between processes. A process that dies gives it back."""
        try:
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LogUnwritable(f"cannot lock the audit log: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def append(self, records: Sequence[Record], tail: Tail) -> Tail:
        """Bring the records to the disk after `tail`; gives the new end. Raises `LogUnwritable`, and nothing is left."""
        path = self.folder / tail.file
        if not tail.file or tail.size >= self._largest_bytes:
            path = self.folder / f"{records[0]['seq']:012d}.jsonl"
        data = b"".join(canonical(record) + b"\n" for record in records)
        fresh = not path.exists()
        try:
            size = _append(path, data)
            if fresh:
                sync_folder(self.folder)
        except OSError as error:
            raise LogUnwritable(f"cannot write the audit log: {error.strerror}") from error
        return Tail(records[-1]["seq"], records[-1]["hash"], path.name, size)

    def beyond(self, tail: Tail) -> Iterator[tuple[Record, Tail]]:
        """Records after `tail`, with the end after each. Call it within `locked`: a torn last line is put aside.

        Raises `LogUnwritable`.
        """
        try:
            yield from self._beyond(tail)
        except OSError as error:
            raise LogUnwritable(f"cannot read the audit log: {error.strerror}") from error

    def _beyond(self, tail: Tail) -> Iterator[tuple[Record, Tail]]:
        files = self.files()
        for path in files:
            if path.name < tail.file:
                continue
            size = path.stat().st_size
            start = tail.size if path.name == tail.file else 0
            with path.open("rb") as file:
                file.seek(start)
                position = start
                for line in file:
                    record = parsed(line)
                    if record is None and path == files[-1] and position + len(line) >= size:
                        self._put_aside(path, position, line)
                        return
                    position += len(line)
                    if record is not None:
                        yield record, Tail(record["seq"], record["hash"], path.name, position)

    def lines(self) -> Iterator[tuple[Path, int, bytes]]:
        """All whole lines with their file and line number; one that is still being written is left out."""
        for path in self.files():
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):
                        yield path, number, line

    def verify(self, known: Tail) -> Verification:
        """Check every record; `known` is the end of the chain as SQLite has it, against a tail cut off."""
        seq, prev = 0, GENESIS
        for path, number, line in self.lines():
            reason = _fault(line, seq + 1, prev)
            record = parsed(line)
            if (
                not reason
                and record is not None
                and record["seq"] == known.seq
                and record["hash"] != known.hash
            ):
                reason = "the record is not the one that the ledger remembers"
            if reason or record is None:
                return Verification(seq, Bad(path.name, number, seq + 1, reason))
            seq, prev = record["seq"], record["hash"]
        if seq < known.seq:
            last = self.files()[-1].name if self.files() else ""
            return Verification(seq, Bad(last, 0, seq + 1, _missing(seq + 1, known.seq)))
        return Verification(seq)

    def _put_aside(self, path: Path, position: int, torn: bytes) -> None:
        """Keep what a dying writer left of a line in a file of its own, and cut it off the log."""
        aside = self.folder / f"{path.stem}-{position}.torn"
        with aside.open("wb") as file:
            file.write(torn)
            file.flush()
            os.fsync(file.fileno())
        with path.open("r+b") as file:
            file.truncate(position)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)


def _missing(first: int, last: int) -> str:
    what = f"record {first} is" if first == last else f"records {first} to {last} are"
    return f"{what} missing at the end"


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(path: Path, data: bytes) -> int:
    """Append and sync; on an error cut off what was written. Gives the new size."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):  # what is left of a line is put aside at the next start
                os.ftruncate(descriptor, size)
            raise
        return size + len(data)
    finally:
        os.close(descriptor)


def parsed(line: bytes) -> Record | None:
    """The record in a line; `None` if it is none, or not whole."""
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = (
        isinstance(found, dict) and isinstance(found.get("seq"), int) and isinstance(found.get("hash"), str)
    )
    return found if whole and line.endswith(b"\n") else None


def _fault(line: bytes, seq: int, prev: str) -> str:
    """What is wrong with the line that should be record `seq` after `prev`; empty if nothing is."""
    record = parsed(line)
    if record is None:
        return "the line is not a record"
    if record["seq"] != seq:
        return f"record {record['seq']} stands where record {seq} belongs"
    if record.get("prev") != prev:
        return "the record does not follow the one before it"
    if record["hash"] != record_hash(record) or canonical(record) + b"\n" != line:
        return "the record was changed"
    return ""
