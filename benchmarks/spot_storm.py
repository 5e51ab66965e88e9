"""A storm: hundreds of notices within one second, in wall time, by the real runner on real files.

Real are the runner, its book, its hands, the work queue, and the folder channel with a control document per worker, all
durable; of the cloud only the calls are answered here, each after a pause like that of a real one. Once the notices are pushed
to the runner; and once, where boto3 is installed, they are noted on the board as the queue's reader notes them, ten at a time, and
go through the whole engine: tick, policy, intent, `rescue` of the provider `aws`, outcome.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench import Bar, Table, at_least, at_most
from scrimp.api import Report, RunState
from scrimp.aws import Notice as BoardNotice
from scrimp.aws import NoticeBoard, NoticeKind
from scrimp.config import Config, Section
from scrimp.daemon import Alarm, Daemon, compose
from scrimp.store import open_store
from scrimp.worker import FolderChannel, SqliteQueue, open_queue
from scrimp_actions.spot import AWS_BUDGET, Rules, State
from scrimp_actions.spot.aws.provider import AwsProvider
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


def engine_storm(folder: Path, count: int) -> tuple[list[float], list[float]]:
    """Seconds from the notices until each worker is told to leave, and until each replacement is asked for."""
    names = [f"i-{k:05d}" for k in range(count)]
    inventory = folder / "inventory.json"
    group = {"template": "t", "pools": ["t:a", "t:b"], "size": count, "purchase_option": "spot"}
    aws = {"region": "us-east-1", "groups": {"f": group}, "queue": "f", "look_s": 1e6, "plan_s": 1e6}
    config = Config(
        policies=Path(__file__).resolve().parents[1] / "policies" / "spot.scrimp",
        store=folder / ".scrimp",
        interval_s=30.0,
        providers=(Section("aws", "aws", aws),),
        collectors=(
            Section("inventory", "snapshot", {"path": str(inventory), "kinds": ["node"]}),
            Section("imds", "imds", {}),
        ),
    )
    open_queue(config.store / "queues", "f", 10_000_000).close()
    rows = [{"name": name, "state": "running", "group": "f"} for name in names]
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    inventory.write_text(json.dumps({"scrimp": "snapshot/1", "at": at, "kinds": {"node": rows}}))
    channel, cloud = FolderChannel(config.store / "workers"), SlowCloud()
    for name in names:
        channel.found(f"f/{name}")
    parts = compose(config, time.time, time.sleep)
    manager = next(one for one in parts.providers if isinstance(one, AwsProvider)).fleets.manager
    hands = manager.runner.hands
    assert isinstance(hands, FleetHands)
    hands.cloud = manager.watch.cloud = cloud
    for place, name in enumerate(names):
        manager.runner.adopt("f", place, name, "t:a", time.time(), on_demand=False)
    alarm, board = Alarm(), NoticeBoard(config.store)
    with open_store(config.store, time.time) as store:
        daemon = Daemon(parts, store, alarm)
        daemon.start()
        thread = threading.Thread(target=daemon.run, daemon=True)
        thread.start()
        time.sleep(1.0)
        sent_s = time.time()
        for first in range(0, count, 10):
            some = names[first : first + 10]
            board.note([_notice(name, sent_s) for name in some], sent_s)
            alarm.wake("notices")
        told_s: dict[str, float] = {}
        while (len(told_s) < count or len(cloud.asked_s) < count) and time.time() < sent_s + 100.0:
            for name in names:
                control = None if name in told_s else channel.control(f"f/{name}")
                if control is not None and control.run_state is not RunState.RUNNING:
                    told_s[name] = time.time() - sent_s
            time.sleep(0.1)
        alarm.stop()
        thread.join(60.0)
        daemon.close()
    missing = [np.inf] * (count - len(told_s))
    return [*told_s.values(), *missing], [at_s - sent_s for at_s in cloud.asked_s.values()]


def _notice(name: str, at_s: float) -> BoardNotice:
    return BoardNotice(name, NoticeKind.INTERRUPTION, "terminate", at_s + 120.0, at_s, ("aws_events",))


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


def measure_engine_storm(*, quick: bool) -> tuple[list[Bar], list[str]]:
    """The storm through the engine: within the time in which a batch has to be over. Its log is written for each act."""
    name = f"{STORM} notices through the engine"
    if quick or find_spec("boto3") is None:
        return [], [f"{name}: {'no time' if quick else 'boto3 is not installed'}"]
    with tempfile.TemporaryDirectory(prefix="scrimp-storm-", ignore_cleanup_errors=True) as folder:
        told_s, asked_s = engine_storm(Path(folder), STORM)
    by_s = AWS_BUDGET.drain_s
    return [
        at_most(f"{name}: told to leave, the last", max(told_s), by_s, "s"),
        at_least(f"{name}: replacements asked for", float(len(asked_s)), STORM),
        at_most(f"{name}: replacement asked for, the last", max(asked_s, default=np.inf), by_s, "s"),
    ], []


def _p99(values: Sequence[float]) -> float:
    return float(np.percentile(values, 99))
