"""The cost of every row of usage: each bill split into used, workload idle, pool idle and overhead, exactly.

A charge period of a node is split twice. First its bill over its resources, by what each is worth (`prices`). Then each
resource's part over those who had it: an allocation of a unit-hours that used u of them pays for u as *used* and for a - u
as *workload idle* (a is never below u: who takes more than asked for pays for it); what the system keeps is *overhead*, and
what nobody was given is *pool idle*. Where more was given than there is (overcommitted cores, shared GPUs), all is scaled
to what there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scrimp.costs.rounding import apportion, known_amounts, sums
from scrimp.model.costs import CostTable, PriceBook
from scrimp.model.usage import CPU, GPU, MEMORY, NODE, OTHER, RESOURCES, Bools, Floats, Integers, UsageTable


@dataclass(frozen=True, slots=True)
class BillShares:
    """Shares of a machine's bill by resource, where no price vector is known: with a GPU, and without.

    Source: Datadog's container cost allocation (95 % GPU, 3 % CPU, 2 % memory; 60 % CPU, 40 % memory).
    """

    with_gpu: Mapping[str, float] = field(default_factory=lambda: {GPU: 0.95, CPU: 0.03, MEMORY: 0.02})
    without_gpu: Mapping[str, float] = field(default_factory=lambda: {CPU: 0.6, MEMORY: 0.4})


def split_costs(usage: UsageTable, prices: PriceBook, shares: BillShares) -> CostTable:
    """Every row with its cost.

    A usage that was not measured (`nan`) counts as used: idle is never claimed where nobody looked. A bill that buys no
    capacity known here is overhead. The table must hold whole groups (one period of one node); see `UsageTable`.
    """
    rows = _Rows.of(usage)
    billed = _over_resources(rows, prices, shares)
    both = np.empty((2, len(usage)), dtype=np.int64)
    both[:, rows.order] = _over_allocations(rows, billed)
    of_charges = both * usage.is_charge()
    return CostTable(usage, *(both - of_charges), *of_charges)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns that a split reads, ordered by period, node and resource. Quantities are finite and not negative.

    Of `OTHER` there are none.
    """

    usage: UsageTable
    order: Integers  # row of `usage` at each place
    period: Integers  # number of the row's period of one node, ascending
    group: Integers  # the same with the resource
    charge: Bools
    resource: Integers
    names: tuple[str, ...]
    capacity: Floats
    system: Floats  # of a charge: what the system keeps
    used: Floats
    idle: Floats  # of an allocation: given and not used

    @classmethod
    def of(cls, usage: UsageTable) -> "_Rows":
        """Sorted, numbered and cleaned."""
        period, resources = _period_keys(usage), len(usage.resource.names) or 1
        key = period * resources + usage.resource.codes
        if np.all(key[1:] >= key[:-1]):
            order = np.arange(len(usage), dtype=np.int64)
        else:
            order = np.argsort(key, kind="stable")
            key = key[order]
        charge = usage.is_charge()[order]
        given, used = known_amounts(usage.allocated[order]), usage.used[order]
        unmeasured = np.isnan(used)
        used = known_amounts(used)
        if unmeasured.any():
            used = np.where(unmeasured, given, used)
        used *= ~charge
        capacity = known_amounts(usage.capacity[order]) * charge
        if OTHER in usage.resource.names:  # nothing of it was offered or given
            other = usage.resource.equals(OTHER)[order]
            for column in (given, used, capacity):
                column[other] = 0.0
        return cls(
            usage,
            order,
            _numbers(key // resources),
            _numbers(key),
            charge,
            usage.resource.codes[order].astype(np.int64),
            usage.resource.names,
            capacity,
            given * charge,
            used,
            np.maximum(given - used, 0.0) * ~charge,
        )

    def is_any(self, *wanted: str) -> Bools:
        """Where the resource is one of `wanted`."""
        hit = np.array([name in wanted for name in self.names], dtype=np.bool_)
        return hit[self.resource] if len(hit) else np.zeros(len(self.resource), dtype=np.bool_)


def _period_keys(usage: UsageTable) -> Integers:
    """One number for each period of one node in one currency, and of one origin: what one bill says of different charges.

    Equal for the rows that belong together.
    """
    if not len(usage):
        return np.zeros(0, dtype=np.int64)
    since = usage.start_s - usage.start_s.min()
    columns = (usage.node, usage.currency, usage.origin)
    size = float(since.max() + 1) * max(len(usage.resource.names), 1)
    for column in columns:
        size *= len(column.names)
    if size >= 2**62:
        since = np.unique(since, return_inverse=True)[1].astype(np.int64)
    keys: Integers = since
    for column in columns:
        keys = keys * len(column.names) + column.codes if len(column.names) > 1 else keys
    return keys


def _numbers(keys: Integers) -> Integers:
    """0, 1, … for runs of equal keys."""
    if not len(keys):
        return keys
    steps = np.zeros(len(keys), dtype=np.int64)
    np.cumsum(keys[1:] != keys[:-1], out=steps[1:])
    return steps


def _over_resources(rows: _Rows, prices: PriceBook, shares: BillShares) -> Integers:
    """What each charge row is billed once whole machines' bills lie on the rows of their resources."""
    billed = np.where(rows.charge, rows.usage.billed_micro[rows.order], 0)
    whole = rows.charge & rows.is_any(NODE) & (billed != 0)
    offers = np.flatnonzero(rows.charge & rows.is_any(*RESOURCES) & (rows.capacity > 0))
    if not whole.any() or not len(offers):
        return billed
    count = int(rows.period[-1]) + 1
    amounts = sums(rows.period[whole], billed[whole], count)
    where = rows.period[offers]
    offered = np.zeros(count, dtype=np.bool_)
    offered[where] = True
    moved = whole & offered[rows.period]
    wanted = amounts[where] != 0
    offers, where = offers[wanted], where[wanted]
    billed[moved] = 0
    if len(offers):
        weights = _weights(rows, offers, where, prices, shares)
        positive = weights > 0
        dense = _numbers(where[positive])
        found = apportion(amounts[np.unique(where)], weights[positive], dense)
        billed[offers[positive]] += found
    return billed


def _weights(
    rows: _Rows, offers: Integers, periods: Integers, prices: PriceBook, shares: BillShares
) -> Floats:
    """What the capacity of each of `offers` is worth, in any unit that is the same within a period; never all 0."""
    capacity, groups = rows.capacity[offers], _numbers(rows.group[offers])
    local = _numbers(periods)
    count = int(local[-1]) + 1
    resource = rows.resource[offers]
    types = rows.usage.instance_type
    worth = np.full((len(types.names), len(rows.names)), np.nan)
    for at, name in enumerate(types.names):
        vector = prices.vectors.get(name)
        if vector is not None:
            worth[at] = [vector.per_unit_hour.get(text, 0.0) for text in rows.names]
    priced = worth[types.codes[rows.order[offers]], resource] * capacity
    total = np.bincount(local, priced, count)
    # No vector for a row, or one that gives everything in the machine no worth: shares of the bill instead.
    unpriced = ~(total > 0)[local]
    if not unpriced.any():
        return priced
    gpu = np.array([name == GPU for name in rows.names])[resource]
    has_gpu = np.bincount(local, gpu, count)[local] > 0
    tables = np.array(
        [[table.get(name, 0.0) for name in rows.names] for table in (shares.without_gpu, shares.with_gpu)]
    )
    part = capacity / np.bincount(groups, capacity)[groups]
    shared = tables[has_gpu.astype(np.int64), resource] * part
    without = ~(np.bincount(local, shared, count) > 0)[local]
    return np.where(unpriced, np.where(without, part, shared), priced)


def _over_allocations(rows: _Rows, billed: Integers) -> Integers:
    """Two parts of every row, from what each resource of each period is billed.

    Of a charge: what nobody was given, and what the system keeps; of an allocation: what was used, and what was not.
    """
    if not len(billed):
        return np.zeros((2, 0), dtype=np.int64)
    count = int(rows.group[-1]) + 1
    given = np.bincount(rows.group, rows.used + rows.idle + rows.system, count)
    offered = np.bincount(rows.group, rows.capacity, count)
    spare = np.maximum(offered - given, 0.0)
    amounts = sums(rows.group, billed, count)
    weights = np.empty((len(billed), 2))
    first, second = weights.T
    per_unit = np.divide(spare, offered, out=np.zeros(count), where=offered > 0)
    np.multiply(rows.capacity, per_unit[rows.group], out=first)
    first += rows.used
    np.add(rows.system, rows.idle, out=second)
    # Nothing offered and nothing given: the charge itself is overhead.
    empty = np.maximum(offered, given) <= 0
    if empty.any():
        second[empty[rows.group] & rows.charge] = 1.0
    if not amounts.all():
        weights[(amounts == 0)[rows.group]] = 0.0
    places = np.flatnonzero(weights > 0)
    groups = rows.group[places >> 1]
    present = np.flatnonzero(np.bincount(groups, minlength=count))
    found = np.zeros(weights.size, dtype=np.int64)
    found[places] = apportion(amounts[present], weights.ravel()[places], _numbers(groups))
    return found.reshape(weights.shape).T


def device_shares(
    compute: Floats, memory_bytes: Floats, device_memory_bytes: Floats, device: Integers
) -> Floats:
    """The share of its device that each sharer of a GPU takes, for the `allocated` and `used` of its usage.

    `compute` is its share of the multiprocessors (0 to 1), `memory_bytes` its part of the memory; it takes the larger of
    the two shares, because the other cannot be sold to anyone else. `device` numbers the device of each sharer. Shares that
    add to more than their device are scaled to it.
    """
    taken = np.clip(np.maximum(compute, memory_bytes / device_memory_bytes), 0.0, 1.0)
    total = np.bincount(device, taken)[device]
    return taken / np.maximum(total, 1.0)
