"""Cooldowns, and targets left alone because an earlier act on them is in doubt."""

from collections.abc import Mapping

from scrimp.evaluate import value_text
from scrimp.model.decision import Mode, Verdict
from scrimp.model.ledger import Cooling, Ledger
from scrimp.model.policy import Cooldown
from scrimp.model.types import DURATION
from scrimp.plan.proposals import Block, Proposal


class Cooldowns:
    """Which proposals cool down at `now_s`. Dry runs are bound by shadow acts and real ones, others by real ones."""

    def __init__(self, ledger: Ledger, now_s: float) -> None:
        self._last: Mapping[Cooling, float] = ledger.cooldowns
        self._now_s = now_s

    def block(self, proposal: Proposal) -> Block | None:
        """The cooldown that blocks a proposal longest; an undo has none."""
        if proposal.undo:
            return None
        ends = [(self._end(cooldown, proposal), cooldown.scope) for cooldown in proposal.policy.cooldowns]
        until_s, scope = max(ends, default=(self._now_s, ""))
        if until_s <= self._now_s:
            return None
        left = value_text(until_s - self._now_s, DURATION)
        return Block(Verdict.COOLING, "cooldown", f"cooldown per {scope} for another {left}")

    def _end(self, cooldown: Cooldown, proposal: Proposal) -> float:
        policy = proposal.policy
        name = {"target": policy.name, "policy": policy.name, "owner": policy.owner, "fleet": ""}[
            cooldown.scope
        ]
        target = proposal.target if cooldown.scope == "target" else ""
        last = self._last.get(Cooling(cooldown.scope, name, target))
        if proposal.mode <= Mode.DRY_RUN:
            shadow = self._last.get(Cooling(cooldown.scope, name, target, shadow=True))
            last = shadow if last is None or (shadow is not None and shadow > last) else last
        return float("-inf") if last is None else last + cooldown.seconds


def in_doubt(ledger: Ledger) -> dict[str, Block]:
    """Targets to leave alone while it is not known, or for a person to say, what an earlier act on them came to."""
    return {
        intent.target: Block(
            Verdict.GUARDED, "guard", f"{intent.action.action} of {intent.policy} on this target is in doubt"
        )
        for intent in ledger.intents
        if intent.outcome in (None, "ask") and not intent.shadow
    }
