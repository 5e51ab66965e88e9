"""`reports/savings.py`: what acts promised, and what came of them."""

from pathlib import Path

import pytest
from tests.reports.usage import DAY_S, HOUR_S, START_S, history, node_hour

from scrimp.history import Done, History, Part, day_of, done_table
from scrimp.model.usage import MICRO, Period, UsageRow
from scrimp.reports import Ask, make_report, savings, text

NOVEMBER = Period(START_S, START_S + 30 * DAY_S, "2026-11")
ACT_S = START_S + 2 * DAY_S
NOW_S = START_S + 4.0 * DAY_S


def fleet(before: int, after: int) -> list[UsageRow]:
    """A group whose cost changes at the act."""
    return [
        row
        for hour in range(96)
        for row in node_hour(
            START_S + hour * HOUR_S, "n", before if hour < 48 else after, [("j", 4.0, 4.0)], pool="train"
        )
    ]


def act(made: History, **more: object) -> None:
    known = {
        "projected_micro_per_hour": 5 * MICRO,
        "rate_micro_per_hour": 10 * MICRO,
        "before": {"size": 4},
        "after": {"size": 2},
    }
    one = Done("k", float(ACT_S), "shrink", "node_group/train", "scale_down", **(known | more))  # type: ignore[arg-type]
    made.folder.write(Part("actions", "outcome", day_of(one.at_s)), done_table([one]))


@pytest.mark.parametrize(("after", "saved"), [(6, 4 * 48), (10, 0), (12, -2 * 48)])
def test_realised_is_what_the_hours_after_cost_less(tmp_path: Path, after: int, saved: int) -> None:
    """Measured against the hours before, whatever was promised; a regression is negative."""
    made = history(tmp_path, fleet(10 * MICRO, after * MICRO))
    act(made)
    (found,) = savings(made, NOVEMBER, NOW_S)
    assert found.realised.amount == pytest.approx(saved)
    assert found.projected.amount == pytest.approx(5 * 48)
    assert not found.closed


def test_an_undone_act_stops_to_save(tmp_path: Path) -> None:
    made = history(tmp_path, fleet(10 * MICRO, 6 * MICRO))
    act(made)
    undo = Done("u", ACT_S + 10.0 * HOUR_S, "shrink", "node_group/train", "scale_up", undo=True)
    made.folder.write(Part("actions", "outcome", day_of(undo.at_s)), done_table([undo]))
    (found,) = savings(made, NOVEMBER, NOW_S)
    assert found.realised.amount == pytest.approx(4 * 10)
    assert found.closed


def test_an_entry_closes_after_thirty_days(tmp_path: Path) -> None:
    made = history(tmp_path, fleet(10 * MICRO, 6 * MICRO))
    act(made)
    (found,) = savings(made, NOVEMBER, ACT_S + 31.0 * DAY_S)
    assert found.closed


def test_an_act_after_the_period_is_none_of_it(tmp_path: Path) -> None:
    """The report of last month, with acts of this one only."""
    made = history(tmp_path, fleet(10 * MICRO, 6 * MICRO))
    act(made)
    october = Period(START_S - 31 * DAY_S, START_S, "2026-10")
    assert savings(made, october, NOW_S) == ()


def test_without_hours_before_the_stored_rate_counts(tmp_path: Path) -> None:
    made = history(tmp_path, [row for row in fleet(0, 6 * MICRO) if row.start_s >= ACT_S])
    act(made)
    (found,) = savings(made, NOVEMBER, NOW_S)
    assert found.realised.amount == pytest.approx(4 * 48)


def test_the_report_tells_promised_and_realised_apart(tmp_path: Path) -> None:
    made = history(tmp_path, fleet(10 * MICRO, 12 * MICRO))
    act(made)
    shown = text(make_report(made, Ask.of(NOVEMBER), NOW_S))
    line = next(line for line in shown.splitlines() if "shrink" in line)
    assert "240.00" in line
    assert "-96.00" in line
