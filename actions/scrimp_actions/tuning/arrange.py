"""History laid along the candidates of one search, as arrays; and which candidates may not be looked at, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log, log2
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scrimp_actions.tuning.goal import Care, Goal, latency_limit_s, log_cost, memory_limit_bytes
from scrimp_actions.tuning.history import Point, Setting
from scrimp_actions.tuning.memory import peaks_along
from scrimp_actions.tuning.models import Floats

Bound = Literal["latency", "memory", "errors", "throughput", "power"]


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
    noise: float
    """Relative deviation of one look, pooled over the settings."""
    freedom: float
    offset: Floats
    """Log of tail latency over cost of what is in flight [m]; that of the nearest seen candidate."""
    limit: Floats
    """Bound [m] on the log cost of what is in flight; infinite without a bound."""
    late: Floats
    """The part of `limit` [m] that is due to latency; the rest is due to what arrives."""
    memory: Floats
    """Measured or forecast peak [m], bytes; 0 where nothing is known."""
    closed: Mapping[int, tuple[Bound, float, float]]
    """Candidates that must not be looked at: the bound, the figure, and the limit."""
    failed: frozenset[int]
    """Candidates that were looked at, and made no progress."""
    flat: float
    """`Care.flat`."""


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


def _failed(points: Mapping[Setting, Point], goal: Goal, care: Care) -> list[tuple[Setting, Point]]:
    """Settings that made no progress at all; a failure that has aged away is forgotten."""
    return [
        (setting, point)
        for setting, point in points.items()
        if point.weight < care.min_weight and point.batches >= 0.5 and point.error_rate > goal.max_error_rate
    ]


def closed(
    candidates: Sequence[Setting], points: Mapping[Setting, Point], goal: Goal, care: Care
) -> dict[int, tuple[Bound, float, float]]:
    """Candidates that must not be looked at, by place: the bound, the figure, and the limit. What failed at one size fails at larger ones, unless a larger one has worked.

    Under a memory bound nothing larger is tried than `Care.memory_growth` times what has worked; where no memory
    was ever measured, nothing larger at all.
    """
    memory = peaks_along(candidates, points) if goal.max_memory_bytes is not None else None
    works = [s for s, p in points.items() if p.weight >= care.min_weight]
    failed = _failed(points, goal, care)
    reach = max((s.batch * s.instances for s in works), default=0)
    if memory is not None:
        reach = int(reach * care.memory_growth)
    limit_bytes = memory_limit_bytes(goal)
    found: dict[int, tuple[Bound, float, float]] = {}
    for place, setting in enumerate(candidates):
        if memory is not None and memory[place] > limit_bytes:
            found[place] = ("memory", float(memory[place]), limit_bytes)
        elif limit_bytes < inf and setting not in works and setting.batch * setting.instances > reach:
            found[place] = ("memory", inf, limit_bytes)
        for at, point in failed:
            beyond = setting.batch >= at.batch and setting.instances >= at.instances
            outgrown = any(w.batch >= at.batch and w.instances >= at.instances for w in works)
            if setting == at or (beyond and not outgrown and setting not in works):
                found.setdefault(place, ("errors", point.error_rate, goal.max_error_rate))
        if setting in works and log_cost(goal, points[setting]) is None:
            found.setdefault(place, ("power", inf, inf))
    return found


def _limits(
    candidates: Sequence[Setting], nearest: NDArray[np.intp], found: Sequence[Point], cost: Floats, goal: Goal
) -> tuple[Floats, Floats, Floats]:
    """`Seen.offset`, `Seen.limit` and `Seen.late`."""
    offset = (np.array([p.period + p.tail for p in found]) - cost)[nearest]
    latency = np.array([latency_limit_s(goal, setting) for setting in candidates])
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(latency > 0, np.log(np.maximum(latency, 1e-300)), -inf) - offset
        limit[latency == inf] = inf
    late = limit
    if goal.arrivals_per_s:
        # throughput >= arrivals / max_load bounds the period of a batch: log(batch x max_load / arrivals)
        pace = (np.array([p.period for p in found]) - cost)[nearest]
        batch = np.log([setting.batch for setting in candidates])
        limit = np.minimum(limit, batch + log(goal.max_load / goal.arrivals_per_s) - pace)
    return offset, limit, late


def arrange(
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
    freedom = care.noise_weight + sum(max(0.0, p.weight - 1.0) for p in found)
    pooled = (care.noise_weight * care.noise**2 + sum(p.squares for p in found)) / freedom
    told = [p.spread_of_mean for p in found]
    variance = np.array(
        [
            pooled / p.weight if t is None else max(t * t, p.squares / p.weight**2)
            for p, t in zip(found, told, strict=True)
        ]
    )
    nearest = np.abs(axes[seen][:, None] - axes[None]).sum(axis=-1).argmin(axis=0)
    offset, limit, late = _limits(candidates, nearest, found, known_cost, goal)
    memory = peaks_along(candidates, points) if goal.max_memory_bytes is not None else None
    return Seen(
        candidates,
        axes,
        size,
        seen,
        found,
        known_cost,
        variance,
        pooled**0.5,
        freedom if None in told else 1e6,
        offset,
        limit,
        late,
        np.zeros(len(candidates)) if memory is None else memory,
        closed(candidates, points, goal, care),
        frozenset(candidates.index(at) for at, _ in _failed(points, goal, care) if at in candidates),
        care.flat,
    )
