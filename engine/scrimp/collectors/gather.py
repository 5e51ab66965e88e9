"""All collectors at once, each with its deadline, into one snapshot.

A collector that hangs or throws delays nothing: at its deadline the gatherer goes on, all that the collector covers is
unknown, and it is not started again before it returns. What it brings too late is dropped: an old value is never shown.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any, Generic, TypeVar

from scrimp.api import Collected, Collector, OutsideError, Refilling, SeriesBatch
from scrimp.collectors.mass_zero import ZeroWatch
from scrimp.collectors.merge import Part, merge
from scrimp.diagnostics import Diagnostic, Severity
from scrimp.model.catalogue import Catalogue
from scrimp.model.snapshot import Snapshot

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class GatherSettings:
    """Deadlines in seconds, by collector name where one differs; `mass_zero` as in scrimp.yaml."""

    deadline_s: float = 10.0
    deadlines_s: Mapping[str, float] = field(default_factory=dict)
    mass_zero: int = 10


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """How one collector fared: `cause` is empty if all went well; `took_s` is what was waited for it."""

    name: str
    cause: str
    took_s: float
    distrusted: bool = False
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Gathered:
    """One tick's snapshot, how each collector fared, and findings that were not told before."""

    snapshot: Snapshot
    statuses: tuple[CollectorStatus, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


class _Call(Generic[T_co]):
    """One call in a thread of its own; a daemon thread, so that a hung source cannot keep the process alive."""

    def __init__(self, name: str, call: Callable[[], T_co]) -> None:
        self._call = call
        self.done = threading.Event()
        self.result: T_co | None = None
        self.cause = ""
        threading.Thread(target=self._run, name=f"collect {name}", daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except OutsideError as error:
            self.cause = str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001 - a stranger's code; whatever it throws is this collector's cause
            self.cause = f"{type(error).__name__}: {error}"
        finally:
            self.done.set()


class Gatherer:
    """Owns the collectors, in the order of the configuration, and what it remembers about them between ticks."""

    def __init__(
        self, collectors: Sequence[Collector], catalogue: Catalogue, settings: GatherSettings | None = None
    ) -> None:
        self._collectors = tuple(collectors)
        self._catalogue = catalogue
        self._settings = settings or GatherSettings()
        self._watches = {one.name: ZeroWatch(self._settings.mass_zero) for one in collectors}
        self._hung: dict[str, _Call[Any]] = {}
        self._told: set[str] = set()

    def collect(self, now_s: float) -> Gathered:
        """One snapshot as of `now_s`. Takes no longer than the longest deadline."""
        began = monotonic()
        calls = self._start(
            {
                one.name: partial(one.collect, now_s, deadline_s=self._deadline_s(one.name))
                for one in self._collectors
            }
        )
        parts: list[Part] = []
        statuses: list[CollectorStatus] = []
        for one in self._collectors:
            collected: Collected | None
            collected, cause = self._wait(one.name, calls.get(one.name), began)
            part = Part(one.name, one.interval_s, tuple(one.covers()), collected or Collected(()), cause)
            watch = self._watches[one.name]
            doubt = watch.look(part.collected.batches) if not cause else ""
            if doubt or (cause and watch.distrusted):
                brought = Collected(()) if watch.shrunk else part.collected
                part = replace(part, collected=brought, distrusted=doubt or cause)
            parts.append(part)
            rows = sum(len(batch.names) for batch in part.collected.batches)
            took_s = monotonic() - began
            statuses.append(CollectorStatus(one.name, cause or doubt, took_s, watch.distrusted, rows))
        snapshot, findings = merge(parts, self._catalogue, now_s)
        return Gathered(snapshot, tuple(statuses), self._new((*_failures(statuses), *findings)))

    def refill(self, now_s: float, windows: Mapping[tuple[str, str], float]) -> Sequence[SeriesBatch]:
        """The past of the fields that windows look at, seconds back by (kind, field), from whoever has it."""
        began = monotonic()
        calls = self._start(
            {
                one.name: partial(one.refill, now_s, windows, deadline_s=self._deadline_s(one.name))
                for one in self._collectors
                if isinstance(one, Refilling)
            }
        )
        found: list[SeriesBatch] = []
        for name, call in calls.items():
            result, _ = self._wait(name, call, began)
            found.extend(result or ())
        return found

    def trust(self, name: str) -> bool:
        """A person says that the zeros of a collector are real; false if there is no such collector."""
        watch = self._watches.get(name)
        if watch is not None:
            watch.trust()
        return watch is not None

    def _deadline_s(self, name: str) -> float:
        return self._settings.deadlines_s.get(name, self._settings.deadline_s)

    def _start(self, wanted: Mapping[str, Callable[[], T]]) -> dict[str, _Call[T]]:
        """A thread for each that is not still busy with an earlier call."""
        self._hung = {name: call for name, call in self._hung.items() if not call.done.is_set()}
        return {name: _Call(name, call) for name, call in wanted.items() if name not in self._hung}

    def _wait(self, name: str, call: _Call[T] | None, began: float) -> tuple[T | None, str]:
        """What the call brought by its deadline, or the cause why nothing."""
        if call is None:
            return None, "still busy since an earlier tick"
        deadline_s = self._deadline_s(name)
        if not call.done.wait(max(0.0, began + deadline_s - monotonic())):
            self._hung[name] = call
            return None, f"no answer within {deadline_s:g}s"
        return call.result, call.cause

    def _new(self, findings: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Those that the tick before did not have, so that a lasting trouble is told once."""
        new = tuple(one for one in findings if one.message not in self._told)
        self._told = {one.message for one in findings}
        return new


def _failures(statuses: Sequence[CollectorStatus]) -> tuple[Diagnostic, ...]:
    return tuple(
        Diagnostic(
            "SCR504" if one.distrusted else "SCR501",
            f"collector `{one.name}`: {one.cause}",
            severity=Severity.WARNING,
        )
        for one in statuses
        if one.cause
    )
