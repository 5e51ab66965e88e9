"""`history/daily.py`: the sums of whole days are those of the hours, and never of files that are not in force any more."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.costs.fleets import fleets
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour

from scrimp.costs import BillShares
from scrimp.history import (
    Folder,
    History,
    Part,
    Retention,
    Span,
    add_up,
    compact,
    day_of,
    due_days,
    expire,
    table_of,
)
from scrimp.model.costs import PARTS
from scrimp.model.usage import MICRO, Period, UsageTable
from scrimp.reports import Ask, Figures, Question, bins, make_report

LATER_S = START_S + 40.0 * DAY_S
NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
DAY = Part("usage", "measured", day_of(START_S))


def made(folder: Folder) -> int:
    return sum(add_up(folder, part) for part in due_days(folder, LATER_S))


def figures(of: History, **asked: object) -> Figures:
    question = Question(NOVEMBER, bins(NOVEMBER), types=True, by=("node", "job"), **asked)  # type: ignore[arg-type]
    return make_report(of, Ask(question), LATER_S).figures


def alike(one: Figures, other: Figures) -> None:
    """The same to the last millionth; quantities but for the order in which they were added."""
    assert one.rows == other.rows
    for name, doubt in one.doubts.items():
        assert doubt.not_measured_micro == other.doubts[name].not_measured_micro
        assert doubt.node_hours == pytest.approx(other.doubts[name].node_hours)
        assert doubt.unpriced_hours == pytest.approx(other.doubts[name].unpriced_hours)
    groups = [(getattr(one, name), getattr(other, name)) for name in ("over_time", "pools", "types", "asked")]
    groups += [(one.breakdowns[name], other.breakdowns[name]) for name in one.breakdowns]
    for mine, theirs in groups:
        assert mine.keys == theirs.keys
        for part in PARTS:
            assert mine.part(part).tolist() == theirs.part(part).tolist()
        for name in ("capacity", "allocated", "used"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(usage=fleets(), team=st.sampled_from([None, "a", "b"]))
def test_a_report_from_days_is_the_report_from_hours(
    tmp_path_factory, usage: UsageTable, team: str | None
) -> None:
    """Whatever the fleet: unmeasured use, credits, nodes without a price, two currencies, filters."""
    of = History(Folder(tmp_path_factory.mktemp("daily")))
    of.folder.open()
    for day in range(2):
        mine = usage.take((usage.start_s // DAY_S) == day)
        if len(mine):
            shifted = replace(mine, start_s=mine.start_s + START_S, end_s=mine.end_s + START_S)
            of.folder.write(Part("usage", "measured", day_of(START_S + day * DAY_S)), table_of(shifted))
    where = {} if team is None else {"team": (team,)}
    before, spend = figures(of, where=where), of.spend("measured", Span(START_S, LATER_S))
    assert made(of.folder) == len(of.folder.parts("usage"))
    files = of.files("measured", Span(START_S, LATER_S), ())
    assert not files.usage
    alike(before, figures(of, where=where))
    assert of.spend("measured", Span(START_S, LATER_S)) == spend


def hours(root: Path, days: int = 3) -> History:
    rows = [
        row
        for hour in range(24 * days)
        for row in node_hour(START_S + hour * HOUR_S, "n", MICRO + hour, [("j", 2.0, 1.0)])
    ]
    return history(root, rows)


def test_a_day_is_one_row_of_each(tmp_path: Path) -> None:
    of = hours(tmp_path)
    assert made(of.folder) == 3
    (path,) = of.folder.files_of(replace(DAY, stream="daily"))
    assert pq.read_table(path, columns=["rows"])["rows"].to_pylist() == [24, 24, 24]
    assert due_days(of.folder, LATER_S) == []


def test_late_rows_make_the_sums_stale(tmp_path: Path) -> None:
    """What was added up without them is not read; the next sums have them, and the old ones are gone."""
    of = hours(tmp_path)
    made(of.folder)
    late = [replace(row, node="late") for row in node_hour(START_S, "n", 7 * MICRO)]
    history(tmp_path, late)
    assert sum(figures(of).total("USD")) == sum(MICRO + hour for hour in range(72)) + 7 * MICRO
    assert due_days(of.folder, LATER_S) == [DAY]
    made(of.folder)
    assert sum(figures(of).total("USD")) == sum(MICRO + hour for hour in range(72)) + 7 * MICRO
    assert len(of.folder.files("daily")) == 3


def test_merged_files_need_new_sums(tmp_path: Path) -> None:
    of = hours(tmp_path)
    history(tmp_path, node_hour(START_S, "m", MICRO))
    made(of.folder)
    compact(of.folder, LATER_S)
    assert due_days(of.folder, LATER_S) == [DAY]
    assert len(of.folder.files("daily")) == 3


def test_a_day_that_is_cut_is_read_by_the_hour(tmp_path: Path) -> None:
    of = hours(tmp_path)
    made(of.folder)
    noon = START_S + DAY_S + 12 * HOUR_S
    cut = of.files("measured", Span(START_S, noon), ())
    assert (len(cut.daily), len(cut.usage)) == (1, 1)
    edge = of.files("measured", Span(START_S, START_S + 3 * DAY_S), (START_S, noon))
    assert (len(edge.daily), len(edge.usage)) == (2, 1)
    period = Period(START_S, noon)
    asked = Ask(Question(period, (Period(START_S, noon - 3600), Period(noon - 3600, noon))))
    assert sum(make_report(of, asked, LATER_S).figures.total("USD")) == sum(
        MICRO + hour for hour in range(36)
    )


def test_sums_of_another_method_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = hours(tmp_path)
    made(of.folder)
    monkeypatch.setattr("scrimp.history.daily.METHOD", "split-2")
    assert len(of.files("measured", Span(START_S, LATER_S), ()).daily) == 0
    assert len(due_days(of.folder, LATER_S)) == 3


def test_a_day_of_other_prices_is_split_anew(tmp_path: Path) -> None:
    """Sums are of the usual shares; who asks for others is given the hours."""
    rows = node_hour(START_S, "n", 4 * MICRO, [("j", 4.0, 4.0)])
    rows.append(replace(rows[1], resource="memory", capacity=16.0))
    of = history(tmp_path, rows)
    made(of.folder)
    asked = Ask(Question(NOVEMBER, bins(NOVEMBER)))
    usual = make_report(of, asked, LATER_S).figures
    other = make_report(of, replace(asked, shares=BillShares(without_gpu={"cpu": 1.0})), LATER_S).figures
    assert (usual.total("USD")[0], other.total("USD")[0]) == (2_400_000, 4_000_000)


def test_hours_without_a_price_are_told_apart_from_those_that_cancel(tmp_path: Path) -> None:
    """A node that cost a dollar in one hour and was given it back in the next was priced; two hours without a price were not."""
    bills = (MICRO, -MICRO, 0, 0)
    of = history(
        tmp_path,
        [row for hour, micro in enumerate(bills) for row in node_hour(START_S + hour * HOUR_S, "n", micro)],
    )
    before = figures(of).doubts["USD"]
    made(of.folder)
    after = figures(of).doubts["USD"]
    assert (before.unpriced_hours, before.node_hours) == (2.0, 4.0)
    assert after == before


def test_labels_stand_in_for_teams_by_the_day_too(tmp_path: Path) -> None:
    of = hours(tmp_path, 1)
    (path,) = of.folder.files("usage")
    table = pq.read_table(path)
    usage = table_of_labels(table.num_rows)
    of.folder.write(DAY, table.append_column("labels", usage), [path])
    made(of.folder)
    question = Question(NOVEMBER, bins(NOVEMBER))
    found = make_report(of, Ask(question, label="owner"), LATER_S).figures.breakdowns["team"]
    assert [key[0] for key in found.keys] == ["ann", "bo"]


def table_of_labels(rows: int):
    return pa.array(['{"owner": "ann"}' if at % 2 else '{"owner": "bo"}' for at in range(rows)])


def test_old_sums_go_with_their_days(tmp_path: Path) -> None:
    of = hours(tmp_path)
    made(of.folder)
    expire(of.folder, Retention(rest_s=DAY_S), START_S + 3.5 * DAY_S)
    assert len(of.folder.parts("daily")) == len(of.folder.parts("usage"))


def test_a_bound_on_the_size_takes_days_with_their_sums(tmp_path: Path) -> None:
    """Sums that went alone would be made again, and go again, for ever."""
    of = hours(tmp_path, 4)
    made(of.folder)
    size = sum(path.stat().st_size for path in of.folder.root.rglob("*.parquet"))
    expire(of.folder, Retention(max_bytes=size // 2 + 100), LATER_S)
    days = [part.day for part in of.folder.parts("usage")]
    assert 0 < len(days) < 4
    assert [part.day for part in of.folder.parts("daily")] == days
