"""What a proposal says: the verdict, what was rejected by which bound, the curve, the gains, and why."""

from dataclasses import dataclass
from math import exp, inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scrimp_actions.tuning.arrange import Bound, Seen
from scrimp_actions.tuning.goal import Goal, latency_limit_s
from scrimp_actions.tuning.history import Setting
from scrimp_actions.tuning.models import Floats

Verdict = Literal["wait", "measure", "choose", "no_verdict"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A setting that is out, the bound that stopped it, and the figure against the limit.

    `value` infinite: unknown, and too risky to find out. Latency in seconds, memory in bytes, errors as a share, throughput in items/s.
    """

    setting: Setting
    bound: Bound
    value: float
    limit: float
    measured: bool

    def __str__(self) -> str:
        """One line for people."""
        how = "measured" if self.measured else "predicted"
        name = name_of(self.setting)
        if self.bound == "power":
            return f"{name}: its power was not measured"
        if self.value == inf:
            return f"{name}: memory unknown, and too far beyond what was measured to try"
        figure, limit = (_figure(self.bound, value) for value in (self.value, self.limit))
        return f"{name}: {how} {self.bound} {figure}, the bound is {limit}"


def _figure(bound: Bound, value: float) -> str:
    """A figure with its unit."""
    if bound == "memory":
        return f"{value / 2**20:,.0f} MiB"
    if bound == "errors":
        return f"{value:.0%}"
    return f"{value * 1e3:.4g} ms" if bound == "latency" else f"{value:.4g}/s"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One candidate: the fit (cost of an item, its relative deviation) and, where it was looked at, the measured cost."""

    setting: Setting
    fitted: float
    deviation: float
    measured: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to do: wait for data, measure `setting`, choose it, or stay with it for want of a verdict; and why.

    `best` is the best measured setting under the bounds; `setting` of a choice may be a smaller one of nearly the same cost.
    Gains are of `setting` over the current one (0.3: an item costs 1 / 1.3). `batch_bound` False: a bigger batch does
    nothing, look elsewhere. `noise` is the relative deviation of one look.
    """

    verdict: Verdict
    setting: Setting | None
    best: Setting | None
    predicted_gain: float | None
    measured_gain: float | None
    batch_bound: bool | None
    rejected: tuple[Rejection, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    reasons: tuple[str, ...] = ()
    noise: float | None = None

    @property
    def efficiency_gap(self) -> float | None:
        """Share of the present cost of an item that the proposed setting saves; measured if it was, else predicted."""
        gain = self.predicted_gain if self.measured_gain is None else self.measured_gain
        return None if gain is None else gain / (1.0 + gain)

    def lines(self) -> tuple[str, ...]:
        """The whole explanation, a line each: what, the gains, why, and what was rejected."""
        what = self.verdict.replace("_", " ")
        found = [f"{what}: {name_of(self.setting)}" if self.setting is not None else what]
        for word, gain in (("predicted", self.predicted_gain), ("measured", self.measured_gain)):
            if gain is not None and self.verdict in {"measure", "choose"}:
                found.append(f"{word} gain over the present setting: {gain:+.1%}")
        return (*found, *self.reasons, *(str(rejection) for rejection in self.rejected))


def name_of(setting: Setting) -> str:
    """A setting for people."""
    more = [f"{setting.instances} copies"] if setting.instances != 1 else []
    more += [f"load {setting.load}"] if setting.load != 1 else []
    more += [f"{setting.power_limit_w:g} W"] if setting.power_limit_w else []
    return ", ".join([f"batch {setting.batch}", *more])


def rejections(
    data: Seen, mean: Floats, upper: Floats, holds: NDArray[np.bool_], goal: Goal
) -> tuple[Rejection, ...]:
    """Every candidate that is out, with its bound; `upper` [m] is what its log cost may be."""
    out = []
    measured = {int(place): k for k, place in enumerate(data.seen)}
    for place, setting in enumerate(data.candidates):
        k = measured.get(place)
        if place in data.closed:
            bound, value, limit = data.closed[place]
            failed = place in data.failed
            out.append(Rejection(setting, bound, value, limit, k is not None or failed))
        elif k is not None and data.points[k].error_rate > goal.max_error_rate:
            out.append(
                Rejection(setting, "errors", data.points[k].error_rate, goal.max_error_rate, measured=True)
            )
        elif (not holds[k]) if k is not None else mean[place] > data.limit[place]:
            figure = float(mean[place])
            if k is not None:  # what was measured, or what it may be where that alone is no reason
                figure = float(data.cost[k] if data.cost[k] > data.limit[place] else upper[place])
            out.append(_over(data, place, figure, goal, measured=k is not None))
    return tuple(out)


def _over(data: Seen, place: int, figure: float, goal: Goal, *, measured: bool) -> Rejection:
    """The rejection of a candidate by latency, or by a throughput that is below what arrives; `figure` is a log cost."""
    setting = data.candidates[place]
    tail_s, limit_s = exp(figure + data.offset[place]), latency_limit_s(goal, setting)
    if goal.arrivals_per_s and tail_s <= limit_s:
        # The bound on the cost is log(batch x max_load / arrivals) less what is not time: see `arrange`.
        needed = goal.arrivals_per_s / goal.max_load
        rate = needed * exp(data.limit[place] - figure)
        return Rejection(setting, "throughput", rate, needed, measured)
    return Rejection(setting, "latency", tail_s, limit_s, measured)


def batch_bound(data: Seen, item: Floats, at: int) -> bool | None:
    """Does a bigger batch still gain, by `Care.flat` at least: d ln T / d ln b at a place, forwards, or backwards at the end of the ladder."""
    line = np.flatnonzero((data.axes[:, 1:] == data.axes[at, 1:]).all(axis=1))
    above, below = line[data.axes[line, 0] > data.axes[at, 0]], line[data.axes[line, 0] < data.axes[at, 0]]
    if not len(above) and not len(below):
        return None
    other = above[np.argmin(data.axes[above, 0])] if len(above) else below[np.argmax(data.axes[below, 0])]
    return bool((item[at] - item[other]) / (data.size[other] - data.size[at]) >= data.flat)


def describe(  # noqa: PLR0913, PLR0917 - the one place that puts all findings together
    verdict: Verdict,
    place: int,
    best: int | None,
    data: Seen,
    mean: Floats,
    deviation: Floats,
    rejected: tuple[Rejection, ...],
    current: Setting | None,
    why: str,
) -> Proposal:
    """Put the findings together: gains over the current setting, the curve, and whether the batch is the limit."""
    item = mean - data.size
    measured = {int(p): float(c) for p, c in zip(data.seen, data.cost - data.size[data.seen], strict=True)}
    base = data.candidates.index(current) if current in data.candidates else None
    predicted = exp(item[base] - item[place]) - 1.0 if base is not None else None
    real = (
        exp(measured[base] - measured[place]) - 1.0
        if base is not None and base in measured and place in measured
        else None
    )
    bound = batch_bound(data, item, best if best is not None else place)
    reasons = [why]
    if verdict == "choose" and bound is False:
        reasons.append("not batch-bound: a bigger batch does nothing here")
    curve = tuple(
        CurvePoint(s, exp(item[k]), float(deviation[k]), exp(measured[k]) if k in measured else None)
        for k, s in enumerate(data.candidates)
    )
    return Proposal(
        verdict,
        data.candidates[place],
        data.candidates[best] if best is not None else None,
        predicted,
        real,
        bound,
        rejected,
        curve,
        tuple(reasons),
        data.noise,
    )
