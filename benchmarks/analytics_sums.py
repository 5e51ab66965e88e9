"""Random fleets, prices, filters and groupings: do the four parts of every bill add to it, to the last millionth?"""

from __future__ import annotations

import numpy as np

from bench import Arguments, Bar, at_most
from scrimp.costs import BillShares, Marks, group_costs, select, split_costs, usage_advice
from scrimp.model.costs import CostTable, PriceBook, PriceVector
from scrimp.model.usage import (
    CPU,
    DIMENSIONS,
    GPU,
    MEMORY,
    MICRO,
    NODE,
    OTHER,
    STORAGE,
    Categorical,
    Floats,
    Integers,
    UsageTable,
)

RESOURCES = (GPU, CPU, MEMORY, STORAGE, NODE, OTHER)


def fleet(rng: np.random.Generator, rows: int) -> UsageTable:
    """Rows that say anything: bills whole, by resource, or credits; quantities known, unknown, or more than there is."""
    hours, nodes = int(rng.integers(1, 200)), int(rng.integers(1, 50))
    jobs = np.where(rng.random(rows) < 0.3, 0, rng.integers(1, 40, rows))
    charge = jobs == 0
    start = rng.integers(0, hours, rows) * 3600
    billed = np.where(charge, rng.integers(-(10**6), 10**9, rows), 0)
    return UsageTable(
        start,
        start + 3600,
        _column(rng.integers(0, nodes, rows), "node"),
        _column(rng.integers(0, 5, rows), "pool"),
        _column(rng.integers(0, 4, rows), "type"),
        _column(rng.integers(0, 3, rows), "option"),
        _column(jobs, "job", empty=True),
        _column(rng.integers(0, 8, rows), "operation"),
        _column(rng.integers(0, 6, rows), "team"),
        _column(rng.integers(0, 4, rows), "policy"),
        Categorical(rng.integers(0, len(RESOURCES), rows).astype(np.int32), RESOURCES),
        Categorical(rng.integers(0, 2, rows).astype(np.int32), ("USD", "EUR")),
        _column(rng.integers(0, 3, rows), "origin", empty=True),
        np.where(charge, _amounts(rng, rows), 0.0),
        _amounts(rng, rows),
        _amounts(rng, rows),
        billed.astype(np.int64),
    )


def _column(codes: Integers, word: str, *, empty: bool = False) -> Categorical:
    names = [f"{word}-{code}" for code in range(int(codes.max(initial=0)) + 1)]
    if empty:
        names[0] = ""
    return Categorical(codes.astype(np.int32), tuple(names))


def _amounts(rng: np.random.Generator, rows: int) -> Floats:
    values = rng.exponential(4.0, rows)
    return np.where(rng.random(rows) < 0.05, rng.choice([np.nan, 0.0, -1.0, 1e9], rows), values)


def prices(rng: np.random.Generator) -> PriceBook:
    """Vectors for some types."""
    return PriceBook(
        {
            f"type-{at}": PriceVector(
                "USD", dict(zip(RESOURCES, rng.exponential(1.0, 4), strict=False)), "catalogue"
            )
            for at in range(3)
            if rng.random() < 0.7
        }
    )


def sums_off(given: Arguments) -> list[Bar]:
    """How many of the checks fail, over fleets of thousands of rows."""
    rng = np.random.default_rng(given.seed)
    count, checks, off, pieces, above = (25 if given.quick else 250), 0, 0, 0, 0
    for _ in range(count):
        usage = fleet(rng, int(rng.integers(1, 6000)))
        costs = split_costs(usage, prices(rng), BillShares())
        by = rng.choice(DIMENSIONS, int(rng.integers(0, 4)), replace=False).tolist()
        grouped = group_costs(costs, by)
        name = str(rng.choice(DIMENSIONS))
        names = usage.dimension(name).names
        hit = select(usage, {name: [str(one) for one in rng.choice(names, max(1, len(names) // 2))]})
        parts = [group_costs(costs.take(rows), by) for rows in (hit, ~hit)]
        for currency in usage.currency.names:
            bill = int(usage.billed_micro[usage.currency.is_any([currency])].sum())
            for groups in ([grouped], parts):
                cost = sum(
                    int(one.cost_micro()[at])
                    for one in groups
                    for at, key in enumerate(one.keys)
                    if key[-1] == currency
                )
                checks, off = checks + 1, off + (cost != bill)
        found, wrong = savings_above(costs, float(rng.uniform(0.05, 1.0)))
        pieces, above = pieces + found, above + wrong
    return [
        at_most(f"sums that are not the bill, of {checks}", off, 0),
        at_most(f"savings above the spend, of {pieces}", above, 0),
    ]


def savings_above(costs: CostTable, idle: float) -> tuple[int, int]:
    """Pieces of advice on idle resources, and how many of them promise more than their resource costs."""
    groups = group_costs(costs, ("pool", "resource"))
    spent = dict(zip(groups.keys, groups.cost_micro().tolist(), strict=True))
    marks = {resource: Marks(idle, 2.0) for resource in (GPU, CPU, MEMORY, STORAGE)}
    found = usage_advice(groups, 1.0, marks)
    wrong = 0
    for one in found:
        saving = one.saving_per_hour
        wrong += saving.amount * MICRO > max(0, spent[one.target, one.resource, saving.currency]) + 1
    return len(found), wrong
