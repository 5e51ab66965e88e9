"""Local job groups as rows: what the registry knows of them, what the kernel counts, and what workers say of themselves.

What a worker says has the time at which it said it; all else has the time of the tick.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

import psutil

from scrimp.api import JobGroup, JobRegistry, KindBatch, Member, Report, RunState, Value, WorkerChannel

GROUP_FIELDS = (
    *("size", "min_size", "max_size", "price_per_hour", "cost_rate"),
    *("cpu_utilization", "queue_depth"),
)
SEEN_FIELDS = (
    *("group", "node", "operation", "state", "critical", "checkpointable"),
    *("memory_used", "memory_limit", "cores", "cores_used", "price_per_hour", "cost_rate"),
)
SAID_FIELDS = (
    *("batch_size", "items_per_second", "latency", "memory_used", "progress"),
    *("checkpoint_age", "time_to_deadline"),
)
OPERATION_FIELDS = ("batch_size", "items_per_second", "latency_p95", "memory_used", "cost_per_item")
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants take: cores since the look before (`None` at first), resident bytes now."""

    cores: float | None = None
    memory_bytes: int | None = None


@dataclass(slots=True)
class CoreMeter:
    """CPU time by process, between one look and the next. A process is its pid and the time at which it began."""

    _found: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    _below: Mapping[int, Sequence[int]] = field(default_factory=dict)
    _before: Mapping[tuple[int, float], float] = field(default_factory=dict)
    _spent: Mapping[tuple[int, float], float] = field(default_factory=dict)
    _at_s: float | None = None
    _elapsed_s: float = 0.0

    def look(self, now_s: float) -> None:
        """Read all processes once."""
        asked = ["pid", "ppid", "create_time", "cpu_times", "memory_info"]
        every = (process.info for process in psutil.process_iter(asked))
        self._found = {one["pid"]: one for one in every if one["cpu_times"] and one["memory_info"]}
        below: dict[int, list[int]] = {}
        for pid, one in self._found.items():
            below.setdefault(one["ppid"], []).append(pid)
        self._below = below
        self._before = self._spent
        self._spent = {
            (pid, one["create_time"]): one["cpu_times"].user + one["cpu_times"].system
            for pid, one in self._found.items()
        }
        self._elapsed_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._at_s = now_s

    def of(self, pid: int) -> Usage:
        """As of the last look. A descendant that came and went between two looks is not seen."""
        if pid not in self._found:
            return Usage()
        tree, rest = [pid], [pid]
        while rest:
            children = self._below.get(rest.pop(), ())
            tree += children
            rest += children
        keys = [(one, self._found[one]["create_time"]) for one in tree]
        memory = sum(int(self._found[one]["memory_info"].rss) for one in tree)
        if self._elapsed_s <= 0 or keys[0] not in self._before:
            return Usage(None, memory)
        used_s = sum(max(self._spent[key] - self._before.get(key, 0.0), 0.0) for key in keys)
        return Usage(used_s / self._elapsed_s, memory)


@dataclass(frozen=True, slots=True)
class LocalJob:
    """One row of `job`. `report` is there only if this very process made it; `price` is money per core and hour.

    `cores` is what it is reckoned to take; `given` says whether anybody reckoned.
    """

    name: str
    group: str
    state: str
    usage: Usage
    report: Report | None = None
    operation: str | None = None
    critical: bool = False
    memory_limit_bytes: int | None = None
    cores: float = 1.0
    price: float | None = None
    given: bool = False

    @property
    def cost_rate(self) -> float | None:
        """Money per hour for the cores that it used."""
        if self.state in ("failed", "stopped"):
            return 0.0
        if self.price is None or self.usage.cores is None:
            return None
        return self.usage.cores * self.price


@dataclass(frozen=True, slots=True)
class LocalGroup:
    """One row of `node_group`, and the jobs that are its members."""

    group: JobGroup
    size: int
    price: float | None
    jobs: Sequence[LocalJob]


