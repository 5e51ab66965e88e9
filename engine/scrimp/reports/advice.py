"""Advice of a report: what usage and samples say could be had for less, priced together and never above what is spent.

Sizes come from peaks of samples, and are worth the nodes that come free when the jobs of a pool, asking for that much, are
packed again; a pool is packed by itself. What the samples lack for it is told in a line each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scrimp.costs import (
    MIB,
    Advice,
    Marks,
    PackJob,
    PackNode,
    Size,
    SizeRules,
    capped,
    price_proposals,
    size_advice,
    size_for,
    spot_advice,
    usage_advice,
)
from scrimp.history import Fleet, FleetJob, FleetNode, History, MemoryPeaks, Span
from scrimp.model.money import Money
from scrimp.model.usage import CPU, GPU, MEMORY, MICRO
from scrimp.reports.figures import Figures

NAMED = 3  # so many names stand in a line, and then how many more there are


@dataclass(frozen=True, slots=True)
class AdviceRules:
    """What a size promises, and how much packing a report may do: nodes squared times packings, for each pool."""

    sizes: SizeRules = field(default_factory=lambda: SizeRules(step=MIB))
    orders_max: int = 64
    packing_max: int = 250_000


@dataclass(frozen=True, slots=True)
class Samples:
    """A history whose samples of a span can be asked, and the discounts of spot by instance type in it."""

    history: History
    span: Span
    discounts: Mapping[str, float]


def advise(
    figures: Figures,
    marks: Mapping[str, Marks],
    hours: float,
    samples: Samples | None,
    rules: AdviceRules,
) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    """The pieces, and what could not be told; together they save no more an hour than is spent. Raises `HistoryError`.

    `samples` are `None` where the report is of a part of the costs, or of costs that were not measured here.
    """
    found = [*usage_advice(figures.pools, hours, marks)]
    lacking: tuple[str, ...] = ()
    if samples is not None:
        fleet = samples.history.fleet(samples.span)
        sizes, lacking = _sizes(samples, fleet, rules)
        spot, lacks = _spot(figures, hours, fleet, samples.discounts)
        found.extend((*sizes, *spot))
        lacking += lacks
    kept = [
        one
        for currency in figures.currencies
        for one in capped(
            [each for each in found if each.saving_per_hour.currency == currency],
            Money(sum(figures.total(currency)) / MICRO / hours, currency),
        )
    ]
    return tuple(kept), lacking


def _spot(
    figures: Figures, hours: float, fleet: Fleet, discounts: Mapping[str, float]
) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    """Pools on demand all of whose jobs can store their progress and may be paused."""
    if not discounts:
        return (), ("spot: not enough data: no discounts of spot markets in this period",)
    places = {node.name: node.pool for node in fleet.nodes}
    jobs: dict[str, list[FleetJob]] = {}
    for job in fleet.jobs:
        jobs.setdefault(job.group or places.get(job.node, ""), []).append(job)
    tolerant = [
        pool
        for pool, mine in jobs.items()
        if pool and all(job.checkpointable and not job.critical for job in mine)
    ]
    if not tolerant:
        return (), ("spot: not enough data: no pool whose jobs all say that they are checkpointable",)
    return spot_advice(figures.types, hours, discounts, tolerant), ()


def _sizes(samples: Samples, fleet: Fleet, rules: AdviceRules) -> tuple[list[Advice], tuple[str, ...]]:
    """Memory of operations, from the block peaks of their jobs."""
    seen = samples.history.memory_peaks(samples.span, rules.sizes.block_s)
    if not seen:
        why = "no samples of jobs in this period" if seen is None else "no job says operation and memory_used"
        return [], (f"sizes: not enough data: {why}",)
    sizes = {one.operation: size_for(one.peaks, one.span_s, rules.sizes) for one in seen}
    smaller = {
        one.operation: size
        for one in seen
        if one.limit_bytes is not None
        and (size := sizes[one.operation]) is not None
        and size.value < one.limit_bytes
    }
    savings, lacking = _priced(fleet, samples.history.currency, smaller, rules)
    found = [
        size_advice(
            one.operation,
            smaller[one.operation],
            one.limit_bytes or 0.0,
            Money(savings.get(one.operation, 0) / MICRO, samples.history.currency),
        )
        for one in seen
        if one.operation in smaller
    ]
    return [one for one in found if one is not None], (*_unlimited(seen), *lacking)


def _unlimited(seen: Sequence[MemoryPeaks]) -> tuple[str, ...]:
    names = [one.operation for one in seen if one.limit_bytes is None]
    return (f"sizes: not enough data: no memory_limit of {_names(names)}",) if names else ()


def _priced(
    fleet: Fleet, currency: str, smaller: Mapping[str, Size], rules: AdviceRules
) -> tuple[dict[str, int], tuple[str, ...]]:
    """What the sizes that are sure free together, by operation, in millionths an hour."""
    sure = sorted(name for name, size in smaller.items() if size.enough)
    if not sure:
        return {}, ()
    found, lacking = dict.fromkeys(sure, 0), []
    for pool, nodes, jobs in pools_of(fleet, currency):
        mine = [name for name in sure if any(job.operation == name for job in jobs)]
        orders = min(rules.orders_max, rules.packing_max // max(1, len(nodes) ** 2 * len(mine)))
        if not mine:
            continue
        if not orders:
            lacking.append(
                f"sizes: not priced in {pool or 'no pool'}: {len(nodes):,} nodes are too many to repack"
            )
            continue
        proposals = [
            {job.name: {MEMORY: smaller[name].value} for job in jobs if job.operation == name}
            for name in mine
        ]
        offered = {node.name: known for node, known in nodes}
        packed = [_pack_job(job, offered[job.node]) for job in jobs]
        rng = np.random.default_rng(0)  # the same history gives the same report
        shares = price_proposals([one for one, _ in nodes], packed, proposals, rng, orders)
        for name, share in zip(mine, shares, strict=True):
            found[name] += share
    if not fleet.nodes:
        lacking.append("sizes: not priced: no samples of nodes, so it is not known which could be freed")
    return found, tuple(lacking)


Packed = tuple[PackNode, frozenset[str]]
"""A node to pack, and the resources that it is known to offer."""


def pools_of(fleet: Fleet, currency: str) -> list[tuple[str, list[Packed], list[FleetJob]]]:
    """Each pool's nodes and jobs. A node on which no job is known is left out: what runs there may be unknown, not nothing."""
    jobs: dict[str, list[FleetJob]] = {}
    for job in fleet.jobs:
        jobs.setdefault(job.node, []).append(job)
    pools: dict[str, list[FleetNode]] = {}
    for node in fleet.nodes:
        if node.name in jobs:
            pools.setdefault(node.pool, []).append(node)
    return [
        (
            pool,
            [_pack_node(node, jobs[node.name], currency) for node in nodes],
            [job for node in nodes for job in jobs[node.name]],
        )
        for pool, nodes in sorted(pools.items())
    ]


