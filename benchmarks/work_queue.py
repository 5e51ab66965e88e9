"""The durable work queue: how fast ten million items are made, taken and committed, and how many processes share it.

Each call is one transaction that is on the disk when it returns; a worker takes and commits `LEASES` leases of `ITEMS`
items at a time, as it would between two checkpoints.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from scrimp.worker import SqliteQueue

TOTAL = 10_000_000
LEASES, ITEMS = 20, 64
NEEDED_PER_S = 10_000.0
"""Ten million items in 17 minutes: more than a fleet of hundreds of machines asks for."""


def work(path: Path, name: str, until_s: float) -> int:
    """Take and commit until the time is over; items committed."""
    done = 0
    with SqliteQueue(path) as queue:
        while time.time() < until_s:
            leases = queue.take(name, time.time(), leases=LEASES, items=ITEMS, lease_s=60.0)
            queue.commit([(one, "part-0") for one in leases], time.time())
            done += sum(one.items for one in leases)
    return done


def _process(
    path: Path, name: str, seconds: float, ready: threading.Barrier, answer: multiprocessing.SimpleQueue[int]
) -> None:
    ready.wait(60.0)  # all begin together, however long their start takes
    answer.put(work(path, name, time.time() + seconds))


def shared(path: Path, processes: int, seconds: float) -> tuple[float, int]:
    """Items per second of several processes on one queue, and items that were committed otherwise than once."""
    SqliteQueue.holding(path, TOTAL).close()
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    ready = context.Barrier(processes)
    running = [
        context.Process(target=_process, args=(path, f"w{k}", seconds, ready, answers))
        for k in range(processes)
    ]
    for one in running:
        one.start()
    done = sum(answers.get() for _ in running)
    for one in running:
        one.join()
    with SqliteQueue(path) as queue:
        counts, expected, wrong = queue.counts(), 0, 0
        for commit in queue.committed():
            wrong += abs(commit.first - expected)
            expected = commit.stop
    return done / seconds, wrong + abs(counts.committed - done) + counts.dead


def main(given: Arguments) -> Report:
    """Make, take and commit."""
    seconds = 2.0 if given.quick else 5.0
    rows: list[tuple[float, float]] = []
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="scrimp-queue-") as folder:
        began = time.perf_counter()
        SqliteQueue.holding(Path(folder) / "made.db", TOTAL).close()
        made_s = time.perf_counter() - began
        for processes in (1, 2, 4):
            rate, off = shared(Path(folder) / f"{processes}.db", processes, seconds)
            rows.append((float(processes), rate))
            wrong += off
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bars: list[Bar] = [
        at_most("ten million items made", made_s, 1.0, "s"),
        at_least(
            "items taken and committed, slowest case", min(rate for _, rate in rows), NEEDED_PER_S, "/s"
        ),
        at_most("items committed otherwise than once, or dead", float(wrong), 0),
        at_most("memory of a process", memory, 200.0, "MiB"),
    ]
    return Report(bars, [], [Table("processes on one queue", ("processes", "items/s"), rows)])


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", main))
