"""Spot: savings of the deadline-aware choice against the optimum that sees the future, and against known policies.

What is measured, exactly:

- A job has 48 hours of work for one instance (or one group that runs as one) and a deadline that leaves a fraction of
  0.6 to 0.9 of the time for the work. Jobs start evenly over a series, as many as end within it; the same for all.
- In each tick of the series the job idles, runs on a spot pool that is available, or runs on demand. Each start on
  anything but what runs already (the first one, the same pool again after a loss, another pool, on demand) costs
  0.2 hours of paid time without progress, to the second: on ticks of 600 s that is 1.2 ticks. The last tick is paid
  as far as there is work for it. Prices are those of the tick, where a series has them, else the mean of the series.
- Savings are 1 - cost / cost of the work on demand without any changeover. A share of the optimum's savings is the
  sum over jobs and series of a policy's savings over the sum of the optimum's: every series counts alike, and one
  with no spot worth having counts for nothing, where a mean of ratios would divide by it.
- The optimum sees the whole future and pays for changeovers and ticks as all others do (`spot_replay.optimum`).
- A policy sees the present tick and all before it, those before the start of the job included, as it would in a
  system that watches its market. Where a series is of probes for several instances of which one is needed, it sees
  how many could be had.
- UP is Uniform Progress of "Can't Be Late" (Wu et al., NSDI 2024) by its published code: once on demand, it stays
  until spot is there and it is two changeovers ahead of the line. UP, text is section 4.3 read by the letter: it also
  leaves on demand for nothing. Greedy takes spot whenever there is any. All three have the safety net of the paper.
- "statistics known" is this policy with the statistics of the whole series, its future included: what it would do
  with nothing left to learn. It is a mark beside the figure and no upper bound, as series change on their way.
- "drawn" are series drawn from the chain fitted to each H100 series, with that chain known to the policy: there its
  table is exact, and what it lacks to the optimum is the worth of foresight alone (`spot_limit`). It says how much of
  the optimum's savings there is to be had at all.
- "whole ticks" is an optimum that pays for changeovers in whole ticks, as that of SkyNomad's artifact does (on ticks
  of 600 s two for 1.2), while the policies pay to the second. Shares of such an optimum are higher for every policy.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from spot_data import Sets, generated_markets, read_markets, together
from spot_drill import measure_drills
from spot_limit import Limit, limit
from spot_policies import History, Scrimp
from spot_replay import Chooser, Greedy, Job, Market, UniformProgress, optimum, replay

WORK_S = 48 * 3600.0
CHANGEOVER_S = 720.0
FRACTIONS = (0.6, 0.7, 0.8, 0.9)
SAVINGS_S = 10.0  # a quick run begins no other market after so long: the interruptions need the rest
DRAWS = 2  # drawn series for each job
BLOCK = 5  # jobs of an H100 series that start within the time of one
REDRAWN = 2000
QUIET_CHANGES = 3  # a job with no more changes ran in a quiet market


@dataclass(slots=True)
class Score:
    """Sums over jobs of one market and fraction; savings are shares of the bill on demand.

    `each` are the savings of each job in order of its start: of the optimum, of scrimp and of UP.
    """

    set: str
    market: str
    fraction: float
    jobs: int = 0
    optimum: float = 0.0
    whole_ticks: float = 0.0
    saved: dict[str, float] = field(default_factory=dict)
    missed: int = 0
    quiet_moves: int = 0
    quiet_days: float = 0.0
    each: list[tuple[float, float, float]] = field(default_factory=list)

    def mean(self, policy: str) -> float:
        """Mean saving of a policy."""
        return self.saved[policy] / self.jobs


POLICIES = ("scrimp", "greedy", "UP", "UP, text", "statistics known")


def share(scores: Sequence[Score], policy: str = "scrimp") -> float:
    """Savings over those of the optimum; every series counts alike."""
    best = sum(score.optimum / score.jobs for score in scores)
    return sum(score.mean(policy) for score in scores) / best if best > 0 else 1.0


def table(title: str, scores: Sequence[Score]) -> Table:
    """A line a market and fraction: mean savings, and shares of the optimum's; the last line is over all."""
    named = [policy for policy in POLICIES if all(policy in score.saved for score in scores)]

    def line(name: str, fraction: float | str, some: Sequence[Score]) -> list[float | str]:
        best = sum(score.optimum / score.jobs for score in some) / len(some)
        saved = sum(score.mean("scrimp") for score in some) / len(some)
        jobs = float(sum(score.jobs for score in some))
        return [name, fraction, jobs, best, saved, *(share(some, policy) for policy in named)]

    columns = ("market", "fraction", "jobs", "optimum", "saved", *(f"{policy} / opt." for policy in named))
    rows = [line(score.market, score.fraction, [score]) for score in scores]
    return Table(title, columns, [*rows, line("all", "", scores)])


def by_set(scores: Sequence[Score]) -> list[Score]:
    """The scores of each set and fraction added up."""
    sums: dict[tuple[str, float], Score] = {}
    for score in scores:
        total = sums.setdefault((score.set, score.fraction), Score(score.set, score.set, score.fraction))
        total.jobs += score.jobs
        total.optimum += score.optimum
        for policy, saved in score.saved.items():
            total.saved[policy] = total.saved.get(policy, 0.0) + saved
    return list(sums.values())


