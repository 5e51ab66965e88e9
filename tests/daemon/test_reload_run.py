"""Hot reload through the real `scrimp run`: how editors, git and Kubernetes change files, and what must survive it.

The interval is long: whatever happens here happens between ticks, because the file system told.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.boxes import put
from tests.daemon.processes import Room

from scrimp.model.ledger import Ledger
from scrimp.store import Record, visit_store

CONFIG = """\
interval: {interval}
collectors:
  boxes: {{folder: boxes}}
providers:
  boxes: {{folder: boxes}}
"""
POLICY = """scrimp 1

policy {name} {{
  "{about}"
  owner    "team"
  mode     enforce
  target   node_group
  when     {when}
  do       scale_down(by = 50%)
  cooldown 26h per target
}}
"""


def policy(name: str, about: str = "Halve it.", when: str = "gpu_utilization < 20% for 1h") -> str:
    return POLICY.format(name=name, about=about, when=when)


def replace(path: Path, text: str) -> None:
    """As editors do: beside it, then over it."""
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(text)
    beside.replace(path)


class Running:
    """An engine, and the reloads that it has audited so far."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.policies = room.folder / "policies"
        self.seen = room.last()

    def reloaded(self) -> Record:
        """The next reload; there must be exactly one by the time that it is seen."""
        (found,) = self.room.wait_for_records(lambda _: True, 1, "reload", self.seen)
        self.seen = found["seq"]
        return found

    def ledger(self) -> Ledger:
        with visit_store(self.room.folder / ".scrimp", time.time) as visit:
            return visit.load_ledger()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    room = Room.make(tmp_path / "room", CONFIG.format(interval="1h"), policy("shrink"))
    put(room.folder / "boxes", "a")
    found = Running(room)
    with room.engine():
        assert found.reloaded()["values"]["added"] == ["shrink"]
        room.wait_for_records(lambda one: one["values"]["verdict"] == "held", 1, "decision")
        yield found
    assert room.run("audit", "verify").returncode == 0


def test_editors_bad_files_and_vanishing_folders(running: Running) -> None:
    """One story, for each start of the engine costs a second."""
    file = running.policies / "p.scrimp"
    held = dict(running.ledger().holds)
    replace(file, policy("shrink", "Halve what idles."))
    edited = running.reloaded()
    assert edited["values"]["changed"] == ["shrink"]
    assert '-  "Halve it."' in edited["values"]["diff"]
    assert '+  "Halve what idles."' in edited["values"]["diff"]
    assert dict(running.ledger().holds).keys() == held.keys()  # the clock of an unchanged condition goes on

    replace(file, policy("shrink", when="gpu_utilisation < 20%"))
    rejected = running.reloaded()
    assert rejected["values"]["rejected"][0].startswith("SCR201")
    assert rejected["policy_hash"] == edited["policy_hash"]
    replace(file, policy("shrink", "Halve what idles."))  # back to what is in force: a reload, of nothing
    assert running.reloaded()["policy_hash"] == edited["policy_hash"]

    (running.policies / "gone.scrimp").symlink_to("nowhere.scrimp")
    assert "cannot read" in running.reloaded()["values"]["rejected"][0]
    (running.policies / "gone.scrimp").unlink()
    assert "rejected" not in running.reloaded()["values"]

    shutil.rmtree(running.policies)
    assert running.reloaded()["values"]["rejected"][0].startswith("SCR405")
    running.policies.mkdir()
    (running.policies / "p.scrimp").write_text(policy("shrink", "Back."))
    found = running.reloaded()
    if "rejected" in found["values"]:  # the folder was seen while it was empty
        found = running.reloaded()
    assert '+  "Back."' in found["values"]["diff"]
    replace(running.policies / "p.scrimp", policy("shrink", "Back, and watched."))  # the new folder is
    assert '+  "Back, and watched."' in running.reloaded()["values"]["diff"]


