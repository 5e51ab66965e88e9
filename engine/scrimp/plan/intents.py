"""The notes about acts: one intent per action of a decision, with its key."""

import hashlib
import json

from scrimp.model.decision import Decision, PlannedAction
from scrimp.model.ledger import Intent
from scrimp.model.policy import Policy


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
