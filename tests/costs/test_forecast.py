"""Forecasts: they see what is there to see, say how sure they are, and never look ahead."""

from dataclasses import replace

import numpy as np
import pytest

from scrimp.costs.forecast import ForecastRules, SpendSeries, backtest, forecast, hourly, judge

RULES = ForecastRules()
DAY = 86_400


def series(daily):
    """Hourly spend of days with these amounts, in dollars."""
    return hourly(0, np.repeat(np.asarray(daily, dtype=float), 24) * 1e6 / 24, "USD")


def predicted(daily, days, rules=RULES):
    return forecast(backtest(series(daily), 31, rules), days * DAY)


def test_a_flat_spend_goes_on_flat_with_a_band_of_nothing():
    found = predicted([100.0] * 50, 7)
    assert found.mid.amount == pytest.approx(700)
    assert found.low.amount == pytest.approx(700)
    assert found.coverage == 1.0
    assert found.errors > 8


def test_a_weekly_pattern_is_carried_on():
    week = [100.0] * 5 + [20.0] * 2
    found = predicted(week * 7, 12)
    assert found.mid.amount == pytest.approx(5 * 100 + 2 * 20 + 5 * 100, rel=0.06)


def test_growth_is_carried_on():
    daily = 100 + 2 * np.arange(60.0)
    actual = sum(100 + 2 * np.arange(60, 67))
    assert predicted(daily, 7).mid.amount == pytest.approx(actual, rel=0.04)


@pytest.mark.parametrize("favour", [RULES.favour, (1.0, 0.0, 0.0, 0.0), (0.0, 3.0, 1.0, 0.0)])
def test_before_there_are_errors_to_go_by_members_count_by_favour(favour):
    daily = 100 + 10 * np.sin(np.arange(30) / 3)
    test = backtest(series(daily), 7, replace(RULES, favour=favour))
    judged, members = judge(test, 7 * 24), test.members(7 * 24)
    first = judged.known == 0
    assert first.sum() >= 28
    assert judged.mid[first] == pytest.approx(np.array(favour) @ members[:, first] / sum(favour))
    if min(favour) > 0:
        later = np.array(favour) @ members[:, ~first] / sum(favour)
        assert not np.allclose(judged.mid[~first], later, rtol=1e-3)


def test_before_there_are_errors_to_go_by_the_band_is_wide():
    found = predicted([100.0] * 8, 7)
    assert found.errors == 0
    assert found.half_width == RULES.band_first
    assert np.isnan(found.coverage)
    assert found.low.amount == pytest.approx(700 * 0.65)


def test_an_outage_is_not_taken_for_the_future():
    daily = np.full(40, 100.0)
    daily[37] = 3.0
    assert predicted(daily, 7).mid.amount == pytest.approx(700, rel=0.01)


def test_after_a_change_of_level_only_the_new_one_counts_and_the_band_says_so():
    daily = 100 * np.exp(np.random.default_rng(1).normal(0, 0.03, 60))
    before = predicted(daily[:50], 7)
    daily[50:] *= 2
    found = predicted(daily, 7)
    assert found.mid.amount == pytest.approx(1400, rel=0.1)
    assert 48 * DAY <= found.level_since_s <= 51 * DAY
    assert found.half_width > before.half_width


def test_no_forecast_looks_ahead():
    """What came later must not change what was forecast before, nor its band."""
    rng = np.random.default_rng(4)
    daily = 100 * np.exp(rng.normal(0, 0.1, 60))
    early = predicted(daily[:40], 7)
    test = backtest(series(np.concatenate((daily[:40], daily[40:] * 3))), 31, RULES)
    at = int(np.flatnonzero(test.origins == 40 * 24)[0])
    late = forecast(test, 7 * DAY, at)
    assert (late.mid, late.low, late.least, late.coverage) == (
        early.mid,
        early.low,
        early.least,
        early.coverage,
    )


def test_the_band_covers_about_what_it_claims():
    """Four fifths of independent errors, from a generator that the forecaster does not know."""
    held = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        test = backtest(series(100 * np.exp(rng.normal(0, 0.1, 70))), 7, replace(RULES, origin_s=DAY))
        judged = judge(test, 7 * 24)
        at = np.flatnonzero((test.origins >= 30 * 24) & np.isfinite(judged.error))
        held += [abs(judged.error[i]) <= judged.half_width(i)[0] for i in at]
    assert 0.6 <= np.mean(held) <= 0.95


def test_the_one_sided_bound_lies_within_the_band():
    daily = 100 * np.exp(np.random.default_rng(2).normal(0, 0.2, 50))
    found = predicted(daily, 10)
    assert found.low.amount <= found.least.amount <= found.mid.amount <= found.high.amount


def test_unknown_hours_count_as_the_last_known_one():
    daily = series([100.0] * 30)
    amounts = daily.amounts_micro.copy()
    amounts[200:230] = np.nan
    found = forecast(backtest(SpendSeries(0, 3600, amounts, "USD"), 31, RULES), 7 * DAY)
    assert found.mid.amount == pytest.approx(700)


@pytest.mark.parametrize("amounts", [[], [float("nan")] * 48, [0.0] * 800])
def test_nothing_known_or_nothing_spent_forecasts_nothing(amounts):
    found = forecast(backtest(hourly(0, amounts, "EUR"), 31, RULES), 7 * DAY)
    assert found.mid.amount == 0.0
    assert found.mid.currency == "EUR"
