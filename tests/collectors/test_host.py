"""The host collector against this very machine: real processes, the real registry and the real worker channel."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scrimp.api import Collected, JobGroup, Member, Money, Report, RunState, Services, Traits
from scrimp.collectors.host import HostCollector
from scrimp.collectors.merge import Part, merge
from scrimp.config.catalogue import builtin_catalogue
from scrimp.model.snapshot import Snapshot
from scrimp.worker import FolderChannel, FolderRegistry

GROUP = JobGroup(
    "audio",
    ("unused",),
    min_size=1,
    max_size=4,
    cores=2.0,
    price_per_core_hour=Money(0.05, "USD"),
    operation="log_mel",
    memory_limit_bytes=10**9,
    labels={"tier": "batch"},
)
BUSY = "while True: pass"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
IDLE = "import time; time.sleep(60)"


class NvmlError(Exception):
    """As `pynvml.NVMLError`."""


def nvml(*, driver: bool = True, broken: bool = False) -> Any:
    """The part of `pynvml` that is asked, as a machine with two GPUs would answer."""

    def init() -> None:
        if not driver:
            raise NvmlError("Driver Not Loaded")

    def rates(index: int) -> SimpleNamespace:
        if broken:
            raise NvmlError("GPU is lost")
        return SimpleNamespace(gpu=(20, 60)[index])

    return SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=init,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=rates,
        nvmlDeviceGetMemoryInfo=lambda index: SimpleNamespace(used=10 * index, total=40),
    )


def services(state: Path) -> Services:
    registry = FolderRegistry(state)
    channel = FolderChannel(registry.worker_dir)
    return Services(time.time, time.sleep, state, channel=channel, jobs=registry)


def collector(state: Path, *, gpus: Any = None, **config: Any) -> HostCollector:
    return HostCollector({"node": "here", **config}, services(state), gpus or nvml(driver=False))


def snapshot(made: HostCollector, collected: Collected, now_s: float) -> Snapshot:
    """As the engine lays it out: also proves that every field is in the catalogue and has its type."""
    parts = [Part(made.name, made.interval_s, tuple(made.covers()), collected)]
    found, findings = merge(parts, builtin_catalogue("USD"), now_s)
    assert not findings
    return found


def cell(found: Snapshot, kind: str, name: str, field: str) -> Any:
    table = found.tables[kind]
    column = table.columns[field]
    row = table.names.index(name)
    if not column.valid[row]:
        return None
    value = column.values[row]
    return column.words[value] if column.words else value.item()


@contextmanager
def members(state: Path, *programs: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Real processes as members of the group, by index."""
    registry = FolderRegistry(state)
    registry.register(GROUP)
    running = [
        subprocess.Popen([sys.executable, "-c", program], start_new_session=True) for program in programs
    ]
    try:
        own = [Member("audio", index, registry.identify(one.pid)) for index, one in enumerate(running)]
        with registry.editing("audio", deadline_s=5):
            registry.set_members("audio", own)
        yield running
    finally:
        for one in running:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, 9)
            one.wait(timeout=10)


def write_report(state: Path, job: str, at_s: float, **more: Any) -> None:
    registry = FolderRegistry(state)
    channel = FolderChannel(registry.worker_dir)
    channel.found(job)
    report = Report(at_s, 1, RunState.RUNNING, 10, items_per_second=4.0, batch_size=8, latency_s=2.0)
    channel.write_report(job, replace(report, memory_bytes=123, latency_p95_s=3.0, **more))


