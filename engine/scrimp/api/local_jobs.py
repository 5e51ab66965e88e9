"""Worker processes of this machine: which groups there are, who is in them, and the registry that keeps both."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from scrimp.model.money import Money


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
