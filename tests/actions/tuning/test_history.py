"""Folding: all rows at once, one by one, or in any order give the same record; old rows count less."""

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.tuning import Observation, Setting, Workload, fold

WORKS = [Workload("a"), Workload("a", "gpu"), Workload("b")]
rows = st.builds(
    Observation,
    workload=st.sampled_from(WORKS),
    setting=st.sampled_from([Setting(1), Setting(8), Setting(8, 2)]),
    at_s=st.floats(0, 1e7),
    n=st.integers(1, 50),
    latency_s=st.floats(1e-4, 10),
    items_per_s=st.one_of(st.just(0.0), st.floats(0.1, 1e5)),
    tail_s=st.one_of(st.none(), st.floats(1e-4, 20)),
    spread=st.one_of(st.none(), st.floats(0, 1)),
    memory_bytes=st.one_of(st.none(), st.floats(1, 1e11)),
    watts=st.one_of(st.none(), st.floats(1, 700)),
    errors=st.integers(0, 3),
)


def close(one, two) -> None:
    assert set(one) == set(two)
    for workload in one:
        assert set(one[workload]) == set(two[workload])
        for setting, a in one[workload].items():
            b = two[workload][setting]
            for name in (
                "at_s",
                "weight",
                "period",
                "squares",
                "tail",
                "memory_bytes",
                "watts",
                "batches",
                "errors",
                "powered",
            ):
                left, right = getattr(a, name), getattr(b, name)
                assert left == right or left == pytest.approx(right, rel=1e-6, abs=1e-9), name
            assert a.within == pytest.approx(b.within, rel=1e-6, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, max_size=8), st.integers(0, 8), st.randoms(use_true_random=False))
def test_one_by_one_and_in_any_order_is_the_same_as_at_once(found, cut, random):
    """So a restart, a late report or a batch of rows changes nothing."""
    whole = fold({}, found)
    close(fold(fold({}, found[:cut]), found[cut:]), whole)
    shuffled = list(found)
    random.shuffle(shuffled)
    close(fold({}, shuffled), whole)


def test_the_history_given_stays_as_it_was():
    row = Observation(WORKS[0], Setting(8), 0.0, 10, 0.1, 80.0)
    first = fold({}, [row])
    before = dict(first[WORKS[0]])
    fold(first, [row])
    assert first[WORKS[0]] == before


def test_figures_of_a_point():
    """Two looks of one size, the second a half-life later: weights 1/2 and 1; the peak is the highest ever."""
    at = [
        Observation(WORKS[0], Setting(8), 0.0, 10, 0.1, 80.0, 0.2, 0.1, 5e9, 100.0, 1),
        Observation(WORKS[0], Setting(8), 100.0, 10, 0.1, 40.0, 0.4, 0.1, 4e9, 400.0, 0),
    ]
    point = fold({}, at, half_life_s=100.0)[WORKS[0]][Setting(8)]
    assert point.weight == 1.5
    assert point.period == pytest.approx((0.5 * log(0.1) + log(0.2)) / 1.5)
    assert point.tail == pytest.approx(log(2.0))
    assert point.memory_bytes == 5e9
    assert point.watts == pytest.approx(300.0)
    assert point.batches == 15.0
    assert point.error_rate == pytest.approx(0.5 / 15)


def test_no_rows_are_no_history():
    assert fold({}, []) == {}


def test_a_look_that_told_no_power_does_not_count_for_it():
    """A meter that was silent once: the mean is that of the two looks that told, however they come in."""
    at = [
        Observation(WORKS[0], Setting(8), 0.0, 10, 0.1, 80.0, watts=watts) for watts in (100.0, None, 400.0)
    ]
    for cut in range(3):
        point = fold(fold({}, at[:cut]), at[cut:])[WORKS[0]][Setting(8)]
        assert (point.watts, point.weight, point.powered) == pytest.approx((250.0, 3.0, 2.0))