@dataclass(frozen=True, slots=True)
class LocalWork:
    """All that runs here under the worker contract or as a member of a group. Raises `Unavailable` as its parts do."""

    registry: JobRegistry
    channel: WorkerChannel | None
    meter: CoreMeter
    price: Callable[[JobGroup | None], float | None]

    def groups(self) -> Sequence[LocalGroup]:
        """The registered groups with their members."""
        found = []
        for group in self.registry.groups():
            members = self.registry.members(group.name)
            living = [one for one in members if one.process is not None and self.registry.alive(one.process)]
            size = sum(not member.leaving for member in living)
            jobs = [self._member(group, member, member in living) for member in members]
            found.append(LocalGroup(group, size, self.price(group), jobs))
        return found

    def joined(self, members: Sequence[LocalJob]) -> Sequence[LocalJob]:
        """Workers that run here and are members of no group. One whose name is taken is named by its whole path."""
        taken, known = {job.name for job in members}, {(job.group, job.name) for job in members}
        found = []
        for path in self.channel.jobs() if self.channel else ():
            group, _, name = path.partition("/")
            report = self.channel.report(path) if self.channel else None
            process = report.traits.process if report else None
            if (group, name) in known or report is None or process is None:
                continue
            if report.run_state is RunState.STOPPED or not self.registry.alive(process):
                continue
            unique = path if name in taken else name
            taken.add(unique)
            usage = self.meter.of(process.pid)
            found.append(
                LocalJob(unique, group, report.run_state.value, usage, report, price=self.price(None))
            )
        return found

    def _member(self, group: JobGroup, member: Member, living: bool) -> LocalJob:
        report = self.channel.report(member.job) if self.channel else None
        if report and report.traits.process and report.traits.process != member.process:
            report = None  # that of an earlier process of this name
        if member.process is None:
            state = "pending"
        elif not living:
            state = "stopped" if report and report.run_state is RunState.STOPPED else "failed"
        elif member.leaving:
            state = "draining"
        else:
            state = report.run_state.value if report else "running"
        usage = self.meter.of(member.process.pid) if living and member.process else Usage()
        return LocalJob(
            name=member.name,
            group=group.name,
            state=state,
            usage=usage,
            report=report if living else None,
            operation=group.operation,
            critical=group.critical,
            memory_limit_bytes=group.memory_limit_bytes,
            cores=group.cores,
            price=self.price(group),
            given=True,
        )


