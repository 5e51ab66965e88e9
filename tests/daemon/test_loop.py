"""The loop: start, reload between ticks, stop; and the preview, which writes nothing."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.engines import Engine, policy

from scrimp.daemon import Alarm, Ticked, Told, Unloadable, preview
from scrimp.model.decision import Verdict
from scrimp.reload import Rejected, Reloaded

WAIT_S = 20.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    found.close()


def test_bad_policies_at_start_are_told_and_nothing_runs(engine: Engine) -> None:
    engine.write("scrimp 1\n\npolicy p {\n")
    with engine.open() as store, pytest.raises(Unloadable) as raised:
        engine.daemon(store)
    assert raised.value.diagnostics[0].code.startswith("SCR1")
    assert engine.provider.calls == []


def test_an_act_in_doubt_is_settled_at_start(engine: Engine) -> None:
    """What a crash left open must not stay open: the target is asked before any new tick."""
    engine.provider.script["apply"] = [KeyboardInterrupt()]  # type: ignore[list-item]
    with engine.open() as store:
        daemon = engine.daemon(store)
        with pytest.raises(KeyboardInterrupt):
            daemon.once()
        assert engine.records(store, "outcome") == []
    with engine.open() as store:
        engine.daemon(store)
        (outcome,) = engine.records(store, "outcome")
        assert outcome["values"]["outcome"] == "done"
    assert engine.provider.state["node_group/a"]["size"] == 5.0


def test_reloads_happen_between_ticks_and_are_audited(engine: Engine) -> None:
    """A real watcher and a real thread: each step waits for what it causes, with a deadline."""
    seen = {Ticked: threading.Event(), Reloaded: threading.Event(), Rejected: threading.Event()}

    def tell(told: Told) -> None:
        seen[type(told)].set()  # type: ignore[index]

    with engine.open() as store:
        daemon = engine.daemon(store)
        daemon._tell = tell
        thread = threading.Thread(target=daemon.run)
        thread.start()
        try:
            assert seen[Ticked].wait(WAIT_S)
            engine.write(policy(cooldown="1h"))
            assert seen[Reloaded].wait(WAIT_S)
            engine.write("scrimp 1\n\npolicy p {\n")
            assert seen[Rejected].wait(WAIT_S)
        finally:
            engine.alarm.stop()
            thread.join(WAIT_S)
        assert not thread.is_alive()
        first, second, third = engine.records(store, "reload")
        assert first["values"]["added"] == ["shrink"]
        assert second["values"]["changed"] == ["shrink"]
        assert third["values"]["rejected"][0].startswith("SCR1")
        assert second["policy_hash"] == third["policy_hash"] != first["policy_hash"]
    assert engine.applied() == 1  # the wait was not cut short to a tick


def test_sigterm_stops_the_sleep() -> None:
    """An interval may be long; a supervisor does not wait for it."""
    alarm = Alarm()
    with alarm.on_signals():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert not alarm.sleep(WAIT_S)
    assert alarm.stopping


def test_a_wake_with_a_reason_asks_for_a_tick() -> None:
    """An interruption notice cannot wait for the interval."""
    alarm = Alarm()
    alarm.wake("spot interruption")
    alarm.wake()
    assert alarm.sleep(0.0)
    assert not alarm.sleep(0.0)


def test_a_preview_shows_what_the_next_tick_does_and_writes_nothing(engine: Engine) -> None:
    parts = engine.parts()
    loaded = parts.folder.reload()
    assert isinstance(loaded, Reloaded)
    _, first = preview(parts, loaded.policy_set, engine.clock.now())
    assert [one.verdict for one in first.decisions()] == [Verdict.ACT]
    assert not engine.config.store.exists()
    with engine.open() as store:
        engine.daemon(store).once()
    engine.clock.advance(60.0)
    _, second = preview(parts, loaded.policy_set, engine.clock.now())
    assert [one.verdict for one in second.decisions()] == [Verdict.COOLING]
    assert engine.applied() == 1
