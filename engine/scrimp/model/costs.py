"""Costs in columns: every bill split into what was used, what stood idle, and overhead, in exact integers.

The four parts, of a charge and of each allocation on it:

- **used**: paid for and used by work;
- **workload idle**: given to work that did not use it;
- **pool idle**: offered, and given to nobody;
- **overhead**: kept by the system, or billed for no resource at all.

INVARIANT: over all rows of a table the four parts add to `billed_micro` exactly, and so do any sums over groups of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from scrimp.model.usage import Bools, Floats, Integers, UsageTable

PARTS: Final = ("used", "workload_idle", "pool_idle", "overhead")


@dataclass(frozen=True, slots=True)
class PriceVector:
    """What one unit-hour of each resource is worth in `currency`: the weights by which a node's bill is split.

    `source` says where it comes from: fitted to a `catalogue`, or `shares` of the bill where no fit was good enough. Only
    ratios matter: a split is always rescaled to what was billed. `error` is the fit's largest relative miss.
    """

    currency: str
    per_unit_hour: Mapping[str, float]
    source: Literal["catalogue", "shares"]
    error: float = float("nan")


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Price vectors by instance type. A type without one is split by shares of the bill."""

    vectors: Mapping[str, PriceVector]


@dataclass(frozen=True, slots=True)
class CostTable:
    """Usage with the cost of every row. An allocation row has `used` and `workload_idle`, a charge row the other two."""

    usage: UsageTable
    used_micro: Integers
    workload_idle_micro: Integers
    pool_idle_micro: Integers
    overhead_micro: Integers

    def __len__(self) -> int:
        return len(self.usage)

    def part(self, name: str) -> Integers:
        """One of `PARTS`, in millionths of the currency unit."""
        if name not in PARTS:
            raise KeyError(name)
        column: Integers = getattr(self, f"{name}_micro")
        return column

    def cost_micro(self) -> Integers:
        """Each row's cost: its four parts together."""
        return self.used_micro + self.workload_idle_micro + self.pool_idle_micro + self.overhead_micro

    def take(self, rows: Integers | Bools) -> "CostTable":
        """The costs of some rows: a filter."""
        return CostTable(self.usage.take(rows), *(self.part(name)[rows] for name in PARTS))


@dataclass(frozen=True, slots=True)
class CostGroups:
    """Costs summed over groups of rows.

    `by` names the dimensions of `keys`: of `DIMENSIONS`, or `period`. `currency` is always the last of them, because
    amounts of two currencies are never added. Arrays have one entry a group; quantities are unit-hours, and add up to
    something only where `resource` is one of `by`.
    """

    by: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    used_micro: Integers
    workload_idle_micro: Integers
    pool_idle_micro: Integers
    overhead_micro: Integers
    capacity: Floats
    allocated: Floats
    used: Floats

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, name: str) -> Integers:
        """One of `PARTS`, in millionths of the currency unit."""
        if name not in PARTS:
            raise KeyError(name)
        column: Integers = getattr(self, f"{name}_micro")
        return column

    def cost_micro(self) -> Integers:
        """Each group's cost: its four parts together."""
        return self.used_micro + self.workload_idle_micro + self.pool_idle_micro + self.overhead_micro

    def workload_efficiency(self) -> Floats:
        """Of what was given to work, the share that was used; `nan` where nothing was given. Never mix it with `fleet`."""
        return _ratio(self.used_micro, self.used_micro + self.workload_idle_micro)

    def fleet_efficiency(self) -> Floats:
        """Of all that was billed, the share that was used; `nan` where nothing was billed."""
        return _ratio(self.used_micro, self.cost_micro())


def _ratio(part: Integers, whole: Integers) -> Floats:
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
