"""The collector `tuning`: what workers say of their batches becomes looks, and fields of `operation`.

Figures of workers on a CPU count per core-second, so that a worker that had to share its core is not slower for it;
all others count per second of the batch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, log, sqrt
from statistics import median_low
from typing import Any

from scrimp.api import (
    Collected,
    Collector,
    KindBatch,
    Report,
    RunState,
    Services,
    Stint,
    Traits,
    Value,
    WorkerChannel,
)
from scrimp_actions.tuning.goal import Care, Goal
from scrimp_actions.tuning.history import Observation, Setting, Workload
from scrimp_actions.tuning.notebook import Notebook
from scrimp_actions.tuning.session import (
    Pace,
    Session,
    Wish,
    next_size,
    observe,
    settled,
    study,
    trial_jobs,
)

FIELDS = (
    *("batch_size_best", "batch_size_next", "batch_size_asks"),
    *("tuned_for", "efficiency_gap", "batch_bound"),
)
NOTHING = "nothing"
FRESH_S = 10.0
BATCHES = 3.0  # latencies until a silent worker is stale, where its batches take longer than `fresh_s`
LIVE = Care(max_growth=2.0, max_looks=2, interval=0.10)
"""Sizes are doubled at most, since what is tried is real work; and two looks each, since a duel tells close ones apart."""


def folder(services: Services) -> Notebook:
    """Where tuning is remembered."""
    return Notebook(services.state_dir / "tuning")


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker did between two reports of one stint. `job` is its path in the channel."""

    job: str
    observation: Observation
    took_s: float


def workload_of(operation: str, traits: Traits) -> Workload:
    """What a job's figures may be compared with."""
    return Workload(operation, traits.device or "", traits.precision or "")


def same_work(traits: Traits, workload: Workload) -> bool:
    """Whether a job does it on this device, in this precision."""
    return workload_of(workload.operation, traits) == workload


def look_between(
    job: str, before: Stint, report: Report, workload: Workload, full: float = Pace().full
) -> Look | None:
    """The look, or None where the batches were not full: then the work that came in was the limit, not their size."""
    stint, batch = report.stint, report.batch_size
    assert stint is not None
    assert batch is not None
    batches, errors = stint.batches - before.batches, stint.errors - before.errors
    if batches <= 0 < errors:
        failed = Observation(workload, Setting(batch), report.at_s, errors, 0.0, 0.0, errors=errors)
        return Look(job, failed, 0.0)
    items, busy_s = stint.items - before.items, stint.busy_s - before.busy_s
    seconds = stint.core_s - before.core_s if workload.device == "cpu" else busy_s
    work, joules = stint.work - before.work, stint.joules - before.joules
    if batches <= 0 or busy_s <= 0 or seconds <= 0 or work <= 0 or items < full * batch * batches:
        return None
    mean_s = busy_s / batches
    variance = max((stint.squares_s2 - before.squares_s2) / batches - mean_s**2, 0.0)
    if batches > 1:
        variance *= batches / (batches - 1)
    return Look(
        job,
        Observation(
            workload,
            Setting(batch),
            report.at_s,
            batches + errors,
            mean_s,
            work / seconds,
            report.latency_p95_s,
            sqrt(variance) / mean_s,
            report.memory_bytes,
            joules / busy_s if joules > 0 else None,
            errors,
        ),
        busy_s,
    )


