"""What a node group is on AWS, three kinds behind one protocol: what it is now, another size, another purchase option."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from scrimp.api import Money, Permission
from scrimp_actions.spot.cloud import Purchase

MIXED = "mixed"
RESIZING = ("scale_down", "scale_up", "request_capacity")
BUYING = ("switch_to_spot", "switch_to_on_demand")


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group as it stands. `purchase` is a `Purchase`'s word, or `mixed`."""

    size: int
    purchase: str
    min_size: int = 0
    max_size: int | None = None

    def bounded(self, size: int) -> int:
        """The size within the group's bounds."""
        return max(size if self.max_size is None else min(size, self.max_size), self.min_size, 0)


@dataclass(frozen=True, slots=True)
class Terms:
    """How an action wants capacity to be bought; of what is left out the group's own settings hold."""

    pools: tuple[str, ...] = ()
    max_price: Money | None = None
    fallback: str = "on_demand"
    drain_s: float = 30.0


class Group(Protocol):
    """One node group. Every change is idempotent under its key. Raises `OutsideError`."""

    def state(self, *, deadline_s: float) -> GroupState | None:
        """As it stands; None where there is no such group."""

    def resize(self, size: int, key: str, terms: Terms, *, deadline_s: float) -> int:
        """Come to a size; gives the one that was come to."""

    def buy(self, purchase: Purchase, key: str, terms: Terms, *, deadline_s: float) -> str:
        """Change the purchase option of members and of what is launched from now on. Gives a line on it."""

    def permissions(self, actions: Collection[str], why: str) -> Sequence[Permission]:
        """What these actions need."""
