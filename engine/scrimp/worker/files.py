"""Files that two processes share: replaced whole, read with tolerance, locked between processes."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scrimp.api import Unavailable

LOCK_POLL_S = 0.005
LARGEST_BYTES = 64 * 1024 * 1024  # a document beyond this is not one of ours


def replace_file(path: Path, text: str, *, durable: bool) -> None:
    """Put `text` in place of the file in one step; a reader sees the old or the new, never a part.

    `durable` also brings it, and the folder's entry, to the disk before returning. Raises `OSError`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_document(path: Path, form: str) -> dict[str, Any] | None:
    """A JSON object marked with `form`; `None` if there is no such file. Raises `ValueError` for anything else in it.

    Raises `OSError` if it is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(raw) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES} bytes")
    try:
        found = json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict) or found.get("scrimp") != form:
        raise ValueError(f"not a document of form {form}")
    return found


@contextmanager
def locked(path: Path, *, deadline_s: float) -> Iterator[None]:
    """Hold an exclusive lock between processes. `Unavailable` if it is not free within `deadline_s`, or cannot be made.

    The lock belongs to the open file, so a process that dies gives it back.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Unavailable(f"cannot lock {path.name}: {error.strerror}") from error
    try:
        _acquire(descriptor, path, time.monotonic() + deadline_s)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Unavailable(f"{path.name} is held by another process") from None
            time.sleep(LOCK_POLL_S)
        except OSError as error:
            raise Unavailable(f"cannot lock {path.name}: {error.strerror}") from error
        else:
            return
