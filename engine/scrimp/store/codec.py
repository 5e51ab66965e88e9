"""The ledger's values as JSON and back, without loss: floats stay floats, `5.0` is not `5`."""

from collections.abc import Mapping
from typing import Any

from scrimp.model.catalogue import Direction
from scrimp.model.decision import PlannedAction
from scrimp.model.ledger import Approval, Episode, Intent
from scrimp.model.money import Money

Json = dict[str, Any]


def action_json(action: PlannedAction) -> Json:
    """A planned action, whole."""
    return {
        "action": action.action,
        "target": action.target,
        "args": dict(action.args),
        "writes": action.writes,
        "direction": action.direction.value,
        "before": dict(action.before),
        "after": dict(action.after),
        "saving_per_hour": _money_json(action.saving_per_hour),
        "change": action.change,
        "disruption": action.disruption,
        "one_off_cost": _money_json(action.one_off_cost),
        "price_age_s": action.price_age_s,
    }


def action_from(found: Mapping[str, Any]) -> PlannedAction:
    """The inverse of `action_json`."""
    return PlannedAction(
        action=found["action"],
        target=found["target"],
        args=dict(found["args"]),
        writes=found["writes"],
        direction=Direction(found["direction"]),
        before=dict(found["before"]),
        after=dict(found["after"]),
        saving_per_hour=_money_from(found["saving_per_hour"]),
        change=found["change"],
        disruption=found["disruption"],
        one_off_cost=_money_from(found["one_off_cost"]),
        price_age_s=found.get("price_age_s"),
    )


def intent_json(intent: Intent) -> Json:
    """An intent without its outcome, which is told apart from it."""
    return {
        "key": intent.key,
        "at_s": intent.at_s,
        "policy": intent.policy,
        "owner": intent.owner,
        "target": intent.target,
        "action": action_json(intent.action),
        "decision": intent.decision,
        "allowances": list(intent.allowances),
        "capacity_per_hour": intent.capacity_per_hour,
        "undo": intent.undo,
        "shadow": intent.shadow,
        "rest": [action_json(action) for action in intent.rest],
    }


def intent_from(found: Mapping[str, Any], outcome: str | None = None) -> Intent:
    """The inverse of `intent_json`."""
    return Intent(
        key=found["key"],
        at_s=found["at_s"],
        policy=found["policy"],
        owner=found["owner"],
        target=found["target"],
        action=action_from(found["action"]),
        decision=found["decision"],
        allowances=tuple(found["allowances"]),
        capacity_per_hour=found["capacity_per_hour"],
        undo=found["undo"],
        shadow=found["shadow"],
        outcome=outcome,
        rest=tuple(action_from(action) for action in found.get("rest", ())),
    )


def episode_json(episode: Episode) -> Json:
    """What an episode holds beside its key."""
    return {"since_s": episode.since_s, "acts": [action_json(act) for act in episode.acts]}


def episode_from(policy: str, target: str, found: Mapping[str, Any], *, shadow: bool) -> Episode:
    """The inverse of `episode_json`."""
    acts = tuple(action_from(act) for act in found["acts"])
    return Episode(policy, target, found["since_s"], acts, shadow)


def approval_json(approval: Approval) -> Json:
    """A request for approval, whole."""
    return {
        "id": approval.id,
        "policy": approval.policy,
        "target": approval.target,
        "requested_at_s": approval.requested_at_s,
        "lapses_at_s": approval.lapses_at_s,
        "granted": approval.granted,
        "actor": approval.actor,
        "approvers": list(approval.approvers),
    }


def approval_from(found: Mapping[str, Any]) -> Approval:
    """The inverse of `approval_json`."""
    return Approval(
        found["id"],
        found["policy"],
        found["target"],
        found["requested_at_s"],
        found["lapses_at_s"],
        found["granted"],
        found["actor"],
        tuple(found.get("approvers", ())),
    )


def _money_json(amount: Money | None) -> Json | None:
    return None if amount is None else amount.as_json()


def _money_from(found: Mapping[str, Any] | None) -> Money | None:
    return None if found is None else Money(found["amount"], found["currency"])
