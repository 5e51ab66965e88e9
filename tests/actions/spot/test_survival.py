"""Lifetimes are learnt from what was seen, and only from that."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.spot import Prior, Survival

HOUR_S = 3600.0


def fed(prior: Prior, states: list[bool], gap_s: float = 600.0) -> Survival:
    pool = Survival(prior)
    for k, up in enumerate(states):
        pool.observe(k * gap_s, up)
    return pool


def test_hazard_converges_to_the_true_rate() -> None:
    """A pool that is lost 0.5 times an hour, whatever its age, is estimated near that after a month."""
    rng, states, up = Random(7), [], True
    for _ in range(60 * 144):
        states.append(up)
        up = rng.random() > 0.5 / 6 if up else rng.random() < 0.5
    lifetimes = fed(Prior(half_life_s=1e9, caution=1.0), states).lifetimes()
    young = lifetimes.loss_per_h(2)
    assert 0.4 < young < 0.65
    assert lifetimes.expected_up_s(2, 48 * HOUR_S) == pytest.approx(2 * HOUR_S, rel=0.25)


def test_outages_last_as_long_as_they_did() -> None:
    """A pool that returns with even odds at every look is back after two steps on average; one that is up is there."""
    rng, states, up = Random(7), [], True
    for _ in range(60 * 144):
        states.append(up)
        up = rng.random() > 0.5 / 6 if up else rng.random() < 0.5
    prior = Prior(half_life_s=1e9)
    lifetimes = fed(prior, states).lifetimes()
    assert lifetimes.expected_down_s(prior.phase(False, 0.0)) == pytest.approx(1200.0, rel=0.25)
    assert lifetimes.expected_down_s(prior.phase(True, 0.0)) == 0.0


def test_without_data_the_prior_rules() -> None:
    """Nothing seen, nothing learnt: the rates are the prior's."""
    prior = Prior(caution=1.0)
    lifetimes = Survival(prior).lifetimes()
    hazards = [lifetimes.loss_per_h(phase) for phase in range(prior.ups)]
    np.testing.assert_allclose(hazards, prior.hazards_per_h[: prior.ups])


def test_older_lives_last_longer_under_the_prior() -> None:
    """Falling hazards: the older the life, the longer what is left of it."""
    lifetimes = Survival(Prior()).lifetimes()
    left = [lifetimes.expected_up_s(phase, 24 * HOUR_S) for phase in range(Prior().ages)]
    assert left == sorted(left)


def test_deep_pools_last_longer() -> None:
    """Depth is a sign of life: the level with the smaller factor has the longer expected life."""
    prior = Prior(depth_edges=(0.25,), depth_factor=(2.0, 0.5))
    lifetimes = Survival(prior).lifetimes()
    thin, deep = prior.phase(True, 0.0, depth=0.2), prior.phase(True, 0.0, depth=1.0)
    assert lifetimes.expected_up_s(deep, 24 * HOUR_S) > lifetimes.expected_up_s(thin, 24 * HOUR_S)


def test_unrest_shortens_lives() -> None:
    """After lives of one tick in a row the next one is expected to be short; a long life makes it calm again."""
    storm = fed(Prior(), [True, False] * 6 + [True])
    calm = fed(Prior(), [True, False] * 6 + [True] * 8)
    begun = fed(Prior(), [True])
    now_s = 12 * 600.0
    assert storm.prior.phase(True, 0.0, 3) == storm.phase(now_s)
    assert calm.phase(19 * 600.0) == calm.prior.phase(True, 7 * 600.0, 0)
    lives = [
        pool.lifetimes().expected_up_s(pool.phase(pool._at_s), 48 * HOUR_S) for pool in (storm, calm, begun)
    ]
    assert lives[0] < min(lives[1:])


def test_a_pool_that_flaps_at_every_look_is_expected_to_go_on() -> None:
    """Up, down, up, down: the chain over one step alternates too, which no chain in continuous time would."""
    pool = fed(Prior(half_life_s=1e9, caution=1.0), [True, False] * 200)
    lifetimes = pool.lifetimes()
    moved, _ = lifetimes.over(1)
    up, down = pool.prior.phase(True, 0.0, 3), pool.prior.phase(False, 0.0, 3)
    assert moved[up, down] > 0.9
    assert moved[down, up] > 0.9


def test_a_long_gap_is_not_counted() -> None:
    """What happened while nobody looked is unknown, not a life."""
    pool = Survival(Prior(caution=1.0), gap_limit_s=HOUR_S)
    pool.observe(0.0, True)
    pool.observe(100 * HOUR_S, True)
    np.testing.assert_allclose(pool.lifetimes().chain, Survival(Prior(caution=1.0)).lifetimes().chain)


def test_an_old_observation_is_ignored() -> None:
    """Events may come twice or late; the estimate does not go back in time."""
    pool = fed(Prior(), [True] * 10)
    before = pool.state()
    pool.observe(0.0, False)
    assert pool.state() == before


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 79))
def test_a_restart_changes_nothing(states: list[bool], cut: int) -> None:
    """An estimate written down and read back at any point goes on as if nothing had been."""
    through, cut = fed(Prior(), states), min(cut, len(states))
    halted = fed(Prior(), states[:cut])
    resumed = Survival.restore(Prior(), halted.state())
    for k in range(cut, len(states)):
        resumed.observe(k * 600.0, states[k])
    assert resumed.state() == through.state()
    moved, kept = resumed.lifetimes().over(3)
    np.testing.assert_allclose(moved.sum(axis=1), 1.0)
    assert (moved >= 0).all()
    assert (kept <= moved[: len(kept), : len(kept)] + 1e-12).all()


def test_counts_of_an_earlier_version_are_dropped() -> None:
    """A state folder outlives an upgrade: what cannot be read is learnt anew, the present state is kept."""
    old = {"times": [[0.0]], "time_s": [0.0], "up": True, "depth": None, "since_s": 0.0, "at_s": 600.0}
    pool = Survival.restore(Prior(), old)
    assert (pool.up, pool.age_s(1200.0)) == (True, 1200.0)
    np.testing.assert_allclose(pool.lifetimes().chain, Survival(Prior()).lifetimes().chain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"edges_s": (10.0,)},
        {"depth_edges": (2.0,)},
        {"weight": 0.0},
        {"edges_s": (9.0, 8.0, 7.0, 6.0, 5.0)},
        {"calm_s": 1234.0},
        {"unrest_factor": ()},
    ],
)
def test_a_prior_that_does_not_fit_is_refused(wrong: dict) -> None:
    """Phases and hazards of different lengths are a mistake of whoever wrote them."""
    with pytest.raises(ValueError, match=r"prior|edges|above zero"):
        Prior(**wrong)
