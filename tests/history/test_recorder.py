"""`history/recorder.py`: what the daemon writes, and what it does when it cannot."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from tests.history.fleets import HOUR_S, recorded, snapshot

from scrimp.history import Folder, Recorder, RecorderSettings


def times(folder: Folder) -> list[float]:
    return sorted(
        at.timestamp()
        for path in folder.files("samples", "node")
        for at in pq.read_table(path)["at"].to_pylist()
    )


def node(at_s: float, **fields: object):
    return snapshot(at_s, node={"a": {"price_per_hour": 1.0, **fields}})


def test_a_tick_is_kept_as_it_was_seen(tmp_path: Path) -> None:
    folder = recorded(
        tmp_path,
        [snapshot(HOUR_S, node={"a": {"age": 3.0, "state": "running", "labels": {"team": "x"}}, "b": {}})],
    )
    (path,) = folder.files("samples", "node")
    found = pq.read_table(path).to_pylist()
    assert [(row["name"], row["age"], row["state"], row["labels.team"]) for row in found] == [
        ("a", 3.0, "running", "x"),
        ("b", None, None, None),
    ]


def test_a_minute_is_one_file(tmp_path: Path) -> None:
    folder = recorded(tmp_path, [node(HOUR_S + 10.0 * n) for n in range(18)], interval_s=10.0)
    assert len(folder.files("samples", "node")) == 3
    assert len(times(folder)) == 18


def test_days_are_apart(tmp_path: Path) -> None:
    midnight = HOUR_S // 86400 * 86400 + 86400
    folder = recorded(tmp_path, [node(midnight - 15.0), node(midnight + 15.0)])
    assert [part.day.day for part in folder.parts("samples", "node")] == [21, 22]


def test_a_clock_that_goes_backwards_loses_no_row(tmp_path: Path) -> None:
    folder = recorded(tmp_path, [node(HOUR_S + 600.0), node(HOUR_S + 30.0), node(HOUR_S + 60.0)])
    assert times(folder) == [HOUR_S + 30.0, HOUR_S + 60.0, HOUR_S + 600.0]


def test_a_folder_that_cannot_be_written_is_told_once_and_written_later(tmp_path: Path) -> None:
    """The daemon goes on; what fitted in the backlog is there in the end."""
    folder = Folder(tmp_path)
    folder.open()
    (tmp_path / "samples").write_text("in the way")
    recorder = Recorder(folder, RecorderSettings(60.0))
    for n in range(4):
        recorder.note(node(HOUR_S + 60.0 * n))
    while not (told := recorder.troubles()):
        pass
    (tmp_path / "samples").unlink()
    recorder.note(node(HOUR_S + 240.0))
    recorder.close()
    assert [one.code for one in told] == ["SCR807"]
    assert len(times(folder)) == 5
    assert recorder.troubles() == ()


def test_what_is_too_much_to_wait_is_dropped_and_counted(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.open()
    (tmp_path / "samples").write_text("in the way")
    recorder = Recorder(folder, RecorderSettings(60.0, backlog=3))
    for n in range(9):
        recorder.note(node(HOUR_S + 60.0 * n))
    recorder.close()
    (tmp_path / "samples").unlink()
    again = Recorder(folder, RecorderSettings(60.0, backlog=3))
    again._waiting = recorder._waiting
    again.note(node(HOUR_S + 600.0))
    again.close()
    (told,) = again.troubles()
    kept = len(times(folder))
    assert f"{10 - kept:,} rows are missing" in told.message
    assert 0 < kept < 9


ENGINE = """
import sys
from pathlib import Path
from scrimp.history import Folder, Recorder
from tests.history.fleets import HOUR_S, snapshot
folder = Folder(Path(sys.argv[1]))
folder.open()
recorder = Recorder(folder)
for n in range(10_000):
    recorder.note(snapshot(HOUR_S + 30.0 * n, node={"a": {"price_per_hour": 1.0}}))
    if n % 2:
        while len(folder.files("samples", "node")) < (n + 1) // 2:
            pass
        print(n, flush=True)
"""


def test_kill_9_loses_at_most_the_open_minute(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENGINE, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        told = -1
        while told < 41:
            told = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()
    assert times(Folder(tmp_path))[: told + 1] == [HOUR_S + 30.0 * n for n in range(told + 1)]
    shutil.rmtree(tmp_path)
