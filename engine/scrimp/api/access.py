"""What a plug-in may be asked about itself: the permissions that it needs, and whether what it needs is there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that a plug-in has to be allowed to do in `system` (`aws`, `kubernetes`), in that system's words.

    `resources` are what it is done to, `conditions` bound it further: operator → key → value, as the system has them.
    `why` is for people. Without an `optional` one something stays unknown, and all else works.
    """

    system: str
    action: str
    resources: tuple[str, ...] = ("*",)
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    why: str = ""
    optional: bool = False


@runtime_checkable
class Permitted(Protocol):
    """A collector or provider that says what it has to be allowed to do."""

    name: str

    def permissions(self, actions: Collection[str]) -> Sequence[Permission]:
        """All that it needs, as it is configured. A provider is told which actions the policies can come to."""


class Health(Enum):
    """How one thing that was looked at is."""

    GOOD = "good"
    WARNING = "warning"  # works, with something left unknown
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Checkup:
    """One thing that was looked at: what, how it is, and a line on why."""

    what: str
    health: Health
    detail: str = ""


@runtime_checkable
class Examined(Protocol):
    """A collector or provider that can look whether what it needs is there."""

    name: str

    def examine(self, *, deadline_s: float) -> Sequence[Checkup]:
        """Look, and change nothing that matters. May raise `OutsideError`, which is bad health with that cause."""
