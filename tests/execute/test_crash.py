"""A process that kills itself at named points between a tick's start and its outcomes, then starts again.

The driver is real: the store on disk, the provider's effects appended to a file, SIGKILL. Forked from this warm process.
"""

import os
import random
import signal
from collections import Counter
from pathlib import Path

from tests.execute.acts import AT_S, action, decision, policy

from scrimp import execute as execution
from scrimp import store as storage
from scrimp.api import ActionResult
from scrimp.testing import FakeProvider

RUNS = 200
TARGETS = ("node_group/a", "node_group/b")
POINTS = (*storage.CRASH_POINTS, *execution.CRASH_POINTS, "effect.written")


def provider(world: Path, checkpoint) -> FakeProvider:
    """Targets as the effects in the file left them."""
    fake = FakeProvider({target: {"size": 10.0} for target in TARGETS})
    for line in world.read_text().splitlines() if world.exists() else ():
        target, key = line.split()
        fake.state[target]["size"] = 5.0
        fake.done[key] = ActionResult("done before")

    def effect(target: str, key: str) -> None:
        with world.open("a") as file:
            file.write(f"{target} {key}\n")
        checkpoint("effect.written")

    fake.effect = effect
    return fake


def drive(folder: Path, point: str, skip: int) -> None:
    """One life of the engine: recover, then the tick if it was not begun; dies at the chosen pass of `point`."""
    passes = Counter()

    def checkpoint(name: str) -> None:
        passes[name] += 1
        if name == point and passes[name] > skip:
            if name.endswith("log.written"):  # what was not synced may be lost in part
                last = max((folder / "state/audit").glob("*.jsonl"))
                os.truncate(last, last.stat().st_size - random.Random(skip).randrange(1, 90))
            os.kill(os.getpid(), signal.SIGKILL)

    settings = execution.ExecuteSettings(deadline_s=20.0, parallel=2)
    store = storage.open_store(folder / "state", lambda: AT_S, checkpoint=checkpoint)
    with store:
        fake = provider(folder / "effects", checkpoint)
        execution.recover(store.load_ledger(), store, [fake], AT_S, lambda _: None, settings, checkpoint)
        begun = {one.target for one in store.load_ledger().intents}
        due = [decision(action(target)) for target in TARGETS if target not in begun]
        execution.execute(
            due, {"shrink": policy()}, [fake], store, AT_S, lambda _: None, settings, checkpoint
        )


def live(folder: Path, point: str, skip: int) -> int:
    """The life in a forked process; gives the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            drive(folder, point, skip)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must not come back into pytest
            import traceback  # noqa: PLC0415 - only in a child that failed

            traceback.print_exc()
            os._exit(9)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, f"the engine failed at {point}"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def test_nothing_happens_twice_and_nothing_is_lost(tmp_path: Path) -> None:
    """Whatever the moment of death, and of the next one: each act happens once, and the log has it and holds."""
    rng = random.Random(7)
    killed = Counter()
    for number in range(RUNS):
        folder = tmp_path / str(number)
        folder.mkdir()
        point = POINTS[number % len(POINTS)]
        killed[point] += live(folder, point, rng.randrange(2)) == signal.SIGKILL
        live(folder, rng.choice(POINTS), rng.randrange(2))
        live(folder, "", 0)
        effects = Counter(line.split()[0] for line in (folder / "effects").read_text().splitlines())
        assert effects == dict.fromkeys(TARGETS, 1), f"run {number}, killed at {point}"
        with storage.visit_store(folder / "state", lambda: AT_S) as visit:
            assert visit.verify().bad is None
            records = list(storage.read_records(visit.log))
            assert storage.replay(records) == visit.load_ledger()
            assert all(one.outcome == "done" for one in visit.load_ledger().intents)
        noted = Counter((one["event"], one["target"]) for one in records)
        assert noted == {(event, target): 1 for event in ("intent", "outcome") for target in TARGETS}
    assert len(killed) >= 12
    assert all(killed.values()), f"never killed at {[one for one, count in killed.items() if not count]}"
