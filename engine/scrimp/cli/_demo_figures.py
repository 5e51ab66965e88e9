"""What the demo of this machine measures: all of it is read from the snapshots and outcomes of the ticks."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from scrimp.daemon import Ticked
from scrimp.evaluate import column_of
from scrimp.model.decision import Value
from scrimp.model.snapshot import Table

STALE_S = 4.0  # a report that is older says nothing of this tick
SETTLED_S = 10.0  # so long after a change the windows of the workers hold samples from before it


@dataclass(frozen=True, slots=True)
class Job:
    """One row of `job`. `cost_rate` is money per hour for the cores that it used."""

    name: str
    group: str
    state: str
    batch_size: float | None
    clips_per_s: float | None
    memory_bytes: float | None
    memory_limit_bytes: float | None
    cost_rate: float | None


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done: `undo` gives back what an earlier act took."""

    at_s: float
    policy: str
    action: str
    target: str
    change: str
    undo: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick. `sizes` and `reserved` (money per hour) are those of the groups; `cpu` is the busy share of the machine."""

    at_s: float
    phase: str
    cpu: float | None
    jobs: Sequence[Job]
    sizes: Mapping[str, float]
    reserved: Mapping[str, float]
    acts: Sequence[Act]

    def clips_per_s(self, group: str) -> float | None:
        """What the members of a group do together; paused ones do nothing. None where a running one does not say."""
        rates = [one.clips_per_s for one in self.jobs if one.group == group and one.state == "running"]
        known = [rate for rate in rates if rate is not None]
        return sum(known) if rates and len(known) == len(rates) else None


@dataclass(slots=True)
class Figures:
    """All ticks so far, and what they come to."""

    moments: list[Moment] = field(default_factory=list)

    def add(self, ticked: Ticked, phase: str) -> Moment:
        """Take a tick down."""
        tables = ticked.gathered.snapshot.tables
        groups = {
            str(row["name"]): row for row in _rows(tables.get("node_group"), ("size", "price_per_hour"))
        }
        fleet = next(iter(_rows(tables.get("fleet"), ("cpu_utilization",))), {})
        acts = [
            Act(
                ticked.plan.at_s,
                one.intent.policy,
                one.intent.action.action,
                one.intent.target,
                _change(one.intent.action.before, one.intent.action.after),
                one.intent.undo,
            )
            for one in ticked.outcomes
            if one.outcome == "done"
        ]
        sizes = {name: _number(row["size"]) or 0.0 for name, row in groups.items()}
        moment = Moment(
            ticked.plan.at_s,
            phase,
            _number(fleet.get("cpu_utilization")),
            [_job(row) for row in _rows(tables.get("job"), _JOB_FIELDS)],
            sizes,
            {name: size * (_number(groups[name]["price_per_hour"]) or 0.0) for name, size in sizes.items()},
            acts,
        )
        self.moments.append(moment)
        return moment

    @property
    def acts(self) -> list[Act]:
        """All that was done, in order."""
        return [act for moment in self.moments for act in moment.acts]

    def did(self, action: str) -> float | None:
        """When an action was first done."""
        return next((act.at_s for act in self.acts if act.action == action), None)

    def settled(self, begin_s: float, end_s: float) -> list[Moment]:
        """The ticks of a time, but for its first seconds, which still show what was before."""
        return [one for one in self.moments if begin_s + SETTLED_S <= one.at_s <= end_s]

    def spent(self) -> float:
        """Money for the cores used, tick by tick."""
        return self._integral(lambda one: sum(job.cost_rate or 0.0 for job in one.jobs))

    def reserved(self, group: str) -> float:
        """Money for the members that a group had."""
        return self._integral(lambda one: one.reserved.get(group, 0.0))

    def clips(self, group: str, batch_sizes: Collection[float]) -> float:
        """Clips that a group did at these batch sizes."""
        per_hour = self._integral(
            lambda one: sum(
                job.clips_per_s or 0.0
                for job in one.jobs
                if job.group == group and job.state == "running" and job.batch_size in batch_sizes
            )
        )
        return per_hour * 3600.0

    def _integral(self, rate: Callable[[Moment], float]) -> float:
        """A rate per hour, summed over time."""
        pairs = zip(self.moments, self.moments[1:], strict=False)
        return sum(rate(one) * (after.at_s - one.at_s) / 3600.0 for one, after in pairs)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def clips_per_money(moments: Sequence[Moment], group: str, batch_size: float) -> float | None:
    """Clips per unit of money for cores used, over the jobs of a group that run at one batch size."""
    found = [
        (job.clips_per_s, job.cost_rate)
        for moment in moments
        for job in moment.jobs
        if job.group == group and job.state == "running" and job.batch_size == batch_size
    ]
    pairs = [(clips, cost) for clips, cost in found if clips is not None and cost]
    cost = sum(cost for _, cost in pairs)
    return sum(clips for clips, _ in pairs) * 3600.0 / cost if cost else None


_JOB_FIELDS = (
    *("group", "state", "batch_size", "items_per_second"),
    *("memory_used", "memory_limit", "cost_rate"),
)


def _job(row: Mapping[str, Value]) -> Job:
    return Job(
        str(row["name"]),
        str(row["group"]),
        str(row["state"]),
        _number(row["batch_size"]),
        _number(row["items_per_second"]),
        _number(row["memory_used"]),
        _number(row["memory_limit"]),
        _number(row["cost_rate"]),
    )


def _rows(table: Table | None, fields: Sequence[str]) -> list[dict[str, Value]]:
    """Rows of a table with the fresh values of some fields, None where there is none."""
    if table is None:
        return []
    found: list[dict[str, Value]] = [{"name": name} for name in table.names]
    for field_ in fields:
        column = column_of(table, field_)
        for place, row in enumerate(found):
            known = column is not None and bool(column.valid[place]) and column.age_s[place] <= STALE_S
            value = column.values[place] if known and column is not None else None
            if column is not None and column.words and value is not None:
                row[field_] = column.words[int(value)]
            else:
                row[field_] = None if value is None else float(value)
    return found


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _change(before: Mapping[str, Value], after: Mapping[str, Value]) -> str:
    return ", ".join(f"{_plain(before.get(name))} -> {_plain(value)}" for name, value in after.items())


def _plain(value: Value) -> str:
    return "?" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
