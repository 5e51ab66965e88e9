"""`scrimp run`, killed with SIGKILL at named points between a tick's start and its outcomes, then started again.

Everything is real: the command, its loop, its plug-ins by entry point, the disk, the signal. See `lives.py`.
"""

import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.boxes import boxes, install, put
from tests.daemon.lives import POINTS, Ended, Lives

from scrimp.store import read_records, replay, visit_store

SOAK_RUNS = 200
NAMES = ("a", "b", "c")
POLICY = """scrimp 1

policy shrink {
  "Halve groups that sit idle, and give back what they had when they work again."
  owner    "team"
  mode     enforce
  target   node_group
  when     gpu_utilization < 20%
  do       recommend(message = "idle") then scale_down(by = 50%)
  undo when gpu_utilization > 60%
  cooldown 26h per target
}
"""
CONFIG = """\
interval: 30s
collectors:
  boxes: {folder: boxes}
providers:
  boxes: {folder: boxes}
"""
DONE = Ended(0, None)
KILLED = Ended(None, signal.SIGKILL)
RECOVERY = tuple(name for name in POINTS if name.startswith("start."))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """Where folders of runs lie: in memory where that can be, for SIGKILL loses nothing that was written, and it is fast."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing has run."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "policies").mkdir()
    (folder / "policies" / "shrink.scrimp").write_text(POLICY)
    (folder / "scrimp.yaml").write_text(CONFIG)
    for name in NAMES:
        put(folder / "boxes", name)
    return folder


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory, first: Path) -> Iterator[Lives]:
    site, warm = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("warm") / "folder"
    install(site)
    shutil.copytree(first, warm)
    with Lives(site, warm) as found:
        yield found


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, first: Path, lives: Lives) -> dict[str, Path]:
    """Folders in which the next tick acts: for the first time, and to undo what it did."""
    undo = tmp_path_factory.mktemp("undo") / "folder"
    shutil.copytree(first, undo)
    assert lives.live(undo, "run", "--once") == DONE
    assert {box["size"] for box in boxes(undo / "boxes").values()} == {5.0}
    for name in NAMES:
        put(undo / "boxes", name, gpu_utilization=0.9)
    return {"act": first, "undo": undo}


def kill_and_check(lives: Lives, begun: Path, folder: Path, rng: random.Random, point: str) -> list[str]:
    """Kill a run at `point`, its successor perhaps somewhere else; then run in peace, and count. Gives the deaths.

    Each target is to see the two actions of `do`, or the one of the undo: a chain cut in between goes on.
    """
    shutil.copytree(begun, folder)
    before = {name: len(box["effects"]) for name, box in boxes(folder / "boxes").items()}
    plan = [point]
    if point in RECOVERY:  # there must be something to recover
        plan = [rng.choice(("intent.committed", "act.apply", "act.effect.writing", "act.applied")), point]
    elif rng.random() < 0.5:
        plan.append(rng.choice(list(POINTS)))
    deaths = []
    for one in plan:
        argv = ("run",) if rng.random() < 0.3 else ("run", "--once")
        often = one.startswith(("intent.", "act.", "outcome."))  # once per target
        ended = lives.live(folder, *argv, point=one, skip=rng.randrange(3) if often else 0)
        assert ended in (DONE, KILLED), (folder / "out").read_text()
        if ended == KILLED:
            deaths.append(one)
    for argv in (("run", "--once"), ("audit", "verify")):
        assert lives.live(folder, *argv) == DONE, (folder / "out").read_text()
    told = f"killed at {deaths}"
    after = boxes(folder / "boxes")
    assert {name: len(box["effects"]) for name, box in after.items()} == {
        name: count + (1 if count else 2) for name, count in before.items()
    }, told
    with visit_store(folder / ".scrimp", lambda: 0.0) as visit:
        records = list(read_records(visit.log))
        ledger = visit.load_ledger()
        again = replay(records)
    assert (again.intents, again.cooldowns, again.episodes) == (
        ledger.intents,
        ledger.cooldowns,
        ledger.episodes,
    ), told
    keys = Counter(key for box in after.values() for key in box["effects"])
    for event in ("intent", "outcome"):  # each effect is in the log, under its key, and nothing else is
        assert Counter(one["key"] for one in records if one["event"] == event) == keys, told
    assert {one["values"]["outcome"] for one in records if one["event"] == "outcome"} == {"done"}, told
    return deaths


def test_whatever_the_moment_of_death_nothing_is_done_twice_or_lost(
    lives: Lives, begun: dict[str, Path], room: Path
) -> None:
    """Each point at least twice: once in a tick that acts, once in one that undoes."""
    rng = random.Random(7)
    killed: Counter[str] = Counter()
    for point in POINTS:
        for phase, first in begun.items():
            killed.update(kill_and_check(lives, first, room / f"{point}-{phase}", rng, point))
    assert len(killed) >= 12
    few = {point for point in POINTS if killed[point] < 2}
    assert not few


@pytest.mark.soak
def test_two_hundred_random_deaths(lives: Lives, begun: dict[str, Path], room: Path) -> None:
    """The bar: at least 12 points, 200 runs."""
    rng = random.Random(20261125)
    killed: Counter[str] = Counter()
    for number in range(SOAK_RUNS):
        point, phase = rng.choice(list(POINTS)), rng.choice(list(begun))
        killed.update(kill_and_check(lives, begun[phase], room / str(number), rng, point))
        shutil.rmtree(room / str(number))
    print(f"{SOAK_RUNS} runs, {sum(killed.values())} kills at {len(killed)} points: {dict(killed)}")
    assert len(killed) >= 12
