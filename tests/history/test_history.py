"""`history/history.py` and `history/keep.py`: the past of windows, what there is, and what goes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.history.fleets import HOUR_S, recorded, snapshot
from tests.reports.usage import DAY_S, START_S, history, node_hour

from scrimp.history import History, HistoryError, Retention, Span, expire, open_history
from scrimp.model.usage import MICRO

NOW_S = HOUR_S + 900.0


def test_windows_are_filled_with_what_was_noted(tmp_path: Path) -> None:
    """Rows by name, gaps as nan, nothing from before the window or after now."""
    ticks = [
        snapshot(
            HOUR_S + 60.0 * n,
            node={"a": {"cpu_utilization": n / 100}, **({"b": {"cpu_utilization": 1.0}} if n > 9 else {})},
        )
        for n in range(20)
    ]
    made = History(recorded(tmp_path, ticks, 60.0))
    (batch,) = made.refill(
        NOW_S, {("node", "cpu_utilization"): 600.0, ("node", "age"): 600.0, ("job", "latency"): 60.0}
    )
    assert batch.names == ["a", "b"]
    assert batch.times_s == [HOUR_S + 60.0 * n for n in range(5, 15)]
    values = np.array(batch.values)
    assert values[0].tolist() == [n / 100 for n in range(5, 15)]
    assert np.isnan(values[1]).tolist() == [True] * 5 + [False] * 5


def test_a_sample_that_was_old_is_filled_in_at_its_own_time(tmp_path: Path) -> None:
    """Else a window would take it for younger than it is."""
    found = snapshot(HOUR_S + 600.0, node={"a": {"cpu_utilization": 0.5}})
    table = found.tables["node"]
    aged = replace(table.columns["cpu_utilization"], age_s=np.array([25.0]))
    found = replace(found, tables={"node": replace(table, columns={"cpu_utilization": aged})})
    (batch,) = History(recorded(tmp_path, [found])).refill(NOW_S, {("node", "cpu_utilization"): 900.0})
    assert batch.times_s == [HOUR_S + 575.0]


def test_a_number_that_the_tick_before_had_is_no_new_sample(tmp_path: Path) -> None:
    """Its source samples more slowly than scrimp ticks."""
    ticks = []
    for n in range(6):
        one = snapshot(HOUR_S + 30.0 * n, node={"a": {"cpu_utilization": 0.5}})
        table = one.tables["node"]
        aged = replace(table.columns["cpu_utilization"], age_s=np.array([30.0 * (n % 3)]))
        ticks.append(replace(one, tables={"node": replace(table, columns={"cpu_utilization": aged})}))
    (batch,) = History(recorded(tmp_path, ticks)).refill(NOW_S, {("node", "cpu_utilization"): 900.0})
    assert batch.times_s == [HOUR_S, HOUR_S + 90.0]


def test_the_open_hour_is_told_before_it_is_rolled_up(tmp_path: Path) -> None:
    ticks = [snapshot(HOUR_S + 60.0 * n, node={"a": {"price_per_hour": 1.0}}) for n in range(15)]
    made = History(recorded(tmp_path, ticks, 60.0))
    found = list(made.usage("measured", Span(HOUR_S, HOUR_S + 3600), NOW_S))
    assert sum(int(one.billed_micro.sum()) for one in found) == pytest.approx(MICRO / 4, rel=0.01)
    assert list(made.usage("measured", Span(HOUR_S, HOUR_S + 3600))) == []


def test_spend_by_hour_adds_to_the_bill_and_spreads_long_charges(tmp_path: Path) -> None:
    rows = [row for hour in range(5) for row in node_hour(START_S + hour * 3600, "n", MICRO)]
    rows.append(replace(rows[0], node="day", end_s=START_S + DAY_S, billed_micro=24_000_001))
    found = history(tmp_path, rows).spend("measured", Span(START_S, START_S + DAY_S))
    assert sum(found.values()) == 5 * MICRO + 24_000_001
    assert len(found) == 24


def test_what_is_older_than_it_may_be_goes(tmp_path: Path) -> None:
    made = history(
        tmp_path, [row for day in range(10) for row in node_hour(START_S + day * DAY_S, "n", MICRO)]
    )
    assert expire(made.folder, Retention(rest_s=4 * DAY_S), START_S + 9.5 * DAY_S) == 5
    assert [one.from_s for one in made.extents()] == [START_S + 5 * DAY_S]


def test_a_bound_on_the_size_drops_the_oldest_samples_first(tmp_path: Path) -> None:
    ticks = [
        snapshot(HOUR_S + DAY_S * day, node={f"n{n}": {"age": float(n)} for n in range(500)})
        for day in range(4)
    ]
    folder = recorded(tmp_path, ticks)
    size = sum(path.stat().st_size for path in folder.files("samples"))
    expire(folder, Retention(max_bytes=size // 2 + 100), HOUR_S + 3.0 * DAY_S)
    kept = [part.day for part in folder.parts("samples")]
    assert len(kept) == 2
    assert kept == sorted(kept)[-2:]


def test_a_newer_form_is_told(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "history.json").write_text('{"scrimp": "history/7"}')
    with pytest.raises(HistoryError):
        open_history(tmp_path)
