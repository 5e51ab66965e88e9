"""Calendar periods: where they begin and end, in UTC."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.costs.periods import PERIOD_UNITS, calendar_period, calendar_periods

relaxed = settings(deadline=None)  # a busy machine is no failure


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("unit", "start", "end", "label"),
    [
        ("day", "2026-12-31", "2027-01-01", "2026-12-31"),
        ("week", "2026-12-28", "2027-01-04", "2026-W53"),
        ("month", "2026-12-01", "2027-01-01", "2026-12"),
        ("quarter", "2026-10-01", "2027-01-01", "2026-Q4"),
        ("year", "2026-01-01", "2027-01-01", "2026"),
    ],
)
def test_the_last_moment_of_a_year(unit, start, end, label):
    found = calendar_period(unit, at("2026-12-31T23:59:59"))
    assert (found.start_s, found.end_s, found.label) == (at(start), at(end), label)


@relaxed
@given(st.sampled_from(PERIOD_UNITS), st.integers(0, 4 * 10**9))
def test_periods_hold_their_time_and_meet_without_gap(unit, at_s):
    found = calendar_period(unit, at_s)
    assert found.start_s <= at_s < found.end_s
    assert calendar_period(unit, found.end_s).start_s == found.end_s
    assert calendar_period(unit, found.start_s) == found


def test_a_span_is_covered_by_its_periods():
    found = calendar_periods("month", at("2026-01-15"), at("2026-04-01"))
    assert [one.label for one in found] == ["2026-01", "2026-02", "2026-03"]
