"""What scrimp remembers between ticks: holds, cooldowns, limits, episodes, approvals, intents, the kill switch.

A `Ledger` is a value: `decide` reads one and gives the next, `store` keeps it on disk. Entries marked `shadow`
come from proposals in dry run; they bind only other dry runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scrimp.model.decision import PlannedAction, Value


@dataclass(frozen=True, slots=True)
class HoldKey:
    """A clock: of a policy's `when` or `undo` clause, as long as `condition` (a digest of it) stays the same."""

    policy: str
    clause: str  # "when" | "undo"
    condition: str


@dataclass(frozen=True, slots=True)
class Holds:
    """The clocks of one clause, a row per target: arrays of shape (rows,) aligned with `names`.

    `true_s` is the time gained so far (`nan`: not started). `unknown_s` is for how long the condition has been
    unknown without a break (`nan`: it is not). `last_s` is the time of the tick that last touched the clocks.
    """

    names: tuple[str, ...]
    true_s: NDArray[np.float64]
    unknown_s: NDArray[np.float64]
    last_s: float


@dataclass(frozen=True, slots=True)
class Intent:
    """The note "about to do this", written before the act. `capacity_per_hour` is |saving| in the catalogue's currency.

    `rest` is what its decision has still to do after it, in order: a crash in between must not lose it.
    """

    key: str
    at_s: float
    policy: str
    owner: str
    target: str
    action: PlannedAction
    decision: str  # Decision.id
    allowances: tuple[str, ...] = ()
    capacity_per_hour: float = 0.0
    undo: bool = False
    shadow: bool = False
    outcome: str | None = None  # None: in doubt; "done", "failed", "refused"
    rest: tuple[PlannedAction, ...] = ()


@dataclass(frozen=True, slots=True)
class Episode:
    """From the first act of a policy on a target to its undo. `acts` are in the order done, with what was there before."""

    policy: str
    target: str
    since_s: float
    acts: tuple[PlannedAction, ...]
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for approval: `granted` is `None` until somebody answers; `approvers` are those that the policy named."""

    id: str
    policy: str
    target: str
    requested_at_s: float
    lapses_at_s: float
    granted: bool | None = None
    actor: str | None = None
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """The kill switch is on."""

    since_s: float
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cooling:
    """When a policy's cooldown of one scope last started: scope `target` is keyed by the target, the rest by "" ."""

    scope: str
    policy: str  # for scope owner: the owner; for scope fleet: ""
    target: str = ""
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """All of it. `intents` holds what limits may still count, oldest first."""

    holds: Mapping[HoldKey, Holds] = field(default_factory=dict)
    cooldowns: Mapping[Cooling, float] = field(default_factory=dict)
    intents: tuple[Intent, ...] = ()
    episodes: Mapping[tuple[str, str, bool], Episode] = field(default_factory=dict)  # policy, target, shadow
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    pause: Pause | None = None


EMPTY_LEDGER = Ledger()

__all__ = [
    "EMPTY_LEDGER",
    "Approval",
    "Cooling",
    "Episode",
    "HoldKey",
    "Holds",
    "Intent",
    "Ledger",
    "Pause",
    "PlannedAction",
    "Value",
]
