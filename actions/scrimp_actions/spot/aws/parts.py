"""The actions on a group that AWS manages: size, capacity on top, purchase option. Against the live group, once per key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from scrimp.api import (
    ActionResult,
    Money,
    OutsideError,
    PlannedAction,
    Probe,
    Reached,
    Refusal,
    TargetGone,
    Value,
)
from scrimp.aws import CURRENCY
from scrimp_actions.keys import KeyStore
from scrimp_actions.spot.aws.figures import PRICE_DEADLINE_S, Moves
from scrimp_actions.spot.aws.groups import Group, GroupState, Terms
from scrimp_actions.spot.cloud import Purchase, split_pool
from scrimp_actions.spot.poolbook import Move

DOWN = "scale_down"


def terms(action: PlannedAction) -> Terms:
    """What an action's parameters ask for."""
    args = action.args
    pools = tuple(one.strip() for one in str(args.get("pools") or "").split(",") if one.strip())
    price = args.get("max_price")
    return Terms(pools, Money(float(price), CURRENCY) if isinstance(price, int | float) else None)


def price_bound(wanted: Terms) -> str:
    """What bounds the price of spot, in words. A cap lowers no price: AWS sets it (Best practices for EC2 Spot)."""
    if wanted.max_price is None:
        return "the price on demand bounds it"
    return f"at most {wanted.max_price}/h, which lowers no price and ends instances sooner"


