"""The savings ledger: what each action has really saved, hour by hour, against what the same work would have cost.

When an action is taken, the *counterfactual rate* is stored: what an item cost then. From then on each hour's counterfactual
is that rate times the items of the hour, and what it is above the actual cost is the saving *realised*; it is negative where
things got worse. An entry closes after its days, or when the action is undone. What an action *promised* (projected) stands
beside, and is never added to what it did.

Several actions on one target stack: each stored the rate that the ones before had already brought about. An hour's saving of
an entry therefore runs only to the next open entry's counterfactual, and the last one's to the actual cost, so that no saving
is counted twice: all of them add to the oldest open entry's counterfactual less the actual cost.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scrimp.model.money import Money
from scrimp.model.usage import MICRO

OPEN_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class SavingEntry:
    """One action's claim. `unit_cost` is what an item cost just before it; where items are not counted, an item is an hour.

    `projected_per_hour` is what it promised. `undone_s` is when it was undone, if it was; it closes then, or after `days`.
    """

    action: str
    policy: str
    target: str
    at_s: int
    unit_cost: Money
    projected_per_hour: Money
    undone_s: int | None = None
    days: int = OPEN_DAYS

    @property
    def closes_s(self) -> int:
        """When it stops to count."""
        end_s = self.at_s + self.days * 86_400
        return end_s if self.undone_s is None else min(end_s, self.undone_s)

    def is_open(self, at_s: int) -> bool:
        """Whether an hour that begins at `at_s` counts."""
        return self.at_s <= at_s < self.closes_s


@dataclass(frozen=True, slots=True)
class TargetHour:
    """One hour of a target: what it cost, in millionths, and the items that it finished (1 where they are not counted)."""

    target: str
    start_s: int
    cost_micro: int
    items: float = 1.0


@dataclass(frozen=True, slots=True)
class Realised:
    """What an entry has come to: realised over the hours that were seen, projected over the same hours, and whether it is closed."""

    entry: SavingEntry
    realised: Money
    projected: Money
    hours: int
    closed: bool


def realised(entries: Sequence[SavingEntry], hours: Iterable[TargetHour], now_s: int) -> tuple[Realised, ...]:
    """Each entry's saving by `now_s`, in the entries' order.

    An hour of which nothing is known saves nothing: it is simply not there. Entries of one target are of one currency.
    """
    stacks: dict[str, list[int]] = {}
    for number in sorted(range(len(entries)), key=lambda one: (entries[one].at_s, entries[one].action)):
        stacks.setdefault(entries[number].target, []).append(number)
    for target, numbers in stacks.items():
        if len({entries[one].unit_cost.currency for one in numbers}) > 1:
            raise ValueError(f"entries of {target} are in several currencies")
    saved, seen = [0] * len(entries), [0] * len(entries)
    for hour in hours:
        numbers = [one for one in stacks.get(hour.target, []) if entries[one].is_open(hour.start_s)]
        for number, amount in _of_hour(entries, numbers, hour).items():
            saved[number] += amount
            seen[number] += 1
    found = []
    for number, entry in enumerate(entries):
        promised = entry.projected_per_hour
        found.append(
            Realised(
                entry,
                Money(saved[number] / MICRO, entry.unit_cost.currency),
                Money(promised.amount * seen[number], promised.currency),
                seen[number],
                now_s >= entry.closes_s,
            )
        )
    return tuple(found)


def _of_hour(entries: Sequence[SavingEntry], numbers: Sequence[int], hour: TargetHour) -> Mapping[int, int]:
    """What the open entries of a target saved in an hour, in millionths. `numbers` is oldest first."""
    would = [round(entries[one].unit_cost.amount * MICRO * hour.items) for one in numbers]
    then = [*would[1:], hour.cost_micro] if would else []
    return {number: was - becomes for number, was, becomes in zip(numbers, would, then, strict=True)}
