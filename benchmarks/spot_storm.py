"""A storm: hundreds of notices within one second, in wall time, by the real runner on real files.

Real are the runner, its book, its hands, the work queue, and the folder channel with a control document per worker, all
durable; of the cloud only the calls are answered here, each after a pause like that of a real one.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench import Bar, Table, at_most
from scrimp.api import Report, RunState
from scrimp.worker import FolderChannel, SqliteQueue
from scrimp_actions.spot import AWS_BUDGET, Rules, State
from scrimp_actions.spot.cloud import (
    Instance,
    InstanceState,
    Launched,
    LaunchRequest,
    PoolPrice,
)
from scrimp_actions.spot.hands import FleetHands
from scrimp_actions.spot.member import Notice, Step
from scrimp_actions.spot.members import Entry, MemberBook
from scrimp_actions.spot.runner import Runner

STORM = 500
CALM = 60
CALL_S = 0.3
HANDS, CALLERS = 8, 32


@dataclass(slots=True)
class SlowCloud:
    """A cloud that gives everything, `CALL_S` after it was asked; `asked_s` by token."""

    asked_s: dict[str, float] = field(default_factory=dict)

    def launch(self, request: LaunchRequest, *, deadline_s: float) -> Launched:  # noqa: ARG002
        """See `Cloud.launch`."""
        self.asked_s.setdefault(request.token, time.time())
        time.sleep(CALL_S)
        made = Instance(
            f"i-{request.token}", request.pools[0], InstanceState.PENDING, request.purchase, time.time()
        )
        return Launched((made,))

    def instances(self, tags: Mapping[str, str], *, deadline_s: float) -> Sequence[Instance]:  # noqa: ARG002
        """See `Cloud.instances`."""
        return ()

    def terminate(self, ids: Sequence[str], *, deadline_s: float) -> None:
        """See `Cloud.terminate`."""

    def offers(self, pools: Sequence[str], *, deadline_s: float) -> Sequence[PoolPrice]:  # noqa: ARG002
        """See `Cloud.offers`."""
        return ()


@dataclass(frozen=True, slots=True)
class Handled:
    """Seconds from each notice until the worker gets no more work, from there until its replacement is asked for.

    `held`: workers that were given work after that all the same.
    """

    stop_s: list[float]
    ask_s: list[float]
    held: int


def storm(folder: Path, count: int, within_s: float) -> Handled:
    """`count` notices, evenly within `within_s` seconds; handled by one runner until each replacement is asked for."""
    cloud, channel = SlowCloud(), FolderChannel(folder / "workers")
    queue = SqliteQueue.holding(folder / "queue.db", 10_000_000)
    stopped_s: dict[str, float] = {}

    class Queue(SqliteQueue):
        def bar(self, worker: str) -> None:
            SqliteQueue.bar(self, worker)
            stopped_s.setdefault(worker, time.time())

    barring = Queue(folder / "queue.db")
    hands = FleetHands(cloud, channel, barring, _request)
    with (
        ThreadPoolExecutor(HANDS, "hands") as workers,
        ThreadPoolExecutor(CALLERS, "callers") as callers,
    ):
        rules = Rules(AWS_BUDGET)
        _people(folder, channel, rules, count)
        runner = Runner(
            MemberBook(folder / "members.db"), hands, lambda _entry: rules, crew=(workers, callers)
        )
        began_s = time.time()
        sent_s = [began_s + within_s * k / count for k in range(count)]
        sent = 0
        while True:
            now_s = time.time()
            due = [k for k in range(sent, count) if sent_s[k] <= now_s]
            sent += len(due)
            runner.hear(Notice(now_s, f"i-{k}", sent_s[k] + 120.0) for k in due)
            runner.carry_on(now_s)
            heirs = [entry for entry in runner.entries.values() if entry.generation == 2]
            launched = sum(entry.member.state is State.PENDING for entry in heirs)
            if (launched == count and len(stopped_s) == count) or now_s > began_s + 100.0:
                break
            time.sleep(0.02)
        held = sum(
            bool(queue.take(worker, now_s, leases=1, items=1, lease_s=60.0)) for worker in list(stopped_s)
        )
    stops = [stopped_s.get(f"f/i-{k}", np.inf) - sent_s[k] for k in range(count)]
    asks = [
        cloud.asked_s.get(f"f-{k}.2/launch/1", np.inf) - stopped_s.get(f"f/i-{k}", 0.0) for k in range(count)
    ]
    runner.book.close()
    return Handled(stops, asks, held)


def _people(folder: Path, channel: FolderChannel, rules: Rules, count: int) -> None:
    """A member with a worker for each place, before the clock runs; the workers' documents are copies of the first's."""
    now_s = time.time()
    channel.found("f/i-0")
    channel.write_report("f/i-0", Report(now_s, 0, RunState.RUNNING, 0))
    first = channel.folder("f/i-0")
    book = MemberBook(folder / "members.db", durable=False)
    runner = Runner(book, FleetHands(SlowCloud(), None, None, _request), lambda _entry: rules)
    for k in range(count):
        runner.adopt("f", k, f"i-{k}", "p", now_s, on_demand=False)
        if k:
            shutil.copytree(first, channel.folder(f"f/i-{k}"))
    book.close()


def _request(entry: Entry, step: Step) -> LaunchRequest:
    return LaunchRequest(step.key, (f"p{entry.slot % 4}",), 1)


def measure_storm() -> tuple[list[Bar], Table]:
    """Single notices, then all at once."""
    with tempfile.TemporaryDirectory(prefix="scrimp-storm-") as folder:
        (Path(folder) / "calm").mkdir()
        (Path(folder) / "storm").mkdir()
        calm = storm(Path(folder) / "calm", CALM, CALM / 20.0)
        wild = storm(Path(folder) / "storm", STORM, 1.0)
    bars = [
        at_most("one notice, pushed: no more work, p99", _p99(calm.stop_s), 2.0, "s"),
        at_most("one notice: replacement asked for after that, p99", _p99(calm.ask_s), 2.0, "s"),
        at_most(f"{STORM} notices in 1 s: no more work, the last", max(wild.stop_s), AWS_BUDGET.stop_s, "s"),
        at_most(
            f"{STORM} notices in 1 s: replacement asked for, the last",
            max(a + b for a, b in zip(wild.stop_s, wild.ask_s, strict=True)),
            AWS_BUDGET.drain_s,
            "s",
        ),
        at_most("work given out after that", float(calm.held + wild.held), 0),
    ]
    columns = ("notices", "stop p50", "stop p99", "ask p50", "ask p99")
    rows = [
        (name, *(float(np.percentile(of, q)) for of in (one.stop_s, one.ask_s) for q in (50, 99)))
        for name, one in (("20 a second", calm), (f"{STORM} in a second", wild))
    ]
    return bars, Table("from the notice on, wall seconds", columns, rows)


def _p99(values: Sequence[float]) -> float:
    return float(np.percentile(values, 99))