@dataclass(frozen=True, slots=True)
class Sizes:
    """`scale_down` and `scale_up`."""

    group: Group
    name: str

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        return f"come to {_size(action)} members of `{self.name}`; AWS chooses who leaves"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The same change from the size that is there now; refused where none is left of it."""
        now = self.group.state(deadline_s=deadline_s)
        if now is None:
            return Refusal(f"there is no group `{self.name}`")
        if action.action in now.bars:
            return Refusal(f"{self.name}: {now.bars[action.action]}")
        wanted = now.bounded(_size(action))
        if (now.size <= wanted) if action.action == DOWN else (now.size >= wanted):
            return Refusal(f"size of {action.target} is {now.size} already")
        planned = abs(float(action.before.get("size") or 0) - _size(action))
        change = abs(now.size - wanted)
        saving = action.saving_per_hour
        if saving is not None and planned:
            saving = Money(saving.amount * change / planned, saving.currency)
        return replace(
            action, before={"size": now.size}, after={"size": wanted}, change=change, saving_per_hour=saving
        )

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:  # noqa: ARG002 - the wanted state is the key
        """Set the size."""
        self.group.resize(_size(action), deadline_s=deadline_s)
        return ActionResult(f"{self.name} comes to {_size(action)} members", {"size": _size(action)})

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - the size says it all
        """By size."""
        now = self.group.state(deadline_s=deadline_s)
        if now is None:
            return Probe(Reached.OTHER, f"there is no group `{self.name}`")
        if now.size == _size(action):
            return Probe(Reached.REACHED, f"size is {now.size}")
        untouched = now.size == action.before.get("size")
        return Probe(Reached.UNTOUCHED if untouched else Reached.OTHER, f"size is {now.size}")


@dataclass(frozen=True, slots=True)
class Capacity:
    """`request_capacity`: members on top of those there are when it begins."""

    group: Group
    name: str
    keys: KeyStore

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        where = "; where is its own choice, not that of `pools`" if action.args.get("pools") else ""
        return f"launch {_count(action)} more members of `{self.name}`{where}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """Refused where there is no group, or no room in it."""
        now = self.group.state(deadline_s=deadline_s)
        if now is None:
            return Refusal(f"there is no group `{self.name}`")
        if action.action in now.bars:
            return Refusal(f"{self.name}: {now.bars[action.action]}")
        if now.bounded(now.size + 1) <= now.size:
            return Refusal(f"{self.name} has {now.size} members, as many as it may")
        return action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """The size to come to is written down first, so that a second call does not ask for more still."""
        now = self._now(deadline_s / 4)
        note = self.keys.begin(f"{key}#capacity", {"size": now.bounded(now.size + _count(action))})
        size = int(note["size"])
        self.group.resize(size, deadline_s=deadline_s * 3 / 4)
        return ActionResult(f"{self.name} comes to {size} members", {"size": size})

    def _now(self, deadline_s: float) -> GroupState:
        now = self.group.state(deadline_s=deadline_s)
        if now is None:
            raise TargetGone(f"there is no group `{self.name}`")
        return now

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - the note says it all
        """By the size that was written down; an action that left no note never began."""
        note = self.keys.begun(f"{key}#capacity")
        if note is None:
            return Probe(Reached.UNTOUCHED, "it never began")
        size = self._now(deadline_s).size
        reached = Reached.REACHED if size >= int(note["size"]) else Reached.UNTOUCHED
        return Probe(reached, f"size is {size}, to be {note['size']}")


@dataclass(frozen=True, slots=True)
class Purchases:
    """`switch_to_spot` and `switch_to_on_demand`."""

    group: Group
    name: str
    purchase: Purchase
    moves: Moves
    now: Callable[[], float]

    def plan(self, action: PlannedAction) -> str:
        """One line: where to, what it rests on, and what bounds the price."""
        bound = f"; {price_bound(self.group.heeds(terms(action)))}" if self.purchase is Purchase.SPOT else ""
        try:
            move = self._move(action)
        except OutsideError as error:
            return f"move `{self.name}` to {self.purchase.value}; no price is known: {error}{bound}"
        figures = f": {move.text()}" if move else "; no price is known"
        return f"move `{self.name}` to {self.purchase.value}{figures}{bound}"

    def figures(self, action: PlannedAction) -> Mapping[str, Value]:
        """What the line rests on. Raises `OutsideError`."""
        move = self._move(action)
        return {} if move is None else move.figures()

    def _move(self, action: PlannedAction) -> Move | None:
        """Of the types that the action names, where the group goes by them, else of those that it launches; in its zones."""
        found = self.group.places(deadline_s=PRICE_DEADLINE_S)
        if found is None:
            return None
        named = dict.fromkeys(split_pool(pool)[0] for pool in self.group.heeds(terms(action)).pools)
        types = tuple(named) or found.types
        if not types:
            return None
        to = self.moves.to_spot if self.purchase is Purchase.SPOT else self.moves.to_on_demand
        return to(types, found.zones, self.now())

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """Refused where all members are bought so already."""
        now = self.group.state(deadline_s=deadline_s)
        if now is None:
            return Refusal(f"there is no group `{self.name}`")
        if now.purchase == self.purchase:
            return Refusal(f"{self.name} is {now.purchase} already")
        if action.action in now.bars:
            return Refusal(f"{self.name}: {now.bars[action.action]}")
        return replace(action, before={"purchase_option": now.purchase})

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:  # noqa: ARG002 - as above
        """Move."""
        detail = self.group.buy(self.purchase, terms(action), deadline_s=deadline_s)
        return ActionResult(detail, {"purchase_option": self.purchase.value})

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - the state says it all
        """By the purchase option."""
        now = self.group.state(deadline_s=deadline_s)
        if now is None:
            return Probe(Reached.OTHER, f"there is no group `{self.name}`")
        reached = Reached.REACHED if now.purchase == self.purchase else Reached.UNTOUCHED
        return Probe(reached, f"{self.name} is {now.purchase}")


def _size(action: PlannedAction) -> int:
    return _whole(action.after, "size", action.action)


def _count(action: PlannedAction) -> int:
    return max(_whole({"count": 1.0, **action.args}, "count", action.action), 1)


def _whole(values: Mapping[str, object], name: str, action: str) -> int:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{action} without a {name}")
    return int(value)
