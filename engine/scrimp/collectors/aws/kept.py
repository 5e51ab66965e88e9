"""An answer that is asked for rarely: kept for a while, its failure too, for each question costs money or is rationed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

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
