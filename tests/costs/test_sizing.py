"""Sizes: bounds that hold as often as they say, and the admission that there is not enough to go by."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from scrimp.costs.sizing import MIB, Peers, SizeRules, _rank, after_oom, block_peaks, size_for

RULES = SizeRules(margin=0.0)
WEEK = RULES.cycle_s


@settings(deadline=None)
@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_the_rank_is_the_smallest_that_bounds_the_quantile(count, quantile, confidence):
    found = _rank(count, quantile, confidence)
    sure = 1 + np.flatnonzero(binom.cdf(np.arange(count), count, quantile) >= confidence)
    near = 1e-9  # a term at the very edge may fall on either side
    if found is None:
        assert not len(sure) or binom.cdf(count - 1, count, quantile) - confidence < near
    else:
        assert abs(found - sure[0]) <= 1
        assert binom.cdf(found - 1, count, quantile) >= confidence - near


def test_two_hundred_and_ninety_nine_peaks_are_needed_for_the_99th_percentile():
    assert RULES.peaks_needed() == 299
    few, enough = (size_for(np.arange(1.0, count + 1), WEEK, RULES) for count in (298, 299))
    assert (few.enough, enough.enough) == (False, True)
    assert enough.value == 299.0
    assert enough.confidence == 0.95
    assert few.confidence == pytest.approx(1 - 0.99**298)


def test_less_than_a_week_is_never_enough():
    assert not size_for(np.ones(5000), WEEK - 1, RULES).enough


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_size_bounds_the_quantile_as_often_as_it_says(seed):
    """Over many samples of a heavy-tailed demand the true 99th percentile is below the size 95 times of 100."""
    rng = np.random.default_rng(seed)
    samples = rng.pareto(3, (100, 500))
    true = 0.01 ** (-1 / 3) - 1
    held = [size_for(sample, WEEK, RULES).value >= true for sample in samples]
    assert np.mean(held) >= 0.87


def test_peers_lend_what_a_short_history_lacks():
    """Of like work one in five was once at 20, for an hour of twelve: the next half day stays below with a chance of 0.8."""
    once = np.concatenate((np.full(36, 10.0), np.full(6, 20.0), np.full(30, 10.0)))
    peers = Peers([np.full(72, 10.0)] * 16 + [once] * 4)
    own = np.full(72, 10.0)
    assert size_for(own, WEEK, replace(RULES, hold=0.9), peers).value == 20.0
    assert size_for(own, WEEK, replace(RULES, hold=0.5), peers).value == 10.0
    assert size_for(own, WEEK, RULES).value == 10.0


def test_those_at_a_like_level_count_and_all_together_as_much_as_one_run():
    """What stays at 10 is not given what those at 30 reach, unless there is too little of its kind to be sure."""
    calm, wild = np.full(40, 10.0), np.concatenate((np.full(20, 30.0), [60.0], np.full(19, 30.0)))
    assert Peers([calm] * 20 + [wild] * 20).bound(np.full(4, 10.0), 4, RULES) == 10.0
    assert Peers([calm] * 20 + [wild] * 20).bound(np.full(4, 30.0), 40, RULES) == 60.0
    assert Peers([calm[:12], *[wild] * 20]).bound(np.full(4, 10.0), 40, RULES) >= 30.0


def test_no_size_is_below_a_peak_that_was_seen():
    peers = Peers([np.full(40, 10.0)] * 9)
    assert size_for(np.full(40, 30.0), 24_000, RULES, peers).value == 30.0
    once = np.append(np.full(39, 10.0), 30.0)
    assert size_for(once, 24_000, RULES, peers).value == 30.0


def test_one_peer_may_be_the_work_itself_and_lends_nothing():
    own = np.full(40, 10.0)
    alone, none = (size_for(own, 24_000, SizeRules(), peers) for peers in (Peers([own]), Peers([])))
    assert alone == none == size_for(own, 24_000, SizeRules())
    assert alone.value == pytest.approx(10.5)


def test_the_longer_a_size_is_to_hold_the_larger_it_is():
    rng = np.random.default_rng(5)
    peers = Peers([1 + rng.pareto(3, 72) for _ in range(20)])
    own = np.full(6, 1.1)
    sizes = [size_for(own, 3600, RULES, peers, ahead_s=hours * 3600).value for hours in (0.2, 1, 4, 12)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 1.3 * sizes[0]
    assert size_for(own, 3600, RULES, peers).value == size_for(own, 3600, RULES, peers, ahead_s=3600).value


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_peers_hold_for_the_share_that_they_are_asked_for(seed):
    """Of jobs that are alike, as many as `hold` says stay within what their peers' first half shows, over their second."""
    rng = np.random.default_rng(seed)
    peaks = 1 + rng.pareto(3, (200, 60))
    peers = Peers(list(peaks[:, :30]))
    bound = peers.bound(peaks[0, :30], 30, replace(RULES, hold=0.8))
    assert 0.68 <= np.mean(peaks[:, 30:].max(axis=1) <= bound) <= 0.92


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([20, 60, 200]))
def test_peers_hold_for_longer_than_they_were_seen(seed, ahead):
    """Extremes of two hours, of many, say what a day will reach."""
    rng = np.random.default_rng(seed)
    peaks = 1 + rng.pareto(3, (1500, 12 + ahead))
    bound = Peers(list(peaks[:, :12])).bound(peaks[0, :12], ahead, replace(RULES, hold=0.8, alike=9.0))
    assert 0.65 <= np.mean(peaks[:, 12:].max(axis=1) <= bound) <= 0.92


@pytest.mark.parametrize("lengths", [(3,), (1, 1), (2, 5, 40)])
def test_peers_of_any_length_are_of_use(lengths):
    peers = Peers([np.full(length, 7.0) for length in lengths])
    assert peers.bound(np.full(3, 7.0), 30, RULES) == 7.0
    assert size_for(np.zeros(2), 1200, RULES, peers).value >= 0


def test_a_size_is_one_that_can_be_bought():
    found = size_for(np.full(400, 41.0), WEEK, SizeRules(margin=0.1, step=10.0))
    assert found.value == 50.0
    assert size_for(np.zeros(0), WEEK, RULES) is None


def test_peaks_are_of_blocks_and_skip_what_was_not_measured():
    times = np.array([0, 60, 599, 600, 1300, 1900, 2500])
    values = np.array([1, 5, np.nan, 2, np.nan, 7, 6.0])
    assert block_peaks(times, values, 600).tolist() == [5, 2, 7, 6]
    assert block_peaks(times, np.full(7, np.nan), 600).tolist() == []


def test_after_running_out_of_memory_a_job_gets_more_than_its_peak():
    assert after_oom(1000 * MIB, 990 * MIB) == 1200 * MIB
    assert after_oom(100 * MIB, 400 * MIB) == 500 * MIB
