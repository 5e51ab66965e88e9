"""Integers divided so that nothing is lost, and no share is more than one unit from its due."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.costs.rounding import apportion, sums

relaxed = settings(deadline=None)  # a busy machine is no failure

WEIGHTS = st.lists(st.one_of(st.integers(1, 10), st.floats(1e-9, 1e9)), min_size=1, max_size=6)


@relaxed
@given(st.lists(st.tuples(st.integers(-(10**12), 10**12), WEIGHTS), max_size=5))
def test_shares_add_up_and_are_within_one_of_their_due(groups):
    amounts = np.array([amount for amount, _ in groups], dtype=np.int64)
    weights = np.array([weight for _, ones in groups for weight in ones], dtype=np.float64)
    numbers = np.repeat(np.arange(len(groups)), [len(ones) for _, ones in groups]).astype(np.int64)
    shares = iter(apportion(amounts, weights, numbers).tolist())
    for amount, ones in groups:
        found = [next(shares) for _ in ones]
        assert sum(found) == amount
        whole = sum(map(Fraction, ones))
        assert all(abs(one - amount * Fraction(w) / whole) <= 1 for one, w in zip(found, ones, strict=True))


def test_what_is_left_goes_to_who_lost_most():
    shares = apportion(np.array([10]), np.array([3.3, 1.3, 5.4]), np.zeros(3, dtype=np.int64))
    assert shares.tolist() == [3, 1, 6]


@relaxed
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**61) // 30, 2**61 // 30)), max_size=30))
def test_sums_are_exact_beyond_what_a_float_holds(rows):
    groups = np.array([group for group, _ in rows], dtype=np.int64)
    values = np.array([value for _, value in rows], dtype=np.int64)
    expected = [sum(value for group, value in rows if group == wanted) for wanted in range(4)]
    assert sums(groups, values, 4).tolist() == expected
