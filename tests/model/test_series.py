"""Rings of recent samples: whatever comes and goes, a window sees what it would see in the whole history."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.model.series import SeriesRing, SeriesRings
from scrimp.model.snapshot import Series, Table, number_column

OVER_S = 300.0
NAN = float("nan")

ticks = st.lists(
    st.tuples(
        st.sampled_from((15.0, 60.0, 200.0)),
        st.dictionaries(st.sampled_from("abcd"), st.one_of(st.integers(0, 9).map(float), st.just(NAN))),
    ),
    max_size=60,
)


def inside(series: Series, row: int, now_s: float) -> list[tuple[float, float]]:
    """The known samples of a row in the window."""
    times = np.broadcast_to(series.times_s, series.values.shape)[row]
    return [
        (float(at_s), float(value))
        for at_s, value in zip(times, series.values[row], strict=True)
        if now_s - OVER_S < at_s <= now_s and not np.isnan(value)
    ]


@dataclass
class Whole:
    """All samples of one name since it was last there without a break."""

    samples: list[tuple[float, float]] = field(default_factory=list)


@settings(max_examples=300, deadline=None)
@given(ticks)
def test_a_window_sees_the_same_in_a_ring_as_in_the_whole_history(
    history: list[tuple[float, dict[str, float]]],
) -> None:
    """Rows come, go and change places; the ring is cut now and then. Views taken earlier stay as they were."""
    ring, whole, now_s = SeriesRing(OVER_S), {}, 0.0
    earlier: list[tuple[Series, list[list[tuple[float, float]]], float]] = []
    for elapsed_s, values in history:
        now_s += elapsed_s
        whole = {name: whole.get(name, Whole()) for name in values}
        for name, value in values.items():
            if not np.isnan(value):
                whole[name].samples.append((now_s, value))
        ring.append(tuple(values), now_s, np.array(list(values.values())))
        series = ring.view(tuple(values), 60.0, np.zeros(1, dtype=np.bool_))
        found = [inside(series, row, now_s) for row in range(len(values))]
        assert found == [[one for one in whole[name].samples if one[0] > now_s - OVER_S] for name in values]
        earlier.append((series, found, now_s))
    for series, found, then_s in earlier:
        assert [inside(series, row, then_s) for row in range(len(found))] == found


def test_a_ring_does_not_grow_for_ever() -> None:
    """It is sized by its window."""
    ring = SeriesRing(OVER_S)
    for tick in range(10_000):
        ring.append(("a",), 60.0 * tick, np.array([1.0]))
    assert ring.view(("a",), 60.0, np.zeros(1, dtype=np.bool_)).values.shape[1] < 20


def test_a_value_that_was_there_before_is_no_new_sample() -> None:
    """A source that is slower than the tick repeats itself; a sample has the time at which it was taken."""
    ring = SeriesRing(OVER_S)
    for at_s, value, age_s in ((100.0, 1.0, 10.0), (160.0, 1.0, 70.0), (220.0, 2.0, 30.0)):
        ring.append(("a",), at_s, np.array([value]), np.array([age_s]))
    assert inside(ring.view(("a",), 60.0, np.zeros(1, dtype=np.bool_)), 0, 220.0) == [
        (90.0, 1.0),
        (190.0, 2.0),
    ]


def test_a_sample_never_looks_younger_than_it_is() -> None:
    """Rows share one time a tick: that of the oldest. What is much older than others at the start is left out."""
    ring = SeriesRing(OVER_S)
    ring.append(("a", "b"), 100.0, np.array([1.0, 1.0]), np.array([0.0, 90.0]))
    ring.append(("a", "b"), 160.0, np.array([2.0, 2.0]), np.array([0.0, 20.0]))
    series = ring.view(("a", "b"), 60.0, np.zeros(1, dtype=np.bool_))
    assert inside(series, 0, 160.0) == [(100.0, 1.0), (140.0, 2.0)]
    assert inside(series, 1, 160.0) == [(140.0, 2.0)]


def test_the_past_goes_before_what_is_there() -> None:
    """After a restart a source may know more than the ring; rows are matched by name, nothing counts twice."""
    ring = SeriesRing(OVER_S)
    ring.append(("a", "b"), 200.0, np.array([3.0, 4.0]))
    ring.refill(("b", "gone"), [80.0, 140.0, 200.0], np.array([[1.0, NAN, 9.0], [5.0, 5.0, 5.0]]))
    series = ring.view(("a", "b"), 60.0, np.zeros(1, dtype=np.bool_))
    assert inside(series, 0, 200.0) == [(200.0, 3.0)]
    assert inside(series, 1, 200.0) == [(80.0, 1.0), (200.0, 4.0)]


def test_the_first_tick_after_a_refill_adds_only_what_is_newer() -> None:
    """The newest refilled sample is what the source says now, too."""
    ring = SeriesRing(OVER_S)
    ring.refill(("a",), [80.0, 140.0], np.array([[1.0, 2.0]]))
    ring.append(("a",), 150.0, np.array([2.0]), np.array([10.0]))
    ring.append(("a",), 210.0, np.array([3.0]), np.array([10.0]))
    series = ring.view(("a",), 60.0, np.zeros(1, dtype=np.bool_))
    assert inside(series, 0, 210.0) == [(80.0, 1.0), (140.0, 2.0), (200.0, 3.0)]


def test_only_wanted_fields_are_kept_and_a_failed_source_is_marked() -> None:
    """A column with a reason failed where it has no value."""
    rings = SeriesRings()
    rings.want({("node", "load"): OVER_S})
    columns = {"load": number_column([1.0, None], reason="timed out"), "size": number_column([1.0, 1.0])}
    found = rings.append({"node": Table("node", ("a", "b"), columns)}, 100.0)
    assert list(found) == [("node", "load")]
    assert found["node", "load"].failed.tolist() == [False, True]
    assert rings.append({}, 160.0) == {}


def test_a_clock_that_is_set_back_goes_on_with_new_samples() -> None:
    """An NTP step must not blind all windows until the old time has come again."""
    ring = SeriesRing(OVER_S)
    for at_s in (1000.0, 1060.0, 5000.0):
        ring.append(("a",), at_s, np.array([at_s]))
    for at_s in (1100.0, 1160.0):
        ring.append(("a",), at_s, np.array([at_s]))
    series = ring.view(("a",), 60.0, np.zeros(1, dtype=np.bool_))
    assert inside(series, 0, 1160.0) == [(at_s, at_s) for at_s in (1000.0, 1060.0, 1100.0, 1160.0)]
