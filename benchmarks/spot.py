"""Spot: savings of the deadline-aware choice against the optimum that sees the future, and against known policies.

48 hours of work, deadlines that leave a fraction of 0.6 to 0.9 of the time for it, 0.2 hours lost at each changeover.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from scrimp_actions.spot import (
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
from spot_data import CHOICE_SET, DEPTH_SET, generated_markets, read_markets, together
from spot_drill import measure_drills
from spot_replay import (
    IDLE,
    ON_DEMAND,
    Chooser,
    Greedy,
    Job,
    Market,
    Seen,
    UniformProgress,
    optimum,
    replay,
)

WORK_S = 48 * 3600.0
CHANGEOVER_S = 720.0
FRACTIONS = (0.6, 0.7, 0.8, 0.9)
REFRESH_S = 7200.0
QUIET_CHANGES = 3  # a job with no more changes ran in a quiet market
KEPT = 48  # refreshes within the longest window of a job


DEEP = Prior(depth_edges=(1.0,), depth_factor=(1.8, 0.6))


class History:
    """What was known of a market at each tick, from that tick and those before it; shared by all jobs in it."""

    def __init__(self, market: Market, horizon_s: float, slack_s: float) -> None:
        self.market = market
        self.every = max(1, int(REFRESH_S // market.gap_s))
        self.rules = ChoiceRules(market.on_demand_usd_h, CHANGEOVER_S, market.gap_s)
        self.offers: list[dict[str, Offer]] = []
        self.phases: list[tuple[dict[str, int], int]] = []
        self._outlooks: list[Outlook] = []
        self._tables: dict[int, deadline.Table] = {}
        self._size = (horizon_s, slack_s)
        self.solved = 0
        memory = MarketMemory(Prior() if market.depth is None else DEEP, market.pools)
        ups, prices = market.available.tolist(), market.price_usd_h.tolist()
        depths = [[None] * len(market.pools)] * market.ticks if market.depth is None else market.depth.tolist()
        for tick, (up, price, depth) in enumerate(zip(ups, prices, depths, strict=True)):
            if tick % self.every == 0:
                self._outlooks.append(memory.outlook(price=min(price)))
            offers = {name: Offer(up[k], price[k], depth[k]) for k, name in enumerate(market.pools)}
            memory.observe(tick * market.gap_s, offers)
            self.offers.append(offers)
            self.phases.append(memory.phases(tick * market.gap_s))

    def known(self, tick: int) -> tuple[Outlook, deadline.Table]:
        """The estimates of the last refresh before a tick, and the table solved for them."""
        era = tick // self.every
        outlook = self._outlooks[era]
        if era not in self._tables:
            horizon_s, slack_s = self._size
            several = len(self.market.pools) > 1
            # Jobs come in order of their start: tables that none can ask for again make room.
            for old in [old for old in self._tables if old < era - KEPT]:
                del self._tables[old]
            last = self._tables.get(max(self._tables, default=-1))
            if last is None or not still_fits(last, outlook, self.rules, several=several):
                last = table_for(outlook, self.rules, horizon_s=horizon_s, slack_s=slack_s, several=several)
                self.solved += 1
            self._tables[era] = last
        return outlook, self._tables[era]


@dataclass(slots=True)
class Scrimp:
    """`scrimp_actions.spot.choose` as a policy of the replay."""

    history: History
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


@dataclass(slots=True)
class Score:
    """Sums over jobs of one market and fraction; savings are shares of the bill on demand."""

    market: str
    fraction: float
    jobs: int = 0
    optimum: float = 0.0
    saved: dict[str, float] = field(default_factory=dict)
    missed: int = 0
    quiet_moves: int = 0
    quiet_days: float = 0.0

    def mean(self, policy: str) -> float:
        """Mean saving of a policy."""
        return self.saved[policy] / self.jobs

    def row(self) -> list[float | str]:
        """The line of the table."""
        best = self.optimum / self.jobs
        mine = self.mean("scrimp")
        others = [self.mean(name) for name in ("greedy", "uniform", "uniform, stays")]
        return [
            self.market,
            self.fraction,
            float(self.jobs),
            best,
            mine,
            mine / best if best else 1.0,
            *others,
        ]


COLUMNS = ("market", "fraction", "jobs", "optimum", "scrimp", "of optimum", "greedy", "UP", "UP, stays")


def jobs_in(market: Market, fraction: float, count: int) -> list[Job]:
    """Jobs that start evenly over the series and end within it."""
    deadline_s = WORK_S / fraction
    last = market.ticks - int(deadline_s // market.gap_s) - 3
    starts = np.unique(np.linspace(0, last, count).astype(int)) if last >= 0 else []
    return [Job(int(start), WORK_S, deadline_s, CHANGEOVER_S) for start in starts]


def measure(market: Market, fractions: Sequence[float], count: int) -> list[Score]:
    """All policies and the optimum on one market."""
    horizon_s = WORK_S / min(fractions)
    history = History(market, horizon_s, horizon_s - WORK_S)
    bill = market.on_demand_usd_h * WORK_S / 3600
    scores = [Score(market.name, fraction) for fraction in fractions]
    planned = [(job, score) for score in scores for job in jobs_in(market, score.fraction, count)]
    for job, score in sorted(planned, key=lambda pair: pair[0].start):
        mine = Scrimp(history)
        policies: dict[str, Chooser] = {
            "scrimp": mine,
            "greedy": Greedy(job, market.gap_s),
            "uniform": UniformProgress(job, market.gap_s),
            "uniform, stays": UniformProgress(job, market.gap_s, stays=True),
        }
        score.jobs += 1
        score.optimum += 1 - optimum(market, job) / bill
        for name, policy in policies.items():
            done = replay(market, job, policy)
            score.saved[name] = score.saved.get(name, 0.0) + 1 - done.cost_usd / bill
            if name == "scrimp":
                score.missed += done.missed
                if done.changes <= QUIET_CHANGES:
                    score.quiet_moves += mine.moves
                    score.quiet_days += done.took_s / 86400
    return [score for score in scores if score.jobs]


def share(scores: Sequence[Score]) -> float:
    """Savings of all jobs over those of the optimum."""
    return sum(score.saved["scrimp"] for score in scores) / sum(score.optimum for score in scores)


def lead(scores: Sequence[Score], fraction: float) -> float:
    """Mean saving of scrimp less that of Uniform Progress, at one fraction, in points of the bill on demand."""
    at = [score for score in scores if score.fraction == fraction]
    mine = sum(score.saved["scrimp"] for score in at)
    published = sum(score.saved["uniform"] for score in at)
    return 100 * (mine - published) / sum(score.jobs for score in at)


def main(given: Arguments) -> Report:
    """Measure the sets (pools to choose from, H100 zones alone, scarce pools alone) and the interruptions."""
    sets = read_markets(given) or generated_markets(given.seed)
    left_out: list[str] = []
    tables: list[Table] = []
    bars: list[Bar] = []
    all_scores: list[Score] = []

    def add(title: str, markets: Sequence[Market], fractions: Sequence[float], count: int) -> list[Score]:
        scores: list[Score] = []
        for market in markets:
            if given.left_s() < 8.0:
                left_out.append(f"{title}: {market.name}")
                continue
            scores += measure(market, fractions, count)
        if scores:
            tables.append(Table(title, COLUMNS, [score.row() for score in scores]))
        all_scores.extend(scores)
        return scores

    drill_bars, drill_tables, missing = measure_drills(given)
    left_out += missing
    zones = sets.pop(CHOICE_SET, [])
    deep = sets.pop(DEPTH_SET, [])
    if zones:
        chosen = add(
            "pools to choose from", [together("all zones", zones)], FRACTIONS, 6 if given.quick else 24
        )
        saved = sum(score.saved["scrimp"] for score in chosen) / sum(score.jobs for score in chosen)
        bars.append(at_least("choice: share of the optimum's savings", share(chosen), 0.98))
        bars.append(at_least("choice: saved against on demand", saved, 0.65))
    else:
        left_out.append(f"choice: no set {CHOICE_SET}")
    if deep:
        alone = add("H100, each zone alone", deep, (0.8,), 10 if given.quick else 40)
        bars.append(at_least("H100: share of the optimum's savings", share(alone), 0.96))
    else:
        left_out.append(f"H100: no set {DEPTH_SET}")
    scarce = [market for name in sorted(sets) for market in sets[name]] + ([] if given.quick else zones)
    alone = add("one pool alone", scarce, FRACTIONS, 3 if given.quick else 12)
    bars.extend(
        at_least(
            f"one pool, fraction {fraction:g}: lead over Uniform Progress",
            lead(alone, fraction),
            0.0,
            "points",
        )
        for fraction in (FRACTIONS if alone else ())
    )
    days = sum(score.quiet_days for score in all_scores)
    bars.append(at_most("missed deadlines", float(sum(score.missed for score in all_scores)), 0))
    moves = sum(score.quiet_moves for score in all_scores)
    bars.append(at_most("moves per instance-day in quiet markets", moves / days if days else 0.0, 1.0))
    notes = [
        "A policy sees the present tick and all before it, those before the start of the job included.",
        "UP: Uniform Progress as published; stays: its variant that leaves on demand for spot only.",
    ]
    return Report(bars + drill_bars, left_out, tables + drill_tables, notes)


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", main))
