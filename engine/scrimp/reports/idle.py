"""Idle and overloaded resources of a report, worth what can be given back: whole nodes, whole units of a pool, parts of a volume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scrimp.costs import Advice, Marks, freed_per_hour, usage_advice
from scrimp.history import Fleet
from scrimp.model.costs import PARTS, CostGroups
from scrimp.model.usage import MICRO, NODE, STORAGE
from scrimp.reports.figures import POOLS, Figures, marginal
from scrimp.reports.packing import Packed, nodes_to_keep
from scrimp.reports.pools import PoolCosts

POOL, VOLUME = "pool/", "volume/"  # how the nodes of usage are called that stand for such targets


@dataclass(frozen=True, slots=True)
class Seen:
    """What samples say of the nodes now, priced in `currency`; pools of more nodes than `packing_max` squared are not packed."""

    fleet: Fleet
    pools: Sequence[Packed]
    currency: str
    packing_max: int


def idle_advice(
    figures: Figures, marks: Mapping[str, Marks], hours: float, seen: Seen, costs: PoolCosts
) -> tuple[Advice, ...]:
    """Idle and overloaded nodes, worth those that can be given back; pools of one resource, by their units; volumes, by their size."""
    nodes = figures.breakdowns.get("node")
    places = [] if nodes is None else [key[0] for key in nodes.keys]
    units = {name.removeprefix(POOL) for name in places if name.startswith(POOL)}
    groups = _rows(figures.pools, lambda key: key[0] not in units)
    pools = _rows(figures.pools, lambda key: key[0] in units)
    blind = marginal(figures.unmeasured, POOLS)
    advice: list[Advice] = []
    kinds: tuple[tuple[CostGroups, Literal["node_group", "pool"]], ...] = (
        (groups, "node_group"),
        (pools, "pool"),
    )
    for of, kind in kinds:
        plain = usage_advice(of, hours, marks, target=kind, realisable={})
        keys = {(one.target, one.saving_per_hour.currency) for one in plain if one.kind == "idle"}
        worth = {
            key: costs.take(key, _given_back(of, key, marks, hours, seen)) / MICRO for key in sorted(keys)
        }
        advice += usage_advice(of, hours, marks, target=kind, realisable=worth, unmeasured=blind)
    if nodes is not None:
        of_node = marginal(figures.unmeasured, ("node",))
        advice += usage_advice(_volumes(nodes), hours, marks, target="volume", unmeasured=_volumes(of_node))
    return tuple(advice)


def _rows(groups: CostGroups, wanted: Callable[[tuple[str, ...]], bool]) -> CostGroups:
    """The groups of some keys."""
    places = [at for at, key in enumerate(groups.keys) if wanted(key)]
    used, workload, pool, overhead = (groups.part(name)[places] for name in PARTS)
    amounts = (groups.capacity[places], groups.allocated[places], groups.used[places])
    keys = tuple(groups.keys[at] for at in places)
    return CostGroups(groups.by, keys, used, workload, pool, overhead, *amounts)


def _volumes(nodes: CostGroups) -> CostGroups:
    """Each volume as a pool of storage."""
    found = _rows(nodes, lambda key: key[0].startswith(VOLUME))
    keys = tuple((key[0].removeprefix(VOLUME), STORAGE, key[-1]) for key in found.keys)
    return replace(found, by=("pool", "resource", "currency"), keys=keys)


def _given_back(
    groups: CostGroups, key: tuple[str, str], marks: Mapping[str, Marks], hours: float, seen: Seen
) -> float:
    """What the nodes of a pool cost an hour, in millionths, that it can do without.

    Of nodes whose jobs are known: those that come free when the jobs are packed as they ask. Of others: as many as are left
    when the fullest of their resources, by what was given away or by use at its mark, is spread over whole nodes.
    """
    pool, currency = key
    rows = {each[1]: at for at, each in enumerate(groups.keys) if (each[0], each[-1]) == key}
    cost = sum(int(groups.cost_micro()[at]) for at in rows.values()) / hours
    known = next((one for one in seen.pools if one.pool == pool and currency == seen.currency), None)
    freed = 0.0
    if known is not None and len(known.nodes) ** 2 <= seen.packing_max:
        freed = float(freed_per_hour(known.nodes, known.asks))
    mine = [node for node in seen.fleet.nodes if node.pool == pool] if currency == seen.currency else []
    if mine:
        nodes = float(len(mine))
    elif currency == seen.currency and pool in seen.fleet.sizes:
        nodes = seen.fleet.sizes[pool]
    else:
        at = rows.get(NODE)
        nodes = float(groups.capacity[at if at is not None else max(rows.values())]) / hours
    others = nodes - (len(known.nodes) if known is not None else 0)
    if others <= 0 or nodes <= 0:
        return freed
    fullest = max(
        (_fullest(groups, at, marks.get(name)) for name, at in rows.items() if name != NODE), default=1.0
    )
    return freed + max(0.0, float(np.floor(others - nodes_to_keep(others, fullest) + 1e-9))) * cost / nodes


def _fullest(groups: CostGroups, at: int, mark: Marks | None) -> float:
    """How much of a resource must stay: what was given away, and what is used, at its mark."""
    capacity = float(groups.capacity[at])
    if capacity <= 0:
        return 0.0
    level = mark.idle if mark is not None and mark.idle > 0 else 1.0
    return max(float(groups.allocated[at]) / capacity, float(groups.used[at]) / capacity / level)
