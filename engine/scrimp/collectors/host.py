"""Samples of the machine that scrimp runs on, and of the local job groups on it: no service needed.

Utilization of CPU is that between two ticks, so it is unknown at the first one. A machine without a GPU has no GPU
fields; a GPU that stops answering makes them unknown, with the cause.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import pynvml

from scrimp.api import Collected, JobGroup, KindBatch, Services, Unavailable, Value
from scrimp.collectors.local_jobs import (
    GROUP_FIELDS,
    OPERATION_FIELDS,
    SAID_FIELDS,
    SEEN_FIELDS,
    CoreMeter,
    LocalGroup,
    LocalJob,
    LocalWork,
    fresh,
    group_batch,
    job_batches,
    operation_batch,
    total,
)

REPORT_FRESH_S = 10.0
NODE_FIELDS = (
    *("state", "age", "price_per_hour", "cores", "memory_bytes"),
    *("cpu_utilization", "memory_utilization"),
)
GPU_FIELDS = ("gpu_utilization", "gpu_memory_utilization")
NOTICE_FIELDS = ("interruption_notice", "time_to_interruption", "rebalance_recommended")
FLEET_FIELDS = ("cpu_utilization", "memory_utilization", "items_per_second", "cost_rate")
VOLUME_FIELDS = ("size_bytes", "used", "utilization")


@dataclass(slots=True)
class BusyMeter:
    """Busy share of all cores between one look and the next."""

    _before: tuple[float, float] | None = None  # busy and all, in seconds over all cores since boot

    def look(self) -> float | None:
        """0 to 1; `None` at first. Time given to guests is within user time already; waiting for a disk is idle."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        extra = ("irq", "softirq", "steal")
        busy = times.user + times.nice + times.system + sum(getattr(times, name, 0.0) for name in extra)
        before, self._before = self._before, (busy, busy + idle)
        if before is None or busy + idle <= before[1]:
            return None
        return min(max((busy - before[0]) / (busy + idle - before[1]), 0.0), 1.0)


@dataclass(slots=True)
class Gpus:
    """The GPUs of this machine by NVML; none where there is no driver. `nvml` is the module `pynvml`."""

    nvml: Any
    handles: Sequence[Any] = ()
    failure: str = ""
    _tried: bool = False

    def look(self) -> tuple[float, float] | None:
        """Mean busy share and used share of the memory; `None` without a GPU, or with `failure` saying why."""
        self.failure = ""
        try:
            self._begin()
            if not self.handles:
                return None
            busy = [self.nvml.nvmlDeviceGetUtilizationRates(one).gpu / 100.0 for one in self.handles]
            memory = [self.nvml.nvmlDeviceGetMemoryInfo(one) for one in self.handles]
        except self.nvml.NVMLError as error:
            self.failure = f"NVML: {error}"
            return None
        return sum(busy) / len(busy), sum(one.used for one in memory) / sum(one.total for one in memory)

    def _begin(self) -> None:
        if self._tried:
            return
        self._tried = True
        try:
            self.nvml.nvmlInit()
        except self.nvml.NVMLError:  # no driver, which is no fault
            return
        count = self.nvml.nvmlDeviceGetCount()
        self.handles = [self.nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]


