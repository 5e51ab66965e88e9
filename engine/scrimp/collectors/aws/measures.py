"""Fields from CloudWatch metrics and from Cost Explorer, as the configuration maps them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from scrimp.api import KindBatch, Unavailable
from scrimp.aws import CURRENCY, Account, AwsSettings, operations

QUERIES_PER_CALL = 500  # most that GetMetricData takes
LOOK_BACK_PERIODS = 5  # a metric comes late: the newest of so many periods is taken


@dataclass(frozen=True, slots=True)
class Metric:
    """One field from a metric. `dimension` takes the row's name; else `dimensions` are fixed, and `name` is the row.

    `scale` turns it into the field's canonical unit: `CPUUtilization` is in percent, so 0.01.
    """

    kind: str
    field: str
    namespace: str
    metric: str
    stat: str = "Average"
    period_s: int = 60
    scale: float = 1.0
    dimension: str | None = None
    dimensions: tuple[tuple[str, str], ...] = ()
    name: str | None = None

    @classmethod
    def from_config(cls, raw: Mapping[str, Any]) -> "Metric":
        """From an entry of `metrics`. Raises `KeyError` and `ValueError`."""
        found = cls(
            raw["kind"],
            raw["field"],
            raw["namespace"],
            raw["metric"],
            raw.get("stat", "Average"),
            int(raw.get("period_s", 60)),
            float(raw.get("scale", 1.0)),
            raw.get("dimension"),
            tuple(raw.get("dimensions", {}).items()),
            raw.get("name"),
        )
        if (found.dimension is None) == (found.name is None):
            raise ValueError(f"metric `{found.metric}` needs `dimension`, or `dimensions` and `name`")
        return found

    def query(self, row: str, key: str) -> dict[str, Any]:
        """The query for one row."""
        dimensions = ((self.dimension, row),) if self.dimension else self.dimensions
        named = [{"Name": name, "Value": value} for name, value in dimensions]
        metric = {"Namespace": self.namespace, "MetricName": self.metric, "Dimensions": named}
        return {"Id": key, "MetricStat": {"Metric": metric, "Period": self.period_s, "Stat": self.stat}}


def metric_batches(
    account: Account,
    metrics: Sequence[Metric],
    rows: Mapping[str, Sequence[str]],
    now_s: float,
    *,
    deadline_s: float,
) -> tuple[list[KindBatch], dict[str, str]]:
    """A batch per metric that was answered, and the causes by field; `rows` are the names of each kind."""
    asked = [(one, row) for one in metrics for row in ([one.name] if one.name else rows.get(one.kind, ()))]
    found: dict[tuple[Metric, str], tuple[float, float]] = {}
    failed: dict[str, str] = {}
    for first in range(0, len(asked), QUERIES_PER_CALL):
        part = dict(enumerate(asked[first : first + QUERIES_PER_CALL]))
        back_s = LOOK_BACK_PERIODS * max(one.period_s for one, _ in part.values())
        answers = account.pages(
            operations.GET_METRICS,
            deadline_s=deadline_s,
            MetricDataQueries=[one.query(row, f"m{key}") for key, (one, row) in part.items()],
            StartTime=datetime.fromtimestamp(now_s - back_s, UTC),
            EndTime=datetime.fromtimestamp(now_s, UTC),
            ScanBy="TimestampDescending",
        )
        for answer in answers:
            metric, row = part[int(answer["Id"][1:])]
            if answer.get("StatusCode") in ("InternalError", "Forbidden"):
                failed[f"{metric.kind}.{metric.field}"] = f"CloudWatch: {answer['StatusCode']}"
            elif answer["Values"] and (metric, row) not in found:
                # A point is stamped with the begin of its period, and measured by its end.
                at_s = min(answer["Timestamps"][0].timestamp() + metric.period_s, now_s)
                found[metric, row] = (float(answer["Values"][0]) * metric.scale, at_s)
    batches = []
    for metric in metrics:
        named = [row for one, row in asked if one == metric and (metric, row) in found]
        values = [found[metric, row][0] for row in named]
        times = [found[metric, row][1] for row in named]
        if named:
            batches.append(KindBatch(metric.kind, named, {metric.field: values}, None, times))
    return batches, failed


@dataclass(frozen=True, slots=True)
class Cost:
    """One field of money from Cost Explorer: what was spent since the `period` (`month` or `day`) began, in UTC."""

    kind: str
    field: str
    name: str
    period: str = "month"
    metric: str = "UnblendedCost"
    tags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_config(cls, raw: Mapping[str, Any]) -> "Cost":
        """From an entry of `costs`. Raises `KeyError` and `ValueError`."""
        period = raw.get("period", "month")
        if period not in ("month", "day"):
            raise ValueError("the `period` of a cost is `month` or `day`")
        return cls(
            raw.get("kind", "budget"),
            raw.get("field", "spent"),
            raw["name"],
            period,
            raw.get("metric", "UnblendedCost"),
            tuple(raw.get("tags", {}).items()),
        )

    def begin(self, now_s: float) -> date:
        """The first day of the period."""
        today = datetime.fromtimestamp(now_s, UTC).date()
        return today.replace(day=1) if self.period == "month" else today

    def key(self, settings: AwsSettings, now_s: float) -> str:
        """What its answer is kept under: a new period is a new question, and so is another account.

        A digest, for settings may be secrets.
        """
        asked = (settings.profile, settings.endpoint_url, *astuple(self), self.begin(now_s).isoformat())
        return sha256(json.dumps(asked).encode()).hexdigest()


def spent(account: Account, cost: Cost, now_s: float, *, deadline_s: float) -> float:
    """What was spent in the period so far. The end that Cost Explorer takes is exclusive, so it is tomorrow."""
    today = datetime.fromtimestamp(now_s, UTC).date()
    filters = [{"Tags": {"Key": key, "Values": [value]}} for key, value in cost.tags]
    arguments: dict[str, Any] = {
        "TimePeriod": {
            "Start": cost.begin(now_s).isoformat(),
            "End": (today + timedelta(days=1)).isoformat(),
        },
        "Granularity": "MONTHLY" if cost.period == "month" else "DAILY",
        "Metrics": [cost.metric],
    }
    if filters:
        arguments["Filter"] = filters[0] if len(filters) == 1 else {"And": filters}
    totals = [
        one["Total"][cost.metric]
        for one in account.pages(operations.GET_COST, deadline_s=deadline_s, **arguments)
        if cost.metric in one.get("Total", {})
    ]
    if not totals:
        raise Unavailable("Cost Explorer has no figure for this period yet")
    if any(one["Unit"] != CURRENCY for one in totals):
        raise Unavailable(f"Cost Explorer answers in {totals[0]['Unit']}, not in {CURRENCY}")
    return sum(float(one["Amount"]) for one in totals)
