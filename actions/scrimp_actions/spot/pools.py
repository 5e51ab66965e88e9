"""Which pools to launch in: cost per unit of work, spread over several, cool-downs, and the way back to spot. Pure.

A pool is an instance type in a zone. `policy` chooses for one job with a deadline; this module is for groups of
instances, and for the figures that `plan` shows. Prices are in the currency of the market that the caller reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scrimp_actions.spot.lifetimes import HOUR_S


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool as it stands. `units_per_s`: work that one instance does for the operation in question.

    `startup_s` is paid time without work after each launch; `redone_s` is the work lost with each interruption;
    `expected_up_s` the expected life of an instance launched now; `egress_per_hour` what moving data adds.
    """

    name: str
    price_per_hour: float
    units_per_s: float
    startup_s: float
    expected_up_s: float
    redone_s: float = 0.0
    egress_per_hour: float = 0.0
    available: bool = True

    @property
    def cost_per_unit(self) -> float:
        """Cost per unit of work over an expected life; infinite where a life is too short to do any."""
        useful_s = self.expected_up_s - self.startup_s - self.redone_s
        if useful_s <= 0 or self.units_per_s <= 0:
            return math.inf
        hourly = self.price_per_hour + self.egress_per_hour
        return hourly * self.expected_up_s / HOUR_S / (useful_s * self.units_per_s)


def break_even_s(now: Pool, then: Pool) -> float:
    """How long a move has to last until it has paid for its start-up; infinite where it never does.

    The move costs the start-up and the redone work at the new price, and saves the difference in cost per unit of
    work, both warm, at the new pool's speed.
    """
    if now.units_per_s <= 0 or then.units_per_s <= 0:
        return math.inf
    hourly = (now.price_per_hour + now.egress_per_hour) / now.units_per_s * then.units_per_s
    saved = hourly - then.price_per_hour - then.egress_per_hour
    if saved <= 0:
        return math.inf
    return (then.startup_s + then.redone_s) * (then.price_per_hour + then.egress_per_hour) / saved


def spread(pools: Sequence[Pool], count: int, *, least_pools: int, most_share: float) -> dict[str, int]:
    """`count` instances over the pools: the cheapest work first, none with more than `most_share` of them.

    The diversification floor (`least_pools`, and the share) bounds what one storm takes. Where fewer pools are
    available than the floor asks for, the share gives way rather than the count: capacity comes first. The answer
    sums to `count`, or is empty where no pool is available. Ties are broken by name.
    """
    usable = sorted(
        (pool for pool in pools if pool.available and pool.cost_per_unit < math.inf),
        key=lambda pool: (pool.cost_per_unit, pool.name),
    )
    if not usable or count <= 0:
        return {}
    most = min(most_share, 1.0 / least_pools if least_pools > 0 else 1.0)
    cap = max(1, math.floor(count * most + 1e-9))
    while cap * len(usable) < count:
        cap = math.ceil(count / len(usable))
    spread_over: dict[str, int] = {}
    left = count
    # Every pool of the floor gets its even part even where the share would let fewer take all.
    floor = min(least_pools, len(usable), count)
    for k, pool in enumerate(usable):
        kept_back = max(0, floor - k - 1)
        given = min(cap, left - kept_back)
        if given > 0:
            spread_over[pool.name] = given
            left -= given
        if left <= 0:
            break
    return spread_over


@dataclass(frozen=True, slots=True)
class CoolDown:
    """A pool that failed: out until `until_s`, for the `strikes`-th time in a row."""

    pool: str
    until_s: float
    strikes: int


@dataclass(frozen=True, slots=True)
class CoolDowns:
    """Pools that are out for a while: after an interruption, a refusal of capacity, or a short life.

    The first strike costs `first_s`, each further one twice the one before, up to `limit_s`; a pool that has been
    fine for `forgive_s` after its cool-down begins anew.
    """

    first_s: float = 180.0
    limit_s: float = 3600.0
    forgive_s: float = 3600.0
    pools: tuple[CoolDown, ...] = ()

    def strike(self, pool: str, now_s: float) -> CoolDowns:
        """The cool-downs after one more failure; one that comes while the pool is out (the same storm) adds none."""
        old = next((entry for entry in self.pools if entry.pool == pool), None)
        if old is not None and now_s < old.until_s:
            return self
        strikes = 1 if old is None or now_s > old.until_s + self.forgive_s else old.strikes + 1
        pause_s = min(self.limit_s, self.first_s * 2.0 ** min(strikes - 1, 30))
        rest = tuple(entry for entry in self.pools if entry.pool != pool)
        return replace(self, pools=(*rest, CoolDown(pool, now_s + pause_s, strikes)))

    def out(self, pool: str, now_s: float) -> bool:
        """Whether the pool is out now."""
        return any(entry.pool == pool and now_s < entry.until_s for entry in self.pools)

    def next_s(self, now_s: float) -> float | None:
        """When the first pool comes back; None if none is out."""
        return min((entry.until_s for entry in self.pools if entry.until_s > now_s), default=None)


@dataclass(frozen=True, slots=True)
class WayBack:
    """The return to spot after a fall-back to on demand: always scheduled, and later after each try that failed.

    `fell_s`: when on demand was begun; `tries`: returns that failed since then.
    """

    fell_s: float
    tries: int = 0
    first_s: float = 1800.0
    limit_s: float = 6 * 3600.0

    @property
    def due_s(self) -> float:
        """When the next try is due."""
        pauses = (min(self.limit_s, self.first_s * 2.0 ** min(k, 30)) for k in range(self.tries + 1))
        return self.fell_s + sum(pauses)

    def due(self, now_s: float, *, expected_up_s: float, needed_s: float) -> bool:
        """Whether to try now: the time has come, and spot is expected to last for as long as the return needs."""
        return now_s >= self.due_s and expected_up_s >= needed_s

    def failed(self) -> WayBack:
        """The schedule after a try that failed."""
        return replace(self, tries=self.tries + 1)
