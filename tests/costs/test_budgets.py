"""Budgets: what is spent, what will be, and one alert for each thing that is worth one."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from scrimp.costs import BillShares, split_costs
from scrimp.costs.budgets import AlertRules, Budget, budget_alerts, budget_status, spend_series
from scrimp.costs.forecast import ForecastRules, hourly
from scrimp.costs.pace import PaceRules, new_height
from scrimp.model.costs import PriceBook
from scrimp.model.money import Money
from scrimp.model.usage import GPU, UsageRow, usage_table

RULES = ForecastRules()
ALERTS = AlertRules()
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())  # February follows after 31 days
HOUR = 1e6 / 24


def status(daily, limit=280.0):
    """A budget of `limit` a month, after days of these amounts from 1 January on."""
    series = hourly(START, np.repeat(np.asarray(daily, dtype=float), 24) * HOUR, "USD")
    return budget_status(Budget("audio", Money(limit, "USD")), series, RULES)


def test_a_steady_month_is_forecast_to_its_end():
    found = status([10.0] * 31 + [10.0] * 14)
    assert found.period.label == "2026-02"
    assert found.spent.amount == pytest.approx(140)
    assert found.used == pytest.approx(0.5)
    assert found.total.amount == pytest.approx(280)
    assert found.days_left == 14
    assert found.burn_rate == pytest.approx(1.0)


def test_at_its_very_end_a_month_is_over_and_its_total_is_what_was_spent():
    found = status([10.0] * (31 + 28))
    assert found.period.label == "2026-02"
    assert found.days_left == 0
    assert found.least == found.total == found.high == found.spent
    assert found.spent.amount == pytest.approx(280)


def test_a_blip_of_an_hour_does_not_burn_in_both_windows():
    days = [10.0] * 45
    series = hourly(START, np.repeat(days, 24) * HOUR, "USD")
    series.amounts_micro[-1] *= 10
    found = budget_status(Budget("audio", Money(280, "USD")), series, RULES)
    assert found.burn[3600] == pytest.approx(10)
    assert found.burn_rate == pytest.approx(2.5)


def test_currencies_are_never_mixed():
    with pytest.raises(ValueError, match="EUR"):
        budget_status(Budget("b", Money(1, "EUR")), hourly(START, [1.0] * 24, "USD"), RULES)


def test_a_series_is_of_the_budgets_own_costs_in_its_own_currency():
    rows = []
    for hour, currency, team, micro in (
        (0, "USD", "a", 5),
        (1, "USD", "b", 7),
        (1, "EUR", "a", 9),
        (2, "USD", "a", 11),
    ):
        charge = UsageRow(hour * 3600, hour * 3600 + 3600, f"n{team}", resource=GPU, currency=currency)
        rows += [
            replace(charge, capacity=1.0, billed_micro=micro),
            replace(charge, job="j", team=team, allocated=1.0, used=1.0),
        ]
    costs = split_costs(usage_table(rows), PriceBook({}), BillShares())
    found = spend_series(costs, Budget("b", Money(1, "USD"), where={"team": ("a",)}), 0, 4 * 3600)
    assert found.amounts_micro.tolist() == [5, 0, 11, 0]


def rules_of(found):
    return [alert.rule for alert in found]


def test_every_alert_is_given_once_in_its_period_and_again_in_the_next():
    fired = frozenset()
    days, seen = [10.0] * 31, []
    for day in range(28):
        now = status([*days, *[10.2] * (day + 1)], limit=250.0)
        new, fired = budget_alerts(now, ALERTS, fired)
        seen += rules_of(new)
    assert sorted(seen) == sorted(
        ["forecast page", "forecast note", "actual 50%", "actual 80%", "actual 100%"]
    )
    march, fired = budget_alerts(status([*days, *[10.2] * 48], limit=250.0), ALERTS, fired)
    assert "actual 50%" in rules_of(march)
    assert all(period == "2026-03" for _, _, period in fired)


def test_an_alert_is_armed_again_only_after_falling_five_points():
    base = status([10.0] * 45)
    fired = frozenset()
    given = []
    for share in (1.01, 0.97, 1.02, 0.949, 1.03):
        now = replace(base, used=0.0, least=Money(0, "USD"), total=Money(280 * share, "USD"), burn={})
        new, fired = budget_alerts(now, ALERTS, fired)
        given.append(rules_of(new))
    assert given == [["forecast note"], [], [], [], ["forecast note"]]


def test_burn_and_unit_cost_have_rules_of_their_own():
    base = replace(status([1.0] * 45), burn={3600: 3.5, 21600: 3.1})
    new, _ = budget_alerts(base, ALERTS, frozenset(), unit_cost_change=0.16)
    assert rules_of(new) == ["burn rate", "unit cost"]
    new, _ = budget_alerts(
        replace(base, burn={3600: 9.0, 21600: 2.9}), ALERTS, frozenset(), unit_cost_change=None
    )
    assert rules_of(new) == []


def test_other_budgets_keep_what_they_fired():
    others = frozenset({("video", "actual 50%", "2025-12")})
    _, fired = budget_alerts(status([1.0] * 40), ALERTS, others)
    assert others <= fired


def test_a_budget_of_nothing_is_used_up_by_anything():
    found = status([10.0] * 40, limit=0.0)
    assert found.used == float("inf")
    assert "actual 100%" in rules_of(budget_alerts(found, ALERTS, frozenset())[0])


def test_a_new_height_of_spending_pages_long_before_a_forecast_is_sure():
    """Four days at 1.4 times what eight weeks cost, with a budget of 1.1 months: day 16 is soon enough."""
    rng = np.random.default_rng(1)
    before = 10 * np.exp(rng.normal(0, 0.05, 59 + 12))
    start = [*before, *(14.0 for _ in range(4))]
    now = status(start, limit=10 * 31 * 1.1)  # ends on 16 March
    assert now.period.label == "2026-03"
    assert now.at_height.amount == pytest.approx(now.spent.amount + 14.0 * 15)
    assert "new height" in rules_of(budget_alerts(now, ALERTS, frozenset())[0])
    calm = status([*before, *(10.0 for _ in range(4))], limit=10 * 31 * 1.1)
    assert calm.at_height is None


def test_a_height_pages_once_though_it_is_new_for_a_few_days_only():
    days = [*[10.0] * 71, *[15.0] * 17]
    fired, seen, heights = frozenset(), [], []
    for end in range(72, len(days) + 1):
        now = status(days[:end], limit=340.0)
        new, fired = budget_alerts(now, ALERTS, fired)
        seen += [rule for rule in rules_of(new) if rule == "new height"]
        heights.append(now.at_height is not None)
    assert seen == ["new height"]
    assert any(heights)
    assert not heights[-1]


@pytest.mark.parametrize(("unit", "known"), [("month", True), ("day", False), ("week", False)])
def test_a_period_of_few_days_is_not_judged_by_some_of_them(unit, known):
    series = hourly(START, np.repeat([10.0] * 45 + [20.0] * 4, 24) * HOUR, "USD")
    found = budget_status(Budget("audio", Money(280, "USD"), unit), series, RULES)
    assert (found.at_height is not None) == known


def test_three_weeks_before_the_last_days_are_needed_for_a_height():
    for days, known in ((24, False), (25, True)):
        series = hourly(START, np.repeat([10.0] * (days - 4) + [20.0] * 4, 24) * HOUR, "USD")
        assert (new_height(series, PaceRules()) is not None) == known
    gap = hourly(START, np.repeat([10.0] * 26 + [20.0] * 4, 24) * HOUR, "USD")
    gap.amounts_micro[-1] = np.nan
    assert new_height(gap, PaceRules()) is None


@pytest.mark.parametrize(("daily", "known"), [(10.4, False), (10.6, True)])
def test_a_height_is_five_percent_above_any_days_that_do_not_overlap_it(daily, known):
    series = hourly(START, np.repeat([10.0] * 40 + [daily] * 4, 24) * HOUR, "USD")
    assert (new_height(series, PaceRules()) == pytest.approx(daily * 1e6)) == known
    higher_once = hourly(
        START, np.repeat([10.0] * 30 + [14.0] * 4 + [10.0] * 20 + [daily] * 4, 24) * HOUR, "USD"
    )
    assert new_height(higher_once, PaceRules()) is None


def test_a_mark_that_is_just_reached_alerts():
    """A budget that is spent to the cent is spent."""
    spent = replace(status([0.0] * 31 + [1.0]), used=0.5)
    assert "actual 50%" in rules_of(budget_alerts(spent, ALERTS, frozenset())[0])
    assert "actual 50%" not in rules_of(budget_alerts(replace(spent, used=0.4999), ALERTS, frozenset())[0])


def test_the_forecast_pages_by_the_least_that_it_can_come_to():
    """The band's own lower end is too rash for a page: it is crossed by one clean month in ten."""
    found = status([10.0] * 45, limit=280.0)
    sure = replace(found, least=Money(279, "USD"), low=Money(300, "USD"), total=Money(310, "USD"))
    assert "forecast page" not in rules_of(budget_alerts(sure, ALERTS, frozenset())[0])
    surer = replace(sure, least=Money(281, "USD"))
    assert "forecast page" in rules_of(budget_alerts(surer, ALERTS, frozenset())[0])


def test_while_nothing_is_known_no_alert_is_given_and_none_armed_again():
    """A history that is away and comes back must not page twice."""
    known = status([10.0] * 45, limit=1.0)
    due, fired = budget_alerts(known, ALERTS, frozenset())
    assert {"forecast page", "forecast note", "burn rate"} <= set(rules_of(due))
    nothing = Money(0, "USD")
    lost = replace(known, spent=nothing, least=nothing, total=nothing, burn={}, used=float("nan"), empty=True)
    assert budget_alerts(lost, ALERTS, fired) == ((), fired)
    assert budget_alerts(known, ALERTS, fired) == ((), fired)
