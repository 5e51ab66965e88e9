"""Against a real Prometheus with backfilled samples."""

import time
from pathlib import Path

from tests.collectors.catalogue import CATALOGUE
from tests.servers import free_port, prometheus

from scrimp.api import Services
from scrimp.collectors import Gatherer
from scrimp.collectors.prometheus import PrometheusCollector

NOW = float(int(time.time()) // 60 * 60 - 3 * 3600)  # a backfilled block lies before the head
SERVICES = Services(lambda: NOW, lambda _: None, Path())


def samples(zero_from: int = 99) -> str:
    """Ten minutes of twelve groups, in percent; all zero from minute `zero_from`, and 40 again in the last."""
    lines = ["# TYPE util gauge"]
    for group in range(12):
        for minute in range(11):
            value = 0 if zero_from <= minute < 10 else 40 + group
            lines.append(f'util{{group="g{group}"}} {value} {NOW - 600 + minute * 60:.0f}')
    return "\n".join(lines) + "\n"


def collector(url: str) -> PrometheusCollector:
    mapped = {"kind": "node_group", "field": "gpu_utilization", "label": "group", "scale": 0.01}
    queries = [{**mapped, "query": "util"}]
    return PrometheusCollector({"url": url, "queries": queries}, SERVICES)


def test_stopped_mid_run_it_is_unknown_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    with prometheus(tmp_path, samples(), port) as (url, _):
        gatherer = Gatherer([collector(url)], CATALOGUE)
        column = gatherer.collect(NOW).snapshot.tables["node_group"].columns["gpu_utilization"]
        assert round(float(column.values[0]), 6) == 0.4
    stopped = gatherer.collect(NOW).snapshot
    assert "node_group" not in stopped.tables
    assert "cannot be reached" in stopped.failures["node_group"]
    with prometheus(tmp_path / "again", samples(), port):
        assert len(gatherer.collect(NOW).snapshot.tables["node_group"]) == 12


def test_all_zeros_are_distrusted_until_they_recover(tmp_path: Path) -> None:
    with prometheus(tmp_path, samples(zero_from=5)) as (url, _):
        gatherer = Gatherer([collector(url)], CATALOGUE)
        gatherer.collect(NOW - 400)
        zeros = gatherer.collect(NOW - 240)
        assert zeros.statuses[0].distrusted
        assert not zeros.snapshot.tables["node_group"].columns["gpu_utilization"].valid.any()
        again = gatherer.collect(NOW)
        assert again.snapshot.tables["node_group"].columns["gpu_utilization"].valid.all()


def test_ages_are_those_of_the_samples(tmp_path: Path) -> None:
    """Prometheus shows a sample for five minutes; it must not look fresh all that time."""
    with prometheus(tmp_path, samples()) as (url, _):
        found = Gatherer([collector(url)], CATALOGUE).collect(NOW + 200).snapshot
        assert set(found.tables["node_group"].columns["gpu_utilization"].age_s.tolist()) == {200.0}


def test_windows_are_refilled(tmp_path: Path) -> None:
    with prometheus(tmp_path, samples()) as (url, _):
        gatherer = Gatherer([collector(url)], CATALOGUE)
        (batch,) = gatherer.refill(NOW, {"prometheus": {("node_group", "gpu_utilization"): 300.0}}).batches
        assert batch.times_s == [NOW - 300 + 60 * n for n in range(6)]
        assert [round(value or 0, 6) for value in batch.values[0]] == [0.4] * 6


def test_a_wrong_query_names_its_cause(tmp_path: Path) -> None:
    with prometheus(tmp_path, samples()) as (url, _):
        wrong = {"kind": "node_group", "field": "size", "label": "group", "query": "util{"}
        found = Gatherer(
            [PrometheusCollector({"url": url, "queries": [wrong]}, SERVICES)], CATALOGUE
        ).collect(NOW)
        assert "HTTP 400" in found.statuses[0].cause
