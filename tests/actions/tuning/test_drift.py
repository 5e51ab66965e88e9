"""Drift is seen soon, and nothing is seen where nothing is, whatever the distribution of latencies."""

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.tuning import Cusum, DriftLimits, watch
from scrimp_actions.tuning.drift import alarm_height


def alarms(values: list[float]) -> list[int]:
    """Places of the alarms; after each one the reference begins anew."""
    state, found = Cusum(), []
    for place, value in enumerate(values):
        state, alarm = watch(state, value)
        if alarm:
            state = Cusum()
            found.append(place)
    return found


def draws(kind: str, n: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    values = {
        "gaussian": rng.standard_normal,
        "long tails": lambda k: rng.standard_t(3, k),
        "skewed": lambda k: rng.exponential(size=k),
        "two levels": lambda k: rng.choice([0.0, 3.0], k) + 0.1 * rng.standard_normal(k),
    }[kind](n)
    return [0.1 * float(value) for value in values]


@pytest.mark.parametrize("kind", ["gaussian", "long tails", "skewed", "two levels"])
def test_steady_latencies_raise_few_alarms(kind):
    """At most 2 in 10,000, though the tails differ: ranks have no tails."""
    assert len(alarms(draws(kind, 20_000, seed=4))) <= 4


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_a_rise_of_30_percent_is_seen_within_20_samples(noise):
    late = []
    for seed in range(30):
        steady = [noise * 10 * value for value in draws("gaussian", 340, seed)]
        risen = [value + (log(1.3) if place >= 300 else 0.0) for place, value in enumerate(steady)]
        late.append(next((at - 299 for at in alarms(risen) if at >= 300), 41))
    assert np.quantile(late, 0.9) <= 20


def test_a_fall_is_no_alarm():
    """Only a rise is bad; throughput comes in with its sign turned."""
    steady = draws("gaussian", 300, 7)
    assert alarms([*steady, *(value - 1.0 for value in draws("gaussian", 300, 8))]) == []


def test_a_rarer_alarm_is_higher():
    assert alarm_height(0.5, 1e5) > alarm_height(0.5, 1e3) > alarm_height(1.0, 1e3)


def test_identical_samples_are_no_drift():
    assert alarms([0.5] * 500) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-20, 20), max_size=150))
def test_state_stays_finite(values):
    state = Cusum()
    for value in values:
        state, _ = watch(state, value)
        assert np.isfinite([state.mean, state.square, state.cross, state.high]).all()
        assert list(state.ranks) == sorted(state.ranks)
        assert len(state.ranks) <= DriftLimits().kept