def _pack_node(node: FleetNode, jobs: Sequence[FleetJob], currency: str) -> Packed:
    """What it offers to jobs: not what is used on it by what is no job."""
    offers = {GPU: node.gpus or 0.0}
    measured: tuple[tuple[str, float | None, float | None, Callable[[FleetJob], float | None]], ...] = (
        (CPU, node.cores, node.cpu_utilization, lambda job: job.cores_used),
        (MEMORY, node.memory_bytes, node.memory_utilization, lambda job: job.memory_used),
    )
    for resource, capacity, utilization, used in measured:
        if capacity is None:
            continue
        by_jobs = sum(used(job) or 0.0 for job in jobs)
        offers[resource] = capacity - max(0.0, capacity * (utilization or 0.0) - by_jobs)
    known = frozenset(resource for resource, amount in offers.items() if amount > 0)
    return PackNode(node.name, offers, Money(node.price or 0.0, currency)), known


def _pack_job(job: FleetJob, offered: frozenset[str]) -> PackJob:
    """What it asks for. Where that is not known of something that its node offers it stays, and so it does if critical."""
    stated = {
        CPU: _largest(job.cores, job.cores_used),
        MEMORY: _largest(job.memory_limit, job.memory_used),
        GPU: job.gpus,
    }
    asks = {resource: amount for resource, amount in stated.items() if amount is not None}
    return PackJob(job.name, job.node, asks, fixed=job.critical or not offered <= asks.keys())


def _largest(*amounts: float | None) -> float | None:
    return max((one for one in amounts if one is not None), default=None)


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
