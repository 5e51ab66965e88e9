"""What a tick concludes: decisions with their verdicts, and the plan of actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from scrimp.model.catalogue import Direction
from scrimp.model.money import Money

Value = float | bool | str | None


class Mode(IntEnum):
    """How far a policy may go; the effective mode is the least of those that apply."""

    OFF = 0
    DRY_RUN = 1
    APPROVE = 2
    ENFORCE = 3

    @property
    def word(self) -> str:
        """The mode as written in policies and JSON."""
        return self.name.lower()


class Verdict(Enum):
    """What became of a policy's proposal for one target; the first blocker decides."""

    ACT = "act"
    DRY_RUN = "dry_run"
    AWAITING_APPROVAL = "awaiting_approval"
    HELD = "held"
    COOLING = "cooling"
    LIMITED = "limited"
    GUARDED = "guarded"
    OVERRIDDEN = "overridden"
    PAUSED = "paused"
    UNKNOWN = "unknown"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One action on one target as a target state, never as a relative amount.

    `args` are the evaluated parameters in canonical units. `before` and `after` hold the field that is written
    (empty where nothing is). `saving_per_hour` is negative where the action costs; `None` where it is unknown.
    `price_age_s`: for how long the price that the saving rests on has been in force, where that is known. `change` is the
    size of the change for ordering: |after - before| for numbers, else 1.
    """

    action: str
    target: str  # "kind/name"
    args: Mapping[str, Value]
    writes: str | None
    direction: Direction
    before: Mapping[str, Value]
    after: Mapping[str, Value]
    saving_per_hour: Money | None
    change: float = 0.0
    disruption: float = 1.0
    one_off_cost: Money | None = None
    price_age_s: float | None = None

    def as_json(self) -> dict[str, object]:
        """The form in `plan --output json` and in the audit log."""
        return {
            "action": self.action,
            "args": _plain(self.args),
            "writes": self.writes,
            "before": _plain(self.before),
            "after": _plain(self.after),
            "saving_per_hour": self.saving_per_hour.as_json() if self.saving_per_hour else None,
        } | ({} if self.price_age_s is None else {"price_age_s": self.price_age_s})


def _plain(values: Mapping[str, Value]) -> dict[str, Value]:
    """Whole numbers without a fraction: a size is `5`, not `5.0`."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
    }


@dataclass(frozen=True, slots=True)
class Decision:
    """What was concluded for one policy and one target, and why.

    `blocker` says what the verdict rests on in the words that tests use (`for`, `cooldown`, `unknown`, `guard`,
    `limit`, `overridden`, `approval`, `condition`), or is empty. `id` names the proposal for `approve` and `deny`; it
    changes with the target state. `undo` marks the end of an episode, `blind` an `unknown … after … do`.
    """

    policy: str
    target: str
    verdict: Verdict
    mode: Mode
    reason: str
    values: Mapping[str, Value]
    actions: tuple[PlannedAction, ...] = ()
    blocker: str = ""
    id: str = ""
    undo: bool = False
    blind: bool = False
    overridden_by: str | None = None
    merged_into: str | None = None  # the policy whose equal proposal carries out the act

    def as_json(self) -> dict[str, object]:
        """The form in `plan --output json`."""
        found: dict[str, object] = {
            "policy": self.policy,
            "target": self.target,
            "verdict": self.verdict.value,
            "mode": self.mode.word,
            "reason": self.reason,
            "values": dict(self.values),
            "actions": [action.as_json() for action in self.actions],
        }
        if self.id:
            found["id"] = self.id
        if self.overridden_by:
            found["overridden_by"] = self.overridden_by
        if self.merged_into:
            found["merged_into"] = self.merged_into
        return found
