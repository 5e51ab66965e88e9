"""The value table agrees with plain reasoning, and the net below it holds every deadline."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.spot import Lifetimes, Mode, Prior, Survival
from scrimp_actions.spot.deadline import Model, must_run_on_demand, solve

STEP_S = 720.0


def constant(loss_per_h: float, return_per_h: float, step_s: float = STEP_S) -> Lifetimes:
    prior = Prior(
        edges_s=(3600.0,),
        loss_per_h=(loss_per_h,) * 2,
        return_per_h=(return_per_h,) * 2,
        unrest_factor=(1.0,),
        pool_weight=1e9,
        weight=1e9,
        caution=1.0,
    )
    pool = Survival(prior)
    for k in range(2):  # the step of the chain is the time between two looks
        pool.observe(k * step_s, True)
    return pool.lifetimes()


def table(loss: float, back: float, ratio: float = 0.3):
    model = Model(constant(loss, back), ratio)
    return solve(model, horizon_s=100 * STEP_S, slack_s=50 * STEP_S, changeover_s=STEP_S)


def test_spot_that_never_fails_costs_its_price() -> None:
    """With spot for ever, the expected cost is the work at the price of spot."""
    keep = table(1e-9, 10.0).costs(80 * STEP_S, 30 * STEP_S, 0).keep
    assert keep == pytest.approx(0.3 * 50 * STEP_S, rel=1e-3)


def test_without_slack_only_on_demand_is_left() -> None:
    """No slack: waiting or a changeover would miss the deadline, and the cost says so."""
    costs = table(0.5, 0.5).costs(50 * STEP_S, 0.0, 2)
    assert costs.stay == pytest.approx(50 * STEP_S, rel=1e-3)
    assert min(costs.wait, costs.begin, costs.demand) > 1000 * costs.stay


def test_short_lives_are_not_worth_a_changeover() -> None:
    """On demand, with a spot that is lost every few minutes and returns as fast: stay."""
    costs = table(10.0, 10.0, ratio=0.8).costs(60 * STEP_S, 4 * STEP_S, 0)
    assert costs.stay < costs.begin


def test_scarce_slack_is_worth_money() -> None:
    """The less slack, the dearer what is left: the table never rewards having wasted it."""
    solved = table(0.4, 0.4)
    costs = [solved.costs((50 + s) * STEP_S, s * STEP_S, 0).keep for s in range(1, 40)]
    assert all(more <= less + 1e-3 for less, more in pairwise(costs))


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.01, 5.0), st.floats(0.01, 5.0), st.floats(0.05, 0.95), st.integers(0, 3), st.floats(0.3, 3.0)
)
def test_the_table_is_finite_and_never_above_on_demand(
    loss: float, back: float, ratio: float, phase: int, change: float
) -> None:
    """Being warm on demand, going on like that is always possible, so nothing optimal costs more."""
    model = Model(constant(loss, back), ratio)
    solved = solve(model, horizon_s=60 * STEP_S, slack_s=30 * STEP_S, changeover_s=change * STEP_S)
    assert np.isfinite(solved.after).all()
    for work, slack in ((10, 2.0), (25, 12.5), (1, 30.0)):
        stay = solved.costs((work + slack) * STEP_S, slack * STEP_S, phase).stay
        assert stay <= work * STEP_S * 1.001 + 1e-6


@pytest.mark.parametrize(("look_s", "step_s"), [(195.0, 585.0), (600.0, 600.0), (900.0, 900.0)])
def test_the_step_is_whole_looks_and_at_most_a_changeover_if_it_can_be(look_s: float, step_s: float) -> None:
    """Decisions fall on looks, so the table's steps do; a changeover spans at most two of them."""
    model = Model(constant(0.5, 0.5, look_s), 0.3)
    assert solve(model, horizon_s=1e5, slack_s=1e4, changeover_s=720.0).step_s == step_s


def test_a_table_is_the_value_of_the_known_chain() -> None:
    """Against plain value iteration without interpolation: whole steps, a changeover of exactly one."""
    loss, back, ratio, steps, slack = 0.7, 0.9, 0.35, 40, 12
    p, q = 1 - np.exp(-loss * STEP_S / 3600), 1 - np.exp(-back * STEP_S / 3600)

    def value(r: int, s: int, up: bool, mode: str) -> float:
        if r <= s:
            return 0.0
        if (r, s, up, mode) not in known:
            options = [1.0 + ahead(r, s, up, "demand")] if mode == "demand" else []
            if s >= 1:
                options += [ahead(r, s - 1, up, "idle"), 1.0 + ahead(r, s - 1, up, "demand")]
                options += [ratio + ahead(r, s - 1, up, "spot")] if up else []
            if up and mode == "spot":
                options.append(ratio + ahead(r, s, up, "spot"))
            known[r, s, up, mode] = min(options, default=1e6)
        return known[r, s, up, mode]

    def ahead(r: int, s: int, up: bool, mode: str) -> float:
        stays = value(r - 1, s, up, mode)
        turns = value(r - 1, s, not up, "idle" if mode == "spot" and up else mode)
        chance = p if up else q
        return (1 - chance) * stays + chance * turns

    known: dict[tuple[int, int, bool, str], float] = {}
    solved = table(loss, back, ratio)
    for r, s in ((steps, slack), (20, 5), (10, 1)):
        costs = solved.costs(r * STEP_S, s * STEP_S, 0)
        assert costs.keep / STEP_S == pytest.approx(ratio + ahead(r, s, True, "spot"), rel=1e-4)
        assert costs.stay / STEP_S == pytest.approx(1.0 + ahead(r, s, True, "demand"), rel=1e-4)
        assert costs.wait / STEP_S == pytest.approx(ahead(r, s - 1, True, "idle"), rel=1e-4)


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
