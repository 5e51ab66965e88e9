"""The notes about acts: one intent per action of a decision, with its key."""

import hashlib
import json
from dataclasses import replace

from scrimp.model.decision import Decision, PlannedAction
from scrimp.model.ledger import Intent
from scrimp.model.policy import Policy

ON_FAILURE = "on_failure"


def intents_of(
    decision: Decision, policy: Policy, at_s: float, *, shadow: bool = False
) -> tuple[Intent, ...]:
    """One intent per action of a decision of the tick at `at_s`, in order."""
    if not decision.actions:
        return ()
    found = [_keyed(_first(decision.actions, decision, policy, at_s, shadow=shadow))]
    while (following := following_intent(found[-1])) is not None:
        found.append(following)
    return tuple(found)


def intent_on_failure(action: PlannedAction, decision: Decision, policy: Policy, at_s: float) -> Intent:
    """The note for what follows a failed action of the decision."""
    return _keyed(_first((action,), decision, policy, at_s, shadow=False), ON_FAILURE)


def following_intent(intent: Intent) -> Intent | None:
    """The note for the next action of the intent's decision, `None` after the last: the same whoever writes it."""
    if not intent.rest:
        return None
    action, *rest = intent.rest
    return _keyed(
        replace(
            intent,
            target=action.target,
            action=action,
            capacity_per_hour=_capacity(action),
            outcome=None,
            rest=tuple(rest),
        )
    )


def _first(
    actions: tuple[PlannedAction, ...], decision: Decision, policy: Policy, at_s: float, *, shadow: bool
) -> Intent:
    return Intent(
        key="",
        at_s=at_s,
        policy=policy.name,
        owner=policy.owner,
        target=actions[0].target,
        action=actions[0],
        decision=decision.id,
        allowances=policy.allowances,
        capacity_per_hour=_capacity(actions[0]),
        undo=decision.undo,
        shadow=shadow,
        rest=actions[1:],
    )


def _keyed(intent: Intent, place: str = "") -> Intent:
    """With the key that is the act's own: a retry keeps it, another tick's act has another."""
    action = intent.action
    told = [
        intent.policy,
        action.target,
        action.action,
        dict(action.after),
        intent.decision,
        intent.at_s,
        place or len(intent.rest),
        intent.shadow,
    ]
    return replace(intent, key=hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24])


def _capacity(action: PlannedAction) -> float:
    return abs(action.saving_per_hour.amount) if action.saving_per_hour is not None else 0.0
