"""What brings samples: the protocol, its batches of columns, and what it may be able to do besides."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from scrimp.model.decision import Value


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
