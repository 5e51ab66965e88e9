"""Workers are real processes that are killed at any moment; each item is committed once all the same."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from scrimp.api import Commit
from scrimp.worker import SqliteQueue

ITEMS = 30_000
LEASE_S = 0.5
WORKERS = 4
KILLS = 25


def work(path: Path, name: str, seed: int) -> None:
    """A worker's life: several leases at a time, a result written for each, then one commit, sometimes said twice."""
    rng = random.Random(seed)
    with SqliteQueue(path) as queue, (path.parent / f"{name}.results").open("a") as results:
        while True:
            leases = queue.take(name, time.time(), leases=rng.randrange(1, 6), items=37, lease_s=LEASE_S)
            if not leases:
                if queue.counts().committed == ITEMS:
                    return
                time.sleep(0.02)
                continue
            if rng.random() < 0.02:  # a slow one: its leases run out under it
                time.sleep(2 * LEASE_S)
            done = [(lease, f"{name}/{lease.epoch}") for lease in leases]
            for _, result in done:
                results.write(f"{result}\n")
            results.flush()
            for _ in range(rng.choice((1, 1, 2))):
                answers = queue.commit(done, time.time())
            assert all(answer in Commit for answer in answers)


def start(path: Path, name: str, seed: int) -> int:
    """Fork a worker from this warm process."""
    pid = os.fork()
    if pid == 0:
        try:
            work(path, name, seed)
        finally:
            os._exit(0)
    return pid


def test_killed_workers_lose_nothing_and_commit_nothing_twice(tmp_path: Path) -> None:
    """SIGKILL at random moments, between and within transactions, and a new worker for each that died."""
    path, rng = tmp_path / "queue.db", random.Random(7)
    SqliteQueue.holding(path, ITEMS, attempts=1000).close()
    running = {start(path, f"w{k}", k) for k in range(WORKERS)}
    begun = WORKERS
    for _ in range(KILLS):
        time.sleep(rng.random() * 0.05)
        victim = rng.choice(sorted(running))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        running.discard(victim)
        running.add(start(path, f"w{begun}", begun))
        begun += 1
    for pid in running:
        os.waitpid(pid, 0)
    with SqliteQueue(path) as queue:
        counts, commits = queue.counts(), list(queue.committed())
    assert (counts.committed, counts.waiting, counts.leased, counts.dead) == (ITEMS, 0, 0, 0)
    times = Counter(item for one in commits for item in range(one.first, one.stop))
    assert len(times) == ITEMS
    assert set(times.values()) == {1}
    written = {line for file in tmp_path.glob("*.results") for line in file.read_text().split()}
    assert {one.result for one in commits} <= written  # what is committed has its result
    assert len({one.worker for one in commits}) > WORKERS
