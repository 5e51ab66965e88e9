"""Fakes for the process boundary: a clock, a provider and a collector that do as they are told."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scrimp.api import ActionResult, Collected, PlannedAction, Probe, Reached, Refusal, Unavailable, Value

Step = Literal["revalidate", "apply", "probe"]


@dataclass(slots=True)
class ManualClock:
    """Time that moves only when told, or when somebody sleeps. Seconds since the epoch."""

    at_s: float = 1_800_000_000.0
    slept_s: list[float] = field(default_factory=list)

    def now(self) -> float:
        """The time."""
        return self.at_s

    def sleep(self, seconds: float) -> None:
        """Move on at once, and remember by how much."""
        self.slept_s.append(seconds)
        self.at_s += seconds

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.at_s += seconds


@dataclass(slots=True)
class FakeProvider:
    """Holds targets as field maps and sets what actions ask for.

    `state` is by target ("kind/name"). `script` gives, per step, errors to raise in the next calls, in order; `lose`
    is how many answers of `apply` are lost after the effect; a call of `hang` waits until `release` is called.
    `done` remembers results by key; `effect` is told of each effect as it happens (target, key).
    """

    state: dict[str, dict[str, Value]]
    script: dict[Step, list[Exception]] = field(default_factory=dict)
    lose: int = 0
    hang: set[Step] = field(default_factory=set)
    refusals: dict[str, str] = field(default_factory=dict)
    effect: Callable[[str, str], None] | None = None
    done: dict[str, ActionResult] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)  # step, target
    name: str = "fake"
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let what hangs go on."""
        self._released.set()

    def handles(self, action: PlannedAction) -> bool:
        """Whether the target is held here."""
        return action.target in self.state

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        return f"set {dict(action.after)} on {action.target}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The same action, or the refusal in `refusals`."""
        self._step("revalidate", action, deadline_s)
        reason = self.refusals.get(action.target)
        return action if reason is None else Refusal(reason)

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Set the fields, once per key."""
        self._step("apply", action, deadline_s)
        if key not in self.done:
            self.state[action.target].update(action.after)
            if self.effect is not None:
                self.effect(action.target, key)
            self.done[key] = ActionResult(f"set on {action.target}", dict(action.after))
        if self.lose:
            self.lose -= 1
            raise Unavailable("the answer was lost")
        return self.done[key]

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        """By the key, else by what the fields are now."""
        self._step("probe", action, deadline_s)
        fields = self.state[action.target]
        if key in self.done or (action.after and all(fields.get(n) == v for n, v in action.after.items())):
            return Probe(Reached.REACHED, "found as wanted")
        if all(fields.get(name) == value for name, value in action.before.items()):
            return Probe(Reached.UNTOUCHED, "found as before")
        return Probe(Reached.OTHER, f"found {fields}")

    def _step(self, step: Step, action: PlannedAction, deadline_s: float) -> None:
        self.calls.append((step, action.target))
        if step in self.hang:
            self._released.wait(deadline_s * 100)
        if self.script.get(step):
            raise self.script[step].pop(0)


@dataclass(slots=True)
class FakeCollector:
    """Brings the answers it is given, in order, the last one again and again; an exception is raised."""

    answers: Sequence[Collected | Exception]
    covered: Sequence[tuple[str, str]] = ()
    name: str = "fake"
    interval_s: float = 60.0
    asked: int = 0

    def covers(self) -> Sequence[tuple[str, str]]:
        """What it may report."""
        return self.covered

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:  # noqa: ARG002 - a fake reads no world
        """The next answer."""
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer
