"""What all pieces of advice go by: their rules, the samples, and what of a pool's costs no other piece saves yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scrimp.costs import MIB, ShareRules, SizeRules
from scrimp.history import History, Span
from scrimp.model.costs import CostGroups


@dataclass(frozen=True, slots=True)
class AdviceRules:
    """What pieces promise, and how much packing a report may do: nodes squared times packings, for each pool.

    GPUs are shared by series in blocks of `share_block_s`, `share_days_max` back; a node needs `share_blocks_min` of them,
    and at most `share_together` jobs are tried with each other.
    """

    sizes: SizeRules = field(default_factory=lambda: SizeRules(step=MIB))
    orders_max: int = 64
    packing_max: int = 250_000
    shares: ShareRules = field(default_factory=ShareRules)
    share_block_s: float = 600.0
    share_blocks_min: int = 144
    share_days_max: int = 14
    share_together: int = 100


@dataclass(frozen=True, slots=True)
class Samples:
    """A history whose samples of a span can be asked, and the discounts of spot by instance type in it."""

    history: History
    span: Span
    discounts: Mapping[str, float]


@dataclass(slots=True)
class PoolCosts:
    """What each pool costs an hour, and what of it is not yet saved by another piece; in millionths, by pool and currency."""

    whole: Mapping[tuple[str, str], float]
    saved: dict[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def of(cls, pools: CostGroups, hours: float) -> "PoolCosts":
        """From costs by (pool, resource) over so many hours."""
        whole: dict[tuple[str, str], float] = {}
        for (pool, _, currency), micro in zip(pools.keys, pools.cost_micro().tolist(), strict=True):
            whole[pool, currency] = whole.get((pool, currency), 0.0) + micro / hours
        return cls(whole)

    def take(self, key: tuple[str, str], micro: float) -> float:
        """So much of it as is left."""
        before = self.saved.get(key, 0.0)
        granted = max(0.0, min(micro, self.whole.get(key, 0.0) - before))
        self.saved[key] = before + granted
        return granted

    def left(self, key: tuple[str, str]) -> float:
        """The share that nothing saves yet."""
        whole = self.whole.get(key, 0.0)
        return 1 - self.saved.get(key, 0.0) / whole if whole > 0 else 0.0
