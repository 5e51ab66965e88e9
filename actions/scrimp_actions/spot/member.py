"""The nouns of an interruption: one instance of a fleet, what can happen to it, and what is to be done about it.

`interruption.advance` moves a `Member` on; this module only says what the values are and how they are kept.
A `Member` is all that survives a restart: it is written down before any of its steps is carried out.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, ClassVar


class State(StrEnum):
    """Where a member stands. The order of the first ten is the way of a member that meets no side door."""

    REQUESTED = "requested"
    PENDING = "pending"
    RUNNING = "running"
    AT_RISK = "at_risk"
    NOTICED = "noticed"
    DRAINING = "draining"
    CHECKPOINTING = "checkpointing"
    HANDING_OVER = "handing_over"
    HANDED_OVER = "handed_over"
    GONE = "gone"
    CLEANED = "cleaned"
    NO_CAPACITY = "no_capacity"
    LOST = "lost"


class StepKind(StrEnum):
    """What is asked of the world outside. All of them are idempotent under their key."""

    LAUNCH = "launch"
    PREPARE = "prepare"
    UNPREPARE = "unprepare"
    STOP_WORK = "stop_work"
    REPLACE = "replace"
    FINISH_BATCH = "finish_batch"
    DROP_BATCH = "drop_batch"
    CHECKPOINT = "checkpoint"
    RETURN_LEASES = "return_leases"
    DEREGISTER = "deregister"
    REVOKE_LEASES = "revoke_leases"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, to be given up at `by_s`. `on_demand`: capacity is to be bought at the price on demand."""

    kind: StepKind
    key: str
    by_s: float
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """The seconds between a notice and the loss, split over the steps: each figure is an end, counted from the notice.

    `see_s` is how late a notice may be seen; what a later one lacks is taken from every step in proportion.
    """

    total_s: float
    see_s: float
    stop_s: float
    drain_s: float
    checkpoint_s: float
    hand_over_s: float

    def __post_init__(self) -> None:
        """The ends have to rise."""
        ends = (0.0, self.see_s, self.stop_s, self.drain_s, self.checkpoint_s, self.hand_over_s, self.total_s)
        # INVARIANT: each step ends after the one before it and the last before the instance is taken.
        if any(later <= earlier for earlier, later in pairwise(ends)):
            raise ValueError("the ends of a budget's steps rise from zero to the total")

    def ends_s(self, seen_s: float, action_s: float | None) -> Ends:
        """The absolute ends for a notice seen at `seen_s` that says that the instance goes at `action_s`."""
        end = seen_s + self.total_s - self.see_s if action_s is None else action_s
        begin = end - self.total_s
        late = seen_s > begin + self.see_s
        scale = max(0.0, end - seen_s) / (self.total_s - self.see_s)

        def at(offset_s: float) -> float:
            return seen_s + (offset_s - self.see_s) * scale if late else begin + offset_s

        return Ends(at(self.stop_s), at(self.drain_s), at(self.checkpoint_s), at(self.hand_over_s), end)


AWS_BUDGET = Budget(total_s=120, see_s=5, stop_s=6, drain_s=50, checkpoint_s=95, hand_over_s=105)
GCP_BUDGET = Budget(total_s=30, see_s=1, stop_s=2, drain_s=10, checkpoint_s=22, hand_over_s=25)
AZURE_BUDGET = GCP_BUDGET


