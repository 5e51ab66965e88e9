"""The site on which the spot benchmark sends its notices: AWS played on this machine, and real parts of scrimp on it.

A server answers for AWS (moto over HTTP, with the layer of `tests/aws/server.py`), in a process of its own. The engine is the
daemon with the collectors `aws`, `aws_events` and `imds`, the provider `aws` with a fleet of its own, and the shipped policy
`rescue_on_notice`. The workers (`scrimp.worker.Worker`, in a process of their own) take work from the fleet's queue in batches of
`BATCH_S`, and look at their metadata as often as workers do (`scrimp.worker.imds.EVERY_S`). What is sent, and what is measured,
is the business of `spot_channels`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scrimp.config import Config, Section
from scrimp.daemon import Alarm, Daemon, compose
from scrimp.store import open_store
from scrimp.testing import FakeMetadata
from scrimp.worker import open_queue
from scrimp_actions.spot import State
from scrimp_actions.spot.aws.provider import AwsProvider
from scrimp_actions.spot.cloud import Cloud, Launched, LaunchRequest
from scrimp_actions.spot.hands import MEMBER_TAG, FleetHands

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
BATCH_S = 0.2
KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SERVER = """
import logging, sys, threading
from tests.aws.server import AwsServer, serving
logging.getLogger("werkzeug").setLevel(logging.ERROR)
with serving(AwsServer()) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
WORKERS = f"""
import json, os, sys, threading, time
from pathlib import Path
from scrimp.api import RunState
from scrimp.worker import SqliteQueue, Worker

root, db, turn = Path(sys.argv[1]), sys.argv[2], threading.Lock()

def work(instance, url):
    with turn:
        os.environ["SCRIMP_IMDS"] = url
        joined = Worker.join(group="audio", job=instance, root=root)
    with joined as worker:
        queue = SqliteQueue(db)
        while worker.control().run_state is RunState.RUNNING:
            leases = queue.take(worker.job, time.time(), leases=1, items=1, lease_s=300.0)
            time.sleep({BATCH_S})
            queue.commit([(one, worker.job) for one in leases], time.time())
            worker.batch_done(len(leases), {BATCH_S})
        print(json.dumps([instance, time.time()]), flush=True)

for line in sys.stdin:
    threading.Thread(target=work, args=json.loads(line), daemon=True).start()
"""


def missing() -> str:
    """What is not installed; empty where all is."""
    try:
        import boto3  # noqa: F401, PLC0415 - an extra
        import moto  # noqa: F401, PLC0415 - of the development group
    except ImportError as error:
        return f"{error.name} is not installed"
    return "" if (ROOT / "tests" / "aws" / "server.py").exists() else "the tests are not there"


@contextmanager
def process(code: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """A Python of its own, which ends when nobody writes to it any more."""
    environment = {**os.environ, **KEYS, "PYTHONPATH": str(ROOT), "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    line = [sys.executable, "-c", code, *args]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@dataclass(slots=True)
class Recorder:
    """The cloud, with the moment at which each member's launch was begun."""

    cloud: Cloud
    asked_s: dict[str, float] = field(default_factory=dict)

    def launch(self, request: LaunchRequest, *, deadline_s: float) -> Launched:
        """See `Cloud.launch`."""
        self.asked_s.setdefault(request.tags[MEMBER_TAG], time.time())
        return self.cloud.launch(request, deadline_s=deadline_s)

    def __getattr__(self, name: str) -> Any:
        """All else as it is."""
        return getattr(self.cloud, name)


@dataclass(slots=True)
class Site:
    """The engine, its workers, and who is noticed."""

    provider: AwsProvider
    recorder: Recorder
    workers: subprocess.Popen[str]
    metadata: FakeMetadata
    sqs: Any
    queue_url: str
    told_s: dict[str, float] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)

    def fresh(self) -> list[str]:
        """Instances of members that run and have no worker yet."""
        found = self.provider.fleets.manager.members("audio")
        running = [one.member.instance for one in found if one.member.state is State.RUNNING]
        return [instance for instance in running if instance not in self.joined]

    def listen(self) -> None:
        """Take in what the workers say when they stop, in a thread."""
        assert self.workers.stdout is not None
        for line in self.workers.stdout:
            instance, at_s = json.loads(line)
            self.told_s.setdefault(instance, at_s)

    def join(self, instances: Sequence[str]) -> None:
        """A worker on each."""
        assert self.workers.stdin is not None
        for instance in instances:
            self.workers.stdin.write(json.dumps([instance, f"{self.metadata.url}/{instance}"]) + "\n")
        self.workers.stdin.flush()
        self.joined |= set(instances)

    def at_work(self, instances: Sequence[str]) -> bool:
        """Whether all of them have a worker."""
        channel = self.provider.fleets.services.channel
        return channel is not None and {f"audio/{one}" for one in instances} <= set(channel.jobs())

    def put_event(self, event: str) -> None:
        """An event on the queue, as EventBridge puts it there."""
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=event)

    def asked_s(self, member: str) -> float | None:
        """When the replacement of a member was asked for."""
        entry = self.provider.fleets.manager.runner.entries.get(member)
        return None if entry is None else self.recorder.asked_s.get(entry.successor)


