"""The local provider against real processes in a temporary folder; whatever a test does, none is left behind."""

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from scrimp.api import Direction, JobGroup, PlannedAction, Reached, Refusal, Refused, Services, Unavailable
from scrimp.worker import FolderChannel, FolderRegistry
from scrimp_actions.local.provider import LocalProvider, build

WORKER = """
import sys, time
from scrimp.api import RunState
from scrimp.worker import Worker
with Worker.join(operation="beat", batch_size=16, state=lambda: {"n": 1}, report_every_s=0.02) as worker:
    while worker.control().run_state is RunState.RUNNING:
        time.sleep(0.01)
        worker.batch_done(1, 0.01)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


class Room:
    """A state folder with its registry, channel and provider."""

    def __init__(self, state_dir: Path) -> None:
        self.registry = FolderRegistry(state_dir)
        self.channel = FolderChannel(self.registry.worker_dir)
        self.services = Services(time.time, time.sleep, state_dir, channel=self.channel, jobs=self.registry)
        self.provider: LocalProvider = build({"term_grace_s": 0.2, "settle_s": 0.05}, self.services)

    def group(self, code: str, **more) -> None:
        more = {"drain_s": 5.0, "operation": "beat", "max_size": 4} | more
        self.registry.register(JobGroup("audio", (sys.executable, "-c", code), **more))

    def size(self, before: int, after: int, key: str, **more):
        return self.provider.apply(sized(before, after, **more), key=key, deadline_s=20)

    def joined(self, *names: str) -> None:
        until_s = time.monotonic() + 20
        while any(self.channel.report(f"audio/{name}") is None for name in names):
            assert time.monotonic() < until_s, "a worker did not join"
            time.sleep(0.01)

    def pids(self) -> list[int]:
        return [member.process.pid for member in self.registry.members("audio")]


def sized(before: int, after: int, **args) -> PlannedAction:
    name = "scale_up" if after > before else "scale_down"
    direction = Direction.RESTORE if after > before else Direction.REDUCE
    return PlannedAction(
        name, "node_group/audio", args, "capacity", direction, {"size": before}, {"size": after}, None
    )


def on_job(action: str, after: dict | None = None, **args) -> PlannedAction:
    return PlannedAction(action, "job/audio-0", args, "x", Direction.NEUTRAL, {}, after or {}, None)


@pytest.fixture
def room(tmp_path: Path):
    room = Room(tmp_path)
    yield room
    processes = [
        member.process for group in room.registry.groups() for member in room.registry.members(group.name)
    ]
    for process in processes:
        if process and room.registry.signal(process, signal.SIGKILL, whole_group=True):
            with suppress(ChildProcessError):
                os.waitpid(process.pid, 0)


def test_up_and_down_once_per_key(room: Room) -> None:
    room.group(WORKER)
    first = room.size(0, 2, "k1")
    pids = room.pids()
    assert first.after == {"size": 2}
    assert room.size(0, 2, "k1") == first
    assert room.pids() == pids
    room.joined("audio-0", "audio-1")
    assert room.size(2, 1, "k2").after == {"size": 1}
    assert room.pids() == pids[:1], "the newest leaves first"
    assert (room.registry.worker_dir / "audio/audio-1/checkpoint.json").exists(), "it drained"
    assert room.provider.probe(sized(2, 1), key="k2", deadline_s=1).reached is Reached.REACHED
    assert room.size(1, 2, "k3").after == {"size": 2}
    assert room.size(2, 1, "k2").after == {"size": 1}, "a late second call of an old key"
    assert len(room.pids()) == 2, "changes nothing"


def test_one_that_does_not_hear_is_killed_after_its_drain_time(room: Room) -> None:
    room.group(DEAF)
    room.size(0, 1, "k1")
    log = room.registry.log_dir / "audio-0.log"
    while "up" not in log.read_text():
        time.sleep(0.01)
    with pytest.raises(Unavailable, match="audio-0 still at work"):
        room.provider.apply(sized(1, 0, drain=1.0), key="k2", deadline_s=0.3)
    assert room.provider.probe(sized(1, 0), key="k2", deadline_s=1).reached is Reached.UNTOUCHED
    assert room.size(1, 0, "k2", drain=60.0).after == {"size": 0}, "the drain time is that of the first try"
    assert room.pids() == []


def test_a_start_that_a_crash_hid_is_found_again(room: Room) -> None:
    """The process ran, the registry did not know it yet: a second start would be a second process."""
    room.group(WORKER)
    room.size(0, 1, "k1")
    room.joined("audio-0")
    (member,) = room.registry.members("audio")
    with room.registry.editing("audio", deadline_s=1):
        room.registry.set_members("audio", [replace(member, process=None, key="k2")])
    assert room.provider.probe(sized(0, 1), key="k2", deadline_s=1).reached is Reached.UNTOUCHED
    room.size(0, 1, "k2")
    assert room.registry.members("audio")[0].process == member.process


def test_a_command_that_fails_at_once_is_an_error(room: Room) -> None:
    room.group("raise SystemExit(3)")
    provider = build({"settle_s": 10}, room.services)
    with pytest.raises(Refused, match="exit code 3"):
        provider.apply(sized(0, 1), key="k", deadline_s=20)
    room.registry.register(JobGroup("audio", ("/no/such/program",)))
    with pytest.raises(Refused, match="cannot start audio-0"):
        room.size(0, 1, "k2")


def test_batch_pause_resume_and_checkpoint_of_a_worker(room: Room) -> None:
    room.group(WORKER)
    room.size(0, 1, "k1")
    room.joined("audio-0")
    apply = room.provider.apply
    apply(on_job("reduce_batch_size", {"batch_size": 8}), key="k2", deadline_s=10)
    assert room.channel.control("audio/audio-0").batch_size == 8
    again = room.provider.revalidate(on_job("reduce_batch_size", {"batch_size": 8}), deadline_s=1)
    assert isinstance(again, Refusal)
    assert apply(on_job("pause_non_critical"), key="k3", deadline_s=10).after == {"state": "paused"}
    apply(on_job("checkpoint"), key="k4", deadline_s=10)
    assert room.channel.report("audio/audio-0").checkpoint == 1
    assert apply(on_job("resume_paused"), key="k5", deadline_s=10).after == {"state": "running"}


def test_without_the_contract_pausing_is_a_signal_and_the_rest_is_refused(room: Room) -> None:
    room.group("import time; time.sleep(60)")
    room.size(0, 1, "k1")
    (pid,) = room.pids()
    for action in (on_job("reduce_batch_size", {"batch_size": 8}), on_job("checkpoint")):
        refusal = room.provider.revalidate(action, deadline_s=1)
        assert refusal == Refusal("job/audio-0 does not take part in the worker contract")
    assert isinstance(
        room.provider.revalidate(on_job("pause_non_critical", resume_by=60.0), deadline_s=1), Refusal
    )
    room.provider.apply(on_job("pause_non_critical"), key="k2", deadline_s=5)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    room.provider.apply(on_job("resume_paused"), key="k3", deadline_s=5)
    assert os.WIFCONTINUED(os.waitpid(pid, os.WCONTINUED)[1])


def test_a_critical_job_is_not_paused(room: Room) -> None:
    room.group(WORKER, critical=True)
    room.size(0, 1, "k1")
    assert room.provider.revalidate(on_job("pause_non_critical"), deadline_s=1) == Refusal(
        "job/audio-0 is critical"
    )


def test_bounds_and_changed_sizes_are_met_at_revalidation(room: Room) -> None:
    room.group(WORKER, min_size=1, max_size=2)
    room.size(0, 1, "k1")
    assert isinstance(room.provider.revalidate(sized(3, 1), deadline_s=1), Refusal)
    assert room.provider.revalidate(sized(1, 9), deadline_s=1).after == {"size": 2}
    assert not room.provider.handles(replace(sized(1, 0), target="node_group/other"))
