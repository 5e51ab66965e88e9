"""A rehearsal with every fault at once loses nothing, does nothing twice, and leaves nothing behind."""

from random import Random

import pytest

from scrimp_actions.spot import AWS_BUDGET, AZURE_BUDGET, Budget, Rules
from scrimp_actions.spot.drill import Plan, Tally, rehearse
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Climate, generate_region


def drill(seed: int, budget: Budget, plan: Plan, faults: Faults) -> Tally:
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
    return rehearse(TraceCloud(traces, faults, rng), Rules(budget), plan, rng)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("budget", [AWS_BUDGET, AZURE_BUDGET], ids=["two minutes", "half a minute"])
def test_nothing_lost_twice_late_or_left(seed: int, budget: Budget) -> None:
    """Missing, late and double notices, cut-off workers, failing steps, and a controller that dies often."""
    plan = Plan(interruptions=150, workers=20, kills=0.01, failing=0.05, silent=0.05)
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
    )
    tally = drill(seed, budget, plan, faults)
    assert tally.interruptions == plan.interruptions
    assert tally.kills > 0
    assert tally.refused_commits > 0  # workers that were cut off tried, and were refused
    assert (tally.samples_lost, tally.committed_twice, tally.left_over, tally.stuck) == (0, 0, 0, 0)
    assert (tally.late_steps, tally.over_budget) == (0, 0)
    assert tally.redone_told_batches < 1.0
    assert tally.redone_untold_s <= plan.checkpoint_s


def test_without_mischief_nothing_is_redone() -> None:
    """Every notice in time and nobody dies: a batch in hand is finished, so no work is done again."""
    plan = Plan(interruptions=60, workers=10, silent=0.0, kills=0.0, failing=0.0, slow=0.0)
    tally = drill(3, AWS_BUDGET, plan, Faults())
    assert tally.told >= 60
    assert (tally.samples_lost, tally.committed_twice) == (0, 0)
    assert tally.redone_told_batches == 0.0
