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

from scrimp.api import Collected, Collector, OutsideError, Refilling, SeriesBatch, Unavailable
from scrimp.collectors.mass_zero import SourceMemory, believed, judge
from scrimp.collectors.merge import Part, merge
from scrimp.collectors.sound import batch_fault, series_fault
from scrimp.diagnostics import Diagnostic, Severity
from scrimp.model.catalogue import Catalogue
from scrimp.model.snapshot import Snapshot

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Covered = tuple[tuple[str, str], ...]


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


@dataclass(frozen=True, slots=True)
class Refilled:
    """Past samples, and by collector the cause why it brought none."""

    batches: tuple[SeriesBatch, ...]
    causes: Mapping[str, str]


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
        except BaseException as error:  # noqa: BLE001 - a stranger's code; whatever it throws is this collector's cause
            self.cause = f"{type(error).__name__}: {error}"
        finally:
            self.done.set()


class Gatherer:
    """Owns the collectors, in the order of the configuration, and what it remembers about them between ticks.

    `memory` is what should outlive the process: whoever keeps it may set it before a tick and read it after.
    """

    def __init__(
        self, collectors: Sequence[Collector], catalogue: Catalogue, settings: GatherSettings | None = None
    ) -> None:
        self._collectors = tuple(collectors)
        self._catalogue = catalogue
        self._settings = settings or GatherSettings()
        self._covered: dict[str, Covered] = {one.name: _covers(one) for one in collectors}
        self.memory: dict[str, SourceMemory] = {}
        self._hung: dict[str, _Call[Any]] = {}
        self._told: set[str] = set()

    def collect(self, now_s: float) -> Gathered:
        """One snapshot as of `now_s`. Takes no longer than the longest deadline."""
        began = monotonic()
        calls = self._start(
            {one.name: partial(_collect, one, now_s, self._deadline_s(one.name)) for one in self._collectors}
        )
        parts: list[Part] = []
        statuses: list[CollectorStatus] = []
        for one in self._collectors:
            found: tuple[Covered, Collected] | None
            found, cause = self._wait(one.name, calls.get(one.name), began)
            if found is not None:
                self._covered[one.name] = found[0]
            collected = Collected(()) if found is None else found[1]
            part = Part(one.name, one.interval_s, self._covered.get(one.name, ()), collected, cause)
            memory, doubt = self.memory.get(one.name, SourceMemory()), ""
            if not cause:
                judged = judge(memory, part.collected.batches, self._settings.mass_zero)
                memory, doubt = judged.memory, judged.doubt
                self.memory[one.name] = memory
                if doubt:
                    brought = Collected(()) if judged.shrunk else part.collected
                    part = replace(part, collected=brought, distrusted=doubt)
            parts.append(part)
            rows = sum(len(batch.names) for batch in part.collected.batches)
            took_s = monotonic() - began
            statuses.append(CollectorStatus(one.name, cause or doubt, took_s, memory.distrusted, rows))
        snapshot, findings = merge(parts, self._catalogue, now_s)
        return Gathered(snapshot, tuple(statuses), self._new((*_failures(statuses), *findings)))

    def refill(self, now_s: float, wanted: Mapping[str, Mapping[tuple[str, str], float]]) -> Refilled:
        """The past of the fields that windows look at: seconds back by (kind, field), by collector."""
        began = monotonic()
        calls = self._start(
            {
                one.name: partial(_refill, one, now_s, wanted[one.name], self._deadline_s(one.name))
                for one in self._collectors
                if one.name in wanted and isinstance(one, Refilling)
            }
        )
        found: list[SeriesBatch] = []
        causes: dict[str, str] = {}
        for name, call in calls.items():
            result, cause = self._wait(name, call, began)
            memory = self.memory.get(name, SourceMemory())
            found.extend(believed(memory, result or (), self._settings.mass_zero))
            if cause:
                causes[name] = cause
        return Refilled(tuple(found), causes)

    @property
    def refilling(self) -> Mapping[str, Covered]:
        """What those that have the past cover, by name, as far as they have said."""
        return {
            one.name: self._covered.get(one.name, ())
            for one in self._collectors
            if isinstance(one, Refilling)
        }

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


def _collect(one: Collector, now_s: float, deadline_s: float) -> tuple[Covered, Collected]:
    collected = one.collect(now_s, deadline_s=deadline_s)
    wrong = batch_fault(collected)
    if wrong:
        raise Unavailable(wrong)
    return tuple(one.covers()), collected


def _refill(
    one: Refilling, now_s: float, windows: Mapping[tuple[str, str], float], deadline_s: float
) -> Sequence[SeriesBatch]:
    found = one.refill(now_s, windows, deadline_s=deadline_s)
    wrong = series_fault(found)
    if wrong:
        raise Unavailable(wrong)
    return found


def _covers(one: Collector) -> Covered:
    """What a collector says that it covers before it has read anything; nothing where it fails to say so."""
    try:
        return tuple(one.covers())
    except Exception:  # noqa: BLE001 - a stranger's code; `collect` will fail the same way and tell why
        return ()


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