@dataclass(slots=True)
class TuningCollector:
    """Sums up the reports of all workers, by operation."""

    name: str
    interval_s: float
    channel: WorkerChannel | None
    notebook: Notebook
    pace: Pace
    care: Care = LIVE
    fresh_s: float = FRESH_S
    reserve_bytes: float = Goal().memory_reserve_bytes
    _begun: dict[str, Stint] = field(default_factory=dict)

    def covers(self) -> Sequence[tuple[str, str]]:
        """The fields of operations that the tuner knows."""
        return tuple(("operation", name) for name in FIELDS)

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:  # noqa: ARG002 - reads local files only
        """One look at all workers. Raises `Unavailable` where nothing can be read or kept."""
        found: dict[str, dict[str, Report]] = {}
        for job in self.channel.jobs() if self.channel else ():
            report = self.channel.report(job) if self.channel else None
            if report is None or report.run_state is RunState.STOPPED or report.batch_size is None:
                continue
            # A report comes with each batch: between two long ones it is not stale.
            fresh_s = max(self.fresh_s, BATCHES * (report.latency_p95_s or 0.0))
            if report.traits.operation and now_s - report.at_s <= fresh_s:
                found.setdefault(report.traits.operation, {})[job] = report
        rows = [self._operation(name, reports, now_s) for name, reports in sorted(found.items())]
        fields: dict[str, list[Value]] = {name: [row[name] for row in rows] for name in FIELDS}
        return Collected([KindBatch("operation", sorted(found), fields, None, now_s)])

    def _operation(self, name: str, reports: Mapping[str, Report], now_s: float) -> dict[str, Value]:
        before = self.notebook.session(name)
        workload = _most_jobs(name, reports, before)
        reports = {job: one for job, one in reports.items() if same_work(one.traits, workload)}
        sizes = [report.batch_size for report in reports.values() if report.batch_size is not None]
        present = median_low(sizes)
        session = _session_of(workload, present, before, now_s)
        wish = self._wish(name, reports)
        looks, unfilled = self._looks(reports, workload)
        asked = wish if wish.asked else None
        told = [one.observation for one in looks]
        observed = observe(session, told, unfilled, asked, self.care, self.pace, now_s)
        share = 1.0 / len(reports)
        tried = sum(share * one.took_s for one in looks if one.observation.setting.batch != session.incumbent)
        observed = replace(
            observed, tried_s=observed.tried_s + tried, memory_limit_bytes=wish.memory_limit_bytes
        )
        if observed.winner is not None and all(size == observed.winner for size in sizes):
            observed = settled(observed, observed.winner)
        if observed != before:
            self.notebook.keep_session(name, observed)
        return self._fields(observed, wish, reports, now_s)

    def _wish(self, name: str, reports: Mapping[str, Report]) -> Wish:
        """What was asked for, if anything, with the least memory limit of the jobs and the reserve that is kept of it."""
        wish = self.notebook.wish(name) or Wish(Goal())
        limits = [one.traits.memory_limit_bytes for one in reports.values() if one.traits.memory_limit_bytes]
        goal = replace(wish.goal, memory_reserve_bytes=self.reserve_bytes)
        return replace(wish, goal=goal, memory_limit_bytes=min(map(float, limits), default=None))

    def _looks(self, reports: Mapping[str, Report], workload: Workload) -> tuple[list[Look], set[int]]:
        """Looks that are long enough by now, and sizes whose batches were not full; the next looks begin where these end."""
        found, unfilled = [], set[int]()
        for job, report in reports.items():
            if report.stint is None:
                continue
            begun = self._begun.get(job)
            if begun is None or begun.since_s != report.stint.since_s or begun.batches > report.stint.batches:
                # the first batches of a size warm caches up, and those before a restart were looked at already
                self._begun[job] = report.stint
                continue
            batches, busy_s = report.stint.batches - begun.batches, report.stint.busy_s - begun.busy_s
            failed = batches == 0 and report.stint.errors - begun.errors >= self.pace.look_batches
            if failed or (busy_s >= self.pace.look_s and batches >= self.pace.look_batches):
                self._begun[job] = report.stint
                look = look_between(job, begun, report, workload, self.pace.full)
                if look is not None:
                    found.append(look)
                elif report.batch_size is not None:
                    unfilled.add(report.batch_size)
        return found, unfilled

    def _wanted_of(self, job: str, report: Report) -> int | None:
        """The size that a job was asked for last, which it may not have heard of: its batch in hand goes on; else its own."""
        control = self.channel.control(job) if self.channel else None
        return report.batch_size if control is None or control.batch_size is None else control.batch_size

    def _fields(
        self,
        session: Session,
        wish: Wish,
        reports: Mapping[str, Report],
        now_s: float,
    ) -> dict[str, Value]:
        """A size that is on trial is wanted of the jobs on trial only."""
        proposal = study(session, wish, self.care, self.pace, now_s)
        wanted = next_size(
            session, wish if wish.asked else None, proposal, self.care, self.pace, len(reports), now_s
        )
        asked = list(reports) if wanted.all_jobs else trial_jobs(list(reports), wish.explore)
        open_ = sum(self._wanted_of(job, reports[job]) != wanted.batch for job in asked)
        best = proposal.best.batch if proposal.best is not None else None
        gap = next(
            (
                1.0 - one.measured / here.measured
                for here in proposal.curve
                if here.setting.batch == session.incumbent and here.measured
                for one in proposal.curve
                if one.setting.batch == best and one.measured
            ),
            None,
        )
        return {
            "batch_size_best": best,
            "batch_size_next": wanted.batch,
            "batch_size_asks": open_ if wish.asked else 0,
            "tuned_for": wish.asked or NOTHING,
            "efficiency_gap": gap,
            "batch_bound": proposal.batch_bound,
        }