def jobs_in(market: Market, fraction: float, count: int) -> list[Job]:
    """Jobs that start evenly over the series and end within it."""
    deadline_s = WORK_S / fraction
    last = market.ticks - int(deadline_s // market.gap_s) - 3
    starts = np.unique(np.linspace(0, last, count).astype(int)) if last >= 0 else []
    return [Job(int(start), WORK_S, deadline_s, CHANGEOVER_S) for start in starts]


def in_whole_ticks(job: Job, gap_s: float) -> Job:
    """The job with a changeover of so many whole ticks."""
    return replace(job, changeover_s=math.ceil(job.changeover_s / gap_s) * gap_s)


def measure(
    name: str, market: Market, fractions: Sequence[float], count: int, *, known: bool = False
) -> list[Score]:
    """All policies and the optimum on one market; with `known`, the one with hindsight too."""
    horizon_s = WORK_S / min(fractions)
    size = (market, horizon_s, horizon_s - WORK_S, CHANGEOVER_S)
    history, hindsight = History(*size), History(*size, hindsight=True) if known else None
    bill = market.on_demand_usd_h * WORK_S / 3600
    scores = [Score(name, market.name, fraction) for fraction in fractions]
    planned = [(job, score) for score in scores for job in jobs_in(market, score.fraction, count)]
    for job, score in sorted(planned, key=lambda pair: pair[0].start):
        mine = Scrimp(history)
        policies: dict[str, Chooser] = {
            "scrimp": mine,
            "greedy": Greedy(job, market.gap_s),
            "UP": UniformProgress(job, market.gap_s),
            "UP, text": UniformProgress(job, market.gap_s, by_code=False),
        }
        if hindsight is not None:
            policies["statistics known"] = Scrimp(hindsight)
        score.jobs += 1
        best = 1 - optimum(market, job) / bill
        score.optimum += best
        if known:
            score.whole_ticks += 1 - optimum(market, in_whole_ticks(job, market.gap_s)) / bill
        saved: dict[str, float] = {}
        for policy, chooser in policies.items():
            done = replay(market, job, chooser)
            saved[policy] = 1 - done.cost_usd / bill
            score.saved[policy] = score.saved.get(policy, 0.0) + saved[policy]
            if policy == "scrimp":
                score.missed += done.missed
                if done.changes <= QUIET_CHANGES:
                    score.quiet_moves += mine.moves
                    score.quiet_days += done.took_s / 86400
        score.each.append((best, saved["scrimp"], saved["UP"]))
    return [score for score in scores if score.jobs]


@dataclass(slots=True)
class Measured:
    """What a run has measured so far."""

    given: Arguments
    scores: list[Score] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    partial: set[str] = field(default_factory=set)

    def bar(self, bar: Bar, names: Collection[str]) -> None:
        """Add a bar; it counts as not measured where a market of these sets was left out."""
        self.bars.append(replace(bar, met=None) if self.partial.intersection(names) else bar)

    def add(
        self, name: str, market: Market, fractions: Sequence[float], count: int, *, known: bool = False
    ) -> list[Score]:
        """Measure one market, if there is time for it."""
        if self.given.quick and time.monotonic() - self.given.started_s > SAVINGS_S:
            self.left_out.append(f"{name}: {market.name}")
            self.partial.add(name)
            return []
        self.given.begin(f"{name}: {market.name}")
        scores = measure(name, market, fractions, count, known=known)
        self.scores += scores
        return scores


def measure_choice(run: Measured, sets: Sets) -> None:
    """Zones to choose from; in a full run also without each one of them in turn."""
    quick = run.given.quick
    chosen: list[Score] = []
    for group, zones in sets.choice.items():
        name = f"{group}, to choose from"
        chosen += run.add(name, together("all zones", zones), FRACTIONS, 2 if quick else 12)
        for out in () if quick or len(zones) < 3 else zones:
            rest = together(f"without {out.name}", [zone for zone in zones if zone is not out])
            chosen += run.add(name, rest, FRACTIONS, 3)
    if not chosen:
        run.left_out.append("choice: no set of zones, or no time")
        return
    run.tables.append(table("zones to choose from", chosen))
    main = [score for score in chosen if score.market == "all zones"]
    saved = sum(score.mean("scrimp") for score in main) / len(main)
    names = {f"{name}, to choose from" for name in sets.choice}
    run.bar(at_least("choice: share of the optimum's savings", share(main), 0.98), names)
    run.bar(at_least("choice: saved against on demand", saved, 0.65), names)


def measure_deep(run: Measured, sets: Sets) -> None:
    """H100 zones, each alone."""
    alone = [
        score
        for market in sets.deep
        for score in run.add("H100", market, (0.8,), 4 if run.given.quick else 24, known=not run.given.quick)
    ]
    if not alone:
        run.left_out.append("H100: no series, or no time")
        return
    run.tables.append(table("H100, one of several needed, each zone alone", alone))
    if not run.given.quick:
        run.given.begin("H100: what can be reached")
        rng = np.random.default_rng(run.given.seed)
        run.tables.append(marks(alone, drawn_limits(sets.deep, rng), rng))
    run.bar(at_least("H100: share of the optimum's savings", share(alone), 0.96), {"H100"})


def drawn_limits(markets: Sequence[Market], rng: np.random.Generator) -> list[Limit]:
    """The limit without foresight, on series drawn from the chain of each market that is long enough for jobs."""
    horizon_s = WORK_S / 0.8
    planned = [(market, jobs_in(market, 0.8, 24)) for market in markets]
    return [
        limit(History(market, horizon_s, horizon_s - WORK_S, CHANGEOVER_S, hindsight=True), jobs, DRAWS, rng)
        for market, jobs in planned
        if jobs
    ]


def marks(scores: Sequence[Score], limits: Sequence[Limit], rng: np.random.Generator) -> Table:
    """What the H100 share is to be measured by; every series counts alike."""
    mine, theirs = share(scores), share(scores, "UP")
    best, drawn, drawn_up, expected = np.sum(
        [np.array([one.optimum, one.best, one.uniform_progress, one.expected]) / one.jobs for one in limits],
        axis=0,
    )
    exact = sum(score.optimum / score.jobs for score in scores)
    whole = sum(score.whole_ticks / score.jobs for score in scores)
    rows: list[list[float | str]] = [
        ["share of the optimum", mine, theirs],
        ["its standard error", *spread(scores, rng)],
        ["part of the way from UP to the optimum", ratio(mine - theirs, 1 - theirs), 0.0],
        [
            "share of an optimum in whole ticks",
            mine * ratio(exact, whole),
            theirs * ratio(exact, whole),
        ],
        ["drawn series, chain known: share of the optimum", ratio(drawn, best), ratio(drawn_up, best)],
        ["drawn series: savings over those that the tables expect", ratio(drawn, expected), ""],
    ]
    return Table("H100: what can be reached", ("mark", "scrimp", "UP"), rows)


def spread(scores: Sequence[Score], rng: np.random.Generator) -> tuple[float, float]:
    """The standard errors of the shares of scrimp and UP, by a bootstrap of blocks of jobs that start one after the other.

    Neighbouring jobs share most of their time, so they are drawn together (Künsch, Annals of Statistics 1989).
    """
    drawn = []
    for _ in range(REDRAWN):
        sums = np.zeros(3)
        for each in (np.array(score.each) for score in scores):
            starts = rng.integers(0, len(each), size=math.ceil(len(each) / BLOCK))
            at = (starts[:, None] + np.arange(BLOCK)).ravel()[: len(each)] % len(each)
            sums += each[at].mean(axis=0)
        drawn.append((ratio(sums[1], sums[0]), ratio(sums[2], sums[0])))
    mine, theirs = np.std(drawn, axis=0)
    return float(mine), float(theirs)


def ratio(part: float, whole: float) -> float:
    """A part of a whole; 1 of nothing."""
    return float(part / whole) if whole > 1e-9 else 1.0


def measure_alone(run: Measured, sets: Sets) -> None:
    """Every other series as the only pool; a quick run takes one of each set."""
    quick = run.given.quick
    alone: list[Score] = []
    for name in sorted(sets.alone):
        for market in sets.alone[name][:1] if quick else sets.alone[name]:
            alone += run.add(name, market, FRACTIONS, 1 if quick else 3)
        if quick and len(sets.alone[name]) > 1:
            run.left_out.append(f"{name}: all but one series alone")
    if not alone:
        run.left_out.append("one pool alone: no series, or no time")
        return
    run.tables.append(table("one pool alone, by set", by_set(alone)))
    for fraction in FRACTIONS:
        at = [score for score in alone if score.fraction == fraction]
        lead = 100 * sum(score.mean("scrimp") - score.mean("UP") for score in at) / len(at)
        bar = at_least(f"one pool, fraction {fraction:g}: lead over UP", lead, 0.0, "points")
        run.bar(bar, sets.alone)


def main(given: Arguments) -> Report:
    """Measure the sets (zones to choose from, H100 zones alone, other pools alone) and the interruptions."""
    found = read_markets(given)
    run = Measured(given)
    if found is None and given.data is not None:
        run.left_out.append("public series: no spot/manifest.json in the data folder; generated ones instead")
    sets = found or generated_markets(given.seed)
    measure_choice(run, sets)
    measure_deep(run, sets)
    measure_alone(run, sets)
    drill_bars, drill_tables, missing = measure_drills(given)
    run.left_out += missing
    days = sum(score.quiet_days for score in run.scores)
    moves = sum(score.quiet_moves for score in run.scores)
    run.bars.append(at_most("missed deadlines", float(sum(score.missed for score in run.scores)), 0))
    run.bars.append(at_most("moves per instance-day in quiet markets", moves / days if days else 0.0, 1.0))
    return Report(run.bars + drill_bars, run.left_out, run.tables + drill_tables)


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", main))
