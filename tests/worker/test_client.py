"""The worker's side against the daemon's, over a real folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scrimp.api import Control, RunState
from scrimp.worker import FolderChannel, Worker

JOB = "audio/audio-0"


class Clock:
    """Time that passes only by sleeping; `then` runs at a time, as a daemon would beside the worker."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.then = {}

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for at_s in [at_s for at_s in self.then if at_s <= self.now_s]:
            self.then.pop(at_s)()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def join(root: Path, clock: Clock, **more) -> Worker:
    return Worker.join(
        group="audio", job="audio-0", root=root, now=clock.now, sleep=clock.sleep, report_every_s=0.0, **more
    )


def change(channel: FolderChannel, **wanted) -> None:
    revision = channel.control(JOB).revision
    assert channel.write_control(JOB, Control(**wanted), expected_revision=revision)


def test_importing_the_client_is_light() -> None:
    """Jobs import it beside their own libraries: it must not bring any."""
    code = (
        "import sys, scrimp.worker; print([m for m in ('numpy','psutil','rich','yaml') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_alone_it_runs_with_its_own_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRIMP_WORKER_DIR", raising=False)
    with Worker.join(batch_size=7) as worker:
        assert not worker.taking_part
        assert worker.control().run_state is RunState.RUNNING
        assert worker.batch_size == 7
        worker.checkpoint({"next": 1})
        assert worker.restore() is None


def test_a_new_batch_size_arrives_and_forgets_old_figures(tmp_path: Path, clock: Clock) -> None:
    channel = FolderChannel(tmp_path)
    with join(tmp_path, clock, batch_size=32) as worker:
        clock.now_s += 2
        worker.batch_done(32, 2.0)
        assert channel.report(JOB).items_per_second == pytest.approx(16)
        change(channel, batch_size=8)
        worker.control()
        assert worker.batch_size == 8
        assert channel.report(JOB).batch_size == 8
        assert channel.report(JOB).items_per_second is None
        assert channel.report(JOB).revision == 1


def test_energy_and_precision_are_told_and_an_older_report_has_none(tmp_path: Path, clock: Clock) -> None:
    channel = FolderChannel(tmp_path)
    worker = join(tmp_path, clock, device="A100", precision="fp16")
    worker.control()
    worker.batch_done(32, 1.0, joules=250.0)
    report = channel.report(JOB)
    assert (report.stint.joules, report.traits.precision) == (250.0, "fp16")
    path = channel.folder(JOB) / "report.json"
    document = json.loads(path.read_text())
    del document["stint"]["joules"], document["traits"]["precision"]
    path.write_text(json.dumps(document))
    report = channel.report(JOB)
    assert (report.stint.joules, report.traits.precision) == (0.0, None)


def test_pausing_blocks_until_resumed_and_keeps_reporting(tmp_path: Path, clock: Clock) -> None:
    channel = FolderChannel(tmp_path)
    with join(tmp_path, clock) as worker:
        change(channel, run_state=RunState.PAUSED)
        seen = []
        clock.then = {
            1005.0: lambda: seen.append(channel.report(JOB)),
            1010.0: lambda: change(channel, run_state=RunState.RUNNING),
        }
        assert worker.control().run_state is RunState.RUNNING
        assert 1010 <= clock.now_s < 1011
        assert seen[0].run_state is RunState.PAUSED
        assert seen[0].at_s > 1004


def test_a_pause_with_an_end_ends_without_the_daemon(tmp_path: Path, clock: Clock) -> None:
    """A daemon that died must not leave a job asleep for ever."""
    with join(tmp_path, clock) as worker:
        change(FolderChannel(tmp_path), run_state=RunState.PAUSED, resume_by_s=1003.0)
        assert worker.control().run_state is RunState.RUNNING
        assert clock.now_s == pytest.approx(1003, abs=0.1)


def test_a_paused_worker_saves_when_asked(tmp_path: Path, clock: Clock) -> None:
    channel = FolderChannel(tmp_path)
    with join(tmp_path, clock, state=lambda: {"next": 5}) as worker:
        change(channel, run_state=RunState.PAUSED, checkpoint_at=1, resume_by_s=1001.0)
        worker.control()
        assert channel.report(JOB).checkpoint == 1
        assert worker.restore() == {"next": 5}


def test_draining_saves_and_reports_having_left(tmp_path: Path, clock: Clock) -> None:
    channel = FolderChannel(tmp_path)
    with join(tmp_path, clock, state=lambda: [1, 2]) as worker:
        change(channel, run_state=RunState.DRAINING)
        assert worker.control().run_state is RunState.DRAINING
    assert channel.report(JOB).run_state is RunState.STOPPED
    assert join(tmp_path, clock).restore() == [1, 2]


def test_sigterm_is_a_drain_even_while_paused(tmp_path: Path, clock: Clock) -> None:
    with join(tmp_path, clock) as worker:
        change(FolderChannel(tmp_path), run_state=RunState.PAUSED)
        clock.then = {1001.0: lambda: os.kill(os.getpid(), signal.SIGTERM)}
        assert worker.control().run_state is RunState.DRAINING


def test_an_error_takes_no_leave(tmp_path: Path, clock: Clock) -> None:
    """A crash must not look like a job that is done."""
    with pytest.raises(ZeroDivisionError), join(tmp_path, clock, state=lambda: 1 / 0):
        raise ZeroDivisionError
    assert FolderChannel(tmp_path).report(JOB).run_state is RunState.RUNNING


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"[]", b"\xff\xfe", b'{"scrimp":"control/1","revision":-1}', None]
)
def test_a_damaged_control_document_is_put_right(tmp_path: Path, clock: Clock, garbage: bytes | None) -> None:
    channel = FolderChannel(tmp_path)
    with join(tmp_path, clock) as worker:
        change(channel, batch_size=4)
        worker.control()
        path = channel.folder(JOB) / "control.json"
        if garbage is None:
            path.unlink()
        else:
            path.write_bytes(garbage)
        assert worker.control().batch_size == 4
        assert channel.control(JOB).batch_size == 4
        assert channel.control(JOB).revision > 1


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, clock: Clock) -> None:
    with join(tmp_path, clock) as worker:
        worker.checkpoint(1)
        worker.checkpoint(2)
        path = tmp_path / JOB / "checkpoint.json"
        path.write_text(path.read_text().replace('"2"', '"3"'))
        assert worker.restore() == 1
