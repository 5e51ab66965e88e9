"""What is known of a fleet's pools: prices with their age, how long they last, which of them failed lately; and the ranking.

The figures that a plan shows come from here, and so does the order in which a launch asks. What a pool is worth is the
arithmetic of `pools` and `survival`; this module keeps its inputs. A pool counts as up while it gives what is asked for.
Where bands of a cloud's advisor are given (`hazards`), lives of our own instances count instead: see `scrimp.aws.lives`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scrimp.api import Money, Value
from scrimp.aws import Lives
from scrimp_actions.spot.cloud import PoolPrice, split_pool
from scrimp_actions.spot.lifetimes import HOUR_S, Prior
from scrimp_actions.spot.pools import CoolDown, CoolDowns, Pool, break_even_s
from scrimp_actions.spot.survival import Survival

REFRESH_S = 900.0
"""Lifetimes are estimated anew this often; between, only the phases move."""

LIFE_CAP_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Machine:
    """What one instance does: `units_per_s` of work by instance type (1 where it is not known), start-up, redone work."""

    units_per_s: Mapping[str, float]
    startup_s: float = 60.0
    redone_s: float = 30.0

    def speed(self, pool: str) -> float:
        """Units of work per second of an instance in the pool."""
        return self.units_per_s.get(split_pool(pool)[0], 1.0)


@dataclass(frozen=True, slots=True)
class Move:
    """The figures of one move, per instance: where to, at what price, what it saves, and when it has paid for itself."""

    pool: str
    price_per_hour: Money
    price_age_s: float | None
    expected_life_s: float
    saving_per_hour: Money
    break_even_s: float

    def text(self) -> str:
        """One line for people."""
        if self.saving_per_hour.amount < 0 and math.isinf(self.expected_life_s):
            more = Money(-self.saving_per_hour.amount, self.saving_per_hour.currency)
            return f"{self.pool} at {self.price_per_hour}/h, not taken back, costs {more}/h a member more"
        age = "of unknown age" if self.price_age_s is None else f"for {span(self.price_age_s)} now"
        even = "never" if math.isinf(self.break_even_s) else f"after {span(self.break_even_s)}"
        return (
            f"{self.pool} at {self.price_per_hour}/h ({age}), expected to last {span(self.expected_life_s)}, "
            f"saves {self.saving_per_hour}/h a member, breaks even {even}"
        )

    def figures(self) -> dict[str, Value]:
        """The same for programs: seconds, and money in `currency`."""
        return {
            "pool": self.pool,
            "price_per_hour": round(self.price_per_hour.amount, 6),
            "currency": self.price_per_hour.currency,
            "price_age_s": self.price_age_s,
            "expected_life_s": None if math.isinf(self.expected_life_s) else round(self.expected_life_s, 1),
            "saving_per_hour": round(self.saving_per_hour.amount, 6),
            "break_even_s": None if math.isinf(self.break_even_s) else round(self.break_even_s, 1),
        }


class PoolBook:
    """The running knowledge; `state` and `restore` carry it over a restart."""

    def __init__(
        self,
        pools: Sequence[str],
        machine: Machine,
        prior: Prior | None = None,
        hazards: Mapping[str, float] | None = None,
    ) -> None:
        """`hazards`: per hour, by pool, believed before a life was seen; None leaves all to the market's chain."""
        self.pools = tuple(dict.fromkeys(pools))
        self.machine = machine
        self.cooldowns = CoolDowns()
        self._prior = prior or Prior()
        self._lives = {name: Survival(self._prior) for name in self.pools}
        self._hazards = hazards
        self._machines = {name: Lives() for name in self.pools}
        self._looked_s: float | None = None
        self._prices: dict[str, PoolPrice] = {}
        self._up_s: dict[str, tuple[float, int, float]] = {}  # by pool: until when, phase, expected life

    def observe(self, prices: Iterable[PoolPrice], now_s: float) -> None:
        """Take in prices, and that each pool is up or out."""
        self._prices.update({price.pool: price for price in prices})
        for name, life in self._lives.items():
            life.observe(now_s, not self.cooldowns.out(name, now_s))

    def strike(self, pool: str, now_s: float) -> None:
        """The pool took an instance, or had none to give."""
        self.cooldowns = self.cooldowns.strike(pool, now_s)
        if pool in self._lives:
            self._lives[pool].observe(now_s, up=False)

    def saw(self, running: Mapping[str, int], now_s: float) -> None:
        """So many spot instances run in each pool. Since the last look they lived, unless that was too long ago to say so."""
        since_s, self._looked_s = self._looked_s, now_s
        if since_s is None or not 0 < now_s - since_s <= HOUR_S:
            return
        for name, count in running.items():
            if name in self._machines:
                self._machines[name] = self._machines[name].lived(count * (now_s - since_s) / HOUR_S, now_s)

    def lost(self, pool: str, now_s: float) -> None:
        """A spot instance was taken."""
        if pool in self._machines:
            self._machines[pool] = self._machines[pool].ended(now_s)

    def lives(self) -> dict[str, Lives]:
        """What was seen of the lives of instances, by pool."""
        until_s = {one.pool: one.until_s for one in self.cooldowns.pools}
        return {
            name: replace(one, out_until_s=until_s.get(name, 0.0)) for name, one in self._machines.items()
        }

    def price(self, pool: str) -> PoolPrice | None:
        """The price as last seen."""
        return self._prices.get(pool)

    def expected_up_s(self, pool: str, now_s: float) -> float:
        """How long an instance launched now is expected to be left: by lives at most a month, by the chain a day."""
        if self._hazards is not None and pool in self._machines:
            found = self.lives()[pool].expected_s(now_s, self._hazards.get(pool))
            if found is not None:
                return found
        life = self._lives.get(pool)
        if life is None or (life.up is False and self.cooldowns.out(pool, now_s)):
            return 0.0
        phase = life.phase(now_s) if life.up else 0
        until_s, known_phase, known = self._up_s.get(pool, (-math.inf, -1, 0.0))
        if now_s < until_s and phase == known_phase:
            return known
        found = life.lifetimes().expected_up_s(phase, LIFE_CAP_S)
        self._up_s[pool] = (now_s + REFRESH_S, phase, found)
        return found

    def standing(self, pool: str, now_s: float) -> Pool | None:
        """The pool as it stands on the spot market; None where its price is unknown."""
        price = self._prices.get(pool)
        if price is None or price.spot is None:
            return None
        return Pool(
            pool,
            price.spot.amount,
            self.machine.speed(pool),
            self.machine.startup_s,
            max(self.expected_up_s(pool, now_s), 1.0),
            self.machine.redone_s,
            available=not self.cooldowns.out(pool, now_s),
        )

    def ranked(
        self,
        pools: Sequence[str],
        held: Mapping[str, int],
        size: int,
        now_s: float,
        *,
        least_pools: int,
        most_share: float,
    ) -> list[str]:
        """Pools in the order in which one more instance is asked for: the cheapest work first, full ones after the rest.

        A pool is full with its share of the fleet: `most_share`, or an even part over `least_pools`. Those that failed
        lately come last, for where nothing else is left capacity comes first.
        """
        return [name for _, name in self._ordered(pools, held, size, now_s, least_pools, most_share)]

    def asked(
        self,
        pools: Sequence[str],
        held: Mapping[str, int],
        size: int,
        now_s: float,
        *,
        least_pools: int,
        most_share: float,
    ) -> list[str]:
        """The pools of one launch: the first of `ranked`, and those that are as good to have (not full, not failed lately).

        A cloud may choose among all that it is given, AWS by depth and price: one that is full must not be among them as
        long as another is not.
        """
        found = self._ordered(pools, held, size, now_s, least_pools, most_share)
        return [name for (out, full, _), name in found if (out, full) == found[0][0][:2]]

    def _ordered(
        self,
        pools: Sequence[str],
        held: Mapping[str, int],
        size: int,
        now_s: float,
        least_pools: int,
        most_share: float,
    ) -> list[tuple[tuple[bool, bool, float], str]]:
        share = min(most_share, 1.0 / least_pools if least_pools > 0 else 1.0)
        most = max(1, math.floor(size * share + 1e-9))

        def order(name: str) -> tuple[bool, bool, float]:
            standing = self.standing(name, now_s)
            cost = math.inf if standing is None else standing.cost_per_unit
            return self.cooldowns.out(name, now_s), held.get(name, 0) >= most, cost

        return sorted((order(name), name) for name in pools)

    def move(self, pool: str, now_s: float) -> Move | None:
        """The figures of a move from on demand into this pool; None where a price is unknown."""
        price, then = self._prices.get(pool), self.standing(pool, now_s)
        if price is None or then is None or price.on_demand is None or price.spot is None:
            return None
        now = replace(then, price_per_hour=price.on_demand.amount)
        return Move(
            pool,
            price.spot,
            None if price.at_s is None else max(0.0, now_s - price.at_s),
            then.expected_up_s,
            Money(price.on_demand.amount - price.spot.amount, price.spot.currency),
            break_even_s(now, then),
        )

    def back(self, pool: str) -> Move | None:
        """The figures of a move out of this pool to on demand, which is not taken back and does not pay for itself."""
        price = self._prices.get(pool)
        if price is None or price.on_demand is None or price.spot is None:
            return None
        return Move(
            f"{split_pool(pool)[0]} on demand",
            price.on_demand,
            None,
            math.inf,
            Money(price.spot.amount - price.on_demand.amount, price.spot.currency),
            math.inf,
        )

    def know(self, lives: Mapping[str, Lives]) -> None:
        """Take over what others saw of the lives of instances, by pool; out of which none is to be had, it is left alone."""
        self._machines |= lives

    def state(self) -> dict[str, Any]:
        """What has to outlive a restart, as JSON values."""
        return {
            "lives": {name: life.state() for name, life in self._lives.items()},
            "machines": {name: asdict(one) for name, one in self._machines.items()},
            "out": [[one.pool, one.until_s, one.strikes] for one in self.cooldowns.pools],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier `state`; pools that are new begin with the prior."""
        for name, old in state["lives"].items():
            if name in self._lives:
                self._lives[name] = Survival.restore(self._prior, old)
        seen = state.get("machines", {})
        self._machines |= {name: Lives(**seen[name]) for name in self.pools if name in seen}
        self.cooldowns = replace(self.cooldowns, pools=tuple(CoolDown(*one) for one in state["out"]))


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    if seconds >= 2 * HOUR_S:
        return f"{seconds / HOUR_S:.1f} h"
    return f"{seconds / 60.0:.0f} min" if seconds >= 120.0 else f"{seconds:.0f} s"
