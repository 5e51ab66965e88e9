"""What a fleet should do next: fill places, move members between spot and on demand, let members go. Pure.

A member that moves goes on working until its successor runs: "replacement ready first". A move to spot that finds no
capacity is called off, and the next try is scheduled later each time; so is the return after a fall-back to on demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.member import State
from scrimp_actions.spot.members import DAY_S, Entry, Slot
from scrimp_actions.spot.poolbook import Machine
from scrimp_actions.spot.pools import WayBack

WORKING = (State.RUNNING, State.AT_RISK)
STARTING = (State.REQUESTED, State.PENDING, State.NO_CAPACITY)


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A fleet as configured. `size` and `purchase` hold until an action says otherwise.

    `least_pools` and `most_share` are the diversification floor; `at_once` moves may be under way; a place that moved
    `moves_per_day` times within a day moves to spot no more; a member that is let go has `leave_s` to leave; a return to spot is tried
    where spot is expected to last `needed_s`.
    """

    name: str
    pools: tuple[str, ...]
    size: int
    machine: Machine = field(default_factory=lambda: Machine({}))
    purchase: Purchase = Purchase.ON_DEMAND
    template: str = ""
    min_size: int = 0
    max_size: int | None = None
    least_pools: int = 2
    most_share: float = 0.5
    at_once: int = 8
    moves_per_day: int = 4
    leave_s: float = 300.0
    needed_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a fleet now. `back` schedules the return to spot while members are on demand all the same."""

    size: int
    purchase: Purchase
    max_price: float | None = None
    pools: tuple[str, ...] = ()
    wait: bool = False
    back: WayBack | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        back = None if self.back is None else [self.back.fell_s, self.back.tries]
        return {
            "size": self.size,
            "purchase": self.purchase.value,
            "max_price": self.max_price,
            "pools": list(self.pools),
            "wait": self.wait,
            "back": back,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Wish:
        """What `to_json` came from."""
        back = plain["back"]
        return cls(
            int(plain["size"]),
            Purchase(plain["purchase"]),
            plain["max_price"],
            tuple(plain["pools"]),
            bool(plain["wait"]),
            None if back is None else WayBack(float(back[0]), int(back[1])),
        )


@dataclass(frozen=True, slots=True)
class Round:
    """What to do now: `begin` members in these places, ask for successors of `move`, let `dismiss` go.

    `give_up`: members whose successor is called off, it is among `dismiss`.
    """

    wish: Wish
    begin: tuple[int, ...] = ()
    move: tuple[str, ...] = ()
    dismiss: tuple[str, ...] = ()
    give_up: tuple[str, ...] = ()


def at_once(wish: Wish, now_s: float) -> Wish:
    """The wish with its first try of spot due now."""
    begun = WayBack(now_s)
    return replace(wish, back=replace(begun, fell_s=now_s - begun.first_s))


def plan_round(
    spec: FleetSpec,
    wish: Wish,
    entries: Iterable[Entry],
    slots: Mapping[tuple[str, int], Slot],
    now_s: float,
    *,
    expected_up_s: float,
) -> Round:
    """The next round of a fleet. `expected_up_s`: how long the best pool is expected to last."""
    by_slot: dict[int, list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: (one.slot, one.generation)):
        if not entry.member.dismissed:
            by_slot.setdefault(entry.slot, []).append(entry)
    free = (slot for slot in range(len(by_slot) + wish.size + 1) if slot not in by_slot)
    begin = tuple(slot for slot, _ in zip(free, range(wish.size - len(by_slot)), strict=False))
    surplus = _surplus(by_slot, len(by_slot) - wish.size)
    dismiss = [entry.name for slot in surplus for entry in by_slot.pop(slot)]
    give_up: list[str] = []
    under_way = 0
    for old, heir in _moving(by_slot.values()):
        if heir.member.state in WORKING:
            dismiss.append(old.name)
        elif heir.member.state is State.NO_CAPACITY and wish.purchase is Purchase.SPOT:
            dismiss.append(heir.name)
            give_up.append(old.name)
            wish = replace(wish, back=_failed(wish.back or WayBack(now_s), now_s))
        else:
            under_way += 1
    heads = [members[-1] for members in by_slot.values()]
    wish = _scheduled(wish, heads, now_s)
    move = _moves(spec, wish, heads, slots, now_s, expected_up_s=expected_up_s)
    most = max(0, spec.at_once - under_way)
    return Round(wish, begin, () if give_up else tuple(move[:most]), tuple(dismiss), tuple(give_up))


def _surplus(by_slot: Mapping[int, list[Entry]], count: int) -> list[int]:
    """Places to give up: those that do not work yet first, then what is paid in full, then the newest place."""

    def order(slot: int) -> tuple[bool, bool, int]:
        head = by_slot[slot][-1]
        return head.member.state in WORKING, head.bought != Purchase.ON_DEMAND.value, -slot

    return sorted(by_slot, key=order)[: max(0, count)]


def _moving(groups: Iterable[list[Entry]]) -> list[tuple[Entry, Entry]]:
    """Members that work on, with the successors that they wait for."""
    pairs = []
    for members in groups:
        named = {entry.name: entry for entry in members}
        pairs += [
            (old, named[old.successor])
            for old in members
            if old.member.state in WORKING and old.successor in named
        ]
    return pairs


def _failed(back: WayBack, now_s: float) -> WayBack:
    """The schedule after a successor that found no capacity. All those of one try are one failure."""
    return back.failed() if now_s >= back.due_s else back


def _scheduled(wish: Wish, heads: Iterable[Entry], now_s: float) -> Wish:
    """The way back: begun when the first member has fallen back, and over when the last has returned."""
    if wish.purchase is not Purchase.SPOT:
        return replace(wish, back=None)
    fallen = any(head.bought == Purchase.ON_DEMAND.value for head in heads)
    if not fallen:
        starting = any(head.member.state in STARTING for head in heads)
        return wish if starting else replace(wish, back=None)
    return wish if wish.back is not None else replace(wish, back=WayBack(now_s))


def _moves(
    spec: FleetSpec,
    wish: Wish,
    heads: Iterable[Entry],
    slots: Mapping[tuple[str, int], Slot],
    now_s: float,
    *,
    expected_up_s: float,
) -> list[str]:
    """Who may move now, the place that moved the least first."""
    wrong = [
        head
        for head in heads
        if head.member.state is State.RUNNING
        and not head.successor
        and head.bought
        and head.bought != wish.purchase.value
    ]
    if wish.purchase is Purchase.SPOT:
        if wish.back is None or not wish.back.due(now_s, expected_up_s=expected_up_s, needed_s=spec.needed_s):
            return []
        wrong = [head for head in wrong if _lately(slots, spec, head, now_s) < spec.moves_per_day]
    return [head.name for head in sorted(wrong, key=lambda one: (_lately(slots, spec, one, now_s), one.slot))]


def _lately(slots: Mapping[tuple[str, int], Slot], spec: FleetSpec, head: Entry, now_s: float) -> int:
    """How often the place moved within the last day."""
    return sum(at_s > now_s - DAY_S for at_s in slots[spec.name, head.slot].moves)
