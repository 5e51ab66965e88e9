"""The savings ledger: what is claimed is what the change of unit cost explains, once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.costs.savings import SavingEntry, TargetHour, realised
from scrimp.model.money import Money
from scrimp.model.usage import MICRO

HOUR, DAY = 3600, 86_400


def usd(amount):
    return Money(amount, "USD")


def entry(at_hour=0, unit_cost=2.0, **more):
    return SavingEntry(f"a{at_hour}", "p", "train", at_hour * HOUR, usd(unit_cost), usd(0.5), **more)


def hours(*costs, items=1.0, first=0):
    return [
        TargetHour("train", (first + at) * HOUR, round(cost * MICRO), items) for at, cost in enumerate(costs)
    ]


def amounts(entries, spent, now_s=10 * HOUR):
    return [one.realised.amount for one in realised(entries, spent, now_s)]


def test_a_saving_is_what_the_same_items_would_have_cost_less_what_they_did():
    spent = [TargetHour("train", 0, 3 * MICRO, items=10), TargetHour("train", HOUR, 3 * MICRO, items=2)]
    (found,) = realised([entry(unit_cost=0.5)], spent, 2 * HOUR)
    assert found.realised.amount == (10 * 0.5 - 3) + (2 * 0.5 - 3)
    assert found.projected.amount == 1.0
    assert (found.hours, found.closed) == (2, False)


def test_a_regression_is_shown_as_one():
    assert amounts([entry(unit_cost=2.0)], hours(3.0, 3.0)) == [-2.0]


def test_actions_on_one_target_share_its_saving_and_never_count_it_twice():
    first, second = entry(0, 10.0), entry(2, 6.0)
    assert amounts([first, second], hours(6.0, 6.0, 5.0, 5.0)) == [16.0, 2.0]


def test_nothing_counts_after_thirty_days_or_after_the_undo():
    spent = [TargetHour("train", day * DAY, 1 * MICRO) for day in range(40)]
    (late,) = realised([entry()], spent, 40 * DAY)
    assert (late.hours, late.closed) == (30, True)
    (undone,) = realised([entry(undone_s=5 * DAY)], spent, 6 * DAY)
    assert (undone.hours, undone.closed) == (5, True)
    (still,) = realised([entry()], spent[:3], 3 * DAY)
    assert not still.closed


def test_hours_of_other_targets_and_unknown_hours_save_nothing():
    (found,) = realised([entry()], [TargetHour("other", 0, 0)], 10 * DAY)
    assert (found.realised.amount, found.hours) == (0.0, 0)


def test_one_target_has_one_currency():
    other = SavingEntry("b", "p", "train", 0, Money(1, "EUR"), Money(1, "EUR"))
    with pytest.raises(ValueError, match="train"):
        realised([entry(), other], [], 0)


ENTRIES = st.lists(
    st.tuples(st.integers(0, 50), st.floats(0, 100), st.one_of(st.none(), st.integers(0, 90))),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(ENTRIES, st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 50)), max_size=60))
def test_all_savings_add_to_what_the_change_of_unit_cost_explains(rows, spent):
    entries = [
        SavingEntry(
            f"a{at}", "p", "train", start * HOUR, usd(cost), usd(0), undone_s=end and (start + end) * HOUR
        )
        for at, (start, cost, end) in enumerate(rows)
    ]
    seen = [TargetHour("train", at * HOUR, cost, items) for at, (cost, items) in enumerate(spent)]
    total = sum(round(one.realised.amount * MICRO) for one in realised(entries, seen, 10**9))
    explained = 0
    for hour in seen:
        live = sorted(
            (one for one in entries if one.is_open(hour.start_s)), key=lambda one: (one.at_s, one.action)
        )
        if live:
            explained += round(live[0].unit_cost.amount * MICRO * hour.items) - hour.cost_micro
    assert total == explained