def total(values: Sequence[float | None]) -> float | None:
    """The sum; `None` if a part of it is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def group_batch(groups: Sequence[LocalGroup], now_s: float, fresh_s: float) -> KindBatch:
    """Rows of `node_group`. The price is that of the cores a member is reckoned to take, the cost rate that of those used.

    Utilization is the cores used by those reckoned; the queue is what the running members say that waits for them.
    """
    fields: dict[str, list[Value]] = {
        "size": [one.size for one in groups],
        "min_size": [one.group.min_size for one in groups],
        "max_size": [one.group.max_size for one in groups],
        "price_per_hour": [None if one.price is None else one.price * one.group.cores for one in groups],
        "cost_rate": [total([job.cost_rate for job in one.jobs]) for one in groups],
        "cpu_utilization": [_utilization(one) for one in groups],
        "queue_depth": [total([_waiting(job, now_s, fresh_s) for job in _working(one)]) for one in groups],
    }
    labels = [dict(one.group.labels) for one in groups]
    return KindBatch("node_group", [one.group.name for one in groups], fields, labels, now_s)


def job_batches(
    jobs: Sequence[LocalJob], node: str, labels: Mapping[str, Mapping[str, str]], now_s: float, fresh_s: float
) -> Sequence[KindBatch]:
    """Rows of `job`: first what workers said, at the time they said it, then what was seen now.

    The resident memory of a job stands in where there is no fresh report. `labels` are those of the groups.
    """
    told = [(job, job.report) for job in jobs if job.report is not None]
    said: dict[str, list[Value]] = {
        "batch_size": [report.batch_size for _, report in told],
        "items_per_second": [report.items_per_second for _, report in told],
        "latency": [report.latency_s for _, report in told],
        "memory_used": [report.memory_bytes if fresh(report, now_s, fresh_s) else None for _, report in told],
        "progress": [report.progress for _, report in told],
    }
    traits = {job.name: report.traits for job, report in told}
    seen: dict[str, list[Value]] = {
        "group": [job.group for job in jobs],
        "node": [node for _ in jobs],
        "operation": [_operation(job) for job in jobs],
        "state": [job.state for job in jobs],
        "critical": [
            _said(traits[job.name].critical if job.name in traits else None, job.critical) for job in jobs
        ],
        "checkpointable": [traits[job.name].checkpointable if job.name in traits else None for job in jobs],
        "checkpoint_age": [_since(job.report, now_s) for job in jobs],
        "time_to_deadline": [_until(job.report, now_s) for job in jobs],
        "memory_used": [job.usage.memory_bytes for job in jobs],
        "memory_limit": [
            (traits[job.name].memory_limit_bytes if job.name in traits else None) or job.memory_limit_bytes
            for job in jobs
        ],
        "cores": [job.cores if job.given else None for job in jobs],
        "cores_used": [job.usage.cores for job in jobs],
        "price_per_hour": [None if job.price is None else job.price * job.cores for job in jobs],
        "cost_rate": [job.cost_rate for job in jobs],
    }
    own = [dict(labels.get(job.group, {})) for job in jobs]
    return (
        KindBatch("job", [job.name for job, _ in told], said, None, [report.at_s for _, report in told]),
        KindBatch("job", [job.name for job in jobs], seen, own, now_s),
    )


def operation_batch(jobs: Sequence[LocalJob], now_s: float, fresh_s: float) -> KindBatch:
    """Rows of `operation`, over the fresh reports of its jobs; as old as the oldest of these."""
    found: dict[str, list[tuple[LocalJob, Report]]] = {}
    for job in jobs:
        name = _operation(job)
        if name and job.report is not None and fresh(job.report, now_s, fresh_s):
            found.setdefault(name, []).append((job, job.report))
    fields: dict[str, list[Value]] = {name: [] for name in OPERATION_FIELDS}
    for told in found.values():
        reports = [report for _, report in told]
        rate = total([report.items_per_second for report in reports])
        cost = total([job.cost_rate for job, _ in told])
        sizes = [report.batch_size for report in reports if report.batch_size is not None]
        fields["batch_size"].append(median_low(sizes) if sizes else None)
        fields["items_per_second"].append(rate)
        fields["latency_p95"].append(_most([report.latency_p95_s for report in reports]))
        fields["memory_used"].append(_most([report.memory_bytes for report in reports]))
        fields["cost_per_item"].append(cost / SECONDS_PER_HOUR / rate if cost is not None and rate else None)
    times = [min(report.at_s for _, report in told) for told in found.values()]
    return KindBatch("operation", list(found), fields, None, times)


def _working(one: LocalGroup) -> Sequence[LocalJob]:
    """Members that count for what the group does: those that ended, or are about to, do not."""
    return [job for job in one.jobs if job.state in ("running", "paused")]


def _utilization(one: LocalGroup) -> float | None:
    """Cores used by cores reckoned; unknown without members, and where one has not been seen twice."""
    jobs = _working(one)
    used = total([job.usage.cores for job in jobs])
    return None if used is None or not jobs else used / (one.group.cores * len(jobs))


def _waiting(job: LocalJob, now_s: float, fresh_s: float) -> float | None:
    """What waits for this worker; a paused one keeps what it said last."""
    if job.report is None or not (job.state == "paused" or fresh(job.report, now_s, fresh_s)):
        return None
    return job.report.waiting


def fresh(report: Report, now_s: float, fresh_s: float) -> bool:
    """Whether a report is young enough to be added to others."""
    return now_s - report.at_s <= fresh_s


def _operation(job: LocalJob) -> str | None:
    return (job.report.traits.operation if job.report else None) or job.operation


def _said(said: bool | None, otherwise: bool) -> bool:
    return otherwise if said is None else said


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _since(report: Report | None, now_s: float) -> float | None:
    at_s = report.checkpointed_at_s if report else None
    return None if at_s is None else max(now_s - at_s, 0.0)


def _until(report: Report | None, now_s: float) -> float | None:
    at_s = report.traits.deadline_at_s if report else None
    return None if at_s is None else at_s - now_s
