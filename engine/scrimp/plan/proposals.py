"""What a policy proposes for a target, on its way through conflicts, guards, limits and modes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scrimp.model.decision import Mode, PlannedAction, Value, Verdict
from scrimp.model.money import Money
from scrimp.model.policy import Policy
from scrimp.plan.effects import total_saving


@dataclass(frozen=True, slots=True)
class Block:
    """Why a proposal goes no further."""

    verdict: Verdict
    blocker: str
    reason: str
    overridden_by: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Actions that a policy wants for one target, now.

    `position` is the policy's place in the set, `row` the target's in its table. `mode` is the least of the policy's
    mode, the environment's cap and the target's opt-out (`opted_out` says until when); the kill switch comes later.
    `why` is why it is proposed if not by `when`: an undo, or acting blind.
    """

    policy: Policy
    position: int
    target: str
    row: int
    actions: tuple[PlannedAction, ...]
    mode: Mode
    id: str
    undo: bool = False
    blind: bool = False
    opted_out: str = ""
    reason: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def saving(self) -> Money | None:
        """The saving per hour of all its actions; `None` where one is unknown."""
        return total_saving(self.actions)

    @property
    def disruption(self) -> float:
        """The sum of its actions' weights."""
        return sum(action.disruption for action in self.actions)

    @property
    def aspects(self) -> frozenset[str]:
        """What it writes."""
        return frozenset(action.writes for action in self.actions if action.writes)