@dataclass(frozen=True, slots=True)
class Ends:
    """When each step of one interruption ends, in seconds since the epoch; `taken_s` is the loss of the instance."""

    stop_s: float
    drain_s: float
    checkpoint_s: float
    hand_over_s: float
    taken_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The time limits of the machine, and when it stops asking for spot.

    `risk_s`: how long one rebalance signal holds, `risk_limit_s`: how long a row of them may. `launch_s`: from the
    request to a running instance. `lease_s`: after this the leases of a silent worker have run out. `gone_grace_s`:
    how long after its time an instance may be in going. `retry_s` doubles up to `retry_limit_s`. After
    `spot_attempts` launches without capacity, on demand is asked for. A step on the way out that fails is tried
    `step_tries` times within its slice.
    """

    budget: Budget
    risk_s: float = 1800.0
    risk_limit_s: float = 4 * 3600.0
    launch_s: float = 600.0
    lease_s: float = 300.0
    gone_grace_s: float = 60.0
    retry_s: float = 5.0
    retry_limit_s: float = 300.0
    spot_attempts: int = 3
    step_tries: int = 3

    def pause_s(self, attempt: int) -> float:
        """The pause after the given attempt (1, 2, …) has failed."""
        return min(self.retry_limit_s, self.retry_s * 2.0 ** min(attempt - 1, 30))


@dataclass(frozen=True, slots=True)
class Notice:
    """The provider will take the instance at `action_s`, or soon where it does not say (None)."""

    at_s: float
    instance: str
    action_s: float | None
    name: ClassVar[str] = "notice"


@dataclass(frozen=True, slots=True)
class Rebalance:
    """The provider thinks that the instance is at a raised risk."""

    at_s: float
    instance: str
    name: ClassVar[str] = "rebalance"


@dataclass(frozen=True, slots=True)
class Running:
    """The provider says that the instance runs."""

    at_s: float
    instance: str
    name: ClassVar[str] = "running"


@dataclass(frozen=True, slots=True)
class Gone:
    """The provider says that the instance is gone; its word ends every grace period."""

    at_s: float
    instance: str
    name: ClassVar[str] = "gone"


@dataclass(frozen=True, slots=True)
class Silent:
    """The worker on the instance has not been heard of for longer than its heartbeat allows."""

    at_s: float
    instance: str
    name: ClassVar[str] = "silent"


@dataclass(frozen=True, slots=True)
class Done:
    """A step was carried out; a launch names the instance that it got."""

    at_s: float
    key: str
    instance: str = ""
    name: ClassVar[str] = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """A step was not carried out and will not be under this key."""

    at_s: float
    key: str
    name: ClassVar[str] = "failed"


@dataclass(frozen=True, slots=True)
class OnDemandNow:
    """The deadline allows no more waiting for spot: whatever is asked for from now on is asked for on demand."""

    at_s: float
    name: ClassVar[str] = "on_demand_now"


@dataclass(frozen=True, slots=True)
class Dismiss:
    """The member is not wanted any more: it leaves in order by `leave_by_s`, and nothing takes its place."""

    at_s: float
    leave_by_s: float
    name: ClassVar[str] = "dismiss"


@dataclass(frozen=True, slots=True)
class Clock:
    """Time has passed; due at `interruption.wake_s` or at any other time."""

    at_s: float
    name: ClassVar[str] = "clock"


Event = Notice | Rebalance | Running | Gone | Silent | Done | Failed | OnDemandNow | Dismiss | Clock


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a fleet, with all that its next transition needs; times are seconds since the epoch.

    `open` are the steps handed out and not yet answered: after a restart they are handed out again under the same
    keys. `asked` and `succeeded` count, per kind, keys handed out and keys done, so that no key comes twice.
    """

    name: str
    state: State = State.REQUESTED
    since_s: float = 0.0
    now_s: float = 0.0
    instance: str = ""
    on_demand: bool = False
    notices: tuple[float | None, ...] = ()
    ends: Ends | None = None
    risk_since_s: float = math.nan
    retry_s: float = math.nan
    replace_retry_s: float = math.nan
    open: tuple[Step, ...] = ()
    asked: tuple[tuple[StepKind, int], ...] = ()
    succeeded: tuple[StepKind, ...] = ()
    dismissed: bool = False

    def times_asked(self, kind: StepKind) -> int:
        """How many steps of this kind were handed out."""
        return dict(self.asked).get(kind, 0)

    def is_open(self, kind: StepKind) -> bool:
        """Whether a step of this kind waits for its answer."""
        return any(step.kind is kind for step in self.open)

    def to_json(self) -> dict[str, Any]:
        """The member as JSON values; `from_json` gives back an equal one."""
        plain: dict[str, Any] = {}
        for key in self.__slots__:
            value = getattr(self, key)
            plain[key] = None if isinstance(value, float) and math.isnan(value) else value
        plain["ends"] = None if self.ends is None else asdict(self.ends)
        # A lasting step has no end in time, and JSON no infinity.
        plain["open"] = [
            [step.kind, step.key, None if math.isinf(step.by_s) else step.by_s, step.on_demand]
            for step in self.open
        ]
        plain["notices"] = list(self.notices)
        plain["asked"] = [list(pair) for pair in self.asked]
        plain["succeeded"] = list(self.succeeded)
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Member:
        """The member that `to_json` came from."""
        given = dict(plain)
        for key in ("risk_since_s", "retry_s", "replace_retry_s"):
            given[key] = math.nan if given[key] is None else float(given[key])
        given["state"] = State(given["state"])
        given["ends"] = None if given["ends"] is None else Ends(**given["ends"])
        given["notices"] = tuple(given["notices"])
        given["open"] = tuple(
            Step(StepKind(kind), key, math.inf if by_s is None else float(by_s), bool(on_demand))
            for kind, key, by_s, on_demand in given["open"]
        )
        given["asked"] = tuple((StepKind(kind), int(times)) for kind, times in given["asked"])
        given["succeeded"] = tuple(StepKind(kind) for kind in given["succeeded"])
        return cls(**given)
