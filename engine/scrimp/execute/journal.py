"""What acts are noted in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from scrimp.model.decision import Decision, Value, Verdict
from scrimp.model.ledger import Intent
from scrimp.model.policy import Policy
from scrimp.plan import intents_of

OutcomeWord = Literal["done", "failed", "refused", "ask", "merged"]


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
