"""`daemon/budgets.py` and `daemon/budget_alerts.py`: what is spent is what reports say, and each alert is given once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour

from scrimp.api import Services
from scrimp.config import BudgetSettings
from scrimp.costs import UnitCost, unit_cost_change
from scrimp.daemon.budget_alerts import MEMORY, BudgetWatch, rules_of
from scrimp.daemon.budgets import BudgetBook, BudgetCollector
from scrimp.history import History, Part, day_of
from scrimp.model.decision import Mode
from scrimp.model.money import Money
from scrimp.model.usage import MICRO, UsageRow
from scrimp.reports import Ask, Question, bins, make_report, period_at
from scrimp.store import Store, open_store, read_records
from scrimp_actions.notify.provider import FACTORY

NOW_S = START_S + 10.0 * DAY_S


def rows(days: int, micro: int = MICRO) -> list[UsageRow]:
    return [
        row
        for hour in range(24 * days)
        for row in node_hour(START_S - 40 * DAY_S + hour * HOUR_S, "n", micro, [("j", 2.0, 1.0)])
    ]


def book(made: History, *settings: BudgetSettings) -> BudgetBook:
    return BudgetBook(settings, made)


def watch(found: BudgetBook, root: Path, store: Store, cap: Mode = Mode.ENFORCE) -> BudgetWatch:
    services = Services(now=lambda: NOW_S, sleep=lambda _: None, state_dir=root)
    return BudgetWatch(found, [FACTORY({}, services)], store, 5.0, cap)


def alerts(root: Path) -> list[dict[str, str]]:
    path = root / "alerts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("where", [{}, {"team": ("audio",)}, {"operation": ("none",)}])
def test_spent_is_what_the_report_says(tmp_path: Path, where: dict[str, tuple[str, ...]]) -> None:
    made = history(tmp_path, rows(50))
    (status,) = book(made, BudgetSettings("b", 1000.0, where=where)).statuses(NOW_S)
    period = period_at("month", NOW_S)
    report = make_report(made, Ask(Question(period, bins(period), where)), NOW_S)
    assert status.spent.amount == pytest.approx(sum(report.figures.total("USD")) / MICRO)
    assert status.used == pytest.approx(status.spent.amount / 1000)
    assert status.days_left == pytest.approx(20)


def test_rows_of_kind_budget_have_all_fields(tmp_path: Path) -> None:
    found = BudgetCollector(book(history(tmp_path, rows(50)), BudgetSettings("b", 480.0))).collect(
        NOW_S, deadline_s=5
    )
    (batch,) = found.batches
    row = {name: values[0] for name, values in batch.fields.items()}
    assert row["limit"] == 480
    assert row["spent"] == pytest.approx(240)
    assert row["forecast"] == pytest.approx(720, rel=0.01)
    assert row["burn_rate"] == pytest.approx(1.5)
    assert row["forecast_height"] is None


def test_a_new_height_of_spending_is_a_field_and_an_alert(tmp_path: Path) -> None:
    dear = [
        row
        for hour in range(24 * 4)
        for row in node_hour(NOW_S - 4 * DAY_S + hour * HOUR_S, "n", 2 * MICRO, [("j", 2.0, 1.0)])
    ]
    found = book(history(tmp_path / "made", [*rows(46), *dear]), BudgetSettings("b", 1200.0))
    (batch,) = BudgetCollector(found).collect(NOW_S, deadline_s=5).batches
    assert batch.fields["forecast_height"] == [pytest.approx(336 + 20 * 48)]
    with open_store(tmp_path, lambda: NOW_S) as store:
        said = watch(found, tmp_path, store).look(NOW_S)
        assert [line for line in said if "higher than ever before, it comes to 108% of the limit" in line]
        assert watch(found, tmp_path, store).look(NOW_S) == ()


def test_without_a_whole_hour_the_pace_is_unknown(tmp_path: Path) -> None:
    made = history(tmp_path, [row for row in rows(41) if row.start_s == NOW_S - HOUR_S])
    found = BudgetCollector(book(made, BudgetSettings("b", 480.0))).collect(NOW_S, deadline_s=5)
    assert found.batches[0].fields["burn_rate"] == [None]


def test_before_anything_was_seen_all_of_a_budget_is_unknown(tmp_path: Path) -> None:
    """Nothing spent would give what a budget withholds: jobs would go on, groups would grow back."""
    one = book(history(tmp_path, []), BudgetSettings("b", 480.0))
    (batch,) = BudgetCollector(one).collect(NOW_S, deadline_s=5).batches
    known = {name for name, values in batch.fields.items() if values != [None]}
    assert known == {"limit", "days_left"}
    assert told(one, tmp_path, [NOW_S, NOW_S + HOUR_S]) == []
    history(tmp_path, [row for row in rows(51) if row.start_s < NOW_S + 2 * HOUR_S])
    (batch,) = BudgetCollector(one).collect(NOW_S + 2 * HOUR_S, deadline_s=5).batches
    assert batch.fields["used"] == [pytest.approx(242 / 480)]


def test_later_looks_read_only_what_is_new_and_find_the_same(tmp_path: Path) -> None:
    made = history(tmp_path, rows(55))
    one = book(made, BudgetSettings("b", 480.0))
    for hour in range(30):
        (status,) = one.statuses(NOW_S + hour * HOUR_S)
    (fresh,) = book(made, BudgetSettings("b", 480.0)).statuses(NOW_S + 29 * HOUR_S)
    assert status.spent == fresh.spent
    assert status.total == fresh.total


def test_a_clock_that_was_set_back_finds_what_was_spent_then(tmp_path: Path) -> None:
    made = history(tmp_path, rows(50))
    one = book(made, BudgetSettings("b", 480.0))
    one.statuses(NOW_S)
    for back_s in (HOUR_S, 3 * DAY_S):
        (fresh,) = book(made, BudgetSettings("b", 480.0)).statuses(NOW_S - back_s)
        (found,) = one.statuses(NOW_S - back_s)
        assert (found.at_s, found.spent, found.total) == (fresh.at_s, fresh.spent, fresh.total)
        assert found.spent.amount == pytest.approx(241 - back_s / HOUR_S)  # with the hour that is open


def told(found: BudgetBook, root: Path, at: Sequence[float], cap: Mode = Mode.ENFORCE) -> list[str]:
    said: list[str] = []
    with open_store(root, lambda: NOW_S) as store:
        looking = watch(found, root, store, cap)
        for at_s in at:
            found.statuses(at_s)
            said.extend(looking.look(at_s))
    return said


def test_each_rule_alerts_once_in_a_period_restarts_included(tmp_path: Path) -> None:
    made = history(tmp_path, rows(50))
    settings = BudgetSettings("b", 400.0, actual=(0.5, 1.0), to="")
    first = told(book(made, settings), tmp_path, [NOW_S, NOW_S + 3600, NOW_S + 7200])
    assert told(book(made, settings), tmp_path, [NOW_S + 10_800]) == []
    assert any("passed 50%" in one for one in first)
    assert len(alerts(tmp_path)) == len(first)
    with open_store(tmp_path, lambda: NOW_S) as store:
        records = list(read_records(store.log, event="budget"))
    assert [record["values"]["rule"] for record in records] == [
        *{record["values"]["rule"]: 0 for record in records}
    ]
    assert store.log is not None


@pytest.mark.parametrize(
    ("marks", "severities"),
    [
        ((), []),
        ((0.9,), ["critical"]),
        ((1.0, 0.5), ["info", "critical"]),
        ((0.5, 0.7, 0.8, 1.0), ["info", "warning", "warning", "critical"]),
    ],
)
def test_marks_are_graver_the_higher_and_may_be_none(marks: tuple[float, ...], severities: list[str]) -> None:
    found = rules_of(BudgetSettings("b", 1.0, actual=marks)).actual
    assert [mark for mark, _ in found] == sorted(marks)
    assert [severity for _, severity in found] == severities


def test_an_alert_that_was_sent_before_a_crash_is_not_sent_again(tmp_path: Path) -> None:
    """The crash came after sending, before it was remembered."""
    settings = BudgetSettings("b", 400.0, actual=(0.5,))
    made = history(tmp_path, rows(50))
    told(book(made, settings), tmp_path, [NOW_S])
    with open_store(tmp_path, lambda: NOW_S) as store:
        store.save_memory(MEMORY, {"b": {"fired": [], "counts": {}}})
    sent = len(alerts(tmp_path))
    told(book(made, settings), tmp_path, [NOW_S])
    assert sent > 0
    assert len(alerts(tmp_path)) == sent


def test_marks_that_are_passed_at_once_are_told_once(tmp_path: Path) -> None:
    """By a bill that comes late, or a budget that is new: the highest mark, and the graver word of a forecast."""
    made = history(tmp_path, rows(50))
    settings = BudgetSettings("b", 230.0, actual=(0.5, 0.8, 1.0), burn=100.0)
    said = told(book(made, settings), tmp_path, [NOW_S, NOW_S + 3600])
    assert [one.partition(";")[0] for one in said] == [
        "budget b: passed 100%",
        "budget b: even the low forecast is 313% of the limit",
    ]
    less = BudgetSettings("b", 330.0, actual=(0.5, 0.8, 1.0), burn=100.0, forecast=10.0)
    more = history(tmp_path / "b", rows(53))
    later = [NOW_S, NOW_S + 2 * DAY_S]  # passes 80 % between the two
    assert [one.partition(";")[0] for one in told(book(more, less), tmp_path / "b", later)] == [
        "budget b: passed 50%",
        "budget b: passed 80%",
    ]


def test_causes_are_of_the_time_that_spend_is_known_of(tmp_path: Path) -> None:
    """Days without a bill yet are no days of less."""
    made = imported(tmp_path, 40, lag=4)
    bill = [
        UsageRow(START_S + DAY_S, START_S + 2 * DAY_S, node="n", resource="other", billed_micro=6 * MICRO)
    ]
    history(tmp_path, bill, "focus")
    said = told(book(made, BudgetSettings("b", 720.0, actual=(0.1,))), tmp_path, [NOW_S])
    assert "causes: other +6.00" in said[0]


def test_an_alert_names_its_causes(tmp_path: Path) -> None:
    made = history(
        tmp_path,
        [
            *rows(50),
            *(
                row
                for hour in range(24)
                for row in node_hour(START_S + hour * HOUR_S, "m", 9 * MICRO, [("k", 4.0, 4.0)])
            ),
        ],
    )
    said = told(book(made, BudgetSettings("b", 400.0, actual=(0.5,))), tmp_path, [NOW_S])
    assert any("cpu mel audio" in one and "+" in one for one in said)
    with open_store(tmp_path, lambda: NOW_S) as store:
        (record, *_) = read_records(store.log, event="budget")
    assert 0 < len(record["values"]["causes"]) <= 3


def test_a_capped_run_says_what_it_would_send_and_sends_nothing(tmp_path: Path) -> None:
    made = history(tmp_path, rows(50))
    said = told(
        book(made, BudgetSettings("b", 400.0, actual=(0.5,))), tmp_path, [NOW_S, NOW_S + 60], Mode.DRY_RUN
    )
    assert said
    assert all(one.startswith("would alert: ") for one in said)
    assert len(said) == len(set(said))
    assert alerts(tmp_path) == []


def items(made: History, start_s: int, hours: int, quantity: float, operation: str = "mel") -> None:
    """So many samples in each hour, by job `j` of team `audio`."""
    folder = made.folder
    for day in range(0, hours, 24):
        times = [start_s + hour * HOUR_S for hour in range(day, min(hours, day + 24))]
        folder.write(
            Part("work", "measured", day_of(times[0])),
            pa.table(
                {
                    "start_s": times,
                    "end_s": [at + HOUR_S for at in times],
                    **{
                        name: [text] * len(times)
                        for name, text in {
                            "job": "j",
                            "operation": operation,
                            "team": "audio",
                            "unit": "samples",
                        }.items()
                    },
                    "quantity": [quantity] * len(times),
                }
            ),
        )


def dearer(root: Path, days: int, after: float) -> History:
    """A fleet at the same cost until `NOW_S`, whose items an hour go from 100 to `after` on the last day."""
    made = history(root, [row for row in rows(50) if row.start_s >= NOW_S - days * DAY_S])
    items(made, int(NOW_S) - days * DAY_S, (days - 1) * 24, 100.0)
    items(made, int(NOW_S) - DAY_S, 24, after)
    return made


LOOK_S = NOW_S + 700.0  # the last hour is rolled up for certain


@pytest.mark.parametrize(
    ("days", "after", "settings", "change"),
    [
        (8, 80.0, {}, 0.25),
        (8, 100.0, {}, 0.0),
        (8, 125.0, {}, -0.2),
        (7, 80.0, {}, None),
        (8, 80.0, {"where": {"team": ("audio",)}}, 0.25),
        (8, 80.0, {"where": {"operation": ("mel",)}}, 0.25),
        (8, 80.0, {"where": {"operation": ("mfcc",)}}, None),
        (8, 80.0, {"where": {"pool": ("train",)}}, None),
        (8, 80.0, {"where": {"team": ("audio",)}, "label": "group"}, None),
        (5, 80.0, {"unit_cost_against_s": 2.0 * DAY_S, "unit_cost_over_s": 2.0 * DAY_S}, 1 / 0.9 - 1),
        (8, 0.0, {}, None),
    ],
)
def test_the_cost_per_item_is_held_against_the_days_before(
    tmp_path: Path, days: int, after: float, settings: dict[str, Any], change: float | None
) -> None:
    """Not known before the history has all of the days, nor where items cannot be told apart as the budget is."""
    found = book(dearer(tmp_path, days, after), BudgetSettings("b", 1e6, **settings))
    found.statuses(LOOK_S)
    assert found.unit_cost_change("b") == (None if change is None else pytest.approx(change))


@pytest.mark.parametrize(
    ("after", "settings", "alerts_"),
    [(80.0, {}, 1), (90.0, {}, 0), (90.0, {"unit_cost": 0.1}, 1), (80.0, {"unit_cost": 0.3}, 0)],
)
def test_a_rise_of_it_alerts_once_by_its_mark(
    tmp_path: Path, after: float, settings: dict[str, Any], alerts_: int
) -> None:
    found = book(dearer(tmp_path, 8, after), BudgetSettings("b", 1e6, **settings))
    said = told(found, tmp_path, [LOOK_S, LOOK_S + 120])
    assert len([one for one in said if "cost per item rose by" in one]) == alerts_


def test_doing_more_of_what_is_dear_is_no_rise() -> None:
    def cost(name: str, amount: float, quantity: float) -> UnitCost:
        return UnitCost((name,), "samples", 1.0, quantity, Money(amount, "USD"), Money(amount, "USD"))

    before = [cost("cheap", 1.0, 90.0), cost("dear", 10.0, 10.0), cost("gone", 5.0, 1.0)]
    assert unit_cost_change(before, [cost("cheap", 1.0, 10.0), cost("dear", 10.0, 90.0)], "samples") == 0.0
    risen = [cost("cheap", 1.0, 10.0), cost("dear", 12.0, 5.0), cost("new", 99.0, 1.0)]
    assert unit_cost_change(before, risen, "samples") == pytest.approx(10 / 60)
    assert unit_cost_change([], risen, "samples") is None


def imported(root: Path, days: int, *, lag: int) -> History:
    """A dollar an hour by bills, the last of which ends `lag` days before `NOW_S`."""
    first = int(NOW_S) - (lag + days) * DAY_S
    bills = [
        UsageRow(
            first + at * DAY_S, first + (at + 1) * DAY_S, node="n", resource="other", billed_micro=24 * MICRO
        )
        for at in range(days)
    ]
    return history(root, bills, "focus")


def test_hours_that_no_bill_is_of_yet_are_forecast_and_not_free(tmp_path: Path) -> None:
    """Six of ten days are billed; the rest of the month is 24 days at the pace of the bills, not at none."""
    (status,) = book(imported(tmp_path, 40, lag=4), BudgetSettings("b", 720.0)).statuses(NOW_S)
    assert status.spent.amount == pytest.approx(6 * 24)
    assert status.total.amount == pytest.approx(30 * 24, rel=0.01)
    assert np.isnan(status.burn_rate)
    assert status.known_s == NOW_S - 4 * DAY_S


def test_a_bill_of_the_month_before_says_how_this_one_goes(tmp_path: Path) -> None:
    """No day of this month is billed yet: nothing is spent of it, and all of it is forecast."""
    (status,) = book(imported(tmp_path, 40, lag=12), BudgetSettings("b", 720.0)).statuses(NOW_S)
    assert (status.spent.amount, status.used) == (0.0, 0.0)
    assert status.total.amount == pytest.approx(30 * 24, rel=0.01)
    assert str(status.period) == "2026-11"


def test_the_first_hour_of_a_month_is_not_held_against_the_month_before(tmp_path: Path) -> None:
    """Else a month that went over its limit would have the next one paged before it has begun."""
    made = history(tmp_path, [row for row in rows(41) if row.start_s < START_S])
    (status,) = book(made, BudgetSettings("b", 720.0)).statuses(START_S + 600.0)
    assert str(status.period) == "2026-11"
    assert status.spent.amount == 0.0
    assert status.total.amount == pytest.approx(720, rel=0.01)
    said = told(book(made, BudgetSettings("b", 735.0)), tmp_path, [START_S + 600.0])
    assert said == []


def test_a_bill_of_a_day_is_no_burst_at_midnight(tmp_path: Path) -> None:
    """All of it stands at the hour in which it begins; a pace over hours is known only of what is measured."""
    made = imported(tmp_path, 41, lag=-1)
    for hour in range(4):
        (status,) = book(made, BudgetSettings("b", 720.0)).statuses(NOW_S + hour * HOUR_S + 60)
        assert np.isnan(status.burn_rate)
    assert told(book(made, BudgetSettings("b", 10_000.0)), tmp_path, [NOW_S + 3700]) == []


def test_a_bill_that_comes_late_is_seen_by_a_daemon_that_runs(tmp_path: Path) -> None:
    made = imported(tmp_path, 40, lag=4)
    one = book(made, BudgetSettings("b", 720.0))
    one.statuses(NOW_S)
    late = UsageRow(
        int(NOW_S) - 4 * DAY_S, int(NOW_S) - 3 * DAY_S, node="n", resource="other", billed_micro=50 * MICRO
    )
    history(tmp_path, [late], "focus")
    (status,) = one.statuses(NOW_S + 3600)
    assert status.spent.amount == pytest.approx(6 * 24 + 50)
