"""Which setting to look at next, when to stop, and which measured one to choose: a pure function of the history.

Expected improvement under the bounds (see `models`) instead of golden section: it starts like it (ends, then inside)
but is not trapped by dips, and stops when no size that was not measured is worth a look. Models propose, only measured
points are chosen. Every rejection names the bound that made it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log, log2
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from scrimp_actions.tuning.goal import Care, Goal, latency_limit_s, log_cost, memory_limit_bytes
from scrimp_actions.tuning.history import Point, Setting
from scrimp_actions.tuning.models import (
    MANY_AXES,
    Belief,
    Floats,
    Prior,
    believe,
    chance_below,
    expected_gain,
    moments,
)

ONE_AXIS = Prior()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A setting that is out, the bound that stopped it, and the figure against the limit."""

    setting: Setting
    bound: Literal["latency", "memory", "errors", "throughput"]
    value: float
    limit: float
    measured: bool


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One candidate: the fit (cost of an item, its relative deviation) and, where it was looked at, the measured cost."""

    setting: Setting
    fitted: float
    deviation: float
    measured: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to do: wait for data, measure `setting`, or choose it; and why.

    Gains are relative to the current setting (0.3: an item costs 1 / 1.3). `batch_bound` False: a bigger batch does
    nothing, look elsewhere.
    """

    verdict: Literal["wait", "measure", "choose"]
    setting: Setting | None
    best: Setting | None
    predicted_gain: float | None
    measured_gain: float | None
    batch_bound: bool | None
    rejected: tuple[Rejection, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """Candidates as arrays: axes [m, d] in octaves, `size` [m] log of items in flight; the rest per seen point [n]."""

    candidates: Sequence[Setting]
    axes: Floats
    size: Floats
    seen: NDArray[np.intp]
    points: Sequence[Point]
    cost: Floats
    variance: Floats
    freedom: float
    offset: Floats
    """Log of tail latency over cost of what is in flight [m]; that of the nearest seen candidate."""
    limit: Floats
    """Bound [m] on the log cost of what is in flight; infinite without a bound."""


def ladder(goal: Goal, current: int, multiple: int = 1) -> list[Setting]:
    """The batch sizes worth a look: powers of two and the ends of the bounds, and the current one."""
    top = goal.max_batch or max(1024, 8 * current)
    sizes = {goal.min_batch, top, current}
    sizes |= {2**k for k in range(int(log2(top)) + 1)}
    kept = {max(multiple, b // multiple * multiple) if b > multiple else b for b in sizes}
    return [Setting(b) for b in sorted(kept) if goal.min_batch <= b <= top]


def _axes(candidates: Sequence[Setting]) -> tuple[Floats, Floats]:
    """Axes that vary, in octaves, the one that carries the shape first; and the log of what is in flight.

    Where the load varies, it is in flight (Little's law: latency = load / throughput), else the batch is.
    """
    figures = np.array(candidates, dtype=float)
    figures[:, 3] = np.maximum(figures[:, 3], 1.0)
    octaves = np.log2(figures)
    octaves[:, 3] *= 2.0  # power limits span little more than an octave
    first = 2 if np.ptp(octaves[:, 2]) > 0 else 0
    order = [first, *(k for k in range(4) if k != first and np.ptp(octaves[:, k]) > 0)]
    return octaves[:, order], octaves[:, first] * log(2.0)


def _arrange(
    points: Mapping[Setting, Point], candidates: Sequence[Setting], goal: Goal, care: Care
) -> Seen | None:
    """Lay the history along the candidates; None if no candidate has a usable figure."""
    axes, size = _axes(candidates)
    used = [
        (place, points[setting], cost - log(setting.batch) + float(size[place]))
        for place, setting in enumerate(candidates)
        if setting in points
        and points[setting].weight >= care.min_weight
        and (cost := log_cost(goal, points[setting])) is not None
    ]
    if not used:
        return None
    seen = np.array([place for place, *_ in used])
    known_cost = np.array([value for *_, value in used])
    found = [point for _, point, _ in used]
    extra = sum(max(0.0, p.weight - 1.0) for p in found)
    freedom = care.noise_weight + extra
    pooled = (care.noise_weight * care.noise**2 + sum(p.squares for p in found)) / freedom
    told = [p.spread_of_mean for p in found]
    variance = np.array(
        [
            pooled / p.weight if t is None else max(t * t, p.squares / p.weight**2)
            for p, t in zip(found, told, strict=True)
        ]
    )
    tail = np.array([p.period + p.tail for p in found])
    nearest = np.abs(axes[seen][:, None] - axes[None]).sum(axis=-1).argmin(axis=0)
    offset = (tail - known_cost)[nearest]
    latency = np.array([latency_limit_s(goal, setting) for setting in candidates])
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(latency > 0, np.log(np.maximum(latency, 1e-300)), -inf) - offset
        limit[latency == inf] = inf
    if goal.arrivals_per_s:
        # throughput >= arrivals / max_load bounds the period of a batch: log(batch x max_load / arrivals)
        pace = (np.array([p.period for p in found]) - known_cost)[nearest]
        batch = np.log([setting.batch for setting in candidates])
        limit = np.minimum(limit, batch + log(goal.max_load / goal.arrivals_per_s) - pace)
    unknown = any(t is None for t in told)
    return Seen(
        candidates, axes, size, seen, found, known_cost, variance, freedom if unknown else 1e6, offset, limit
    )


def memory_forecast(batches: Sequence[int], peaks: Sequence[float], at: Sequence[int]) -> Floats:
    """Upper line of memory peaks at the sizes `at`, plus three deviations: m0 + m1 b (bytes).

    With one size seen, all of it is taken to grow with the batch, which is never too low while m0 >= 0.
    """
    x, y, where = np.array(batches, float), np.array(peaks, float), np.array(at, float)
    if len(set(batches)) < 2:
        return np.asarray(y.max() * np.maximum(1.0, where / x.max()))
    slope, level = np.polyfit(x, y, 1)
    slope = max(0.0, float(slope))
    level = float((y - slope * x).mean())
    rest = y - slope * x - level
    return np.asarray(level + slope * where + rest.max() + 3.0 * rest.std())


def _memory(data: Seen, goal: Goal) -> Floats:
    """Memory forecast per candidate [m]; the measured peak where there is one, 0 where nothing is known."""
    settings = [data.candidates[place] for place in data.seen]
    known = [(s.batch, p.memory_bytes) for s, p in zip(settings, data.points, strict=True) if p.memory_bytes]
    if not known or goal.max_memory_bytes is None:
        return np.zeros(len(data.candidates))
    flat = memory_forecast([b for b, _ in known], [m for _, m in known], [s.batch for s in data.candidates])
    for place, point in zip(data.seen, data.points, strict=True):
        if point.memory_bytes:
            flat[place] = point.memory_bytes
    return flat


def _unsettled(data: Seen, care: Care, feasible: NDArray[np.bool_]) -> int | None:
    """A seen candidate that needs another look: its interval is wide, it may be looked at, and it may still win."""
    error = np.sqrt(data.variance)
    gain = data.size[data.seen] - data.cost
    leader = int(np.argmax(np.where(feasible, gain, -inf))) if feasible.any() else None
    for k in range(len(data.seen)):
        point = data.points[k]
        if point.weight >= care.max_looks - 0.5 or 1.96 * error[k] < care.interval:
            continue
        if point.weight >= 1.5 and len(data.seen) > 1:
            room = data.limit[data.seen[k]] - data.cost[k]
            if np.isfinite(room) and ndtr(room / error[k]) < care.hopeless:
                continue
            if leader is not None and leader != k:
                behind = (gain[k] - gain[leader] + 0.01) / float(np.hypot(error[k], error[leader]))
                if ndtr(behind) < care.hopeless:
                    continue
        return int(data.seen[k])
    return None


def propose(
    points: Mapping[Setting, Point],
    candidates: Sequence[Setting],
    goal: Goal,
    current: Setting | None = None,
    care: Care | None = None,
    now_s: float | None = None,
) -> Proposal:
    """The next step for one workload. `points` are its folded looks; `candidates` must contain what may be chosen."""
    care = care or Care()
    if now_s is not None:
        points = {setting: point.aged(now_s, care.half_life_s) for setting, point in points.items()}
    batches = sum(point.batches for point in points.values())
    if batches < care.min_observations - 1e-6:
        why = f"not enough data: {batches:.0f} of {care.min_observations} observations"
        return Proposal("wait", current, None, None, None, None, reasons=(why,))
    inside = [s for s in candidates if goal.min_batch <= s.batch <= (goal.max_batch or inf)]
    data = _arrange(points, inside, goal, care) if inside else None
    if data is None:
        why = "power was not measured" if goal.objective == "energy" else "no candidate was measured"
        return Proposal("wait", current, None, None, None, None, reasons=(why,))
    prior = ONE_AXIS if data.axes.shape[1] == 1 else MANY_AXES
    belief = believe(data.axes, data.seen, data.cost, data.variance, prior)
    return _decide(data, belief, goal, care, current)


def _decide(data: Seen, belief: Belief, goal: Goal, care: Care, current: Setting | None) -> Proposal:
    """Look again, look further, or choose."""
    mean, deviation = moments(belief)
    memory = _memory(data, goal)
    fits = memory <= memory_limit_bytes(goal)
    margin = float(stdtrit(data.freedom, 1.0 - care.break_chance)) * deviation
    sound = np.array([point.error_rate <= goal.max_error_rate for point in data.points])
    holds = (
        (mean + np.where(deviation > 1e-3, margin, 0.0) <= data.limit + 1e-6)[data.seen]
        & sound
        & fits[data.seen]
    )
    rejected = _rejections(data, mean, memory, holds, goal)
    gain = (data.size - mean)[data.seen]
    again = _unsettled(data, care, holds)
    best = int(data.seen[np.argmax(np.where(holds, gain, -inf))]) if holds.any() else None
    if again is not None:
        why = f"look again at {_name(data.candidates[again])}: the interval of its mean is over {care.interval:.0%}"
        return _proposal("measure", again, best, data, mean, deviation, rejected, current, why)
    following = _next(data, belief, fits, best, mean, care) if len(data.seen) < care.max_sizes else None
    if following is not None:
        place, why = following
        return _proposal("measure", place, best, data, mean, deviation, rejected, current, why)
    if best is None:
        smallest = int(np.argmin(data.axes[:, 0]))
        why = "no measured setting is sure to hold the bounds: the smallest one is the safest"
        return _proposal("choose", smallest, None, data, mean, deviation, rejected, current, why)
    near = data.seen[holds & (gain >= gain[holds].max() - log(1.0 + care.tolerance))]
    choice = int(min(near, key=lambda place: data.candidates[place]))
    why = "nothing that was not measured is expected to gain"
    if choice != best:
        why += f"; the smallest within {care.tolerance:.0%} of {_name(data.candidates[best])}"
    return _proposal("choose", choice, best, data, mean, deviation, rejected, current, why)


def _next(
    data: Seen, belief: Belief, fits: NDArray[np.bool_], best: int | None, mean: Floats, care: Care
) -> tuple[int, str] | None:
    """The unmeasured candidate most worth a look and why, or None."""
    open_ = fits.copy()
    open_[data.seen] = False
    if care.max_growth is not None:
        open_ &= data.axes[:, 0] <= data.axes[data.seen, 0].max() + log2(care.max_growth)
    if not open_.any():
        return None
    if best is None:
        chance = np.where(open_, chance_below(belief, data.limit), -1.0)
        likely = np.flatnonzero(chance >= 0.5)
        if len(likely):
            return int(max(likely, key=lambda k: data.axes[k, 0])), "the largest likely to hold the bounds"
        smallest = int(np.argmin(np.where(open_, data.axes[:, 0], inf)))
        if data.axes[smallest, 0] < data.axes[data.seen, 0].min():
            return smallest, "nothing measured holds the bounds yet: the smallest"
        return None
    worth = expected_gain(belief, data.size, float(mean[best] - data.size[best]), data.limit)
    place = int(np.argmax(np.where(open_, worth, -1.0)))
    if worth[place] < care.stop_gain:
        return None
    return place, f"expected gain {worth[place]:.1%} under the bounds"


def _rejections(
    data: Seen, mean: Floats, memory: Floats, holds: NDArray[np.bool_], goal: Goal
) -> tuple[Rejection, ...]:
    """Every candidate that is out, with its bound."""
    out = []
    measured = dict(zip(data.seen.tolist(), range(len(data.seen)), strict=True))
    for place, setting in enumerate(data.candidates):
        k = measured.get(place)
        if memory[place] > memory_limit_bytes(goal):
            out.append(
                Rejection(setting, "memory", float(memory[place]), memory_limit_bytes(goal), k is not None)
            )
        elif k is not None and data.points[k].error_rate > goal.max_error_rate:
            out.append(
                Rejection(setting, "errors", data.points[k].error_rate, goal.max_error_rate, measured=True)
            )
        elif (not holds[k]) if k is not None else mean[place] > data.limit[place]:
            tail_s = exp(mean[place] + data.offset[place])
            limit_s = latency_limit_s(goal, setting)
            bound: Literal["latency", "throughput"] = "latency"
            value, limit = tail_s, limit_s
            if goal.arrivals_per_s and tail_s <= limit_s:
                bound, value, limit = "throughput", 0.0, goal.arrivals_per_s / goal.max_load
            out.append(Rejection(setting, bound, value, limit, k is not None))
    return tuple(out)


def _name(setting: Setting) -> str:
    """A setting for people."""
    more = [f"{setting.instances} copies"] if setting.instances != 1 else []
    more += [f"load {setting.load}"] if setting.load != 1 else []
    more += [f"{setting.power_limit_w:g} W"] if setting.power_limit_w else []
    return ", ".join([f"batch {setting.batch}", *more])


def _proposal(  # noqa: PLR0913, PLR0917 - the one place that puts all findings together
    verdict: Literal["measure", "choose"],
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
    measured = dict(zip(data.seen.tolist(), (data.cost - data.size[data.seen]).tolist(), strict=True))
    base = data.candidates.index(current) if current in data.candidates else None
    predicted = exp(item[base] - item[place]) - 1.0 if base is not None else None
    real = (
        exp(measured[base] - measured[place]) - 1.0
        if base is not None and base in measured and place in measured
        else None
    )
    at = best if best is not None else place
    above = np.flatnonzero(
        (data.axes[:, 0] > data.axes[at, 0]) & (data.axes[:, 1:] == data.axes[at, 1:]).all(axis=1)
    )
    bound: bool | None = None
    if len(above):
        following = int(above[np.argmin(data.axes[above, 0])])
        bound = bool((item[at] - item[following]) / (data.size[following] - data.size[at]) >= 0.05)
    reasons = [why]
    if verdict == "choose" and bound is False:
        reasons.append("not batch-bound: a bigger batch does nothing here")
    curve = tuple(
        CurvePoint(s, exp(item[k]), float(deviation[k]), exp(measured[k]) if k in measured else None)
        for k, s in enumerate(data.candidates)
    )
    chosen = data.candidates[best] if best is not None else None
    return Proposal(
        verdict, data.candidates[place], chosen, predicted, real, bound, rejected, curve, tuple(reasons)
    )
