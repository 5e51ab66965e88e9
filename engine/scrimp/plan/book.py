"""How acts change the ledger: the one place where intents start cooldowns, open and close episodes, and count.

`simulate` applies these to a ledger in memory; `store` applies them as it writes, and again when it replays its log.
"""

from collections.abc import Mapping
from dataclasses import replace

from scrimp.model.ledger import Approval, Cooling, Episode, Intent, Ledger


def note_intent(ledger: Ledger, intent: Intent) -> Ledger:
    """The intent is on disk: it counts for limits, starts the cooldowns, and uses up its approval."""
    cooldowns = dict(ledger.cooldowns)
    for key in cooling_keys(intent.policy, intent.owner, intent.target, shadow=intent.shadow):
        cooldowns[key] = intent.at_s
    approvals = ledger.approvals
    if intent.decision in approvals:
        approvals = {key: value for key, value in approvals.items() if key != intent.decision}
    return replace(ledger, cooldowns=cooldowns, intents=(*ledger.intents, intent), approvals=approvals)


def note_outcome(ledger: Ledger, intent_key: str, outcome: str) -> Ledger:
    """The intent's outcome is on disk: done opens the policy's episode on the target, or ends it if it was an undo."""
    intents = tuple(replace(one, outcome=outcome) if one.key == intent_key else one for one in ledger.intents)
    ledger = replace(ledger, intents=intents)
    intent = next((one for one in intents if one.key == intent_key), None)
    if intent is None or outcome not in ("done", "merged"):
        return ledger
    return close_episode(ledger, intent) if intent.undo else _open_episode(ledger, intent)


def close_episode(ledger: Ledger, intent: Intent) -> Ledger:
    """End the act that this undo restored; the episode ends with its last act."""
    return end_episode(
        ledger, intent.policy, intent.target, shadow=intent.shadow, writes=intent.action.writes
    )


def end_episode(
    ledger: Ledger, policy: str, target: str, *, shadow: bool, writes: str | None = None
) -> Ledger:
    """End an episode: the acts on one aspect, or all of it."""
    key = (policy, target, shadow)
    episode = ledger.episodes.get(key)
    if episode is None:
        return ledger
    acts = tuple(act for act in episode.acts if writes is not None and act.writes != writes)
    episodes = {other: value for other, value in ledger.episodes.items() if other != key}
    if acts:
        episodes[key] = replace(episode, acts=acts)
    return replace(ledger, episodes=episodes)


def _open_episode(ledger: Ledger, intent: Intent) -> Ledger:
    if intent.action.writes is None:
        return ledger
    key = (intent.policy, intent.target, intent.shadow)
    episode = ledger.episodes.get(key)
    if episode is None:
        episode = Episode(intent.policy, intent.target, intent.at_s, (intent.action,), intent.shadow)
    elif all(act.writes != intent.action.writes for act in episode.acts):
        episode = replace(episode, acts=(*episode.acts, intent.action))
    return replace(ledger, episodes={**ledger.episodes, key: episode})


def cooling_keys(policy: str, owner: str, target: str, *, shadow: bool) -> tuple[Cooling, ...]:
    """The clocks that an act of a policy on a target starts, one per scope."""
    return (
        Cooling("target", policy, target, shadow),
        Cooling("policy", policy, "", shadow),
        Cooling("owner", owner, "", shadow),
        Cooling("fleet", "", "", shadow),
    )


def note_requests(ledger: Ledger, requests: Mapping[str, Approval]) -> Ledger:
    """Requests for approval that a tick opened."""
    return replace(ledger, approvals={**ledger.approvals, **requests}) if requests else ledger


def prune(ledger: Ledger, before_s: float) -> Ledger:
    """Forget intents with an outcome from `before_s` or earlier, which no limit can count any more."""
    kept = tuple(one for one in ledger.intents if one.outcome in (None, "ask") or one.at_s > before_s)
    return ledger if len(kept) == len(ledger.intents) else replace(ledger, intents=kept)
