"""Why a cost changed: parts that add to the change exactly, and mean what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.costs.causes import causes
from scrimp.model.costs import CostGroups
from scrimp.model.usage import MICRO

relaxed = settings(deadline=None)  # a busy machine is no failure

QUANTITY = st.one_of(st.just(0.0), st.floats(0.01, 1e4))
AMOUNTS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["gpu", "cpu"])),
    st.tuples(st.integers(0, 10**12), QUANTITY),
    max_size=6,
)


def groups(amounts):
    keys = tuple((*key, "USD") for key in sorted(amounts))
    cost = np.array([amounts[key[:2]][0] for key in keys], dtype=np.int64)
    given_to = np.array([amounts[key[:2]][1] for key in keys], dtype=np.float64)
    none = np.zeros(len(keys), dtype=np.int64)
    return CostGroups(
        ("operation", "resource", "currency"), keys, cost, none, none, none, given_to * 0, given_to, given_to
    )


def micro(money):
    return round(money.amount * MICRO)


@relaxed
@given(AMOUNTS, AMOUNTS)
def test_price_volume_and_mix_add_to_the_change(before, after):
    found = causes(groups(before), groups(after), top=99)
    for one in found:
        parts = [micro(one.price), micro(one.volume), micro(one.mix)]
        # Parts may be a million times the cost, and beyond billions of money a float holds no millionths.
        room = max(map(abs, parts)) // 2**51
        assert abs(sum(parts) - micro(one.change)) <= room
    whole = sum(cost for cost, _ in after.values()) - sum(cost for cost, _ in before.values())
    assert sum(micro(one.change) for one in found) == whole


def only(before, after, **given):
    (found,) = causes(groups({("a", "gpu"): before}), groups({("a", "gpu"): after}), **given)
    return [money.amount for money in (found.price, found.volume, found.mix)]


def test_dearer_hours_are_price_and_more_hours_are_volume():
    assert only((10 * MICRO, 10.0), (15 * MICRO, 10.0)) == [5.0, 0.0, 0.0]
    assert only((10 * MICRO, 10.0), (15 * MICRO, 15.0)) == [0.0, 5.0, 0.0]


def test_another_share_of_the_same_hours_is_mix():
    before = {("a", "gpu"): (10 * MICRO, 10.0), ("b", "gpu"): (30 * MICRO, 10.0)}
    after = {("a", "gpu"): (5 * MICRO, 5.0), ("b", "gpu"): (45 * MICRO, 15.0)}
    found = {one.key[0]: one for one in causes(groups(before), groups(after))}
    assert (found["b"].price.amount, found["b"].volume.amount, found["b"].mix.amount) == (0.0, 0.0, 15.0)
    assert found["a"].mix.amount == -5.0


def test_periods_of_two_lengths_are_compared_at_one_rate():
    assert only((20 * MICRO, 20.0), (10 * MICRO, 10.0), scale=0.5) == [0.0, 0.0, 0.0]


def test_resources_must_be_told_apart():
    one = groups({("a", "gpu"): (1, 1.0)})
    with pytest.raises(ValueError, match="resource"):
        causes(
            one, CostGroups(("operation", "currency"), *[getattr(one, name) for name in one.__slots__[1:]])
        )


def test_what_was_not_there_before_has_no_old_price() -> None:
    """All of its change is mix, whatever else grew."""
    (one,) = causes(groups({}), groups({("a", "cpu"): (7 * MICRO, 2.0)}))
    assert [micro(part) for part in (one.change, one.price, one.volume, one.mix)] == [
        7 * MICRO,
        0,
        0,
        7 * MICRO,
    ]


def test_a_fall_is_a_cause_as_large_as_a_rise() -> None:
    old = groups({("a", "cpu"): (9 * MICRO, 1.0), ("b", "cpu"): (MICRO, 1.0)})
    new = groups({("a", "cpu"): (2 * MICRO, 1.0), ("b", "cpu"): (4 * MICRO, 1.0)})
    assert [micro(one.change) for one in causes(old, new, top=1)] == [-7 * MICRO]
