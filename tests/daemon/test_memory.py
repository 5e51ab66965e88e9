"""What outlives a run: distrust of a source, and who is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.engines import INTERVAL_S, Engine, groups, policy

from scrimp.api import Collected, KindBatch, Unavailable
from scrimp.daemon import preview
from scrimp.model.decision import Verdict
from scrimp.reload import Reloaded
from scrimp.store import NotAwaiting, visit_store

NAMES = tuple("abcdefghij")
ZEROS = Collected(
    [
        KindBatch(
            "node_group", NAMES, {"gpu_utilization": [0.0] * 10, "size": [0.0] * 10}, [{"team": "x"}] * 10
        )
    ]
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    found.close()


def verdicts(engine: Engine) -> set[Verdict]:
    """Those of the next tick of a fresh run."""
    with engine.open() as store:
        found = engine.daemon(store).once().plan
    engine.clock.advance(INTERVAL_S)
    return {one.verdict for one in found.decisions()}


def test_a_restart_in_a_wall_of_zeros_does_not_believe_it(engine: Engine) -> None:
    """Who restarts the engine to get rid of a warning must not shrink the fleet."""
    engine.answers[:] = [groups(*NAMES, utilization=0.9), ZEROS]
    assert verdicts(engine) == set()
    assert verdicts(engine) == verdicts(engine) == {Verdict.UNKNOWN}
    parts = engine.parts()
    loaded = parts.folder.reload()
    assert isinstance(loaded, Reloaded)
    _, plan = preview(parts, loaded.policy_set, engine.clock.now())
    assert {one.verdict for one in plan.decisions()} == {Verdict.UNKNOWN}  # the preview is the run
    assert engine.applied() == 0


def test_a_person_can_say_that_the_zeros_are_real(engine: Engine) -> None:
    engine.write(policy(mode="dry_run").replace("scale_down(by = 50%)", 'recommend(message = "idle")'))
    engine.answers[:] = [groups(*NAMES, utilization=0.9), ZEROS]
    verdicts(engine)
    with engine.open() as store:
        daemon = engine.daemon(store)
        assert {one.verdict for one in daemon.once().plan.decisions()} == {Verdict.UNKNOWN}
        with visit_store(engine.config.store, engine.clock.now) as visit:
            visit.trust("fake", "ann")
            with pytest.raises(NotAwaiting):
                visit.trust("fake", "ann")
        assert {one.verdict for one in daemon.once().plan.decisions()} == {Verdict.DRY_RUN}
        (said,) = engine.records(store, "override")
        assert (said["actor"], said["values"]["trusted"]) == ("ann", "fake")


def test_a_word_spoken_during_a_tick_stands(engine: Engine) -> None:
    """The tick that runs must not write its own doubt over it."""
    doubt = {"fake": {"alive": 12, "rows": 1, "distrusted": True}}
    with engine.open() as store:
        store.save_memory("source", doubt)
        store.trust("fake", "ann")
        store.save_memory("source", {"fake": {**doubt["fake"], "rows": 2}}, doubt)
        assert store.load_memory("source") == {}


def test_a_restart_in_an_outage_knows_whom_it_knows_nothing_of(engine: Engine) -> None:
    """Clocks go on where they stood, and people see that nothing is known, of whom, and why."""
    engine.write(policy(more=" for 1h tolerating 1h unknown"))
    engine.answers[:] = [groups("a")]
    assert verdicts(engine) == {Verdict.HELD}
    engine.collector.asked, engine.answers[:] = 0, [Unavailable("down")]
    with engine.open() as store:
        (unknown,) = engine.daemon(store).once().plan.decisions()
    assert (unknown.target, unknown.verdict) == ("node_group/a", Verdict.UNKNOWN)
    assert "down" in unknown.reason
    engine.clock.advance(INTERVAL_S)
    engine.collector.asked, engine.answers[:] = 0, [groups("a")]
    assert verdicts(engine) == {Verdict.HELD}
    assert verdicts(engine) == {Verdict.ACT}


def test_troubles_of_sources_are_in_the_log_when_they_begin_and_end(engine: Engine) -> None:
    engine.answers[:] = [groups("a", utilization=0.9), Unavailable("down"), Unavailable("down"), groups("a")]
    with engine.open() as store:
        daemon = engine.daemon(store)
        for _ in range(4):
            daemon.once()
        told = [one["values"]["message"] for one in engine.records(store, "alert")]
    assert told == ["collector `fake`: down", "answers again"]
