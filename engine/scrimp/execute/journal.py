"""What acts are noted in, and the notes themselves: intents with their keys."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from scrimp.model.decision import Decision, PlannedAction, Value, Verdict
from scrimp.model.ledger import Intent
from scrimp.model.policy import Policy

OutcomeWord = Literal["done", "failed", "refused", "ask", "merged"]
Checkpoint = Callable[[str], None]
CRASH_POINTS = ("act.begin", "act.noted", "act.revalidated", "act.applying", "act.applied", "act.settled")


class Journal(Protocol):
    """Where intents and outcomes are kept; on the disk when a call returns. What it raises stops everything."""

    def record_intent(self, intent: Intent, values: Mapping[str, Value]) -> None:
        """About to do it."""

    def record_outcome(self, intent: Intent, outcome: str, detail: str, after: Mapping[str, Value]) -> None:
        """What it came to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one action came to; `outcome` is `None` where that is in doubt. `code` is of the table of codes."""

    intent: Intent
    outcome: OutcomeWord | None
    detail: str
    after: Mapping[str, Value] = field(default_factory=dict)
    code: str = ""


def intents_of(
    decision: Decision, policy: Policy, at_s: float, *, shadow: bool = False
) -> tuple[Intent, ...]:
    """One intent per action of a decision of the tick at `at_s`, in order."""
    return tuple(
        intent_for(action, decision, policy, at_s, str(place), shadow=shadow)
        for place, action in enumerate(decision.actions)
    )


def intent_for(
    action: PlannedAction,
    decision: Decision,
    policy: Policy,
    at_s: float,
    place: str,
    *,
    shadow: bool = False,
) -> Intent:
    """The note for one act. Its key is the act's own: a retry keeps it, another tick's act has another."""
    told = [policy.name, action.target, action.action, dict(action.after), decision.id, at_s, place, shadow]
    saving = action.saving_per_hour
    return Intent(
        key=hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24],
        at_s=at_s,
        policy=policy.name,
        owner=policy.owner,
        target=action.target,
        action=action,
        decision=decision.id,
        allowances=policy.allowances,
        capacity_per_hour=abs(saving.amount) if saving is not None else 0.0,
        undo=decision.undo,
        shadow=shadow,
    )


def shadow_intents(
    decisions: Sequence[Decision], policies: Mapping[str, Policy], at_s: float
) -> tuple[Intent, ...]:
    """What the dry runs of a tick would have noted: it binds other dry runs only."""
    return tuple(
        intent
        for decision in decisions
        if decision.verdict is Verdict.DRY_RUN
        for intent in intents_of(decision, policies[decision.policy], at_s, shadow=True)
    )
