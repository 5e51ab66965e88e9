"""Why a cost changed: each group's change split, exactly, into price, volume and mix.

With q the quantity of a group, p its price per unit and Q the quantity of all groups of the same resource:

    volume = (Q1 - Q0) / Q0 x q0 p0       more of everything, as it was
    mix    = (q1 - q0 Q1 / Q0) p0         more of this than of the rest
    price  = q1 (p1 - p0)                 the same, dearer

which add to p1 q1 - p0 q0. A group that was not there before has no old price: all of its change is mix.
"""

from collections import defaultdict
from dataclasses import dataclass

from scrimp.model.costs import CostGroups
from scrimp.model.money import Money
from scrimp.model.usage import MICRO


@dataclass(frozen=True, slots=True)
class Cause:
    """The change of one group's cost, and the three parts that add to it in millionths."""

    key: tuple[str, ...]
    change: Money
    price: Money
    volume: Money
    mix: Money


def causes(before: CostGroups, after: CostGroups, *, scale: float = 1.0, top: int = 3) -> tuple[Cause, ...]:
    """The `top` changes of cost from one period to another, the largest first.

    Both are grouped by the same dimensions, among them `resource`, because quantities of two resources have no sum.
    `scale` is the length of the second period by that of the first, where they differ.
    """
    if before.by != after.by or "resource" not in after.by:
        raise ValueError("both periods must be grouped alike, by resource among others")
    old, new = _amounts(before, scale), _amounts(after, 1.0)
    at = after.by.index("resource")
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for number, amounts in enumerate((old, new)):
        for key, (_, quantity) in amounts.items():
            totals[key[at], key[-1]][number] += quantity
    found = []
    for key in sorted(old.keys() | new.keys()):
        (cost0, quantity0), (cost1, quantity1) = old.get(key, (0, 0.0)), new.get(key, (0, 0.0))
        total0, total1 = totals[key[at], key[-1]]
        found.append(
            _cause(key, cost1 - cost0, (cost0, quantity0), quantity1, total1 / total0 if total0 else 1.0)
        )
    found.sort(key=lambda one: (-abs(one.change.amount), one.key))
    return tuple(found[:top])


def _amounts(groups: CostGroups, scale: float) -> dict[tuple[str, ...], tuple[int, float]]:
    """Cost in millionths and quantity by key. What was offered and given to nobody counts by its capacity."""
    rows = zip(
        groups.keys,
        groups.cost_micro().tolist(),
        groups.allocated.tolist(),
        groups.capacity.tolist(),
        strict=True,
    )
    return {key: (round(cost * scale), (given or offered) * scale) for key, cost, given, offered in rows}


def _cause(
    key: tuple[str, ...], change: int, old: tuple[int, float], quantity: float, growth: float
) -> Cause:
    cost0, quantity0 = old
    if quantity0 <= 0:
        volume, mix, price = 0, change, 0
    else:
        volume = round((growth - 1) * cost0)
        mix = round((quantity / quantity0 - growth) * cost0)
        price = change - volume - mix
    currency = key[-1]
    amounts = (Money(micro / MICRO, currency) for micro in (change, price, volume, mix))
    return Cause(key, *amounts)