class HostCollector:
    """This machine, its disks, and its local jobs."""

    def __init__(self, config: Mapping[str, Any], services: Services, nvml: Any = pynvml) -> None:
        """`config`: `node` (its name), `price_per_core_hour` (in the currency of the configuration), `volumes` (mount
        points; else all disks), `report_fresh_s` (how old a worker's report may be to be summed up with others).
        """
        self.name = str(config.get("name", "host"))
        self.interval_s = float(config.get("interval_s", 30.0))
        self._node = str(config.get("node") or socket.gethostname())
        price = config.get("price_per_core_hour")
        self._price = None if price is None else float(price)
        self._volumes = tuple(str(one) for one in config.get("volumes", ()))
        self._fresh_s = float(config.get("report_fresh_s", REPORT_FRESH_S))
        if (self._price or 0.0) < 0 or self._fresh_s <= 0:
            raise ValueError("`price_per_core_hour` must not be negative, and `report_fresh_s` be positive")
        self._currency = services.currency
        self._busy, self._gpus, self._meter = BusyMeter(), Gpus(nvml), CoreMeter()
        self._work = (
            None
            if services.jobs is None
            else LocalWork(services.jobs, services.channel, self._meter, self._price_of)
        )

    def covers(self) -> Sequence[tuple[str, str]]:
        """What it may bring; fields of GPUs only where there is one."""
        self._gpus.look()
        gpus = bool(self._gpus.handles)
        by_kind = {
            "node": (
                *NODE_FIELDS,
                *(("gpus", *GPU_FIELDS) if gpus else ()),
                *(NOTICE_FIELDS if self._work else ()),
            ),
            "fleet": (*FLEET_FIELDS, *(GPU_FIELDS[:1] if gpus else ())),
            "volume": VOLUME_FIELDS,
            "node_group": GROUP_FIELDS if self._work else (),
            "job": tuple(dict.fromkeys((*SEEN_FIELDS, *SAID_FIELDS))) if self._work else (),
            "operation": OPERATION_FIELDS if self._work else (),
        }
        return tuple((kind, one) for kind, fields in by_kind.items() for one in fields)

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:  # noqa: ARG002 - reads the kernel's tables only
        """All of it once. A registry that cannot be read makes local jobs unknown, and nothing else."""
        memory = psutil.virtual_memory()
        machine = _Machine(self._busy.look(), memory.percent / 100.0, memory.total, self._gpus.look())
        failed = {}
        if self._gpus.failure:
            failed = {f"node.{one}": self._gpus.failure for one in GPU_FIELDS}
            failed["fleet.gpu_utilization"] = self._gpus.failure
        batches = [self._node_batch(machine, now_s), *self._volume_batches(now_s, failed)]
        local = _Local()
        if self._work is not None:
            try:
                self._meter.look(now_s)
                local = self._look(self._work)
                batches += self._job_batches(local, now_s)
                batches += self._notice_batches(local, now_s)
            except Unavailable as error:
                unread = ("node_group", "job", "operation", "fleet.items_per_second", "fleet.cost_rate")
                failed |= dict.fromkeys(unread, str(error))
        batches.append(self._fleet_batch(machine, local, now_s))
        return Collected(batches, failed)

    def _look(self, work: LocalWork) -> "_Local":
        groups = work.groups()
        members = [job for one in groups for job in one.jobs]
        return _Local(groups, (*members, *work.joined(members)))

    def _job_batches(self, local: "_Local", now_s: float) -> Sequence[KindBatch]:
        labels = {one.group.name: one.group.labels for one in local.groups}
        return (
            group_batch(local.groups, now_s, self._fresh_s),
            *job_batches(local.jobs, self._node, labels, now_s, self._fresh_s),
            operation_batch(local.jobs, now_s, self._fresh_s),
        )

    def _price_of(self, group: JobGroup | None) -> float | None:
        """Money per core and hour; unknown where a group names another currency."""
        own = group.price_per_core_hour if group else None
        if own is None:
            return self._price
        return own.amount if own.currency == self._currency else None

    def _node_batch(self, machine: "_Machine", now_s: float) -> KindBatch:
        cores = psutil.cpu_count() or 1
        fields: dict[str, list[Value]] = {
            "state": ["running"],
            "age": [max(now_s - psutil.boot_time(), 0.0)],
            "price_per_hour": [None if self._price is None else cores * self._price],
            "cores": [cores],
            "memory_bytes": [machine.memory_bytes],
            "cpu_utilization": [machine.busy],
            "memory_utilization": [machine.memory],
        }
        if machine.gpus is not None:
            fields["gpus"] = [len(self._gpus.handles)]
            fields |= {name: [value] for name, value in zip(GPU_FIELDS, machine.gpus, strict=True)}
        return KindBatch("node", [self._node], fields, None, now_s)

    def _notice_batches(self, local: "_Local", now_s: float) -> Sequence[KindBatch]:
        """What the cloud told workers here about this machine; where none was told anything, nothing is known."""
        told = [job.report.notice for job in local.jobs if job.report is not None and job.report.notice]
        if not told:
            return ()
        taken = [one.action_at_s for one in told if one.action_at_s is not None]
        fields: dict[str, list[Value]] = {
            "interruption_notice": [bool(taken)],
            "time_to_interruption": [min(taken) - now_s if taken else None],
            "rebalance_recommended": [any(one.action_at_s is None for one in told) or None],
        }
        return (KindBatch("node", [self._node], fields, None, now_s),)

    def _fleet_batch(self, machine: "_Machine", local: "_Local", now_s: float) -> KindBatch:
        rates = [
            job.report.items_per_second
            for job in local.jobs
            if job.report is not None and fresh(job.report, now_s, self._fresh_s)
        ]
        known = [rate for rate in rates if rate is not None]
        fields: dict[str, list[Value]] = {
            "cpu_utilization": [machine.busy],
            "memory_utilization": [machine.memory],
            "items_per_second": [sum(known) if known else None],
            "cost_rate": [
                total([job.cost_rate for job in local.jobs]) if local.groups or local.jobs else None
            ],
        }
        if machine.gpus is not None:
            fields["gpu_utilization"] = [machine.gpus[0]]
        return KindBatch("fleet", ["fleet"], fields, None, now_s)

    def _volume_batches(self, now_s: float, failed: dict[str, str]) -> Sequence[KindBatch]:
        paths = self._volumes or _mount_points()
        found: list[Any] = []  # psutil's own tuple, which has no public name
        causes = []
        for path in paths:
            try:
                found.append(psutil.disk_usage(path))
            except OSError as error:  # one that is away leaves the others known
                found.append(None)
                causes.append(f"{path}: {error.strerror}")
        if len(causes) == len(paths):
            failed["volume"] = "; ".join(causes)
        fields: dict[str, Sequence[Value]] = {
            "size_bytes": [one.total if one else None for one in found],
            "used": [one.used if one else None for one in found],
            "utilization": [one.used / one.total if one and one.total else None for one in found],
        }
        return (KindBatch("volume", paths, fields, None, now_s),)


@dataclass(frozen=True, slots=True)
class _Machine:
    """One look at the machine."""

    busy: float | None
    memory: float
    memory_bytes: int
    gpus: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class _Local:
    """One look at the jobs."""

    groups: Sequence[LocalGroup] = ()
    jobs: Sequence[LocalJob] = field(default_factory=tuple)


def _mount_points() -> Sequence[str]:
    """Of each disk the shortest path where it is mounted; the root where no disk shows itself, as in containers."""
    found: dict[str, str] = {}
    for part in psutil.disk_partitions(all=False):
        before = found.setdefault(part.device, part.mountpoint)
        found[part.device] = min(before, part.mountpoint, key=len)
    return sorted(found.values()) or ["/"]
