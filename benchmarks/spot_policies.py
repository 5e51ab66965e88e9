"""`scrimp_actions.spot.choose` as a policy of the replay: with what was known at each tick, or with hindsight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from scrimp_actions.spot import (
    DEPTH_PRIOR,
    ChoiceRules,
    MarketMemory,
    Mode,
    Offer,
    Outlook,
    Prior,
    Task,
    choose,
    deadline,
    still_fits,
    table_for,
)
from spot_replay import IDLE, ON_DEMAND, Market, Seen

REFRESH_S = 7200.0
KEPT = 48  # refreshes within the longest window of a job


class Knowledge(Protocol):
    """What a policy may know of a market: offers and phases of each tick, estimates and the table solved for them."""

    @property
    def market(self) -> Market:
        """The market that the ticks are of."""
        ...

    @property
    def rules(self) -> ChoiceRules:
        """The rules of the choice."""
        ...

    @property
    def offers(self) -> Sequence[dict[str, Offer]]:
        """What there is at each tick."""
        ...

    @property
    def phases(self) -> Sequence[tuple[dict[str, int], int]]:
        """The phase of each pool and of the market, at each tick."""
        ...

    def known(self, tick: int) -> tuple[Outlook, deadline.Table]:
        """The estimates and the table at a tick."""
        ...


class History:
    """What was known of a market at each tick, from that tick and those before it; shared by all jobs in it.

    With `hindsight` the statistics are those of the whole series, its future included. That is no upper bound: a market
    that changes is at times followed better by what was learnt of it lately.
    """

    def __init__(
        self,
        market: Market,
        horizon_s: float,
        slack_s: float,
        changeover_s: float,
        *,
        hindsight: bool = False,
    ) -> None:
        self.market = market
        self.every = max(1, int(REFRESH_S // market.gap_s))
        self.rules = ChoiceRules(market.on_demand_usd_h, changeover_s, market.gap_s)
        self.offers: list[dict[str, Offer]] = []
        self.phases: list[tuple[dict[str, int], int]] = []
        self._outlooks: list[Outlook] = []
        self._tables: dict[int, deadline.Table] = {}
        self._size = (horizon_s, slack_s)
        prior = Prior() if market.depth is None else DEPTH_PRIOR
        if hindsight:
            prior = replace(prior, pool_weight=1.0, weight=1.0, half_life_s=1e12, caution=1.0)
        memory = MarketMemory(prior, market.pools)
        blank = [[None] * len(market.pools)] * market.ticks
        depths = blank if market.depth is None else market.depth.tolist()
        seen = zip(market.available.tolist(), market.price_usd_h.tolist(), depths, strict=True)
        for tick, (up, price, depth) in enumerate(seen):
            if tick % self.every == 0:
                self._outlooks.append(memory.outlook(price=min(price)))
            offers = {name: Offer(up[k], price[k], depth[k]) for k, name in enumerate(market.pools)}
            memory.observe(tick * market.gap_s, offers)
            self.offers.append(offers)
            self.phases.append(memory.phases(tick * market.gap_s))
        if hindsight:
            self._outlooks = [memory.outlook(price=price)] * len(self._outlooks)

    def known(self, tick: int) -> tuple[Outlook, deadline.Table]:
        """The estimates of the last refresh before a tick, and the table solved for them, or for some near to them."""
        era = tick // self.every
        outlook = self._outlooks[era]
        if era not in self._tables:
            horizon_s, slack_s = self._size
            several = len(self.market.pools) > 1
            # Jobs come in order of their start: tables that none can ask for again make room.
            for old in [old for old in self._tables if old < era - KEPT]:
                del self._tables[old]
            table = self._tables.get(max(self._tables, default=-1))
            if table is None or not still_fits(table, outlook, self.rules, several=several):
                table = table_for(outlook, self.rules, horizon_s=horizon_s, slack_s=slack_s, several=several)
            self._tables[era] = table
        return outlook, self._tables[era]


@dataclass(slots=True)
class Scrimp:
    """`scrimp_actions.spot.choose` as a policy of the replay."""

    history: Knowledge
    moves_s: tuple[float, ...] = ()
    moves: int = 0

    def choose(self, seen: Seen) -> int:
        """See `Chooser.choose`."""
        history, tick = self.history, seen.tick
        pools = history.market.pools
        outlook, table = history.known(tick)
        mode = {IDLE: Mode.IDLE, ON_DEMAND: Mode.ON_DEMAND}.get(seen.current, Mode.SPOT)
        pool = pools[seen.current] if seen.current >= 0 else None
        now_s = tick * history.market.gap_s
        task = Task(mode, pool, seen.work_s, seen.left_s, seen.warming_s, self.moves_s)
        choice = choose(
            task, history.offers[tick], history.phases[tick], outlook, table, history.rules, now_s
        )
        if choice.move:
            self.moves += 1
            self.moves_s = (*self.moves_s[-8:], now_s)
        if choice.best.pool is not None:
            return pools.index(choice.best.pool)
        return ON_DEMAND if choice.best.mode is Mode.ON_DEMAND else IDLE
