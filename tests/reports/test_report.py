"""Reports: every sum in one is the bill."""

import csv
import io
import itertools
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reports.usage import DAY_S, HOUR_S, ROWS, START_S, history, node_hour

from scrimp.history import Span
from scrimp.model.usage import MICRO, Period, UsageRow
from scrimp.reports import (
    Ask,
    Question,
    Report,
    bins,
    document,
    instant,
    make_report,
    page,
    period_at,
    table,
    text,
)
from scrimp.reports.sums import chosen
from scrimp.reports.text import _short

NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
NOW_S = START_S + 10.0 * DAY_S


def report(root: Path, rows: list[UsageRow], **question: object) -> Report:
    asked = Question(NOVEMBER, bins(NOVEMBER), **question)  # type: ignore[arg-type]
    return make_report(history(root, rows), Ask(asked), NOW_S)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS, team=st.sampled_from(["", "x", "y", "z"]), by=st.sampled_from([("job",), ("node", "resource")])
)
def test_every_sum_is_the_bill(tmp_path_factory, rows, team, by) -> None:
    """Whatever the fleet: totals, breakdowns, time and what was asked for add to the same millionth; so do filters."""
    root = tmp_path_factory.mktemp("bill")
    made = history(root, rows)
    ask = Ask(Question(NOVEMBER, bins(NOVEMBER), by=by))
    whole = make_report(made, ask, NOW_S).figures
    for currency in ("USD", "EUR"):
        bill = sum(row.billed_micro for row in rows if row.currency == currency and not row.job)
        assert sum(whole.total(currency)) == bill
        for groups in (*whole.breakdowns.values(), whole.asked, whole.over_time):
            cost = groups.cost_micro()
            assert sum(int(cost[at]) for at, key in enumerate(groups.keys) if key[-1] == currency) == bill
    only = make_report(made, Ask(Question(NOVEMBER, bins(NOVEMBER), {"team": (team,)})), NOW_S).figures
    teams = whole.breakdowns["team"]
    for currency in ("USD", "EUR"):
        wanted = sum(
            int(teams.cost_micro()[at]) for at, key in enumerate(teams.keys) if key == (team, currency)
        )
        assert sum(only.total(currency)) == wanted


