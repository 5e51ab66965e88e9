"""All that a collector or provider may import: protocols, nouns and typed errors.

A provider or collector is a stranger's package: it is found by entry point (`scrimp.providers`, `scrimp.collectors`),
built by its factory from its section of `scrimp.yaml` and the `Services` of the daemon, and used through the
protocols here. Errors from the outside world are types with consequences, see `OutsideError`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from scrimp.model.catalogue import (
    ActionSpec,
    Assign,
    Direction,
    Effect,
    FieldSpec,
    KindSpec,
    NoEffect,
    ParamSpec,
    Resize,
)
from scrimp.model.decision import PlannedAction, Value
from scrimp.model.money import Money
from scrimp.model.types import (
    BOOL,
    BYTES,
    COUNT,
    DURATION,
    PER_SECOND,
    RATIO,
    STRING,
    Type,
    money,
    money_per_hour,
)

# ---- errors from the outside world ----------------------------------------------------------------------


class OutsideError(Exception):
    """Something outside of scrimp failed. Anything that is not one of these fails its one action, and is audited."""


class Unavailable(OutsideError):  # noqa: N818 - named for the condition, as the caller asks for it
    """Could not be reached, or did not answer in time: worth another try."""


class Throttled(OutsideError):  # noqa: N818 - as above
    """Told to slow down: worth another try after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TargetGone(OutsideError):  # noqa: N818 - as above
    """The target is not there any more: no other try can help."""


class Refused(OutsideError):  # noqa: N818 - as above
    """The other side said no: no other try can help."""


# ---- providers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an action is not carried out after all: the target is not what the plan saw."""

    reason: str


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What carrying out came to. `after` is the state as read back where it was."""

    detail: str
    after: Mapping[str, Value] = field(default_factory=dict)


class Reached(Enum):
    """What a probe found of an action that may or may not have happened."""

    REACHED = "reached"
    UNTOUCHED = "untouched"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe's answer, with a line for people."""

    reached: Reached
    detail: str = ""


class Provider(Protocol):
    """Carries actions out. All methods may raise `OutsideError`; none may outlive `deadline_s` (seconds from the call)."""

    name: str

    def handles(self, action: PlannedAction) -> bool:
        """Whether this provider is the one for this action on this target."""

    def plan(self, action: PlannedAction) -> str:
        """One line on what exactly would be done. Reads only."""

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against the live target: the same, adjusted to what is there now, or a refusal. Reads only."""

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it. Idempotent for one `key`: a second call changes nothing more and gives the same result."""

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        """Did it happen? Asked at start-up for an intent without outcome. Reads only."""


