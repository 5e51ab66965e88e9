"""Memory sizes of a report: from peaks of samples, worth the nodes that come free when jobs that ask for that much are packed again."""

from collections.abc import Mapping, Sequence

import numpy as np

from scrimp.costs import Advice, Size, price_proposals, size_advice, size_for
from scrimp.history import Fleet, MemoryPeaks
from scrimp.model.money import Money
from scrimp.model.usage import MEMORY, MICRO
from scrimp.reports.packing import Packed
from scrimp.reports.pools import AdviceRules, PoolCosts, Samples

NAMED = 3  # so many names stand in a line, and then how many more there are


def size_advices(
    samples: Samples, fleet: Fleet, pools: Sequence[Packed], costs: PoolCosts, rules: AdviceRules
) -> tuple[list[Advice], tuple[str, ...]]:
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
    savings, lacking = _priced(fleet, pools, samples.history.currency, smaller, costs, rules)
    found = [
        size_advice(
            one.operation,
            smaller[one.operation],
            one.limit_bytes or 0.0,
            Money(savings.get(one.operation, 0.0) / MICRO, samples.history.currency),
        )
        for one in seen
        if one.operation in smaller
    ]
    return [one for one in found if one is not None], (*_unlimited(seen), *lacking)


def _unlimited(seen: Sequence[MemoryPeaks]) -> tuple[str, ...]:
    names = [one.operation for one in seen if one.limit_bytes is None]
    return (f"sizes: not enough data: no memory_limit of {_names(names)}",) if names else ()


def _priced(
    fleet: Fleet,
    pools: Sequence[Packed],
    currency: str,
    smaller: Mapping[str, Size],
    costs: PoolCosts,
    rules: AdviceRules,
) -> tuple[dict[str, float], tuple[str, ...]]:
    """What the sizes that are sure free together, by operation, in millionths an hour."""
    sure = sorted(name for name, size in smaller.items() if size.enough)
    if not sure:
        return {}, ()
    found, lacking = dict.fromkeys(sure, 0.0), []
    for pool in pools:
        mine = [name for name in sure if any(job.operation == name for job in pool.jobs)]
        orders = min(rules.orders_max, rules.packing_max // max(1, len(pool.nodes) ** 2 * len(mine)))
        if not mine:
            continue
        if not orders:
            name = pool.pool or "no pool"
            lacking.append(f"sizes: not priced in {name}: {len(pool.nodes):,} nodes are too many to repack")
            continue
        proposals = [
            {job.name: {MEMORY: smaller[name].value} for job in pool.jobs if job.operation == name}
            for name in mine
        ]
        rng = np.random.default_rng(0)  # the same history gives the same report
        worth = price_proposals(pool.nodes, pool.asks, proposals, rng, orders)
        for name, micro in zip(mine, worth, strict=True):
            found[name] += costs.take((pool.pool, currency), micro)
    if not fleet.nodes:
        lacking.append("sizes: not priced: no samples of nodes, so it is not known which could be freed")
    return found, tuple(lacking)


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
