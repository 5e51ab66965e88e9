"""All that a collector or provider may import: protocols, nouns and typed errors.

A provider or collector is a stranger's package: it is found by entry point (`scrimp.providers`, `scrimp.collectors`),
built by its factory from its section of `scrimp.yaml` and the `Services` of the daemon, and used through the
protocols here. Errors from the outside world are types with consequences, see `OutsideError`.
"""

from collections.abc import Callable, Mapping, Sequence
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
    checkpoint_at: int = 0  # a checkpoint is due when this is above the last one reported
    key: str = ""  # of the last intent that changed it


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of itself, at `at_s` (epoch seconds). Rates are per second, latency in seconds, memory in bytes."""

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
    "KindBatch",
    "KindSpec",
    "Money",
    "NoEffect",
    "OutsideError",
    "ParamSpec",
    "PlannedAction",
    "Probe",
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
    "Type",
    "Unavailable",
    "Value",
    "Waking",
    "WorkerChannel",
    "money",
    "money_per_hour",
]
