"""`scrimp run` where the disk, the ledger or another engine says no: nothing is done, one clear line, exit code 3."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.test_plugins import CONFIG, POLICY
from tests.daemon.boxes import boxes, put
from tests.daemon.processes import Room

from scrimp.store import Entry, open_store


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A folder whose engine would act at once, and has run before."""
    found = Room.make(tmp_path, CONFIG, POLICY)
    put(tmp_path / "boxes", "a")
    assert found.run("run", "--once", "--mode-cap", "dry_run").returncode == 0
    return found


def untouched(room: Room) -> bool:
    return boxes(room.folder / "boxes")["a"]["effects"] == []


LIMITED = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from scrimp.cli import main
main()
"""


@pytest.mark.parametrize("left", [0, 1000, 2000])
def test_a_full_disk_stops_everything(room: Room, left: int) -> None:
    """Files may grow by `left` bytes more than the log is long, which is the longest of them.

    Whatever could not be noted is not done; what was noted is settled once there is room again.
    """
    with open_store(room.folder / ".scrimp", time.time) as store:
        store.record([Entry("alert", values={"filler": "x" * 1000}) for _ in range(400)])
        size = max(path.stat().st_size for path in store.log.files())
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size + left), "run", "--once"],
        cwd=room.folder,
        env=room.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 3
    assert "cannot write the audit log: File too large (scrimp explain SCR801)" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert untouched(room) or room.records("intent")
    assert room.run("run", "--once").returncode == 0
    assert len(boxes(room.folder / "boxes")["a"]["effects"]) == 1
    assert len(room.records("intent")) == len(room.records("outcome")) == 1
    assert room.run("audit", "verify").returncode == 0


@pytest.mark.parametrize("harm", ["audit", "scrimp.db"])
def test_a_state_folder_that_cannot_be_used(tmp_path: Path, harm: str) -> None:
    """Something else stands where the log or the ledger belongs."""
    room = Room.make(tmp_path, CONFIG, POLICY)
    put(tmp_path / "boxes", "a")
    (tmp_path / ".scrimp").mkdir()
    place = tmp_path / ".scrimp" / harm
    place.write_text("not a database, and no folder " * 100)
    ran = room.run("run", "--once")
    assert ran.returncode == 3
    assert ("SCR801" if harm == "audit" else "SCR804") in ran.stderr
    assert "Traceback" not in ran.stderr
    assert untouched(room)


def test_two_engines_on_one_folder(room: Room) -> None:
    """The second names the first, and changes nothing."""
    begun = room.last()
    with room.engine("--mode-cap", "dry_run") as first:
        before = room.wait_for_records(lambda _: True, 1, "decision", begun)[-1]["seq"]
        second = room.run("run", "--once")
        assert second.returncode == 3
        assert f"another engine (process {first.pid}) runs on the state folder `.scrimp`" in second.stderr
        assert "SCR802" in second.stderr
        assert room.last() == before
    assert untouched(room)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_an_act_waits_for_its_outcome(tmp_path: Path, number: signal.Signals) -> None:
    """Who stops the engine must not have to ask afterwards what became of what it was doing."""
    room = Room.make(tmp_path, CONFIG, POLICY)
    put(tmp_path / "boxes", "a", delay_s=1.0)
    with room.engine() as engine:
        room.wait_for_records(lambda _: True, 1, "intent")
        engine.send_signal(number)
        assert engine.wait(30) == 0
        assert [one["values"]["outcome"] for one in room.records("outcome")] == ["done"]
