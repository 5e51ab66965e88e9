"""Real worker processes of this machine as a fleet: a notice, a kill without one, and a controller that is replaced.

Real are the processes, the worker contract in its folder, the queue, the book, and the threads; the "cloud" starts and
kills processes.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from scrimp.worker import FolderChannel, SqliteQueue
from scrimp_actions.spot import Budget, Rules, State
from scrimp_actions.spot.cloud import (
    Instance,
    InstanceState,
    Launched,
    LaunchRequest,
    PoolPrice,
    Purchase,
)
from scrimp_actions.spot.fleets import FleetSpec
from scrimp_actions.spot.hands import MEMBER_TAG
from scrimp_actions.spot.manager import Beat, Manager, Means
from scrimp_actions.spot.members import MemberBook
from scrimp_actions.spot.poolbook import Machine, PoolBook
from scrimp_actions.spot.runner import Pace
from scrimp_actions.spot.watch import Patience

ITEMS, BATCH = 12_000, 40
BUDGET = Budget(total_s=10.0, see_s=0.5, stop_s=1.5, drain_s=4.0, checkpoint_s=7.0, hand_over_s=8.0)
WORKER = f"""
import os, sys, time
from itertools import pairwise
from pathlib import Path
from scrimp.api import RunState
from scrimp.worker import SqliteQueue, Worker

queue, done = SqliteQueue(Path(sys.argv[1])), 0
with Worker.join(batch_size={BATCH}, state=lambda: {{"done": done}}) as worker:
    while worker.control().run_state is RunState.RUNNING:
        leases = queue.take(worker.job, time.time(), leases=1, items={BATCH}, lease_s=30.0)
        if not leases:
            if queue.counts().committed == {ITEMS}:
                break
            time.sleep(0.02)
            continue
        time.sleep(0.05)
        queue.commit([(one, worker.job) for one in leases], time.time())
        done += {BATCH}
        worker.batch_done({BATCH}, 0.05)
"""


@dataclass
class ProcessCloud:
    """A cloud whose instances are processes of this machine."""

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    known: dict[str, Instance] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def launch(self, request: LaunchRequest, *, deadline_s: float) -> Launched:
        with self.turn:  # asked from several threads
            if request.token not in self.tokens:
                name = f"i-{len(self.known)}"
                environment = os.environ | {
                    "SCRIMP_WORKER_DIR": str(self.folder / "workers"),
                    "SCRIMP_JOB": f"audio/{name}",
                }
                line = [sys.executable, "-c", WORKER, str(self.folder / "queue.db")]
                self.processes[name] = subprocess.Popen(line, env=environment)
                self.tokens[request.token] = name
                self.known[name] = Instance(
                    name, request.pools[0], InstanceState.RUNNING, request.purchase, time.time(), request.tags
                )
        return Launched((self.known[self.tokens[request.token]],))

    def instances(self, tags: Mapping[str, str], *, deadline_s: float) -> Sequence[Instance]:
        found = []
        for name, made in list(self.known.items()):
            dead = self.processes[name].poll() is not None
            if tags.items() <= made.tags.items():
                found.append(replace(made, state=InstanceState.TERMINATED) if dead else made)
        return found

    def terminate(self, ids: Sequence[str], *, deadline_s: float) -> None:
        for name in ids:
            self.kill(name)

    def offers(self, pools: Sequence[str], *, deadline_s: float) -> Sequence[PoolPrice]:
        return [PoolPrice(pool, None, None) for pool in pools]

    def kill(self, name: str) -> None:
        """As the cloud takes a machine: without a word."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[ProcessCloud]:
    made = ProcessCloud(tmp_path)
    yield made
    for name in made.processes:
        made.kill(name)


def manager(cloud: ProcessCloud, crew: tuple[ThreadPoolExecutor, ThreadPoolExecutor]) -> Manager:
    """A controller on the folder; a second one goes on where the first was."""
    return Manager(
        {"audio": FleetSpec("audio", ("p",), 3, purchase=Purchase.SPOT, least_pools=1, most_share=1.0)},
        Means(cloud, FolderChannel(cloud.folder / "workers"), SqliteQueue(cloud.folder / "queue.db"), "live"),
        MemberBook(cloud.folder / "members.db"),
        PoolBook(("p",), Machine({})),
        Rules(BUDGET, lease_s=30.0),
        Beat(look_s=0.2, plan_s=0.2),
        Patience(heartbeat_s=20.0),
        Pace(poll_s=0.05, retry_s=0.2),
        crew,
    )


def until(controller: Manager, come: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Drive the controller until something has come true."""
    end_s = time.time() + limit_s
    while not come():
        assert time.time() < end_s, "it does not come true"
        controller.carry_on(time.time())
        time.sleep(0.02)


def test_notices_kills_and_a_new_controller_lose_nothing(tmp_path: Path, cloud: ProcessCloud) -> None:
    """The noticed worker hands over in order; the killed one's leases go to its successor; every item is done once."""
    SqliteQueue.holding(tmp_path / "queue.db", ITEMS).close()
    queue = SqliteQueue(tmp_path / "queue.db")
    with ThreadPoolExecutor(4) as workers, ThreadPoolExecutor(4) as callers:
        crew = (workers, callers)
        first = manager(cloud, crew)

        def holders() -> set[str]:
            return {one.worker.partition("/")[2] for one in queue.committed()}

        until(first, lambda: len(holders()) == 3)
        noticed, killed, _ = sorted(holders())

        told_s = time.time()
        entry = first.notice(noticed, told_s, told_s + BUDGET.total_s)
        assert entry is not None
        job = f"audio/{noticed}"
        until(first, lambda: not queue.take(job, time.time(), leases=1, items=1, lease_s=0.01))
        assert time.time() - told_s < BUDGET.stop_s  # no more work, whatever the worker does
        until(first, lambda: cloud.processes[noticed].poll() == 0)  # it left in order

        cloud.kill(killed)
        first.carry_on(time.time())
        second = manager(cloud, crew)  # the first is not asked again: as if it were dead
        until(second, lambda: queue.counts().committed == ITEMS)
        until(
            second,
            lambda: (
                {one.member.state for one in second.entries()} <= {State.RUNNING, State.LOST, State.GONE}
                and len({one.slot for one in second.entries()}) == 3
            ),
        )
        commits = list(queue.committed())
        members = {one.tags[MEMBER_TAG].partition(".")[0] for one in cloud.known.values()}
    assert sum(one.stop - one.first for one in commits) == ITEMS
    assert all(one.stop == following.first for one, following in pairwise(commits))
    assert members == {"audio-0", "audio-1", "audio-2"}
    assert len(cloud.known) >= 5  # two were replaced
    heirs = set(cloud.known) - {noticed, killed}
    assert {one.worker.partition("/")[2] for one in commits} & (heirs - {"i-0", "i-1", "i-2"})
    assert queue.dead_letters() == ()
    queue.close()
