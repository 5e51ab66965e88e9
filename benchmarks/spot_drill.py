"""The interruption part of the spot benchmark: 10,000 injected interruptions, and a storm of notices."""

from __future__ import annotations

import json
import time
from random import Random

from bench import Bar, Table, at_most
from scrimp_actions.spot import AWS_BUDGET, GCP_BUDGET, Budget, Rules, StepKind, advance, request
from scrimp_actions.spot.drill import Plan, Tally, rehearse
from scrimp_actions.spot.member import Done, Notice, Running
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Climate, generate_region

STORM = 500


def drill(budget: Budget, interruptions: int, seed: int) -> tuple[Tally, Plan]:
    """One rehearsal in four generated zones; notices come with all faults, and the controller dies at random."""
    rng = Random(seed)
    plan = Plan(interruptions)
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
    )
    return rehearse(TraceCloud(traces, faults, rng), Rules(budget), plan, rng), plan


def drill_bars(name: str, tally: Tally, plan: Plan) -> list[Bar]:
    """What must not have happened."""
    zeros = (
        ("samples lost", tally.samples_lost),
        ("samples committed twice", tally.committed_twice),
        ("instances left over", tally.left_over),
        ("members stuck", tally.stuck),
        ("steps outside the budget", tally.late_steps + tally.over_budget),
    )
    bars = [at_most(f"{name}: {what}", float(count), 0) for what, count in zeros]
    bars.append(at_most(f"{name}: redone after a notice", tally.redone_told_batches, 1.0, "batches"))
    bars.append(at_most(f"{name}: redone without", tally.redone_untold_s, plan.checkpoint_s, "s"))
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
            float(tally.samples),
        )
        for name, tally in tallies.items()
    ]
    return Table("interruptions on a virtual clock", columns, rows)


def storm_s() -> float:
    """Wall seconds to take in 500 notices at once: each member read, advanced, written; its steps in hand."""
    rules = Rules(AWS_BUDGET)
    members = []
    for k in range(STORM):
        member, (launch,) = request(f"m{k}", 0.0, rules)
        member, _ = advance(member, Done(1.0, launch.key, f"i-{k}"), rules)
        members.append(advance(member, Running(2.0, f"i-{k}"), rules)[0])
    began = time.perf_counter()
    for k, member in enumerate(members):
        following, steps = advance(member, Notice(100.0, f"i-{k}", 215.0), rules)
        json.dumps(following.to_json())
        assert [step.kind for step in steps] == [StepKind.STOP_WORK, StepKind.REPLACE]
    return time.perf_counter() - began


def measure_drills(quick: bool, seed: int) -> tuple[list[Bar], list[Table], list[str]]:
    """The bars of all rehearsals. Quick: the two-minute notice only."""
    bars: list[Bar] = []
    tallies: dict[str, Tally] = {}
    for name, budget in (("2 min", AWS_BUDGET), ("30 s", GCP_BUDGET)):
        if quick and budget is GCP_BUDGET:
            continue
        tally, plan = drill(budget, 10_000, seed)
        tallies[name] = tally
        bars += drill_bars(name, tally, plan)
    bars.append(at_most(f"{STORM} notices at once: decided and written", storm_s(), 1.0, "s"))
    return bars, [drill_table(tallies)], ["interruptions with a notice of 30 s"] if quick else []
