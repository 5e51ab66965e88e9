"""One tick's collecting: nothing waits for a broken source, and nothing old is shown for it."""

import threading
from collections.abc import Callable, Sequence
from time import monotonic

import numpy as np
import pytest
from tests.collectors.catalogue import CATALOGUE

from scrimp.api import Collected, KindBatch, SeriesBatch, Unavailable
from scrimp.collectors.gather import Gathered, Gatherer, GatherSettings

NOW = 1_000_000.0


class Source:
    """A collector whose answer is a function."""

    interval_s = 60.0

    def __init__(
        self, answer: Callable[[], Collected], name: str = "source", covers: Sequence[str] = ("size",)
    ) -> None:
        self.name = name
        self.answer = answer
        self._covers = [("job", field) for field in covers]

    def covers(self) -> Sequence[tuple[str, str]]:
        return self._covers

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        return self.answer()


def batch(**fields: Sequence[float | str | bool | None]) -> Collected:
    rows = len(next(iter(fields.values())))
    return Collected([KindBatch("job", [f"j{row}" for row in range(rows)], fields)])


def gather(*sources: Source) -> Gathered:
    return Gatherer(sources, CATALOGUE, GatherSettings(deadline_s=5.0)).collect(NOW)


def shown(found: Gathered, field: str) -> list[float | str | bool | None]:
    column = found.snapshot.tables["job"].columns[field]
    values = [column.words[code] for code in column.values] if column.words else column.values.tolist()
    return [value if valid else None for value, valid in zip(values, column.valid, strict=True)]


def fail() -> Collected:
    raise Unavailable("connection refused")


def test_a_hanging_collector_delays_nothing_and_is_not_started_twice() -> None:
    release, started = threading.Event(), []

    def hang() -> Collected:
        started.append(1)
        release.wait(30)
        return batch(size=[99.0])

    good = Source(lambda: batch(busy=[True]), "good", ["busy"])
    gatherer = Gatherer([Source(hang), good], CATALOGUE, GatherSettings(deadline_s=0.2))
    before = monotonic()
    first = gatherer.collect(NOW)
    second = gatherer.collect(NOW + 1)
    assert monotonic() - before < 5
    assert len(started) == 1
    assert shown(first, "busy") == [True]
    assert first.statuses[0].cause == "no answer within 0.2s"
    assert second.statuses[0].cause == "still busy since an earlier tick"
    assert first.snapshot.tables["job"].columns["size"].reason == "source: no answer within 0.2s"
    release.set()
    limit = monotonic() + 10
    while (third := gatherer.collect(NOW + 2)).statuses[0].cause and monotonic() < limit:
        pass
    assert shown(third, "size") == [99.0]


def test_a_throwing_collector_leaves_its_kind_unknown_with_the_cause() -> None:
    found = gather(Source(fail))
    assert "job" not in found.snapshot.tables
    assert found.snapshot.failures == {"job": "source: connection refused"}
    assert [one.code for one in found.diagnostics] == ["SCR501"]


def test_a_failed_read_shows_no_old_value() -> None:
    source = Source(lambda: batch(size=[7.0]))
    gatherer = Gatherer([source], CATALOGUE)
    assert shown(gatherer.collect(NOW), "size") == [7.0]
    source.answer = fail
    assert "job" not in gatherer.collect(NOW + 60).snapshot.tables


def test_later_collectors_fill_only_what_is_unknown() -> None:
    first = Source(lambda: batch(size=[1.0, None], zone=["a", None]))
    later = Source(lambda: batch(size=[5.0, 6.0, 7.0], zone=["b", "c", "a"]), "later")
    found = gather(first, later)
    assert shown(found, "size") == [1.0, 6.0, 7.0]
    assert shown(found, "zone") == ["a", "c", "a"]


def test_wrong_types_are_unknown_and_told_once() -> None:
    gatherer = Gatherer([Source(lambda: batch(size=["many", 2.0], busy=[1.0, True], sise=[1, 2]))], CATALOGUE)
    found = gatherer.collect(NOW)
    assert shown(found, "size") == [None, 2.0]
    assert shown(found, "busy") == [None, True]
    assert sorted(one.code for one in found.diagnostics) == ["SCR502", "SCR502", "SCR503"]
    assert gatherer.collect(NOW).diagnostics == ()


def test_partial_failures_name_their_field() -> None:
    answer = Collected(batch(size=[1.0], busy=[True]).batches, {"job.size": "timeout"})
    found = gather(Source(lambda: answer))
    assert shown(found, "size") == [None]
    assert shown(found, "busy") == [True]
    assert found.snapshot.tables["job"].columns["size"].reason == "source: timeout"


def test_a_wall_of_zeros_is_distrusted_until_it_recovers_or_is_forgotten() -> None:
    """Promise one: a sudden wall of zeros never takes anything away."""
    values = [5.0] * 10
    gatherer = Gatherer([Source(lambda: batch(size=list(values)))], CATALOGUE)
    gatherer.collect(NOW)
    values[:] = [0.0] * 10
    for _ in range(2):
        found = gatherer.collect(NOW)
        assert shown(found, "size") == [None] * 10
        assert found.statuses[0].distrusted
    values[0] = 1.0
    assert shown(gatherer.collect(NOW), "size") == values
    values[:] = [5.0] * 10
    gatherer.collect(NOW)
    values[:] = [0.0] * 10
    gatherer.collect(NOW)
    gatherer.memory.pop("source")  # a person says so
    assert shown(gatherer.collect(NOW), "size") == values