# ---- collectors -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KindBatch:
    """Samples of one kind, in columns as long as `names`; a value is a number in canonical units, a truth, a string, or `None`.

    `sampled_at_s` is one time for all, or one per row. A field that is left out, or `None`, is unknown.
    `labels` maps each row to its label map.
    """

    kind: str
    names: Sequence[str]
    fields: Mapping[str, Sequence[Value]]
    labels: Sequence[Mapping[str, str]] | None = None
    sampled_at_s: float | Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class SeriesBatch:
    """Past samples of one field, to refill windows at start: `values[row][sample]`, `None` where missing, oldest first."""

    kind: str
    field: str
    names: Sequence[str]
    times_s: Sequence[float]
    values: Sequence[Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collector brought. `failed` maps kinds (or "kind.field") that could not be read to the cause."""

    batches: Sequence[KindBatch]
    failed: Mapping[str, str] = field(default_factory=dict)


class Collector(Protocol):
    """Brings samples. `covers` lists the (kind, field) pairs that become unknown when it fails."""

    name: str
    interval_s: float

    def covers(self) -> Sequence[tuple[str, str]]:
        """All (kind, field) pairs that this collector may report; field "*" stands for the whole kind."""

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        """Read the world once. May raise `OutsideError`, which fails all that it covers."""


@runtime_checkable
class Refilling(Protocol):
    """A collector that can bring the past."""

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        """Samples of the last `windows[kind, field]` seconds, as far as the source has them."""


@runtime_checkable
class Waking(Protocol):
    """A collector that can wake the engine between ticks."""

    def watch(self, wake: Callable[[str], None]) -> Callable[[], None]:
        """Call `wake(reason)` from any thread when something urgent is seen. Gives what stops the watching."""


# ---- workers --------------------------------------------------------------------------------------------


class RunState(Enum):
    """What a worker is asked to do, and what it says it does."""

    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Control:
    """A worker's control document: what is wanted of it. `revision` grows by one with each change."""

    revision: int = 0
    run_state: RunState = RunState.RUNNING
    batch_size: int | None = None
    drain_by_s: float | None = None  # epoch seconds
    resume_by_s: float | None = None  # epoch seconds: a paused worker goes on by itself then
    checkpoint_at: int = 0  # a checkpoint is due when this is above the last one reported
    key: str = ""  # of the last intent that changed it


@dataclass(frozen=True, slots=True)
class Traits:
    """What a worker said of itself when it joined. `process` is `None` where another machine runs it."""

    process: "ProcessId | None" = None
    operation: str | None = None
    critical: bool | None = None
    checkpointable: bool | None = None
    memory_limit_bytes: int | None = None
    deadline_at_s: float | None = None  # epoch seconds by which the job is wanted to be done


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself, at `at_s` (epoch seconds). Rates are per second, latency in seconds, memory in bytes.

    Latency and memory are those of the batches in the worker's window: mean, 95th percentile, and peak.
    `waiting` counts the items that this worker has still to do.
    """

    at_s: float
    revision: int  # of the control document that it acts on
    run_state: RunState
    items_done: int
    items_per_second: float | None = None
    batch_size: int | None = None
    latency_s: float | None = None
    memory_bytes: int | None = None
    checkpoint: int = 0
    checkpointed_at_s: float | None = None
    progress: float | None = None
    latency_p95_s: float | None = None
    waiting: int | None = None
    traits: Traits = field(default_factory=Traits)


class WorkerChannel(Protocol):
    """How workers are talked to. Names are `group/job`. Raises `OutsideError`."""

    def jobs(self) -> Sequence[str]:
        """All jobs that take part."""

    def control(self, job: str) -> Control | None:
        """The control document; `None` if the job does not take part."""

    def write_control(self, job: str, control: Control, *, expected_revision: int) -> bool:
        """Compare and set: false, and nothing written, if the revision moved."""

    def report(self, job: str) -> Report | None:
        """The latest report; `None` if there is none."""


# ---- local jobs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process of this machine for ever: a recycled `pid` differs in `started` (clock ticks since boot) or in `boot`."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True, slots=True)
class JobGroup:
    """Worker processes of one command on this machine: what is started, between which sizes, and what a member costs.

    `cores` is what one member is reckoned to take; `price_per_core_hour` is money per hour. `drain_s` is how long a
    member may take to leave before it is told by signal, unless the action says otherwise.
    """

    name: str
    command: tuple[str, ...]
    min_size: int = 0
    max_size: int | None = None
    cores: float = 1.0
    price_per_core_hour: Money | None = None
    critical: bool = False
    operation: str | None = None
    memory_limit_bytes: int | None = None
    drain_s: float = 30.0
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a job group. Without `process` its start was begun, and may or may not have happened.

    `key` is the intent that last started or dismissed it; a `leaving` member no longer counts as size.
    """

    group: str
    index: int
    process: ProcessId | None = None
    leaving: bool = False
    key: str = ""

    @property
    def name(self) -> str:
        """The name of its `job` row."""
        return f"{self.group}-{self.index}"

    @property
    def job(self) -> str:
        """Its name in the worker channel."""
        return f"{self.group}/{self.name}"


class JobRegistry(Protocol):
    """The job groups of this machine, kept on disk. Raises `Unavailable` where that cannot be read or written."""

    @property
    def worker_dir(self) -> Path:
        """What members are told as SCRIMP_WORKER_DIR."""

    @property
    def log_dir(self) -> Path:
        """Where what they print goes."""

    def groups(self) -> Sequence[JobGroup]:
        """All registered groups, by name."""

    def members(self, group: str) -> Sequence[Member]:
        """The members of a group, by index; empty if there is no such group."""

    def register(self, group: JobGroup) -> None:
        """Add the group, or change what is known of it; its members stay."""

    def editing(self, group: str, *, deadline_s: float) -> AbstractContextManager[None]:
        """Exclusive use of a group between processes. `Unavailable` if it is not free by the deadline."""

    def set_members(self, group: str, members: Sequence[Member]) -> None:
        """Replace the members, durably. Call it within `editing`. `TargetGone` if there is no such group."""

    def identify(self, pid: int) -> ProcessId | None:
        """Who runs under `pid` now; `None` if nobody does, or it has only to be reaped."""

    def alive(self, process: ProcessId) -> bool:
        """Whether this very process still runs (stopped counts as running)."""

    def signal(self, process: ProcessId, number: int, *, whole_group: bool = False) -> bool:
        """Send a signal to this very process, or to its process group; false if it is gone."""

    def find(self, job: str) -> ProcessId | None:
        """The running process that was started as `job`, found by its environment."""


# ---- services -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Services:
    """What the daemon hands to factories: the clock, the state folder (`.scrimp`), the worker channel, the user's switches."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    state_dir: Path
    channel: WorkerChannel | None = None
    currency: str = "USD"
    allow_run_command: bool = False
    jobs: JobRegistry | None = None


class ProviderFactory(Protocol):
    """The object behind a `scrimp.providers` entry point: the specs of its actions, and how to build it."""

    actions: Sequence[ActionSpec]

    def __call__(self, config: Mapping[str, Any], services: Services) -> Provider:
        """Build it from its section of `scrimp.yaml`."""


class CollectorFactory(Protocol):
    """The object behind a `scrimp.collectors` entry point."""

    def __call__(self, config: Mapping[str, Any], services: Services) -> Collector:
        """Build it from its section of `scrimp.yaml`."""


__all__ = [
    "BOOL",
    "BYTES",
    "COUNT",
    "DURATION",
    "PER_SECOND",
    "RATIO",
    "STRING",
    "ActionResult",
    "ActionSpec",
    "Assign",
    "Collected",
    "Collector",
    "CollectorFactory",
    "Control",
    "Direction",
    "Effect",
    "FieldSpec",
    "JobGroup",
    "JobRegistry",
    "KindBatch",
    "KindSpec",
    "Member",
    "Money",
    "NoEffect",
    "OutsideError",
    "ParamSpec",
    "PlannedAction",
    "Probe",
    "ProcessId",
    "Provider",
    "ProviderFactory",
    "Reached",
    "Refilling",
    "Refusal",
    "Refused",
    "Report",
    "Resize",
    "RunState",
    "SeriesBatch",
    "Services",
    "TargetGone",
    "Throttled",
    "Traits",
    "Type",
    "Unavailable",
    "Value",
    "Waking",
    "WorkerChannel",
    "money",
    "money_per_hour",
]
