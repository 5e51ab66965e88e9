"""Providers that go on with what they began, each in a thread of its own, so that none holds up the loop.

A call that does not come back is not waited for any longer than `wait_s`, nor made again before it does: the ticks, and
the other providers, go on. Its thread ends with the process.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from scrimp.api import Continuing, Provider


@dataclass(frozen=True, slots=True)
class Went:
    """What one call came to: when its provider wants to be called again, or why it could not go on."""

    provider: str
    due_s: float | None = None
    trouble: str = ""


@dataclass(slots=True)
class Lane:
    """One provider and its thread. `busy`: a call is under way that was not waited for to its end."""

    name: str
    provider: Continuing
    busy: bool = False
    _asked: SimpleQueue[float] = field(default_factory=SimpleQueue)
    _came: SimpleQueue[float | Exception | None] = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None

    def go(self, now_s: float, wait_s: float) -> Went:
        """Call the provider, or look whether an earlier call has come back."""
        if not self.busy:
            self._start()
            self._asked.put(now_s)
        try:
            came = self._came.get(timeout=0.0 if self.busy else wait_s)
        except Empty:
            self.busy = True
            return Went(self.name, None, f"it has not come back for {wait_s:g}s")
        self.busy = False
        if isinstance(came, Exception):
            return Went(self.name, None, str(came) or type(came).__name__)
        return Went(self.name, came)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"go on {self.name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            now_s = self._asked.get()
            try:
                self._came.put(self.provider.carry_on(now_s))
            except Exception as error:  # noqa: BLE001 - a stranger's code must not end the thread
                self._came.put(error)


class Onward:
    """All of them. `tell` hears of a trouble once, until it is over or another."""

    def __init__(
        self, providers: Sequence[Provider], tell: Callable[[str, str], None], *, wait_s: float
    ) -> None:
        self._lanes = [Lane(one.name, one) for one in providers if isinstance(one, Continuing)]
        self._tell = tell
        self._wait_s = wait_s
        self._told: dict[str, str] = {}

    def go(self, now_s: float, again_s: float) -> float | None:
        """Let each go on; when the first of them wants to again, one in trouble `again_s` later. None: nobody does."""
        dues_s = []
        for lane in self._lanes:
            went = lane.go(now_s, self._wait_s)
            if not went.trouble:
                self._told.pop(went.provider, None)
                dues_s += [went.due_s] if went.due_s is not None else []
                continue
            dues_s.append(now_s + again_s)
            if self._told.get(went.provider) != went.trouble:
                self._told[went.provider] = went.trouble
                self._tell(went.provider, went.trouble)
        return min(dues_s, default=None)
