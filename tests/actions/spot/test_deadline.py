"""The value table agrees with plain reasoning, and the net below it holds every deadline."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.spot import Lifetimes, Mode, Prior, Survival
from scrimp_actions.spot.deadline import Model, must_run_on_demand, solve

STEP_S = 720.0


def constant(loss_per_h: float, return_per_h: float) -> Lifetimes:
    prior = Prior(edges_s=(3600.0,), loss_per_h=(loss_per_h,) * 2, return_per_h=(return_per_h,) * 2)
    return Survival(prior).lifetimes()


def table(loss: float, back: float, ratio: float = 0.3):
    model = Model(constant(loss, back), ratio)
    return solve(model, horizon_s=100 * STEP_S, slack_s=50 * STEP_S, changeover_s=STEP_S, step_s=STEP_S)


def test_spot_that_never_fails_costs_its_price() -> None:
    """With spot for ever, the expected cost is the work at the price of spot."""
    _, _, keep, _, _ = table(1e-9, 10.0).costs(80 * STEP_S, 30 * STEP_S, 0)
    assert keep == pytest.approx(0.3 * 50 * STEP_S, rel=1e-3)


def test_without_slack_only_on_demand_is_left() -> None:
    """No slack: waiting or a changeover would miss the deadline, and the cost says so."""
    wait, begin, _, demand, stay = table(0.5, 0.5).costs(50 * STEP_S, 0.0, 2)
    assert stay == pytest.approx(50 * STEP_S, rel=1e-3)
    assert min(wait, begin, demand) > 1000 * stay


def test_short_lives_are_not_worth_a_changeover() -> None:
    """On demand, with a spot that is lost every few minutes and returns as fast: stay."""
    _, begin, _, _, stay = table(10.0, 10.0, ratio=0.8).costs(60 * STEP_S, 4 * STEP_S, 0)
    assert stay < begin


def test_scarce_slack_is_worth_money() -> None:
    """The less slack, the dearer what is left: the table never rewards having wasted it."""
    solved = table(0.4, 0.4)
    costs = [solved.costs((50 + s) * STEP_S, s * STEP_S, 0)[2] for s in range(1, 40)]
    assert all(more <= less + 1e-3 for less, more in pairwise(costs))


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.01, 5.0), st.floats(0.01, 5.0), st.floats(0.05, 0.95), st.integers(0, 3), st.floats(0.3, 1.0)
)
def test_the_table_is_finite_and_never_above_on_demand(
    loss: float, back: float, ratio: float, phase: int, change: float
) -> None:
    """Being warm on demand, going on like that is always possible, so nothing optimal costs more."""
    model = Model(constant(loss, back), ratio)
    solved = solve(
        model, horizon_s=60 * STEP_S, slack_s=30 * STEP_S, changeover_s=change * STEP_S, step_s=STEP_S
    )
    assert np.isfinite(solved.after).all()
    for work, slack in ((10, 2.0), (25, 12.5), (1, 30.0)):
        stay = solved.costs((work + slack) * STEP_S, slack * STEP_S, phase)[4]
        assert stay <= work * STEP_S * 1.001 + 1e-6


def test_a_step_shorter_than_the_changeover_is_refused() -> None:
    """The grid has one changeover a step at most."""
    with pytest.raises(ValueError, match="at least a changeover"):
        solve(Model(constant(1, 1), 0.3), horizon_s=1e4, slack_s=1e3, changeover_s=720, step_s=600)


@pytest.mark.parametrize(
    ("mode", "left_s", "forced"),
    [
        (Mode.SPOT, 10_000 + 720, False),  # warm: the tick is progress, and one changeover still fits
        (Mode.SPOT, 10_000 + 719, True),
        (Mode.IDLE, 10_000 + 720 + 600, False),  # waiting costs its tick
        (Mode.IDLE, 10_000 + 720 + 599, True),
    ],
)
def test_the_net_is_exact(mode: Mode, left_s: float, forced: bool) -> None:
    """One second less than is needed, and on demand is all that is left."""
    found = must_run_on_demand(mode, left_s=left_s, work_s=10_000, warming_s=0, changeover_s=720, tick_s=600)
    assert found is forced
