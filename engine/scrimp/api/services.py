"""What the daemon hands to a plug-in, and the objects that entry points name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from scrimp.api.collectors import Collector
from scrimp.api.local_jobs import JobRegistry
from scrimp.api.providers import Provider
from scrimp.api.workers import WorkerChannel
from scrimp.model.catalogue import ActionSpec, Catalogue


@dataclass(frozen=True, slots=True)
class Services:
    """What the daemon hands to factories: the clock, the state folder (`.scrimp`), the worker channel, the user's switches,
    and the catalogue of kinds and fields.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    state_dir: Path
    channel: WorkerChannel | None = None
    currency: str = "USD"
    allow_run_command: bool = False
    jobs: JobRegistry | None = None
    catalogue: Catalogue | None = None


class ProviderFactory(Protocol):
    """The object behind a `scrimp.providers` entry point: the specs of its actions, and how to build it."""

    actions: Sequence[ActionSpec]

    def __call__(self, config: Mapping[str, Any], services: Services) -> Provider:
        """Build it from its section of `scrimp.yaml`."""


class CollectorFactory(Protocol):
    """The object behind a `scrimp.collectors` entry point."""

    def __call__(self, config: Mapping[str, Any], services: Services) -> Collector:
        """Build it from its section of `scrimp.yaml`."""
