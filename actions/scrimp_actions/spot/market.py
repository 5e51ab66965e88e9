"""What is known of the pools that a job can choose from: fed with each tick, summed up as an `Outlook`.

A pool is an instance type in a zone. Nothing here decides; `pools` and `policy` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scrimp_actions.spot.lifetimes import Lifetimes, Prior
from scrimp_actions.spot.survival import Survival

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A pool at one moment. The price is per instance-hour, in the currency of the whole market.

    `depth`: the share of the instances asked for that could be had (0 to 1]; None where that is not known.
    """

    available: bool
    price_per_hour: float
    depth: float | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The estimates at one moment.

    `any_pool` are the lifetimes of "at least one pool is up"; `usual_price` is what the cheapest available pool has
    cost lately and `usual_life_s` how long a pool near that price stays up; `doubt` is the part of that life (0 to 1)
    that is belief and not yet seen.
    """

    pools: Mapping[str, Lifetimes]
    any_pool: Lifetimes
    usual_price: float
    usual_life_s: float
    doubt: float = 0.0


class MarketMemory:
    """The running estimates for all pools of a market; an accumulator like `Survival`, carried over by `state`."""

    def __init__(self, prior: Prior, names: tuple[str, ...], *, near: float = 1.1) -> None:
        """`near`: a pool up to this many times the cheapest price counts for the usual life."""
        if not names:
            raise ValueError("a market has at least one pool")
        self.prior = prior
        self._near = near
        self._pools = {name: Survival(prior) for name in names}
        self._any = Survival(prior.of_several(len(names)))
        self._price_sum = self._price_weight = 0.0
        self._up_s = self._losses = 0.0
        self._was_up: dict[str, bool] = {}
        self._at_s: float | None = None

    @property
    def prices(self) -> bool:
        """Whether an available price was ever seen."""
        return self._price_weight > 0

    def observe(self, now_s: float, offers: Mapping[str, Offer]) -> None:
        """Take in one tick, in order of time; a pool without an offer is unknown in it, not down."""
        if self._at_s is not None and now_s <= self._at_s:
            return
        step_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._at_s = now_s
        for name, offer in offers.items():
            self._pools[name].observe(now_s, offer.available, offer.depth)
        ups = [offer for offer in offers.values() if offer.available]
        depths = [offer.depth for offer in ups if offer.depth is not None]
        if offers:
            self._any.observe(now_s, bool(ups), max(depths, default=None))
        if ups:
            self._take_price(step_s, min(offer.price_per_hour for offer in ups), offers)
        self._was_up = {name: offer.available for name, offer in offers.items()}

    def _take_price(self, step_s: float, cheapest: float, offers: Mapping[str, Offer]) -> None:
        """Update the usual price (half-life two days) and the usual life (that of the prior)."""
        keep = 0.5 ** (step_s / (2 * DAY_S))
        self._price_sum = self._price_sum * keep + cheapest
        self._price_weight = self._price_weight * keep + 1.0
        keep = 0.5 ** (step_s / self.prior.half_life_s)
        self._up_s *= keep
        self._losses *= keep
        for name, offer in offers.items():
            if self._was_up.get(name) and offer.price_per_hour <= self._near * cheapest:
                self._up_s += step_s
                self._losses += not offer.available

    def phases(self, now_s: float) -> tuple[dict[str, int], int]:
        """The phase of each pool, and that of the market as a whole."""
        return {name: pool.phase(now_s) for name, pool in self._pools.items()}, self._any.phase(now_s)

    def outlook(self, *, price: float, life_s: float = 4 * 3600.0, weight: float = 2.0) -> Outlook:
        """The estimates now. `price` stands in until one was seen; `weight` losses after `life_s` each are believed."""
        usual = self._price_sum / self._price_weight if self.prices else price
        believed = self._losses + weight
        life = (self._up_s + weight * life_s) / believed
        pools = {name: pool.lifetimes() for name, pool in self._pools.items()}
        return Outlook(pools, self._any.lifetimes(), usual, life, weight / believed)

    def state(self) -> dict[str, Any]:
        """The memory as JSON values."""
        return {
            "pools": {name: pool.state() for name, pool in self._pools.items()},
            "any": self._any.state(),
            "sums": [self._price_sum, self._price_weight, self._up_s, self._losses],
            "was_up": dict(self._was_up),
            "at_s": self._at_s,
        }

    @classmethod
    def restore(
        cls, prior: Prior, names: tuple[str, ...], state: dict[str, Any], *, near: float = 1.1
    ) -> MarketMemory:
        """The memory that `state` came from; pools that are new begin with the prior, others are dropped."""
        made = cls(prior, names, near=near)
        kept = {name: old for name, old in state["pools"].items() if name in made._pools}
        made._pools.update({name: Survival.restore(prior, old) for name, old in kept.items()})
        made._any = Survival.restore(made._any.prior, state["any"])
        made._price_sum, made._price_weight, made._up_s, made._losses = map(float, state["sums"])
        made._was_up = {name: bool(up) for name, up in state["was_up"].items() if name in made._pools}
        made._at_s = state["at_s"]
        return made
