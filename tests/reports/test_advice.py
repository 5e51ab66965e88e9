"""Advice in reports: by the marks of scrimp.yaml, never more than is spent, each a policy that checks clean."""

from pathlib import Path

from tests.policies import checked
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour

from scrimp.model.usage import MICRO, Period
from scrimp.reports import Ask, document, make_report, page, text

NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
NOW_S = START_S + 2.0 * DAY_S
ROWS = [
    row
    for hour in range(48)
    for pool, used in (("idle", 0.4), ("busy", 3.9), ("fine", 2.4))
    for row in node_hour(START_S + hour * HOUR_S, pool, MICRO, [(f"{pool}-1", 4.0, used)], pool=pool)
]


def advice(root: Path, idle: float, busy: float) -> list[tuple[str, str]]:
    report = make_report(history(root, ROWS), Ask.of(NOVEMBER, marks={"cpu": (idle, busy)}), NOW_S)
    for one in report.advice:
        assert checked(one.policy).policies
    spend = sum(report.figures.total("USD")) / MICRO / 48
    assert sum(one.saving_per_hour.amount for one in report.advice) <= spend
    return [(one.kind, one.target) for one in report.advice]


def test_the_marks_decide(tmp_path: Path) -> None:
    assert sorted(advice(tmp_path, 0.5, 0.9)) == [("idle", "idle"), ("overloaded", "busy")]
    assert sorted(advice(tmp_path, 0.7, 0.99)) == [("idle", "fine"), ("idle", "idle")]
    assert advice(tmp_path, 0.05, 0.99) == []


def test_it_is_shown_in_each_form(tmp_path: Path) -> None:
    report = make_report(history(tmp_path, ROWS), Ask.of(NOVEMBER, marks={"cpu": (0.5, 0.9)}), NOW_S)
    assert "cpu of idle is used to 10%" in text(report)
    assert "policy idle_cpu_idle" in page(report)
    (currency,) = document(report)["currencies"]
    assert currency["advice"][0]["saving_per_hour"] > 0
