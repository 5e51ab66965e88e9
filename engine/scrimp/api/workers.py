"""What a worker is asked and what it says: the documents, and the channel that carries them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from scrimp.api.local_jobs import ProcessId


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

    process: ProcessId | None = None
    operation: str | None = None
    critical: bool | None = None
    checkpointable: bool | None = None
    memory_limit_bytes: int | None = None
    deadline_at_s: float | None = None  # epoch seconds by which the job is wanted to be done
    device: str | None = None  # what its batches run on: "cpu", or a GPU's model
    precision: str | None = None  # "fp16", say: figures are compared within one device and precision


@dataclass(frozen=True, slots=True)
class Stint:
    """All batches since the batch size last changed: two reports of one stint give what was done between them.

    `work` is the amount that their items came to, where items differ in size (seconds of audio, say), else their number.
    `busy_s` is the time that the batches took, `squares_s2` the sum of its squares, `core_s` the CPU time of the process
    in it; `joules` the energy that they took, 0 where none was told; `errors` counts batches that failed.
    """

    since_s: float  # epoch seconds: names the stint
    batches: int = 0
    items: int = 0
    work: float = 0.0
    busy_s: float = 0.0
    squares_s2: float = 0.0
    core_s: float = 0.0
    errors: int = 0
    joules: float = 0.0


@dataclass(frozen=True, slots=True)
class CloudNotice:
    """What the cloud told a worker about its machine: `action` (`terminate`, `stop`, `hibernate`) is due at `action_at_s`.

    `rebalance` without a time means a raised risk. Times are epoch seconds.
    """

    instance: str
    action: str
    action_at_s: float | None
    noticed_at_s: float


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
    stint: Stint | None = None
    notice: CloudNotice | None = None
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

    def forget(self, job: str) -> None:
        """The job is over, and its machine gone: it takes part no more. What it saved stays. Again is nothing."""
