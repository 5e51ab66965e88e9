"""The collector `tuning`: what workers say of their batches becomes looks, and fields of `operation`.

Figures of workers on a CPU count per core-second, so that a worker that had to share its core is not slower for it;
all others count per second of the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
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
    Value,
    WorkerChannel,
)
from scrimp_actions.tuning.goal import Care, Goal
from scrimp_actions.tuning.history import Observation, Setting, Workload
from scrimp_actions.tuning.notebook import Notebook
from scrimp_actions.tuning.session import (
    FULL,
    Pace,
    Session,
    Wish,
    next_size,
    observe,
    settled,
    study,
    trial_jobs,
)

FIELDS = ("batch_size_best", "batch_size_next", "efficiency_gap", "batch_bound")
FRESH_S = 10.0
CARE = Care(max_growth=2.0, max_looks=2, interval=0.10)


def folder(services: Services) -> Notebook:
    """Where tuning is remembered."""
    return Notebook(services.state_dir / "tuning")


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker did between two reports of one stint. `job` is its path in the channel."""

    job: str
    observation: Observation
    took_s: float


def look_between(job: str, before: Stint, report: Report, workload: Workload) -> Look | None:
    """The look, or None where the batches were not full: then the work that came in was the limit, not their size."""
    stint, batch = report.stint, report.batch_size
    assert stint is not None
    assert batch is not None
    batches = stint.batches - before.batches
    items, busy_s = stint.items - before.items, stint.busy_s - before.busy_s
    seconds = stint.core_s - before.core_s if workload.device == "cpu" else busy_s
    if batches <= 0 or seconds <= 0 or items < FULL * batch * batches:
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
            batches,
            mean_s,
            (stint.work - before.work) / seconds,
            report.latency_p95_s,
            sqrt(variance) / mean_s,
            report.memory_bytes,
            None,
            stint.errors - before.errors,
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
    fresh_s: float = FRESH_S
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
            if report.traits.operation and now_s - report.at_s <= self.fresh_s:
                found.setdefault(report.traits.operation, {})[job] = report
        rows = [self._operation(name, reports, now_s) for name, reports in sorted(found.items())]
        fields: dict[str, list[Value]] = {name: [row[name] for row in rows] for name in FIELDS}
        return Collected([KindBatch("operation", sorted(found), fields, None, now_s)])

    def _operation(self, name: str, reports: Mapping[str, Report], now_s: float) -> dict[str, Value]:
        sizes = [report.batch_size for report in reports.values() if report.batch_size is not None]
        present = median_low(sizes)
        before = self.notebook.session(name)
        device = next(iter(reports.values())).traits.device or ""
        workload = Workload(name, device)
        session = (
            before
            if before is not None and before.workload == workload
            else Session(workload, present, now_s)
        )
        wish = self.notebook.wish(name)
        if wish is not None:
            wish = replace(wish, goal=_within_limits(wish.goal, reports))
        looks = self._looks(reports, workload)
        observed = observe(session, [one.observation for one in looks], wish, CARE, self.pace, now_s)
        share = 1.0 / len(reports)
        tried = sum(share * one.took_s for one in looks if one.observation.setting.batch != session.incumbent)
        observed = replace(observed, tried_s=observed.tried_s + tried)
        if observed.winner is not None and all(size == observed.winner for size in sizes):
            observed = settled(observed, observed.winner)
        if observed != before:
            self.notebook.keep_session(name, observed)
        return self._fields(observed, wish, reports, present, now_s)

    def _looks(self, reports: Mapping[str, Report], workload: Workload) -> list[Look]:
        """Looks that are long enough by now; the next ones begin where they end."""
        found = []
        for job, report in reports.items():
            if report.stint is None:
                continue
            begun = self._begun.get(job)
            if begun is None or begun.since_s != report.stint.since_s or begun.batches > report.stint.batches:
                # the first batches of a size warm caches up, and those before a restart were looked at already
                self._begun[job] = report.stint
                continue
            batches, busy_s = report.stint.batches - begun.batches, report.stint.busy_s - begun.busy_s
            if busy_s >= self.pace.look_s and batches >= self.pace.look_batches:
                self._begun[job] = report.stint
                look = look_between(job, begun, report, workload)
                if look is not None:
                    found.append(look)
        return found

    def _fields(
        self,
        session: Session,
        wish: Wish | None,
        reports: Mapping[str, Report],
        present: int,
        now_s: float,
    ) -> dict[str, Value]:
        """`batch_size_next` differs from the present size only where some job has still to be asked."""
        proposal = study(session, wish or Wish(Goal()), CARE, now_s)
        wanted = next_size(session, wish, proposal, self.pace, len(reports), now_s)
        asked = trial_jobs(list(reports), wish.explore) if wish and not wanted.all_jobs else list(reports)
        there = all(reports[job].batch_size == wanted.batch for job in asked)
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
            "batch_size_next": present if there else wanted.batch,
            "efficiency_gap": gap,
            "batch_bound": proposal.batch_bound,
        }


def _within_limits(goal: Goal, reports: Mapping[str, Report]) -> Goal:
    """The goal with the least memory limit of the jobs, where that is less than its own."""
    known = [one.traits.memory_limit_bytes for one in reports.values() if one.traits.memory_limit_bytes]
    limits = [float(limit) for limit in known]
    if goal.max_memory_bytes is not None:
        limits.append(goal.max_memory_bytes)
    return replace(goal, max_memory_bytes=min(limits, default=None))


@dataclass(frozen=True, slots=True)
class TuningCollectorFactory:
    """What the entry point names."""

    def __call__(self, config: Mapping[str, Any], services: Services) -> Collector:
        """`config`: `look_s` and `look_batches` (how long one look is), `cool_s` (the wait after a duel without a winner)."""
        usual = Pace()
        pace = Pace(
            look_s=float(config.get("look_s", usual.look_s)),
            look_batches=int(config.get("look_batches", usual.look_batches)),
            cool_s=float(config.get("cool_s", usual.cool_s)),
        )
        if pace.look_s <= 0 or pace.look_batches < 1 or pace.cool_s < 0:
            raise ValueError("`look_s` and `look_batches` must be positive, and `cool_s` not be negative")
        return TuningCollector(
            str(config.get("name", "tuning")),
            float(config.get("interval_s", 30.0)),
            services.channel,
            folder(services),
            pace,
        )


FACTORY = TuningCollectorFactory()