def burnt(pid: int) -> float:
    """CPU seconds of a process by the kernel's own account."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_machine_and_its_disks(tmp_path: Path) -> None:
    made = collector(tmp_path, price_per_core_hour=0.04)
    now_s = time.time()
    found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
    assert cell(found, "node", "here", "cpu_utilization") is None
    assert 0 < cell(found, "node", "here", "memory_utilization") < 1
    assert cell(found, "node", "here", "price_per_hour") == pytest.approx(0.04 * (os.cpu_count() or 1))
    assert cell(found, "node", "here", "age") > 0
    assert "gpu_utilization" not in found.tables["node"].columns
    for name in found.tables["volume"].names:
        assert 0 <= cell(found, "volume", name, "utilization") <= 1
    until_s = time.monotonic() + 10
    sum(range(10**6))
    while (
        busy := cell(
            snapshot(made, made.collect(now_s + 1, deadline_s=5), now_s), "fleet", "fleet", "cpu_utilization"
        )
    ) is None:
        assert time.monotonic() < until_s, "CPU utilization stays unknown"
    assert 0 <= busy <= 1


def test_cores_are_those_that_the_kernel_counted(tmp_path: Path) -> None:
    """Of children too: a member is often a launcher that starts what does the work. Nothing is known at first."""
    with members(tmp_path, BUSY, PARENT, IDLE) as running:
        made = collector(tmp_path)
        first_s = time.time()
        first = snapshot(made, made.collect(first_s, deadline_s=5), first_s)
        assert cell(first, "job", "audio-0", "cost_rate") is None
        assert cell(first, "fleet", "fleet", "cost_rate") is None
        before = burnt(running[0].pid)
        until_s = time.monotonic() + 30
        while burnt(running[0].pid) < before + 0.5:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        now_s = time.time()
        found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
        expected = (burnt(running[0].pid) - before) / (now_s - first_s) * 0.05
        costs = [cell(found, "job", f"audio-{index}", "cost_rate") for index in range(3)]
        assert costs[0] == pytest.approx(expected, rel=0.35)
        assert costs[1] > 0.005
        assert costs[2] < 0.005
        assert cell(found, "node_group", "audio", "cost_rate") == pytest.approx(sum(costs))
        reckoned = 3 * GROUP.cores * 0.05
        assert cell(found, "node_group", "audio", "cpu_utilization") == pytest.approx(sum(costs) / reckoned)
        assert cell(found, "fleet", "fleet", "cost_rate") == pytest.approx(sum(costs))


def test_a_group_counts_its_living_members_that_stay(tmp_path: Path) -> None:
    with members(tmp_path, IDLE, IDLE, IDLE) as running:
        registry = FolderRegistry(tmp_path)
        own = list(registry.members("audio"))
        own[1] = replace(own[1], leaving=True)
        running[2].kill()
        running[2].wait(timeout=10)
        registry.set_members("audio", [*own, Member("audio", 3)])
        running_s = time.time()
        made = collector(tmp_path)
        found = snapshot(made, made.collect(running_s, deadline_s=5), running_s)
        sizes = [cell(found, "node_group", "audio", field) for field in ("size", "min_size", "max_size")]
        assert sizes == [1, 1, 4]
        assert cell(found, "node_group", "audio", "price_per_hour") == pytest.approx(0.10)
        states = [cell(found, "job", f"audio-{index}", "state") for index in range(4)]
        assert states == ["running", "draining", "failed", "pending"]
        assert cell(found, "job", "audio-0", "memory_used") > 10**6
        assert cell(found, "job", "audio-0", "memory_limit") == 10**9
        assert found.tables["job"].labels["tier"].words == ("batch",)


def test_what_a_worker_said_is_as_old_as_it_said_it(tmp_path: Path) -> None:
    """Else a worker that hangs would look as if it still worked."""
    with members(tmp_path, IDLE, IDLE):
        now_s = time.time()
        one, two = FolderRegistry(tmp_path).members("audio")
        traits = Traits(one.process, "stft", critical=True, checkpointable=True, deadline_at_s=now_s + 50)
        write_report(tmp_path, one.job, now_s - 3, traits=traits, checkpointed_at_s=now_s - 20, progress=0.5)
        write_report(tmp_path, two.job, now_s - 500, traits=Traits(two.process))
        made = collector(tmp_path)
        found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
        column = found.tables["job"].columns["items_per_second"]
        ages = dict(zip(found.tables["job"].names, column.age_s.tolist(), strict=True))
        assert ages == {"audio-0": pytest.approx(3), "audio-1": pytest.approx(500)}
        row = {field: cell(found, "job", "audio-0", field) for field in ("operation", "critical", "progress")}
        assert row == {"operation": "stft", "critical": True, "progress": 0.5}
        assert cell(found, "job", "audio-0", "memory_used") == 123
        assert cell(found, "job", "audio-1", "memory_used") > 10**6
        assert cell(found, "job", "audio-0", "checkpoint_age") == pytest.approx(20)
        assert cell(found, "job", "audio-0", "time_to_deadline") == pytest.approx(50)
        assert cell(found, "fleet", "fleet", "items_per_second") == 4.0
        assert found.tables["operation"].names == ("stft",)
        assert cell(found, "operation", "stft", "latency_p95") == 3.0
        assert cell(found, "operation", "stft", "batch_size") == 8


def test_the_queue_of_a_group_is_unknown_unless_all_of_its_workers_say_theirs(tmp_path: Path) -> None:
    """Half of a queue taken for the whole would shrink a group that is behind."""
    with members(tmp_path, IDLE, IDLE):
        now_s = time.time()
        one, two = FolderRegistry(tmp_path).members("audio")
        made = collector(tmp_path)
        depths = []
        for said in ((7, now_s), (5, now_s - 500), (5, now_s)):
            write_report(tmp_path, one.job, now_s, traits=Traits(one.process), waiting=3)
            write_report(tmp_path, two.job, said[1], traits=Traits(two.process), waiting=said[0])
            found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
            depths.append(cell(found, "node_group", "audio", "queue_depth"))
        assert depths == [10, None, 8]


def test_the_report_of_an_earlier_process_is_not_believed(tmp_path: Path) -> None:
    with members(tmp_path, IDLE):
        now_s = time.time()
        (one,) = FolderRegistry(tmp_path).members("audio")
        assert one.process is not None
        earlier = replace(one.process, started=one.process.started - 1)
        write_report(tmp_path, one.job, now_s, traits=Traits(earlier, "stft"))
        made = collector(tmp_path)
        found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
        assert cell(found, "job", "audio-0", "operation") == "log_mel"
        assert cell(found, "fleet", "fleet", "items_per_second") is None


def test_a_worker_that_joined_on_its_own_is_a_job(tmp_path: Path) -> None:
    """It can be paused like any other; only the size of its group is not ours."""
    now_s = time.time()
    process = FolderRegistry(tmp_path).identify(os.getpid())
    write_report(tmp_path, "mine/here", now_s, traits=Traits(process, "stft"))
    write_report(tmp_path, "other/here", now_s, traits=Traits(process))
    write_report(tmp_path, "mine/elsewhere", now_s)
    made = collector(tmp_path)
    found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
    assert found.tables["job"].names == ("here", "other/here")
    assert cell(found, "job", "here", "group") == "mine"
    assert found.tables["node_group"].names == ()


def test_a_broken_registry_is_told_and_the_machine_stays_known(tmp_path: Path) -> None:
    FolderRegistry(tmp_path).register(GROUP)
    (tmp_path / "jobs/audio.json").write_text("{")
    made = collector(tmp_path)
    now_s = time.time()
    collected = made.collect(now_s, deadline_s=5)
    assert {"node_group", "job", "operation", "fleet.cost_rate"} <= set(collected.failed)
    found = snapshot(made, collected, now_s)
    assert "audio" in found.failures["node_group"]
    assert cell(found, "node", "here", "memory_utilization") > 0


def test_a_price_in_another_currency_is_unknown(tmp_path: Path) -> None:
    """To take euros for dollars would be worse than to say nothing."""
    FolderRegistry(tmp_path).register(replace(GROUP, price_per_core_hour=Money(1.0, "EUR")))
    made = collector(tmp_path, price_per_core_hour=0.04)
    now_s = time.time()
    found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
    assert cell(found, "node_group", "audio", "price_per_hour") is None


def test_gpus_are_means_and_a_lost_one_is_told(tmp_path: Path) -> None:
    made = collector(tmp_path, gpus=nvml())
    now_s = time.time()
    found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
    assert cell(found, "node", "here", "gpu_utilization") == pytest.approx(0.4)
    assert cell(found, "node", "here", "gpu_memory_utilization") == pytest.approx(10 / 80)
    lost = collector(tmp_path, gpus=nvml(broken=True))
    collected = lost.collect(now_s, deadline_s=5)
    assert collected.failed["node.gpu_utilization"] == "NVML: GPU is lost"


def test_a_volume_that_is_away_leaves_the_others_known(tmp_path: Path) -> None:
    away = str(tmp_path / "away")
    made = collector(tmp_path, volumes=["/", away])
    now_s = time.time()
    found = snapshot(made, made.collect(now_s, deadline_s=5), now_s)
    assert cell(found, "volume", "/", "size_bytes") > 0
    assert cell(found, "volume", away, "size_bytes") is None
    alone = collector(tmp_path, volumes=[away])
    assert "volume" in alone.collect(now_s, deadline_s=5).failed


@pytest.mark.parametrize("config", [{"price_per_core_hour": -1}, {"report_fresh_s": 0}])
def test_settings_that_cannot_be_are_refused(tmp_path: Path, config: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        collector(tmp_path, **config)