def test_rows_that_vanish_at_once_are_not_known_to_be_gone() -> None:
    """An exporter that suddenly lists nothing must not make `count(job) == 0` true."""
    source = Source(lambda: batch(size=[5.0] * 10))
    gatherer = Gatherer([source], CATALOGUE)
    gatherer.collect(NOW)
    source.answer = lambda: Collected([KindBatch("job", [], {})])
    found = gatherer.collect(NOW)
    assert "job" not in found.snapshot.tables
    assert "vanished at once" in found.snapshot.failures["job"]


def test_few_zeros_are_believed() -> None:
    """Below the configured number, values may well turn to zero together."""
    values = [5.0] * 9
    gatherer = Gatherer([Source(lambda: batch(size=list(values)))], CATALOGUE)
    gatherer.collect(NOW)
    values[:] = [0.0] * 9
    assert shown(gatherer.collect(NOW), "size") == values


def test_ages_come_from_sample_times() -> None:
    answer = Collected([KindBatch("job", ["a", "b"], {"size": [1, 2]}, None, [NOW - 90, NOW + 5])])
    ages = gather(Source(lambda: answer)).snapshot.tables["job"].columns["size"].age_s
    np.testing.assert_array_equal(ages, [90.0, 0.0])


BROKEN: list[tuple[object, str]] = [
    (None, "it brought no samples"),
    ({"job": []}, "it brought no samples"),
    (Collected(["job"]), "a batch is not a KindBatch"),  # type: ignore[list-item]
    (Collected([], ["job"]), "`failed` is not a map"),  # type: ignore[arg-type]
    (Collected([KindBatch("job", [7], {"size": [1.0]})]), "a name of `job` is not a string"),  # type: ignore[list-item]
    (Collected([KindBatch("job", ["a", "a"], {"size": [1, 2]})]), "two rows of `job` are named `a`"),
    (Collected([KindBatch("job", ["a", "b"], {"size": [1.0]})]), "`job.size` has 1 values for 2 rows"),
    (Collected([KindBatch("job", ["a"], {"size": 1.0})]), "`job.size` has 0 values for 1 rows"),  # type: ignore[dict-item]
    (Collected([KindBatch("job", ["a"], {}, [{}, {}])]), "`labels of job` has 2 values for 1 rows"),
    (Collected([KindBatch("job", ["a"], {}, None, [])]), "`sampling times of job` has 0 values for 1 rows"),
]


@pytest.mark.parametrize(("answer", "cause"), BROKEN, ids=[cause for _, cause in BROKEN])
def test_an_answer_out_of_shape_fails_its_collector_and_nothing_else(answer: object, cause: str) -> None:
    """Strangers write collectors: what one of them gets wrong must not end the tick, nor look like an empty world."""
    fine = Source(lambda: batch(busy=[True]), "fine", ["busy"])
    found = gather(Source(lambda: answer), fine)  # type: ignore[arg-type, return-value]
    assert found.statuses[0].cause == cause
    assert shown(found, "busy") == [True]
    assert found.snapshot.failures == {"job": f"source: {cause}"}


def test_a_collector_that_ends_its_thread_brings_nothing() -> None:
    """`sys.exit` in a collector is no empty world either."""

    def leave() -> Collected:
        raise SystemExit(3)

    assert gather(Source(leave)).statuses[0].cause == "SystemExit: 3"


class Past(Source):
    """A source with a past that is a function too."""

    past: Callable[[], object]

    def refill(self, now_s: float, windows: object, *, deadline_s: float) -> object:
        return self.past()


def series(*values: Sequence[float | None], times: Sequence[float] = (1.0, 2.0)) -> SeriesBatch:
    return SeriesBatch("job", "size", [f"j{row}" for row in range(len(values))], times, values)


@pytest.mark.parametrize(
    ("past", "cause"),
    [
        (lambda: None, "it brought no series"),
        (lambda: [series([1.0])], "the rows of `job.size` differ in length"),
        (lambda: [SeriesBatch("job", "size", ["a"], [1.0], [])], "`size` has 0 values for 1 rows"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_past_out_of_shape_is_a_cause(past: Callable[[], object], cause: str) -> None:
    source = Past(lambda: batch(size=[1.0]))
    source.past = past
    found = Gatherer([source], CATALOGUE).refill(NOW, {"source": {("job", "size"): 60.0}})  # type: ignore[list-item]
    assert (found.batches, found.causes) == ((), {"source": cause})


def test_a_wall_of_zeros_in_the_past_is_not_put_into_windows() -> None:
    """Nobody judged those samples when they were taken; a restart must not average them in."""
    source = Past(lambda: batch(size=[5.0] * 10))
    source.past = lambda: [series(*[[4.0, 0.0, None]] * 10, times=(1.0, 2.0, 3.0))]
    gatherer = Gatherer([source], CATALOGUE)  # type: ignore[list-item]
    wanted = {"source": {("job", "size"): 60.0}}
    assert gatherer.refill(NOW, wanted).batches[0].times_s == (1.0, 2.0, 3.0)  # nothing to compare with
    gatherer.collect(NOW)
    (kept,) = gatherer.refill(NOW, wanted).batches
    assert (kept.times_s, kept.values[0]) == ([1.0], [4.0])
