"""One call to a provider: in a thread of its own with a deadline, and again where another try can help."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from scrimp.api import Throttled, Unavailable

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ExecuteSettings:
    """Times in seconds. `recover_within_s` is the age up to which an act that never began is still done at start."""

    deadline_s: float = 60.0
    attempts: int = 3
    backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    parallel: int = 8
    recover_within_s: float = 3600.0


class Outlived(Exception):  # noqa: N818 - named for the condition
    """The call was not done by its deadline; its thread may still be at it."""


def within(deadline_s: float, call: Callable[[], Answer]) -> Answer:
    """The call's answer, or what it raised, or `Outlived`. A thread that hangs does not keep the process alive."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where the call was made
            errors.append(error)

    thread = threading.Thread(target=run, name="scrimp-provider", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if errors:
        raise errors[0]
    if not answers:
        raise Outlived(f"not done within {deadline_s:g}s")
    return answers[0]


def persistent(
    settings: ExecuteSettings, sleep: Callable[[float], None], call: Callable[[], Answer]
) -> Answer:
    """The call, tried again after `Unavailable` and `Throttled`, at most `attempts` times with growing pauses."""
    for attempt in range(1, settings.attempts + 1):
        try:
            return within(settings.deadline_s, call)
        except (Unavailable, Throttled) as error:
            if attempt == settings.attempts:
                raise
            asked_s = error.retry_after_s if isinstance(error, Throttled) else None
            pause_s = settings.backoff_s * 2 ** (attempt - 1) if asked_s is None else asked_s
            sleep(min(pause_s, settings.longest_backoff_s))
    raise AssertionError("at least one attempt is made")
