"""What the engine remembers of the world: rows of failed kinds, partial kinds, the past of windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tests.daemon.engines import CATALOGUE, groups

from scrimp.api import Collected, Collector, KindBatch, SeriesBatch, Unavailable
from scrimp.collectors import Gatherer
from scrimp.daemon import World
from scrimp.testing import FakeCollector

NOW_S = 1_800_000_000.0
WINDOW = {("node_group", "gpu_utilization"): 600.0}


def world(*collectors: Collector) -> World:
    return World(Gatherer(collectors, CATALOGUE), CATALOGUE, keep_s=180.0)


@dataclass
class Remembering(FakeCollector):
    """A source that has the past."""

    asked_for: Mapping[tuple[str, str], float] | None = None

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        self.asked_for = windows
        times_s = [now_s - 120.0, now_s - 60.0]
        return [SeriesBatch("node_group", "gpu_utilization", ["a"], times_s, [[0.5, None]])]


def test_a_window_is_filled_with_the_past_before_the_first_tick() -> None:
    """Else every restart would leave windows unknown for as long as they look back."""
    source = Remembering([groups("a")], [("node_group", "*")])
    seen = world(source)
    series = seen.observe(WINDOW, NOW_S).snapshot.series["node_group", "gpu_utilization"]
    assert series.times_s[0].tolist() == [NOW_S - 120.0, NOW_S - 60.0, NOW_S]
    assert np.array_equal(series.values[0], [0.5, np.nan, 0.05], equal_nan=True)
    assert source.asked_for == WINDOW
    source.asked_for = None
    seen.observe(WINDOW, NOW_S + 60.0)
    assert source.asked_for is None  # what is kept need not be asked for again


def test_a_failed_kind_keeps_names_and_labels_and_knows_nothing_else() -> None:
    """Labels say which target it is: an opt-out label must hold while a source is down."""
    source = FakeCollector([groups("a", "b"), Unavailable("down")], [("node_group", "*")])
    seen = world(source)
    seen.observe(WINDOW, NOW_S)
    table = seen.observe(WINDOW, NOW_S + 60.0).snapshot.tables["node_group"]
    assert table.names == ("a", "b")
    assert not any(column.valid.any() for column in table.columns.values())
    assert {column.reason for column in table.columns.values()} == {"fake: down"}
    assert table.labels["team"].valid.all()
    assert table.partial == "fake: down"


def test_a_kind_never_seen_stays_unknown_as_a_whole() -> None:
    """An empty table would say that there is nothing; nobody knows that."""
    seen = world(FakeCollector([Unavailable("down")], [("node_group", "*")]))
    assert "node_group" not in seen.observe({}, NOW_S).snapshot.tables


def test_a_kind_of_which_one_source_failed_is_partial() -> None:
    """`count(...) == 0` must not come true because those who would be counted cannot be seen."""
    fine = FakeCollector([groups("a")], [("node_group", "*")], name="fine")
    extra = Collected([KindBatch("node_group", ["b"], {"size": [1.0]}, [{"tier": "critical"}])])
    other = FakeCollector([extra, Unavailable("down")], [("node_group", "*")], name="other")
    seen = world(fine, other)
    assert seen.observe({}, NOW_S).snapshot.tables["node_group"].partial == ""
    table = seen.observe({}, NOW_S + 60.0).snapshot.tables["node_group"]
    assert table.partial == "other: down"
    # The rows of the source that failed stay, unknown, so that their clocks are not lost.
    assert table.names == ("a", "b")
    assert table.columns["size"].valid.tolist() == [True, False]
    assert table.columns["size"].values[0] == 10.0
    assert table.columns["size"].reason == "other: down"
    tier, team = table.labels["tier"], table.labels["team"]
    assert (tier.valid.tolist(), team.valid.tolist()) == ([False, True], [True, False])
    assert tier.words == ("critical",)


def test_a_source_that_is_down_at_start_fills_windows_when_it_answers() -> None:
    """Else an outage at the wrong moment leaves windows unknown for as long as they look back."""
    source = Remembering([Unavailable("down"), groups("a")], [("node_group", "*")])
    seen = world(source)
    seen.observe(WINDOW, NOW_S - 60.0)
    assert source.asked_for is None
    series = seen.observe(WINDOW, NOW_S).snapshot.series["node_group", "gpu_utilization"]
    assert series.times_s[0].tolist() == [NOW_S - 120.0, NOW_S - 60.0, NOW_S]
