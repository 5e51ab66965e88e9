"""The interruption part of the spot benchmark: 10,000 injected interruptions, a storm of notices, the ways of notices.

A rehearsal of 10,000 is run at the two minutes' notice of AWS, and another at the 30 seconds of GCP and Azure. A quick run
takes a sample of both.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from random import Random

from bench import Arguments, Bar, Table, at_most, below
from scrimp.worker import SqliteQueue
from scrimp_actions.spot import AWS_BUDGET, GCP_BUDGET, Budget, Rules
from scrimp_actions.spot.drill import Plan, Tally, rehearse
from scrimp_actions.spot.members import MemberBook
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Climate, generate_region
from spot_channels import measure_channels
from spot_site import aws_server
from spot_storm import measure_engine_storm, measure_storm

INTERRUPTIONS = 10_000
QUICK_S = 2.0
"""So much of a quick run is spent on injecting interruptions, with each length of notice."""


def drill(budget: Budget, seed: int, limit_s: float) -> tuple[Tally, Plan]:
    """One rehearsal in four generated zones; notices come with all faults, and the controller dies at random."""
    rng = Random(seed)
    plan = Plan(INTERRUPTIONS)
    zones = ("a", "b", "c", "d")
    traces = generate_region(
        zones, Climate(), rng, ticks=4000, gap_s=195.0, instances=60, on_demand_per_hour=3.06
    )
    faults = Faults(
        lead_s=budget.total_s,
        delay_s=budget.see_s,
        missing=0.1,
        late=0.1,
        late_s=budget.total_s / 3,
        double=0.3,
        rebalance=0.3,
        lost_answers=0.02,
    )
    until_s = time.monotonic() + limit_s
    with (
        tempfile.TemporaryDirectory(prefix="scrimp-drill-") as folder,
        SqliteQueue.holding(Path(folder) / "queue.db", 200_000_000, attempts=1000, durable=False) as queue,
    ):
        tally = rehearse(
            TraceCloud(traces, faults, rng),
            queue,
            lambda: MemberBook(Path(folder) / "members.db", durable=False),
            Rules(budget),
            plan,
            rng,
            enough=lambda: time.monotonic() > until_s,
        )
    return tally, plan


def drill_bars(name: str, tally: Tally, plan: Plan) -> list[Bar]:
    """What must not have happened."""
    zeros = (
        ("samples lost", tally.samples_lost),
        ("samples committed twice", tally.committed_twice),
        ("instances left over", tally.left_over),
        ("members stuck", tally.stuck),
        ("steps outside the budget", tally.late_steps + tally.over_budget),
        ("lost members swept before their leases were free", tally.unrevoked),
        ("workers left over", tally.forgotten),
    )
    bars = [at_most(f"{name}: {what}", float(count), 0) for what, count in zeros]
    bars.append(below(f"{name}: redone after a notice", tally.redone_told_batches, 1.0, "batches"))
    interval_s = plan.work.checkpoint_s
    bars.append(below(f"{name}: redone without", tally.redone_untold_s, interval_s, "s"))
    return bars


def drill_table(tallies: dict[str, Tally]) -> Table:
    """What did happen."""
    columns = (
        "rehearsal",
        "interruptions",
        "told in time",
        "controller killed",
        "steps",
        "commits refused",
        "unknown instances",
        "samples",
    )
    rows = [
        (
            name,
            float(tally.interruptions),
            float(tally.told),
            float(tally.kills),
            float(tally.steps),
            float(tally.refused_commits),
            float(tally.strays),
            float(tally.samples),
        )
        for name, tally in tallies.items()
    ]
    return Table("interruptions on a virtual clock", columns, rows)


def measure_drills(given: Arguments) -> tuple[list[Bar], list[Table], list[str]]:
    """The bars of all rehearsals and ways. Quick: as many interruptions as there is time for."""
    with aws_server() as server:
        bars, tables, left_out = rehearsals(given)
        given.begin("notices by the channels of AWS")
        more_bars, more_tables, more_left_out = measure_channels(given, server)
    return bars + more_bars, tables + more_tables, left_out + more_left_out


def rehearsals(given: Arguments) -> tuple[list[Bar], list[Table], list[str]]:
    """Interruptions on a virtual clock, and the storm in wall time."""
    bars: list[Bar] = []
    tallies: dict[str, Tally] = {}
    left_out: list[str] = []
    for name, budget in (("2 min", AWS_BUDGET), ("30 s", GCP_BUDGET)):
        given.begin(f"{INTERRUPTIONS} interruptions, {name} of notice")
        tally, plan = drill(budget, given.seed, QUICK_S if given.quick else float("inf"))
        tallies[name] = tally
        bars += drill_bars(name, tally, plan)
        if tally.interruptions < INTERRUPTIONS:
            left_out.append(f"{name}: {INTERRUPTIONS - tally.interruptions} of {INTERRUPTIONS} interruptions")
    given.begin("storms of notices")
    storm_bars, storm_table = measure_storm()
    engine_bars, engine_left_out = measure_engine_storm(quick=given.quick)
    tables = [drill_table(tallies), storm_table]
    return bars + storm_bars + engine_bars, tables, left_out + engine_left_out