def _most_jobs(name: str, reports: Mapping[str, Report], before: Session | None) -> Workload:
    """The device and precision of most jobs, and of equals the one that is tuned already: one size is found for one of them."""
    jobs = Counter(workload_of(name, report.traits) for report in reports.values())
    present = before.workload if before is not None else None
    return max(sorted(jobs), key=lambda one: (jobs[one], one == present))


def _session_of(workload: Workload, present: int, before: Session | None, now_s: float) -> Session:
    """The session of a workload: the one before, or a new one that knows what was looked at of it."""
    if before is None:
        return Session(workload, present, now_s)
    if before.workload == workload:
        return before
    known = {**before.aside, before.workload: before.points}
    points = known.pop(workload, {})
    return Session(workload, present, now_s, points, aside=known)


def options_of(config: Mapping[str, Any]) -> tuple[Pace, Care, float, float]:
    """Pace, care, `fresh_s` and `memory_reserve_bytes` from a section of `scrimp.yaml`; its schema says what they mean.

    Raises `ValueError`, also where no schema was asked.
    """
    usual, care = Pace(), LIVE

    def number(name: str, otherwise: float, least: float, most: float = inf) -> float:
        value = config.get(name, otherwise)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            upper = "" if most == inf else f" and at most {most:g}"
            raise ValueError(f"`{name}` must be a number of at least {least:g}{upper}")
        return float(value)

    pace = Pace(
        look_s=number("look_s", usual.look_s, 0.001),
        look_batches=int(number("look_batches", usual.look_batches, 1)),
        full=number("full", usual.full, 0.0, 1.0),
        cool_s=number("cool_s", usual.cool_s, 0.0),
        probe_reserve=number("probe_reserve", usual.probe_reserve, 1.0),
        rules=replace(usual.rules, margin=number("least_gain", usual.rules.margin, 0.0)),
        drift=replace(usual.drift, shift=log(1.0 + number("drift", exp(usual.drift.shift) - 1.0, 0.01))),
    )
    care = replace(
        care,
        max_growth=number("growth", care.max_growth or 2.0, 1.1),
        half_life_s=number("half_life_s", care.half_life_s, 1.0),
    )
    reserve_bytes = number("memory_reserve_bytes", Goal().memory_reserve_bytes, 0.0)
    return pace, care, number("fresh_s", FRESH_S, 0.1), reserve_bytes


@dataclass(frozen=True, slots=True)
class TuningCollectorFactory:
    """What the entry point names."""

    def __call__(self, config: Mapping[str, Any], services: Services) -> Collector:
        """`config`: see `options_of`."""
        pace, care, fresh_s, reserve_bytes = options_of(config)
        return TuningCollector(
            str(config.get("name", "tuning")),
            float(config.get("interval_s", 30.0)),
            services.channel,
            folder(services),
            pace,
            care,
            fresh_s,
            reserve_bytes,
        )


FACTORY = TuningCollectorFactory()
