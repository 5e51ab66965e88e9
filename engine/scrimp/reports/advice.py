"""Advice of a report: what usage and samples say could be had for less, priced together and never above what is spent.

All that would give back nodes of a pool is priced in one order, each beyond what came before: what stands idle now, then
smaller sizes, then GPUs that are shared; spot is of what then is left. So nothing is saved twice, and all pieces on a pool
save no more than the pool costs. What the samples lack for a piece is told in a line each.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scrimp.costs import Advice, Marks, capped, share_advice, spot_advice
from scrimp.history import Fleet, FleetJob, GpuSeries, Span
from scrimp.model.money import Money
from scrimp.model.usage import MICRO
from scrimp.reports.figures import Figures
from scrimp.reports.idle import Seen, idle_advice
from scrimp.reports.packing import Packed, one_gpu_each, packed_pools, shared
from scrimp.reports.periods import DAY_S
from scrimp.reports.pools import AdviceRules, PoolCosts, Samples
from scrimp.reports.sizes import size_advices


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
    costs = PoolCosts.of(figures.pools, hours)
    currency = "" if samples is None else samples.history.currency
    fleet = Fleet() if samples is None else samples.history.fleet(samples.span)
    pools = packed_pools(fleet, currency)
    found = list(idle_advice(figures, marks, hours, Seen(fleet, pools, currency, rules.packing_max), costs))
    lacking: tuple[str, ...] = ()
    if samples is not None:
        for pieces, lacks in (
            size_advices(samples, fleet, pools, costs, rules),
            _shares(samples, fleet, pools, costs, rules),
            _spot(figures, hours, fleet, samples.discounts, costs),
        ):
            found.extend(pieces)
            lacking += lacks
    kept = [
        one
        for each in figures.currencies
        for one in capped(
            [piece for piece in found if piece.saving_per_hour.currency == each],
            Money(sum(figures.total(each)) / MICRO / hours, each),
        )
    ]
    return tuple(kept), lacking


def _shares(
    samples: Samples, fleet: Fleet, pools: Sequence[Packed], costs: PoolCosts, rules: AdviceRules
) -> tuple[list[Advice], tuple[str, ...]]:
    """Pools with a GPU for each job whose jobs fit on fewer, beside what was saved of them before."""
    currency = samples.history.currency
    advice: list[Advice] = []
    lacking: list[str] = []
    from_s = max(samples.span.from_s, samples.span.to_s - rules.share_days_max * DAY_S)
    span = Span(from_s, samples.span.to_s)
    fitting = [pool for pool in pools if pool.pool and one_gpu_each(pool)]
    names = [node.name for pool in fitting for node in pool.nodes]
    known = samples.history.gpu_series(span, names, rules.share_block_s) if names else None
    for pool in fitting:
        series = _of_nodes(known, {node.name for node in pool.nodes}, rules.share_blocks_min)
        if len(series.names) < 2:
            lacking.append(
                f"sharing: not enough data: too little gpu_utilization and gpu_memory_utilization of {pool.pool}"
            )
            continue
        found = shared(pool, series, rules.shares, rules.share_together)
        others = sum(node.pool == pool.pool for node in fleet.nodes) - len(pool.nodes)
        sharing = replace(
            found.sharing,
            devices=(*found.sharing.devices, *(() for _ in range(others))),
            alone=found.sharing.alone + others,
        )
        piece = share_advice(pool.pool, sharing, Money(0.0, currency))
        if piece is not None:
            saving = costs.take((pool.pool, currency), found.freed_micro) / MICRO
            advice.append(replace(piece, saving_per_hour=Money(saving, currency)))
    return advice, tuple(lacking)


def _of_nodes(known: GpuSeries | None, names: Collection[str], blocks_min: int) -> GpuSeries:
    """The series of some nodes, of those that were seen for long enough to say how they go with others."""
    if known is None:
        return GpuSeries((), np.zeros((0, 0)), np.zeros((0, 0)))
    enough = np.sum(~np.isnan(known.memory), axis=1) >= blocks_min
    rows = [at for at, name in enumerate(known.names) if name in names and enough[at]]
    return GpuSeries(tuple(known.names[at] for at in rows), known.memory[rows], known.duty[rows])


def _spot(
    figures: Figures, hours: float, fleet: Fleet, discounts: Mapping[str, float], costs: PoolCosts
) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    """Pools on demand all of whose jobs can store their progress and may be paused; of what nothing else saves of them."""
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
    pieces = []
    for one in spot_advice(figures.types, hours, discounts, tolerant):
        saving = one.saving_per_hour
        left = Money(saving.amount * costs.left((one.target, saving.currency)), saving.currency)
        pieces.append(replace(one, saving_per_hour=left))
    return tuple(pieces), ()
