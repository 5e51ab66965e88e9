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

T = TypeVar("T")


@dataclass(slots=True)
class Kept(Generic[T]):
    """The last answer or failure. `keep_s` for an answer, `retry_s` for a failure; then it is asked for anew."""

    keep_s: float
    retry_s: float
    _asked_s: float = float("-inf")
    _answer: T | None = None
    _cause: OutsideError | None = None

    @property
    def answered(self) -> tuple[float, T] | None:
        """When it was asked, and the answer; None where there is none."""
        return None if self._answer is None else (self._asked_s, self._answer)

    def know(self, asked_s: float, answer: T) -> None:
        """Take over an answer of before."""
        self._asked_s, self._answer = asked_s, answer

    def get(self, now_s: float, ask: Callable[[], T]) -> T:
        """The answer. Raises what the asking raised, again and again until it is due to be asked once more."""
        age_s = now_s - self._asked_s
        if self._cause is not None and 0 <= age_s < self.retry_s:
            raise self._cause
        if self._answer is not None and 0 <= age_s < self.keep_s:
            return self._answer
        self._asked_s = now_s
        try:
            self._answer, self._cause = ask(), None
        except OutsideError as error:
            self._answer, self._cause = None, error
            raise
        return self._answer


class KeptFigures:
    """Figures by key in a file of the state folder: what was paid for outlives the process.

    `writes` is off in a preview, which changes nothing. A file that cannot be read or written costs a question more.
    """

    def __init__(self, path: Path, keep_s: float, retry_s: float, *, writes: bool) -> None:
        self._path, self._keep_s, self._retry_s, self._writes = path, keep_s, retry_s, writes
        self._turn = threading.Lock()
        self._kept: dict[str, Kept[float]] = {}
        with suppress(OSError, ValueError, AttributeError, TypeError):
            for key, (asked_s, figure) in json.loads(path.read_text("utf-8")).items():
                self._one(key).know(float(asked_s), float(figure))

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
            part.write_text(json.dumps(fresh), "utf-8")
            part.replace(self._path)
