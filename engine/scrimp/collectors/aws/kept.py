"""An answer that is asked for rarely: kept for a while, its failure too, for each question costs money or is rationed."""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from scrimp.api import OutsideError
from scrimp.aws import parsed

T = TypeVar("T")


@dataclass(slots=True)
class Kept(Generic[T]):
    """The last answer or failure. `keep_s` for an answer, `retry_s` for a failure; then it is asked for anew.

    `answered` is when it was asked, and the answer: one value, for another thread may write it down meanwhile.
    """

    keep_s: float
    retry_s: float
    answered: tuple[float, T] | None = None
    _failed: tuple[float, OutsideError] | None = None

    def get(self, now_s: float, ask: Callable[[], T]) -> T:
        """The answer. Raises what the asking raised, again and again until it is due to be asked once more."""
        if self._failed is not None and 0 <= now_s - self._failed[0] < self.retry_s:
            raise self._failed[1]
        if self.answered is not None and 0 <= now_s - self.answered[0] < self.keep_s:
            return self.answered[1]
        try:
            answer = ask()
        except OutsideError as error:
            self.answered, self._failed = None, (now_s, error)
            raise
        self.answered, self._failed = (now_s, answer), None
        return answer


class KeptFigures:
    """Figures by key in a file of the state folder: what was paid for outlives the process.

    `writes` is off in a preview, which changes nothing. A file that cannot be read or written costs a question more.
    """

    def __init__(self, path: Path, keep_s: float, retry_s: float, *, writes: bool) -> None:
        self._path, self._keep_s, self._retry_s, self._writes = path, keep_s, retry_s, writes
        self._turn = threading.Lock()
        self._kept: dict[str, Kept[float]] = {}
        with suppress(OSError, ValueError, AttributeError, TypeError):
            for key, (asked_s, figure) in parsed(path.read_text("utf-8")).items():
                self._one(key).answered = float(asked_s), float(figure)

    def get(self, key: str, now_s: float, ask: Callable[[], float]) -> float:
        """The figure. Raises as `Kept.get`."""
        with self._turn:
            one = self._one(key)
        before = one.answered
        found = one.get(now_s, ask)
        if self._writes and one.answered != before:
            with suppress(OSError):
                self._write(now_s)
        return found

    def _one(self, key: str) -> Kept[float]:
        return self._kept.setdefault(key, Kept(self._keep_s, self._retry_s))

    def _write(self, now_s: float) -> None:
        """All that are not too old to be of use."""
        with self._turn:
            told: dict[str, Any] = {key: one.answered for key, one in self._kept.items()}
            fresh = {
                key: one for key, one in told.items() if one is not None and now_s - one[0] < self._keep_s
            }
            part = self._path.with_suffix(f".{os.getpid()}.part")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_text(json.dumps(fresh), "utf-8")
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)