def test_processes_that_share_the_work_add_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two dozen days, a file and a call each: more than may be under way at a time, so that the rest has to wait."""
    hours = range(24 * 24)
    rows = [
        row
        for at in hours
        for row in node_hour(START_S + at * HOUR_S, f"n{at % 3}", MICRO + at, [("j", 1.0, 0.5)])
    ]
    made, ask, now_s = history(tmp_path, rows), Ask(Question(NOVEMBER, bins(NOVEMBER))), NOW_S + 20 * DAY_S

    def costs() -> dict[str, dict[tuple[str, ...], int]]:
        found = make_report(made, ask, now_s).figures
        return {
            name: dict(zip(groups.keys, map(int, groups.cost_micro()), strict=True))
            for name, groups in (*found.breakdowns.items(), ("time", found.over_time))
        }

    alone = costs()
    monkeypatch.setattr("scrimp.reports.sums.MANY_ROWS", 1)
    monkeypatch.setattr("scrimp.reports.sums.ROWS_TOGETHER", 1)
    monkeypatch.setattr("scrimp.reports.sums.os.cpu_count", lambda: 2)
    assert costs() == alone
    assert sum(alone["node"].values()) == sum(MICRO + at for at in hours)


def test_parts_are_told_apart(tmp_path: Path) -> None:
    made = report(tmp_path, node_hour(START_S, "n", 4 * MICRO, [("j", 2.0, 1.0)]))
    assert made.figures.total("USD") == (MICRO, MICRO, 2 * MICRO, 0)
    assert made.covered == pytest.approx(1 / 240, rel=0.01)


def test_cost_that_nobody_measured_is_told_beside_used(tmp_path: Path) -> None:
    made = report(tmp_path, node_hour(START_S, "n", 4 * MICRO, [("j", 1.0, float("nan"))]))
    assert made.figures.total("USD")[0] == MICRO
    assert made.figures.doubts["USD"].not_measured_micro == MICRO
    assert "not measured" in text(made)


def test_nodes_without_a_price_are_told_and_in_no_sum(tmp_path: Path) -> None:
    made = report(tmp_path, [*node_hour(START_S, "n", MICRO), *node_hour(START_S, "m", 0)])
    assert made.figures.doubts["USD"].unpriced_hours == 1
    assert "1.0 of 2.0 node hours" in text(made)


def test_imports_end_where_measuring_begins(tmp_path: Path) -> None:
    """An import that overlaps what was measured is not billed twice."""
    history(
        tmp_path,
        [row for hour in range(48) for row in node_hour(START_S + hour * HOUR_S, "n", MICRO)],
        "focus",
    )
    made = history(
        tmp_path, [row for hour in range(24, 30) for row in node_hour(START_S + hour * HOUR_S, "n", MICRO)]
    )
    found = make_report(made, Ask(Question(NOVEMBER, bins(NOVEMBER))), NOW_S)
    assert sum(found.figures.total("USD")) == 30 * MICRO
    alone = make_report(made, Ask(Question(NOVEMBER, bins(NOVEMBER)), source="focus"), NOW_S)
    assert sum(alone.figures.total("USD")) == 48 * MICRO
    assert [one.source for one in chosen(made, "", Span(START_S, NOW_S), NOW_S)] == ["focus", "measured"]


ROWS_OF_ALL_KINDS = [
    row
    for hour in range(60)
    for row in node_hour(
        START_S + hour * HOUR_S,
        f"<node-{hour}>&" * 4,
        123_456_789,
        [("j", 3.0, 1.0)],
        pool="a pool with a very long name",
    )
]


def test_text_fits_80_columns(tmp_path: Path) -> None:
    shown = text(report(tmp_path, ROWS_OF_ALL_KINDS, by=("node", "team")))
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "and 50 more" in shown


def test_json_is_as_its_schema_says(tmp_path: Path) -> None:
    schema = json.loads(files("scrimp_schemas").joinpath("report.schema.json").read_text("utf-8"))
    found = json.loads(
        json.dumps(document(report(tmp_path, ROWS_OF_ALL_KINDS, by=("team",))), allow_nan=False)
    )
    jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
    (currency,) = found["currencies"]
    assert currency["total"] == pytest.approx(60 * 123.456789)


def test_csv_adds_to_the_total(tmp_path: Path) -> None:
    made = report(tmp_path, ROWS_OF_ALL_KINDS, by=("node",))
    rows = list(csv.DictReader(io.StringIO(table(made, ("node",)))))
    assert len(rows) == 60
    assert sum(round(float(row["cost"]) * MICRO) for row in rows) == sum(made.figures.total("USD"))


def test_the_page_stands_alone_and_escapes_names(tmp_path: Path) -> None:
    shown = page(report(tmp_path, ROWS_OF_ALL_KINDS))
    assert "<node-0>" not in shown
    assert "&lt;node-0&gt;&amp;" in shown
    assert not any(mark in shown for mark in ("http://", "https://", "<script", "src=", "url("))


def test_an_empty_history_is_a_report_without_figures(tmp_path: Path) -> None:
    made = report(tmp_path, [])
    assert "no usage" in text(made)
    assert document(made)["currencies"] == []
    assert "No usage" in page(made)


@pytest.mark.parametrize(
    ("unit", "at", "back", "label", "days"),
    [
        ("day", "2026-03-01", 1, "2026-02-28", 1),
        ("week", "2027-01-03T23:00Z", 0, "2026-W53", 7),
        ("month", "2026-03-31", 1, "2026-02", 28),
        ("quarter", "2026-01-01", 1, "2025-Q4", 92),
    ],
)
def test_periods_are_those_of_the_calendar(unit, at, back, label, days) -> None:
    found = period_at(unit, instant(at, 0.0) or 0.0, back)
    assert (found.label, (found.end_s - found.start_s) / DAY_S) == (label, days)


def test_bins_cover_the_period_without_gaps() -> None:
    for days in (1, 2, 30, 200):
        span = Period(START_S + 5, START_S + days * DAY_S)
        found = bins(span)
        assert (found[0].start_s, found[-1].end_s) == (span.start_s, span.end_s)
        assert all(one.end_s == two.start_s for one, two in itertools.pairwise(found))


def test_days_that_no_bill_is_of_yet_are_forecast_and_not_free(tmp_path: Path) -> None:
    """Bills come days late: the forecast goes on from the last of them, and is compared with as long before."""
    bills = [
        UsageRow(
            START_S + day * DAY_S,
            START_S + (day + 1) * DAY_S,
            node="n",
            resource="other",
            billed_micro=24 * MICRO,
        )
        for day in range(-40, 6)
    ]
    made = make_report(history(tmp_path, bills, "focus"), Ask(Question(NOVEMBER, bins(NOVEMBER))), NOW_S)
    (outlook,) = made.outlooks
    assert outlook.spent_micro == outlook.before_micro == 6 * 24 * MICRO
    assert outlook.rest is not None
    assert outlook.spent_micro + outlook.rest.mid_micro == pytest.approx(30 * 24 * MICRO, rel=0.01)


@pytest.mark.parametrize("into_s", [0, 1800, 3540])
def test_the_hour_that_is_open_is_not_spent_and_forecast_too(tmp_path: Path, into_s: int) -> None:
    """A dollar an hour: what is spent of this hour and what its rest will cost are one dollar, not two."""
    hours = range(-40 * 24, 10 * 24)
    rows = [row for hour in hours for row in node_hour(START_S + hour * HOUR_S, "n", MICRO)]
    rows += node_hour(int(NOW_S), "n", round(into_s / HOUR_S * MICRO))
    made = make_report(history(tmp_path, rows), Ask(Question(NOVEMBER, bins(NOVEMBER))), NOW_S + into_s)
    (outlook,) = made.outlooks
    assert outlook.rest is not None
    assert outlook.spent_micro + outlook.rest.mid_micro == pytest.approx(720 * MICRO, abs=0.51 * MICRO)


def test_a_range_without_a_name_is_said_once(tmp_path: Path) -> None:
    span = Period(START_S, START_S + DAY_S)
    made = make_report(history(tmp_path, []), Ask(Question(span, bins(span))), NOW_S)
    assert text(made).splitlines()[0] == "cost report 2026-11-01T00:00Z to 2026-11-02T00:00Z"


@pytest.mark.parametrize(
    "micro",
    [
        0,
        1,
        -1,
        999_999,
        12_345_678_900,
        -12_345_678_900,
        99_999_990_000,
        10**12 - 1,
        10**15,
        -(10**15),
        10**18,
    ],
)
def test_amounts_in_columns_never_touch(micro: int) -> None:
    assert len(_short(micro)) <= 8
    assert _short(micro).lstrip("-")[:1].isdigit()
