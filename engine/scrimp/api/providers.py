"""What carries actions out: the protocol, what it gives back, and how it says no."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from scrimp.model.decision import PlannedAction, Value


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


@runtime_checkable
class Continuing(Protocol):
    """A provider whose acts go on after `apply` has returned, such as a drain. The daemon drives it, and owns its clock."""

    def carry_on(self, now_s: float) -> float | None:
        """Go on with what was begun, as far as it goes without waiting. When to be called again at the latest (epoch seconds).

        Called by one thread, after each tick and when that time has come; what must survive a restart is on the disk
        before it is done. May raise `OutsideError`, and is called again then. One that takes long is not waited for, and
        not called again before it has come back.
        """


@runtime_checkable
class Figuring(Protocol):
    """A provider that can put figures beside the line that its `plan` gives, for programs that read plans."""

    def figures(self, action: PlannedAction) -> Mapping[str, Value]:
        """What the move rests on, such as a price and its age; units end the names. Reads only. May raise `OutsideError`."""
