"""How much of the optimum's savings any policy without foresight can reach: series drawn from a chain that it knows.

The chain of phases (`scrimp_actions.spot.lifetimes`) is fitted to a whole series, and new series are drawn from it.
On those the value table of `deadline` is solved for the very chain that they come from, so that the policy which
follows it has the least expected cost there is without seeing the future: there is nothing to learn and nothing to
guess wrong. What it lacks to the optimum is the worth of foresight alone. A real series adds to that what is not
known of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scrimp_actions.spot import ChoiceRules, Offer, Outlook, deadline, table_for
from spot_policies import History, Scrimp
from spot_replay import Job, Market, UniformProgress, optimum, replay


@dataclass(frozen=True, slots=True)
class Drawn:
    """A series drawn from a known chain, with the table for that chain; stands in for a `History`."""

    market: Market
    rules: ChoiceRules
    offers: list[dict[str, Offer]]
    phases: list[tuple[dict[str, int], int]]
    outlook: Outlook
    table: deadline.Table

    def known(self, _tick: int) -> tuple[Outlook, deadline.Table]:
        """The truth, at every tick."""
        return self.outlook, self.table


@dataclass(slots=True)
class Limit:
    """Sums over the drawn jobs of one market: savings as shares of the bill on demand. `expected`: by the tables."""

    market: str
    jobs: int = 0
    optimum: float = 0.0
    best: float = 0.0
    uniform_progress: float = 0.0
    expected: float = 0.0
    missed: int = 0


def limit(history: History, jobs: Sequence[Job], draws: int, rng: np.random.Generator) -> Limit:
    """`draws` series for each job, from the phase that its start has in the real series.

    `history` is one with hindsight, of a market with one pool.
    """
    market, rules = history.market, history.rules
    found = Limit(market.name)
    for job in jobs:
        outlook, _ = history.known(job.start)
        horizon_s = job.deadline_s
        table = table_for(outlook, rules, horizon_s=horizon_s, slack_s=horizon_s - job.work_s, several=False)
        first = history.phases[job.start][1]
        for _ in range(draws):
            drawn = _draw(market, rules, outlook, table, first, horizon_s, rng)
            _add(found, drawn, Job(0, job.work_s, job.deadline_s, job.changeover_s))
    return found


def _draw(
    market: Market,
    rules: ChoiceRules,
    outlook: Outlook,
    table: deadline.Table,
    first: int,
    horizon_s: float,
    rng: np.random.Generator,
) -> Drawn:
    """One series of the chain, from the phase `first` on, at the mean price."""
    chances = np.cumsum(outlook.any_pool.chain, axis=1)
    ticks, ups = math.ceil(horizon_s / market.gap_s) + 2, outlook.any_pool.prior.ups
    chain = [first]
    for at in rng.random(ticks - 1):
        chain.append(min(int(np.searchsorted(chances[chain[-1]], at)), len(chances) - 1))
    price, pool = float(market.price_usd_h.mean()), market.pools[0]
    series = Market(
        market.name,
        market.pools,
        market.gap_s,
        (np.array(chain) < ups)[:, None],
        np.full((ticks, 1), price),
        market.on_demand_usd_h,
    )
    offers = [{pool: Offer(phase < ups, price)} for phase in chain]
    return Drawn(series, rules, offers, [({pool: phase}, phase) for phase in chain], outlook, table)


def _add(found: Limit, drawn: Drawn, job: Job) -> None:
    """Replay one job on a drawn series and add it up."""
    market = drawn.market
    bill = market.on_demand_usd_h * job.work_s / 3600
    best = replay(market, job, Scrimp(drawn))
    found.jobs += 1
    found.missed += best.missed
    found.optimum += 1 - optimum(market, job) / bill
    found.best += 1 - best.cost_usd / bill
    found.uniform_progress += 1 - replay(market, job, UniformProgress(job, market.gap_s)).cost_usd / bill
    costs = drawn.table.costs(job.deadline_s, job.deadline_s - job.work_s, drawn.phases[0][1])
    ways = [costs.wait, costs.demand, *([costs.begin] if market.available[0, 0] else [])]
    found.expected += 1 - min(ways) / job.work_s
