"""Cost per unit of work, the spread over pools, cool-downs and the way back."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp_actions.spot.pools import CoolDowns, Pool, WayBack, break_even_s, spread

POOL = Pool("a", price_per_hour=1.0, units_per_s=2.0, startup_s=720.0, expected_up_s=7200.0)


def test_cost_per_unit_counts_the_start_and_the_work_redone() -> None:
    """Two hours at 1.0 with 720 s of start-up and 80 s redone leave 6400 s of work at 2 a second."""
    assert replace(POOL, redone_s=80.0).cost_per_unit == pytest.approx(2.0 / 12_800)


def test_a_life_shorter_than_the_start_does_no_work() -> None:
    """Cheap and short-lived is not cheap."""
    assert replace(POOL, expected_up_s=700.0, price_per_hour=0.01).cost_per_unit == math.inf


def test_break_even() -> None:
    """From 1.0 to 0.6 an hour at the same speed: 720 s at 0.6 are saved at 0.4 an hour after 1080 s."""
    assert break_even_s(POOL, replace(POOL, price_per_hour=0.6)) == pytest.approx(1080.0)
    assert break_even_s(POOL, replace(POOL, price_per_hour=1.2)) == math.inf


def test_a_faster_pool_breaks_even_at_a_higher_price() -> None:
    """Twice the speed at one and a half times the price is a saving."""
    assert break_even_s(POOL, replace(POOL, price_per_hour=1.5, units_per_s=4.0)) < math.inf


prices = st.lists(st.floats(0.1, 5.0), min_size=1, max_size=8)


@given(prices, st.integers(0, 200), st.integers(1, 5), st.floats(0.1, 1.0))
def test_spread_hands_out_all_and_keeps_the_floor(
    costs: list[float], count: int, least: int, share: float
) -> None:
    """Every instance gets a pool; the floor and the share hold wherever the pools allow it."""
    pools = [replace(POOL, name=f"p{k}", price_per_hour=price) for k, price in enumerate(costs)]
    given_out = spread(pools, count, least_pools=least, most_share=share)
    assert sum(given_out.values()) == count
    assert len(given_out) >= min(least, len(pools), count)
    most = max(1, math.floor(count * min(share, 1 / least) + 1e-9))
    if most * len(pools) >= count:
        assert max(given_out.values(), default=0) <= most


def test_spread_prefers_the_cheap_and_skips_what_is_not_there() -> None:
    """The cheapest work takes its full share; an unavailable pool takes none."""
    dear, cheap = replace(POOL, name="dear", price_per_hour=2.0), replace(POOL, name="cheap")
    gone = replace(POOL, name="gone", price_per_hour=0.1, available=False)
    assert spread([dear, cheap, gone], 10, least_pools=1, most_share=0.7) == {"cheap": 7, "dear": 3}
    assert spread([gone], 10, least_pools=1, most_share=1.0) == {}


def test_cool_down_doubles_up_to_its_limit_and_is_forgiven() -> None:
    """180 s, 360 s, …, one hour; a storm that goes on counts once; a calm hour wipes it out."""
    cool, now_s, pauses = CoolDowns(), 0.0, []
    for _ in range(7):
        cool = cool.strike("a", now_s)
        assert cool.strike("a", now_s + 1) == cool
        assert cool.out("a", now_s)
        pauses.append(cool.pools[0].until_s - now_s)
        now_s = cool.pools[0].until_s
    assert pauses == [180, 360, 720, 1440, 2880, 3600, 3600]
    assert not cool.out("a", now_s)
    assert cool.strike("a", now_s + 3599).pools[0].strikes == 8, "an hour is not over"
    assert cool.strike("a", now_s + 3601).pools[0].strikes == 1
    assert CoolDowns().next_s(0.0) is None


def test_the_way_back_is_always_scheduled() -> None:
    """However many tries failed, the next one has a time, and needs spot that lasts."""
    way = WayBack(fell_s=0.0)
    assert way.due_s == 1800.0
    for _ in range(40):
        later = way.failed()
        assert 0 < later.due_s - way.due_s <= way.limit_s
        way = later
    assert way.due(way.due_s, expected_up_s=4000.0, needed_s=3600.0)
    assert not way.due(way.due_s, expected_up_s=3000.0, needed_s=3600.0)
    assert not way.due(way.due_s - 1, expected_up_s=4000.0, needed_s=3600.0)
