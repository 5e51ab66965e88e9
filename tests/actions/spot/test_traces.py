"""Generated traces have the statistics that they promise, and repeat from their seed."""

from random import Random

import numpy as np
import pytest

from scrimp_actions.spot.traces import Climate, Trace, generate_region


def region(seed: int, climate: Climate, ticks: int = 20_000) -> tuple[Trace, ...]:
    names = ("a", "b", "c", "d")
    return generate_region(
        names, climate, Random(seed), ticks=ticks, gap_s=195.0, instances=4, on_demand_per_hour=3.06
    )


def test_the_same_seed_gives_the_same_traces() -> None:
    """A rehearsal has to repeat."""
    for one, two in zip(region(5, Climate()), region(5, Climate()), strict=True):
        np.testing.assert_array_equal(one.capacity, two.capacity)
        np.testing.assert_array_equal(one.price_per_hour, two.price_per_hour)


def test_availability_prices_and_lives_are_like_the_public_ones() -> None:
    """Mostly up, prices that move in one hour of nine, hazards that fall with age."""
    traces = [trace for seed in range(6) for trace in region(seed, Climate())]
    assert 0.6 < np.mean([trace.share_up for trace in traces]) < 0.97
    moved = np.mean([(np.diff(trace.price_per_hour) != 0).mean() for trace in traces])
    assert 0.02 < moved * 3600 / 195 < 0.2
    young = old = young_lost = old_lost = 0
    for trace in traces:
        age = 0
        for now, then in zip(trace.capacity > 0, trace.capacity[1:] > 0, strict=False):
            age = age + 1 if now else 0
            if now and age * 195 < 3600:
                young, young_lost = young + 1, young_lost + (not then)
            elif now and age * 195 > 6 * 3600:
                old, old_lost = old + 1, old_lost + (not then)
    assert young_lost / young > 3 * old_lost / old


def test_prices_stay_under_on_demand() -> None:
    """Spot is never sold above the price on demand."""
    for trace in region(1, Climate(discount=0.1, price_step_share=0.05)):
        assert (trace.price_per_hour <= trace.on_demand_per_hour).all()
        assert (trace.price_per_hour > 0).all()


def test_pools_of_a_region_fall_together() -> None:
    """With shared storms, two pools are down at once more often than by chance."""
    together = apart = 0.0
    for seed in range(8):
        one, two, *_ = region(seed, Climate(share_storm=0.8))
        down_one, down_two = one.capacity == 0, two.capacity == 0
        together += (down_one & down_two).mean()
        apart += down_one.mean() * down_two.mean()
    assert together > 1.5 * apart


def test_a_trace_has_both_series() -> None:
    """A price without a capacity is a mistake."""
    with pytest.raises(ValueError, match="every tick"):
        Trace("a", 60.0, np.ones(3, dtype=np.int64), np.ones(2), 1.0)
