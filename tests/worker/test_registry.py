"""The registry: identities that survive a recycled pid, and documents that are never half believed."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scrimp.api import JobGroup, Member, Money, TargetGone, Unavailable
from scrimp.worker import FolderRegistry

GROUP = JobGroup(
    "audio",
    ("sleep", "60"),
    min_size=1,
    max_size=4,
    price_per_core_hour=Money(0.04, "USD"),
    labels={"tier": "batch"},
)


@pytest.fixture
def sleeper(tmp_path: Path):
    registry = FolderRegistry(tmp_path)
    marks = {"SCRIMP_WORKER_DIR": str(registry.worker_dir), "SCRIMP_JOB": "audio/audio-0"}
    process = subprocess.Popen(["/bin/sleep", "60"], env=marks, start_new_session=True)
    environment = Path(f"/proc/{process.pid}/environ")
    until = time.monotonic() + 10
    while not environment.read_bytes() and time.monotonic() < until:
        pass  # the kernel lets the parent go on a moment before the new program's environment can be read
    yield process
    process.kill()
    process.wait()


def test_groups_and_members_come_back(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    assert registry.groups() == ()
    registry.register(GROUP)
    member = Member("audio", 0, leaving=True, key="k")
    with registry.editing("audio", deadline_s=1):
        registry.set_members("audio", [member])
    registry.register(replace(GROUP, max_size=8))
    assert FolderRegistry(tmp_path).groups() == (replace(GROUP, max_size=8),)
    assert registry.members("audio") == (member,)
    assert member.job == "audio/audio-0"


def test_a_broken_registry_is_not_an_empty_one(tmp_path: Path) -> None:
    """An unreadable file that looked like no jobs would be a failed read that takes something away."""
    registry = FolderRegistry(tmp_path)
    registry.register(GROUP)
    (tmp_path / "jobs/audio.json").write_text('{"scrimp": "jobs/1"}')
    with pytest.raises(Unavailable, match="audio"):
        registry.groups()
    with pytest.raises(TargetGone):
        registry.set_members("other", [])


def test_editing_is_exclusive(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    with (
        registry.editing("audio", deadline_s=1),
        pytest.raises(Unavailable, match="held"),
        registry.editing("audio", deadline_s=0.02),
    ):
        pass


def test_a_recycled_pid_is_never_signalled(tmp_path: Path, sleeper: subprocess.Popen) -> None:
    registry = FolderRegistry(tmp_path)
    now = registry.identify(sleeper.pid)
    for other in (replace(now, started=now.started - 1), replace(now, boot="another boot")):
        assert not registry.alive(other)
        assert not registry.signal(other, signal.SIGKILL, whole_group=True)
    assert sleeper.poll() is None
    assert registry.signal(now, signal.SIGTERM, whole_group=True)
    assert sleeper.wait(timeout=10) == -signal.SIGTERM
    assert not registry.alive(now)


def test_a_dead_process_that_nobody_reaped_is_gone(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        identity = registry.identify(process.pid)
        process.stdin.close()
        while registry.alive(identity):
            pass
        assert process.returncode is None
        assert not registry.signal(identity, signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def test_a_process_is_found_by_what_it_was_started_as(tmp_path: Path, sleeper: subprocess.Popen) -> None:
    """After a crash between starting and writing down, this is the only trace."""
    registry = FolderRegistry(tmp_path)
    assert registry.find("audio/audio-0") == registry.identify(sleeper.pid)
    assert registry.find("audio/audio-1") is None
    assert FolderRegistry(tmp_path / "other").find("audio/audio-0") is None