def rescue_only(folder: Path) -> Path:
    """The shipped policy `rescue_on_notice`, and none besides: in so many notices others see a storm, and leave spot."""
    text = (ROOT / "policies" / "spot.scrimp").read_text("utf-8")
    _, head, rest = text.partition("policy rescue_on_notice {")
    body, end, _ = rest.partition("\n}\n")
    path = folder / "rescue.scrimp"
    path.write_text(f"scrimp 1\n\n{head}{body}{end}", "utf-8")
    return path


def configured(url: str, queue_url: str, folder: Path, size: int) -> Config:
    """What `scrimp.yaml` would say."""
    aws = {"region": REGION, "endpoint_url": url}
    pools = [f"g5.xlarge:{REGION}{zone}" for zone in "ab"]
    group = {"template": "audio", "pools": pools, "size": size, "purchase_option": "spot"}
    provider = {**aws, "groups": {"audio": group}, "queue": "audio", "look_s": 2.0, "plan_s": 2.0}
    return Config(
        policies=rescue_only(folder),
        store=folder / ".scrimp",
        interval_s=30.0,
        providers=(Section("aws", "aws", provider),),
        collectors=(
            Section("aws", "aws", {**aws, "groups": {"audio": {}}}),
            Section("aws_events", "aws_events", {**aws, "queue_url": queue_url, "self_test": False}),
            Section("imds", "imds", {}),
        ),
    )


@contextmanager
def engine(config: Config) -> Iterator[tuple[AwsProvider, Recorder]]:
    """The daemon, in a thread; with its provider, whose launches are recorded."""
    parts = compose(config, time.time, time.sleep)
    assert not parts.findings, [one.message for one in parts.findings]
    provider = next(one for one in parts.providers if isinstance(one, AwsProvider))
    hands = provider.fleets.manager.runner.hands
    assert isinstance(hands, FleetHands)
    recorder = Recorder(hands.cloud)
    hands.cloud = recorder  # type: ignore[assignment] - it is one by `__getattr__`
    alarm = Alarm()
    store = open_store(config.store, time.time)
    daemon = Daemon(parts, store, alarm)
    daemon.start()
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        yield provider, recorder
    finally:
        alarm.stop()
        thread.join(60.0)
        daemon.close()
        store.close()


@contextmanager
def aws_server() -> Iterator[subprocess.Popen[str] | None]:
    """What answers for AWS, started ahead, for it takes some seconds; None where it is not installed."""
    if missing():
        yield None
        return
    with process(SERVER) as started:
        yield started


@contextmanager
def site(server: subprocess.Popen[str], folder: Path, size: int) -> Iterator[Site]:
    """Engine and workers of a fleet of `size`, on AWS as `server` answers for it."""
    import boto3  # noqa: PLC0415 - an extra

    assert server.stdout is not None
    url = server.stdout.readline().strip()
    ec2, sqs = (boto3.client(name, endpoint_url=url, region_name=REGION) for name in ("ec2", "sqs"))
    data = {"ImageId": "ami-12c6146b", "InstanceType": "g5.xlarge"}
    ec2.create_launch_template(LaunchTemplateName="audio", LaunchTemplateData=data)
    queue_url = str(sqs.create_queue(QueueName="notices")["QueueUrl"])
    config = configured(url, queue_url, folder, size)
    open_queue(config.store / "queues", "audio", 100_000_000).close()
    with ExitStack() as stack:
        metadata = stack.enter_context(FakeMetadata.serving())
        workers = stack.enter_context(
            process(WORKERS, str(config.store / "workers"), str(config.store / "queues" / "audio.db"))
        )
        provider, recorder = stack.enter_context(engine(config))
        made = Site(provider, recorder, workers, metadata, sqs, queue_url)
        threading.Thread(target=made.listen, daemon=True).start()
        yield made
