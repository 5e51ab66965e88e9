"""Window functions over random samples, against the same in plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.one import evaluation, policy_set
from tests.naive.interpreter import window_value
from tests.naive.world import NOW_S, Row, Track, World

from scrimp.evaluate import at
from scrimp.evaluate.windows import KERNELS, window
from scrimp.functions import WINDOWS
from scrimp.model.snapshot import Series

NAN = float("nan")
values = st.lists(
    st.lists(
        st.one_of(st.floats(-1e6, 1e6, allow_subnormal=False), st.integers(0, 3).map(float), st.just(NAN)),
        min_size=8,
        max_size=8,
    ),
    min_size=1,
    max_size=4,
)


def test_every_declared_window_function_has_a_kernel() -> None:
    """A function is declared once, and computed once."""
    assert set(KERNELS) == set(WINDOWS)


@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("fn", sorted(KERNELS))
@given(samples=values, together=st.booleans())
def test_a_kernel_equals_plain_python(fn: str, samples: list[list[float]], together: bool) -> None:
    """To rounding, and the same whether the rows have their times in common or each its own."""
    times = np.array([NOW_S - 420 + 60.0 * n for n in range(8)])[None, :]
    array = np.array(samples)
    if not together:
        times = np.broadcast_to(times, array.shape)
    series = Series(times, array, np.full(1, 60.0), np.zeros(1, dtype=np.bool_))
    found = window(series, NOW_S, fn, 300.0, 120.0, stale_s=3600.0, coverage=0.0)
    for row, line in enumerate(samples):
        inside = [(-60.0 * (7 - n), one) for n, one in enumerate(line) if n > 2 and one == one]  # noqa: PLR0124 - not nan
        expected = window_value(fn, inside, 120.0) if inside else None
        assert bool(found.valid[row]) == (expected is not None)
        if expected is not None:
            scale = max(abs(one) for _, one in inside)
            assert found.values[row] == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)


ONE = [(NOW_S - 60.0 * n, 0.1 * n) for n in range(14, -1, -1)]


def load(clauses: str, track: Track, *, value: float | None = 0.0, age_s: float = 0.0) -> object:
    """`avg(load) over 15m` of one target."""
    compiled = policy_set(f"target thing when avg(load) over 15m >= 0% {clauses}")
    row = Row("a", {"load": value}, {"load": age_s})
    frame = evaluation(compiled, World({"thing": [row]}, tracks={("thing", "load"): track})).frame
    one = compiled.compiled[0]
    return at(frame.run(one.node(one.policy.when.expression)), 0)


def test_the_oldest_end_is_outside_and_now_is_inside() -> None:
    """The window is (t - D, t]."""
    edge = [(NOW_S - 900.0, 1.0), (NOW_S, 3.0)]
    series = Series(
        np.array([[t for t, _ in edge]]),
        np.array([[1.0, 3.0]]),
        np.full(1, 900.0),
        np.zeros(1, dtype=np.bool_),
    )
    assert window(series, NOW_S, "avg", 900.0, 0.0, None, 0.5).values.tolist() == [3.0]


@pytest.mark.parametrize(
    ("clauses", "keep", "known"),
    [
        ("", 8, True),  # 8 of 15 is more than half
        ("", 7, None),
        ("coverage 80%", 12, True),  # exactly 80 %
        ("coverage 80%", 11, None),
        ("coverage 100%", 15, True),
    ],
)
def test_a_window_that_is_not_covered_is_unknown(clauses: str, keep: int, known: bool | None) -> None:
    """Coverage counts known samples, exactly."""
    assert load(clauses, Track({"a": ONE[-keep:]})) is known


def test_a_window_with_a_stale_end_is_unknown() -> None:
    """Its newest sample must be young enough, however many there are."""
    assert load("", Track({"a": ONE[:-3]})) is True  # 3 m old, 3 intervals are allowed
    assert load("", Track({"a": ONE[:-4]})) is None
    assert load("stale after 4m", Track({"a": ONE[:-4]})) is True
    assert load("stale after 1m", Track({"a": ONE[:-3]})) is None


def test_a_failed_source_makes_a_window_unknown_at_once() -> None:
    """Whatever the samples from before say."""
    assert load("", Track({"a": ONE}, failed=frozenset("a"))) is None


def test_an_unknown_interval_covers_nothing() -> None:
    """Nobody knows how many samples there should be: one reading is no average of a quarter of an hour."""
    assert load("", Track({"a": ONE[-1:]}, interval_s=NAN)) is None


def test_a_rate_is_per_second_and_of_money_per_hour() -> None:
    """Units of a rate and of a slope follow from the field's."""
    compiled = policy_set(
        "target thing when rate(size) over 5m > 0 / 1s", "target thing when slope(price) over 5m > $0/h / 1h"
    )
    samples = {"a": [(NOW_S - 60.0 * n, 60.0 * (4 - n)) for n in range(4, -1, -1)]}
    tracks = {("thing", name): Track(samples) for name in ("size", "price")}
    world = World({"thing": [Row("a", {"size": 1.0, "price": 1.0})]}, tracks=tracks)
    frame = evaluation(compiled, world).frame
    found = []
    for one in compiled.compiled:
        left = one.node(one.policy.when.expression).children[0]
        assert left is not None
        found.append(at(frame.run(left), 0))
    assert found == pytest.approx([1.0, 3600.0])  # 60 a minute; $60/h more every minute is $3600/h an hour
