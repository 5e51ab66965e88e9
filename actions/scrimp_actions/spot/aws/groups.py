"""What a group whose instances AWS launches and ends can be asked: what it is now, another size, another purchase option."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scrimp.api import Money, Permission
from scrimp_actions.spot.cloud import Purchase

MIXED = "mixed"
RESIZING = ("scale_down", "scale_up", "request_capacity")
BUYING = ("switch_to_spot", "switch_to_on_demand")


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group as it stands. `purchase` is a `Purchase`'s word, or `mixed`; `bars` says by action why it cannot be."""

    size: int
    purchase: str
    min_size: int = 0
    max_size: int | None = None
    bars: Mapping[str, str] = field(default_factory=dict)

    def bounded(self, size: int) -> int:
        """The size within the group's bounds."""
        return max(size if self.max_size is None else min(size, self.max_size), self.min_size, 0)


@dataclass(frozen=True, slots=True)
class Terms:
    """How an action wants capacity to be bought; of what is left out the group's own settings hold."""

    pools: tuple[str, ...] = ()
    max_price: Money | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """The instance types and zones that a group may launch; without zones it is any."""

    types: tuple[str, ...]
    zones: tuple[str, ...] = ()


class Group(Protocol):
    """One group. Every change sets a wanted state, so that it may be asked for again. Raises `OutsideError`."""

    def state(self, *, deadline_s: float) -> GroupState | None:
        """As it stands; None where there is no such group."""

    def resize(self, size: int, *, deadline_s: float) -> None:
        """Set the wanted size."""

    def buy(self, purchase: Purchase, terms: Terms, *, deadline_s: float) -> str:
        """Set the wanted purchase option. Gives a line on what follows."""

    def heeds(self, terms: Terms) -> Terms:
        """What of these terms `buy` goes by; of the rest its own settings hold."""

    def places(self, *, deadline_s: float) -> Places | None:
        """What it may launch; None where there is no such group."""

    def permissions(self, actions: Collection[str], why: str) -> Sequence[Permission]:
        """What these actions need."""
