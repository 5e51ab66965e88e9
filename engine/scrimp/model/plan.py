"""What one tick came to: the decisions, those that act first of all, and what was withheld and why."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scrimp.model.decision import Decision, Verdict
from scrimp.model.ledger import Approval, HoldKey, Holds
from scrimp.model.money import Money


@dataclass(frozen=True, slots=True)
class Withheld:
    """Decisions in bulk, all of one policy and one verdict; each is rendered only when somebody looks."""

    policy: str
    verdict: Verdict
    targets: Sequence[str]
    render: Callable[[int], Decision]  # by place in `targets`


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode, or its part on one aspect, that ended because nothing is left to restore."""

    policy: str
    target: str
    shadow: bool
    writes: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """One tick's conclusions.

    `proposed` are the decisions that got as far as cooling, by policy and target; `withheld` those held or unknown.
    `false` counts rows whose condition is simply false, `no_change` proposals that would change nothing. `requests` are
    requests for approval that this tick opens. `holds` are the clocks after this tick.
    """

    at_s: float
    digest: str
    currency: str
    proposed: tuple[Decision, ...]
    withheld: tuple[Withheld, ...]
    false: int
    no_change: int
    requests: Mapping[str, Approval] = field(default_factory=dict)
    ended: tuple[Ended, ...] = ()
    holds: Mapping[HoldKey, Holds] = field(default_factory=dict)

    def decisions(self) -> Iterator[Decision]:
        """All decisions but the simply false ones, by policy and target."""
        found = [*self.proposed]
        for bulk in self.withheld:
            found.extend(bulk.render(place) for place in range(len(bulk.targets)))
        return iter(sorted(found, key=lambda one: (one.policy, one.target, one.undo)))

    @property
    def acts(self) -> tuple[Decision, ...]:
        """The decisions to carry out, merged ones left out."""
        return tuple(
            one
            for one in self.proposed
            if one.verdict in (Verdict.ACT, Verdict.UNDO) and one.merged_into is None
        )

    def counts(self) -> Counter[Verdict]:
        """How many decisions there are of each verdict."""
        counts = Counter(one.verdict for one in self.proposed)
        for bulk in self.withheld:
            counts[bulk.verdict] += len(bulk.targets)
        return counts

    @property
    def saving_per_hour(self) -> Money:
        """What the acts of this tick save per hour, as far as it is known."""
        amounts = [a.saving_per_hour.amount for one in self.acts for a in one.actions if a.saving_per_hour]
        return Money(sum(amounts), self.currency)
