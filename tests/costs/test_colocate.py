"""Sharing GPUs by series: never fuller than the rules allow, and only as empty as need be."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.costs.colocate import ShareRules, _quantile, crowded, pack_by_series

relaxed = settings(deadline=None)  # a busy machine is no failure

RULES = ShareRules()


@relaxed
@given(st.integers(0, 12), st.integers(0, 10**6), st.floats(0.2, 1.0))
def test_every_job_has_one_device_and_no_shared_device_breaks_a_rule(jobs, seed, most):
    rng = np.random.default_rng(seed)
    memory = rng.random((jobs, 50)) * most * 80
    duty = rng.random((jobs, 50)) * most
    memory[rng.random((jobs, 50)) < 0.1] = np.nan
    found = pack_by_series(memory, duty, 80.0, RULES)
    assert sorted(job for device in found.devices for job in device) == list(range(jobs))
    for device in found.devices:
        if len(device) > 1:
            rows = list(device)
            assert np.nan_to_num(memory[rows]).sum(axis=0).max() <= RULES.memory_max * 80 + 1e-9
            assert np.quantile(duty[rows].sum(axis=0), RULES.duty_quantile) <= RULES.duty_max + 1e-9
            assert len(device) <= RULES.sharers_max
    assert crowded(found, memory, duty, 80.0) <= 0.01


def test_peaks_that_never_met_may_share_a_device_only_if_they_could_meet_and_fit():
    """Day and night work fits while it stays apart; shifted by half a day it would not, and that is asked too."""
    day, night = np.tile([1.0, 0.0], 50), np.tile([0.0, 1.0], 50)
    memory, duty = np.stack((day, night)) * 60, np.stack((day, night)) * 0.7
    trusting = replace(RULES, shifts=1, usual=0.0)
    assert pack_by_series(memory, duty, 80.0, trusting).devices == ((0, 1),)
    assert len(pack_by_series(memory, duty, 80.0, RULES).devices) == 2
    assert len(pack_by_series(np.stack((day, day)) * 60, duty, 80.0, trusting).devices) == 2
    assert pack_by_series(memory / 2, duty / 2, 80.0, RULES).devices == ((0, 1),)


def test_what_it_saves_is_against_a_device_each():
    memory, duty = np.full((4, 10), 20.0), np.full((4, 10), 0.1)
    found = pack_by_series(memory, duty, 80.0, RULES)
    assert found.devices == ((0, 1, 2), (3,))
    assert found.saved == 0.5


def test_minutes_over_the_device_are_counted_by_device():
    memory = np.array([[50.0, 50, 10, 10], [50, 10, 10, 10]])
    found = pack_by_series(memory * 0, memory * 0, 80.0, RULES)
    assert crowded(found, memory, memory * 0, 80.0) == pytest.approx(1 / 4)


def test_any_one_job_may_reach_what_its_peers_reached():
    """Three quiet jobs would fit together, but not if one of them did what most of the pool did at some time."""
    quiet, busy = np.full((3, 40), 24.0), np.full((8, 40), 24.0)
    busy[np.arange(8), np.arange(8)] = 42.0
    memory = np.concatenate((quiet, busy))
    found = pack_by_series(memory, memory * 0, 80.0, RULES)
    assert max(len(device) for device in found.devices) == 2
    alone = pack_by_series(quiet, quiet * 0, 80.0, RULES)
    assert alone.devices == ((0, 1, 2),)
    blind = pack_by_series(memory, memory * 0, 80.0, replace(RULES, reach=0.0))
    assert max(len(device) for device in blind.devices) == 3


@relaxed
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 1))
def test_the_quantile_is_that_of_numpy(values, share):
    assert _quantile(np.array(values), share) == pytest.approx(float(np.quantile(values, share)), abs=1e-12)
