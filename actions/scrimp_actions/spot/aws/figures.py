"""What a move of a group that AWS keeps rests on: the pool that is best now, its price and age, what it saves, when it pays.

The same arithmetic as for groups of scrimp's own (`poolbook`), asked of AWS at the moment of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scrimp.api import Money
from scrimp.aws import CURRENCY, Account, OnDemandPrices, hazard_per_h, read_lives, spot_prices
from scrimp_actions.spot.cloud import PoolPrice, pool_name, split_pool
from scrimp_actions.spot.poolbook import Machine, Move, PoolBook

PRICE_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Moves:
    """The market of one account. `rates` are shares of instances taken back within a month, by type."""

    account: Account
    prices: OnDemandPrices
    rates: Mapping[str, float]
    machine: Machine
    state_dir: Path

    def to_spot(self, types: Sequence[str], zones: Sequence[str], now_s: float) -> Move | None:
        """The best pool of these types in these zones, or in any; None where no price is known. Raises `OutsideError`."""
        book = self._book(types, zones, now_s)
        pool = _best(book, now_s)
        return None if pool is None else book.move(pool, now_s)

    def to_on_demand(self, types: Sequence[str], zones: Sequence[str], now_s: float) -> Move | None:
        """Away from the best pool, as of which it counts."""
        book = self._book(types, zones, now_s)
        pool = _best(book, now_s)
        return None if pool is None else book.back(pool)

    def _book(self, types: Sequence[str], zones: Sequence[str], now_s: float) -> PoolBook:
        deadline_s = PRICE_DEADLINE_S / 2
        spot = spot_prices(self.account, types, now_s, zones=zones, deadline_s=deadline_s)
        listed, _ = self.prices.of(types, now_s, deadline_s=deadline_s)
        offers = [
            PoolPrice(
                pool_name(kind, zone),
                Money(one.per_hour, CURRENCY),
                Money(listed[kind].per_hour, CURRENCY) if kind in listed else None,
                one.since_s,
            )
            for (kind, zone), one in spot.items()
        ]
        names = [one.pool for one in offers]
        hazards = {
            name: hazard_per_h(self.rates[split_pool(name)[0]])
            for name in names
            if split_pool(name)[0] in self.rates
        }
        book = PoolBook(names, self.machine, hazards=hazards)
        book.observe(offers, now_s)
        book.know({pool: one for pool, one in read_lives(self.state_dir).items() if pool in names})
        return book


def _best(book: PoolBook, now_s: float) -> str | None:
    """The pool with the cheapest work; None where there is none."""
    ranked = book.ranked(book.pools, {}, 1, now_s, least_pools=1, most_share=1.0)
    return ranked[0] if ranked else None