def test_a_checkout_of_many_files_is_one_reload(running: Running) -> None:
    """With its commit; a file that is not committed shows as such."""

    def git(*arguments: str) -> str:
        given = [
            "git",
            "-C",
            str(running.room.folder),
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            *arguments,
        ]
        return subprocess.run(given, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "-b", "main")
    git("add", "policies")
    git("commit", "-q", "-m", "one")
    git("checkout", "-q", "-b", "many")
    names = [f"p{number:02}" for number in range(40)]
    beside = running.room.folder / "beside"
    git("worktree", "add", "-q", str(beside), "main")
    for name in names:
        (beside / "policies" / f"{name}.scrimp").write_text(policy(name))
    subprocess.run(["git", "add", "."], cwd=beside, check=True, capture_output=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(
        ["git", *identity, "commit", "-q", "-m", "many"], cwd=beside, check=True, capture_output=True
    )
    git("worktree", "remove", str(beside))
    git("checkout", "-q", "main")
    found = running.reloaded()
    assert found["values"]["added"] == names
    assert found["git"] == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (running.policies / "own.scrimp").write_text(policy("own"))
    mine = running.reloaded()
    assert (mine["values"]["added"], mine["git"]["dirty"]) == (["own"], True)
    assert len(running.room.records("reload")) == 3


def config_map(folder: Path, version: str, text: str) -> None:
    """Files as Kubernetes mounts them: links into `..data`, itself a link that is turned to a new folder at once."""
    data = folder / f"..{version}"
    data.mkdir(parents=True)
    (data / "p.scrimp").write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    os.replace(folder / "..data_tmp", folder / "..data")  # noqa: PTH105 - as kubelet does
    if not (folder / "p.scrimp").is_symlink():
        (folder / "p.scrimp").symlink_to("..data/p.scrimp")


def test_a_config_map_and_a_folder_that_is_a_link(tmp_path: Path) -> None:
    """Kubernetes turns a link within the folder, deploy scripts the folder itself."""
    room = Room.make(tmp_path / "room", CONFIG.format(interval="1h"), policy("shrink"))
    put(room.folder / "boxes", "a")
    shutil.rmtree(room.folder / "policies")
    mounted, other = tmp_path / "mounted", tmp_path / "other"
    config_map(mounted, "1", policy("shrink", "First."))
    other.mkdir()
    (other / "p.scrimp").write_text(policy("shrink", "Elsewhere."))
    (room.folder / "policies").symlink_to(mounted)
    running = Running(room)
    with room.engine():
        running.reloaded()
        room.wait_for_records(lambda _: True, 1, "decision")
        config_map(mounted, "2", policy("shrink", "Second."))
        assert '+  "Second."' in running.reloaded()["values"]["diff"]
        (room.folder / "turned").symlink_to(other)
        (room.folder / "turned").replace(room.folder / "policies")
        assert '+  "Elsewhere."' in running.reloaded()["values"]["diff"]
        replace(other / "p.scrimp", policy("shrink", "Elsewhere, edited."))
        assert '+  "Elsewhere, edited."' in running.reloaded()["values"]["diff"]


def test_cooldowns_survive_a_reload(tmp_path: Path) -> None:
    """An edit that reset them would act once more at each save."""
    now = "gpu_utilization < 20%"
    room = Room.make(tmp_path, CONFIG.format(interval="1s"), policy("shrink", when=now))
    put(tmp_path / "boxes", "a")
    running = Running(room)
    with room.engine():
        running.reloaded()
        room.wait_for_records(lambda _: True, 1, "outcome")
        replace(running.policies / "p.scrimp", policy("shrink", "Edited.", now))
        running.reloaded()
        room.wait_for_records(
            lambda one: one["values"]["verdict"] == "cooling",
            1,
            "decision",
            after=room.records("outcome")[0]["seq"],
        )
        (running.policies / "other.scrimp").write_text(policy("other", when=now))
        running.reloaded()
        both = room.wait_for_records(lambda one: one["policy"] == "other", 1, "decision")
        assert both[0]["values"]["verdict"] in ("act", "overridden")
    assert len([one for one in room.records("intent") if one["policy"] == "shrink"]) == 1
