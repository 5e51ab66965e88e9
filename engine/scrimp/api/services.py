"""What the daemon hands to a plug-in, and the objects that entry points name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from scrimp.api.collectors import Collector
from scrimp.api.local_jobs import JobRegistry
from scrimp.api.providers import Provider
from scrimp.api.work import WorkQueue
from scrimp.api.workers import WorkerChannel
from scrimp.model.catalogue import ActionSpec, Catalogue


@dataclass(frozen=True, slots=True)
class Services:
    """What the daemon hands to factories: the clock, the state folder (`.scrimp`), the worker channel, the user's switches,
    and the catalogue of kinds and fields.

    `queue` opens the work queue of a name, made with so many items where it is not there yet. With `preview` nothing is
    written and nothing is taken from where others look for it: what a plug-in keeps, it keeps in memory then. `shared` is one dictionary
    for all plug-ins of a daemon, for what a provider and a collector of one package have in common.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    state_dir: Path
    channel: WorkerChannel | None = None
    currency: str = "USD"
    allow_run_command: bool = False
    jobs: JobRegistry | None = None
    catalogue: Catalogue | None = None
    queue: Callable[[str, int], WorkQueue] | None = None
    preview: bool = False
    shared: dict[str, Any] = field(default_factory=dict)


class ProviderFactory(Protocol):
    """The object behind a `scrimp.providers` entry point: the specs of its actions, and how to build it."""

    actions: Sequence[ActionSpec]

    def __call__(self, config: Mapping[str, Any], services: Services) -> Provider:
        """Build it from its section of `scrimp.yaml`."""


class CollectorFactory(Protocol):
    """The object behind a `scrimp.collectors` entry point."""

    def __call__(self, config: Mapping[str, Any], services: Services) -> Collector:
        """Build it from its section of `scrimp.yaml`."""
