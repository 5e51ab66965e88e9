"""Cost per item: what a thousand samples or an hour of audio came to, by operation or any other dimension of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrimp.costs.groups import PERIOD
from scrimp.model.costs import CostGroups
from scrimp.model.money import Money
from scrimp.model.usage import MICRO, Period, WorkTable


@dataclass(frozen=True, slots=True)
class UnitCost:
    """`cost` per `per` units of work, such as $0.42 per 1,000 samples. `used` leaves idle and overhead out.

    `quantity` is all the work that was done, `cost` its whole cost divided by it.
    """

    key: tuple[str, ...]
    unit: str
    per: float
    quantity: float
    cost: Money
    used: Money


def unit_costs(
    costs: CostGroups, work: WorkTable, *, per: Mapping[str, float], periods: Sequence[Period] = ()
) -> tuple[UnitCost, ...]:
    """Cost per unit of work for each group that did some, in the groups' order.

    `costs` is grouped by dimensions that work has too (`job`, `operation`, `team`), and by the same `periods` if by any.
    `per` says how many units a price is quoted for (`{"samples": 1000}`); units not in it are quoted for one. A group
    without recorded work has no unit cost: it is left out, not made infinite.
    """
    by = costs.by[:-1]
    done = _quantities(work, by, periods)
    found = []
    for at, key in enumerate(costs.keys):
        for unit, quantity in done.get(key[:-1], {}).items():
            if quantity <= 0:
                continue
            scale = per.get(unit, 1.0) / quantity / MICRO
            cost, used = int(costs.cost_micro()[at]), int(costs.used_micro[at])
            money = Money(cost * scale, key[-1]), Money(used * scale, key[-1])
            found.append(UnitCost(key[:-1], unit, per.get(unit, 1.0), quantity, *money))
    return tuple(found)


def unit_cost_change(before: Sequence[UnitCost], after: Sequence[UnitCost], unit: str) -> float | None:
    """By how much work became dearer: 0.15 is 15 % more for the same. `None` where nothing was done in both.

    What was done after, at its cost, against the same at the cost before (Paasche 1874): doing more of what is dear is no
    rise. Only groups that did some `unit` in both count; whoever has no cost before has no change.
    """
    known = {
        (one.key, one.cost.currency): one.cost.amount / one.per
        for one in before
        if one.unit == unit and one.cost.amount > 0
    }
    was = now = 0.0
    for one in after:
        old = known.get((one.key, one.cost.currency))
        if one.unit == unit and old is not None:
            was += old * one.quantity
            now += one.cost.amount / one.per * one.quantity
    return now / was - 1 if was > 0 else None


def _quantities(
    work: WorkTable, by: Sequence[str], periods: Sequence[Period]
) -> dict[tuple[str, ...], dict[str, float]]:
    """Quantity by group key and unit."""
    columns = {"job": work.job, "operation": work.operation, "team": work.team}
    texts = {name: columns[name].texts() for name in by if name != PERIOD}
    units, starts = work.unit.texts(), work.start_s.tolist()
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for row, quantity in enumerate(work.quantity.tolist()):
        label = next((str(one) for one in periods if one.start_s <= starts[row] < one.end_s), None)
        if PERIOD in by and label is None:
            continue
        key = tuple(str(label) if name == PERIOD else texts[name][row] for name in by)
        amounts = found.setdefault(key, {})
        amounts[units[row]] = amounts.get(units[row], 0.0) + quantity
    return found
