"""Trends and changes of level: found where they are, and not where they are not."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from scrimp.costs.changes import LevelRules, level_starts, trend

RULES = LevelRules()


def noisy(days, seed=1, spread=0.05):
    return np.exp(np.random.default_rng(seed).normal(0, spread, days))


def test_a_trend_is_the_slope_of_weekly_medians_whatever_single_days_do():
    days = np.repeat(100.0 + 3 * np.arange(8), 7)
    days[[3, 17, 40]] = 5000.0  # three days that cost fifty times as much
    found = trend(days)
    assert found.slope == pytest.approx(3.0)
    assert found.relative == pytest.approx(3 / 110.5)
    assert found.p_value < 0.001


@pytest.mark.parametrize("weeks", [5, 9, 30])
@pytest.mark.parametrize("seed", range(3))
def test_the_doubt_is_that_of_kendall(weeks, seed):
    values = np.random.default_rng(seed).random(weeks)
    found = trend(np.repeat(values, 7))
    method = "exact" if weeks <= 10 else "asymptotic"
    assert found.p_value == pytest.approx(
        kendalltau(np.arange(weeks), values, method=method).pvalue, abs=0.02
    )


def test_two_weeks_or_none_show_no_trend():
    assert trend(np.arange(20.0)).p_value == 1.0
    assert trend(np.full(70, np.nan)).weeks == 0
    assert trend(np.full(70, 7.0)).p_value == 1.0


def starts(days):
    return level_starts(days, np.arange(len(days)), 1, RULES).tolist()


def test_a_lasting_change_of_level_is_found_within_a_week_with_its_first_day():
    days = 100 * noisy(60)
    days[40:] *= 1.5
    found = starts(days)
    assert found[39] == 0
    assert 38 <= found[46] <= 41
    assert found[46:] == [found[46]] * 14


def test_an_outage_of_two_days_is_not_a_change_of_level():
    days = 100 * noisy(60)
    days[30:32] *= 0.1
    assert set(starts(days)) == {0}


def test_what_comes_later_changes_no_earlier_answer():
    days = 100 * noisy(60, seed=3)
    days[20:] *= 2.0
    days[45:] *= 0.4
    assert starts(days)[:50] == starts(days[:50])
