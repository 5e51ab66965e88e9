"""A rehearsal with every fault at once loses nothing, does nothing twice, and leaves nothing behind."""

from pathlib import Path
from random import Random

import pytest

from scrimp.worker import SqliteQueue
from scrimp_actions.spot import AWS_BUDGET, AZURE_BUDGET, Budget, Rules
from scrimp_actions.spot.drill import Plan, Tally, rehearse
from scrimp_actions.spot.members import MemberBook
from scrimp_actions.spot.simulated import Work
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Climate, generate_region


def drill(folder: Path, seed: int, budget: Budget, plan: Plan, faults: Faults) -> Tally:
    rng = Random(seed)
    traces = generate_region(
        ("a", "b", "c"),
        Climate(),
        rng,
        ticks=400,
        gap_s=195.0,
        instances=plan.workers,
        on_demand_per_hour=3.0,
    )
    with SqliteQueue.holding(folder / "queue.db", 10_000_000, attempts=1000, durable=False) as queue:
        return rehearse(
            TraceCloud(traces, faults, rng),
            queue,
            lambda: MemberBook(folder / "members.db", durable=False),
            Rules(budget),
            plan,
            rng,
        )


@pytest.mark.parametrize(("seed", "budget"), [(0, AWS_BUDGET), (1, AZURE_BUDGET), (2, AWS_BUDGET)])
def test_nothing_lost_twice_late_or_left(tmp_path: Path, seed: int, budget: Budget) -> None:
    """Missing, late and double notices, cut-off workers, failing steps, lost answers, and a controller that dies often."""
    plan = Plan(interruptions=100, workers=15, kills=0.01, failing=0.05, silent=0.05, strays=0.05)
    short = budget.total_s < 60
    faults = Faults(
        lead_s=budget.total_s,
        delay_s=budget.see_s,
        late_s=0.4 * budget.total_s,
        missing=0.15,
        late=0.15,
        double=0.3,
        rebalance=0.3,
        boot_s=20.0 if short else 40.0,
        lost_answers=0.05,
    )
    tally = drill(tmp_path, seed, budget, plan, faults)
    assert tally.interruptions == plan.interruptions
    assert tally.kills > 0
    assert tally.refused_commits > 0  # workers that were cut off tried, and were refused
    assert tally.samples > 0
    assert (tally.samples_lost, tally.committed_twice, tally.left_over, tally.stuck) == (0, 0, 0, 0)
    assert (tally.late_steps, tally.over_budget) == (0, 0)
    assert tally.strays > 0
    assert (tally.unrevoked, tally.forgotten) == (0, 0)
    assert tally.redone_told_batches < 1.0
    assert tally.redone_untold_s < plan.work.checkpoint_s


def test_without_mischief_nothing_is_redone(tmp_path: Path) -> None:
    """Every notice in time and nobody dies: a batch in hand is finished, so no work is done again."""
    plan = Plan(interruptions=60, workers=10, silent=0.0, kills=0.0, failing=0.0, work=Work())
    tally = drill(tmp_path, 3, AWS_BUDGET, plan, Faults())
    assert tally.told >= 60
    assert (tally.samples_lost, tally.committed_twice, tally.refused_commits) == (0, 0, 0)
    assert tally.redone_told_batches == 0.0
