"""`history/backfill.py`: the past of a real Prometheus, and of sources that fail."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.history.fleets import HOUR_S
from tests.servers import prometheus

from scrimp.api import SeriesBatch, Services, Unavailable
from scrimp.collectors.prometheus import PrometheusCollector
from scrimp.history import Folder, History, Span, fill
from scrimp.history.files import HistoryError
from scrimp.model.usage import MICRO

START_S = float(HOUR_S)
KEYS = [("node", "price_per_hour"), ("node", "cpu_utilization"), ("node", "cores")]


def opened(root: Path) -> Folder:
    folder = Folder(root / "history")
    folder.open()
    return folder


def billed(folder: Folder) -> int:
    history = History(folder)
    return sum(int(one.billed_micro.sum()) for one in history.usage("measured", Span(0, 4e9)))


def test_a_range_of_a_real_prometheus_becomes_usage(tmp_path: Path) -> None:
    """Two nodes over nine hours, in chunks; one starts late."""
    lines = ["# TYPE price gauge", "# TYPE cores gauge", "# TYPE busy gauge"]
    for step in range(9 * 60 + 1):
        at_s = START_S + 60 * step
        for node, since in (("a", 0), ("b", 300)):
            if step >= since:
                lines += [
                    f'price{{instance="{node}"}} 0.5 {at_s}',
                    f'cores{{instance="{node}"}} 4 {at_s}',
                    f'busy{{instance="{node}"}} 0.25 {at_s}',
                ]
    text = (
        "\n".join(sorted(lines, key=lambda line: line.removeprefix("# TYPE ").split("{")[0].split(" ")[0]))
        + "\n"
    )
    with prometheus(tmp_path / "prometheus", text) as (url, _):
        queries = [
            {"kind": "node", "field": field, "query": query}
            for field, query in (("price_per_hour", "price"), ("cpu_utilization", "busy"), ("cores", "cores"))
        ]
        services = Services(now=lambda: START_S, sleep=lambda _: None, state_dir=tmp_path)
        source = PrometheusCollector({"url": url, "queries": queries, "interval_s": 60.0}, services)
        folder = opened(tmp_path)
        found = fill(folder, source, KEYS, Span(START_S, START_S + 9 * 3600), "USD")
    assert (found.hours, found.gaps) == (9, ())
    assert billed(folder) == pytest.approx(9 * 500_000 + 4 * 500_000, rel=0.01)


class Flaky:
    """A source that cannot answer for more than an hour at once, and not at all for one hour."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        back_s = windows["node", "price_per_hour"]
        self.asked.append(back_s)
        begins = now_s - back_s
        if back_s > 3600 or (begins < START_S + 4 * 3600 and now_s > START_S + 3 * 3600):
            raise Unavailable("too much")
        times = [begins + 60 * n for n in range(int(back_s // 60))]
        return [SeriesBatch("node", "price_per_hour", ["a"], times, [[1.0] * len(times)])]


def test_what_is_too_much_is_asked_in_halves_and_what_fails_is_told(tmp_path: Path) -> None:
    source, folder = Flaky(), opened(tmp_path)
    found = fill(folder, source, KEYS[:1], Span(START_S, START_S + 12 * 3600), "USD")
    missing_s = sum(gap.to_s - gap.from_s for gap, _ in found.gaps)
    assert 3600 <= missing_s <= 2 * 3600
    assert {cause for _, cause in found.gaps} == {"node.price_per_hour: too much"}
    assert billed(folder) == pytest.approx((12 * 3600 - missing_s) / 3600 * MICRO, rel=0.03)
    assert max(source.asked) <= 6 * 3600


def test_a_history_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    (folder.root / "samples").write_text("in the way")
    with pytest.raises(HistoryError):
        fill(folder, Flaky(), KEYS[:1], Span(START_S, START_S + 3600), "USD")


class OneBroken:
    """Prices are there; the query for cores is wrong, and nobody has a utilisation. Like a Prometheus, it fails if all fail."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.asked = 0

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        self.asked += 1
        if all(field in self.broken for _, field in windows):
            raise Unavailable("parse error")
        if ("node", "price_per_hour") not in windows:
            return []
        back_s = windows["node", "price_per_hour"]
        times = [now_s - back_s + 60 * n for n in range(int(back_s // 60))]
        return [SeriesBatch("node", "price_per_hour", ["a"], times, [[1.0] * len(times)])]


def test_a_query_that_fails_beside_others_is_told_once(tmp_path: Path) -> None:
    """Its field would be missing without a word: the source answers as long as any of its queries does."""
    source, folder = OneBroken("cores"), opened(tmp_path)
    span = Span(START_S, START_S + 48 * 3600)
    found = fill(folder, source, KEYS, span, "USD")
    assert found.gaps == ((span, "node.cores: parse error"),)
    assert found.nothing == (("node", "cpu_utilization"),)
    assert found.hours == 48
    assert source.asked < 30


def test_a_source_that_answers_nothing_at_all_is_asked_no_more(tmp_path: Path) -> None:
    source = OneBroken(*(field for _, field in KEYS))
    with pytest.raises(Unavailable, match="parse error"):
        fill(opened(tmp_path), source, KEYS, Span(START_S, START_S + 400 * 24 * 3600), "USD")
    assert source.asked == 2 * len(KEYS)
