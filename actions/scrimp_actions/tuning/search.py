"""Which setting to look at next, when to stop, and which measured one to choose: a pure function of the history.

Expected improvement under the bounds (see `models`) instead of golden section: it starts like it (ends, then inside)
but is not trapped by dips, and stops when no size that was not measured is worth a look. Models propose, only measured
points are chosen. Every rejection names the bound that made it. A search ends: each look is at a candidate that is new,
or at one that has had fewer than `Care.max_looks`.
"""

from collections.abc import Mapping, Sequence
from math import inf, log, log2

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from scrimp_actions.tuning.arrange import Seen, arrange
from scrimp_actions.tuning.explain import Proposal, describe, name_of, rejections
from scrimp_actions.tuning.goal import Care, Goal
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
GUARDED = 0.4
"""With several axes, the share of the looks that is kept for single steps from the best one: the belief may be wrong."""


def _unsettled(data: Seen, care: Care, feasible: NDArray[np.bool_]) -> int | None:
    """A seen candidate that needs another look: its interval is wide, it may be looked at, and it may still win."""
    error = np.sqrt(data.variance)
    gain = data.size[data.seen] - data.cost
    leader = int(np.argmax(np.where(feasible, gain, -inf))) if feasible.any() else None
    for k in range(len(data.seen)):
        point = data.points[k]
        if point.weight >= care.max_looks - 0.5 or 1.96 * error[k] < care.interval:
            continue
        if int(data.seen[k]) in data.closed:
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
    """The next step for one workload. `points` are its folded looks; `candidates` must contain what may be chosen.

    `now_s` ages the history; None leaves it as it is. Nothing raises on odd history: without a usable figure the verdict is `wait`.
    """
    care = care or Care()
    if now_s is not None:
        points = {setting: point.aged(now_s, care.half_life_s) for setting, point in points.items()}
    batches = sum(point.batches for point in points.values())
    if batches < care.min_observations - 1e-6:
        why = f"not enough observations ({batches:.0f} of {care.min_observations})"
        return Proposal("wait", current, None, None, None, None, reasons=(why,))
    inside = [s for s in candidates if goal.min_batch <= s.batch <= (goal.max_batch or inf)]
    data = arrange(points, inside, goal, care) if inside else None
    if data is None:
        why = (
            "power was not measured, and the objective is energy"
            if goal.objective == "energy"
            and any(point.weight >= care.min_weight for point in points.values())
            else "no batch has been finished yet at any size that is allowed"
        )
        return Proposal("wait", current, None, None, None, None, reasons=(why,))
    prior = ONE_AXIS if data.axes.shape[1] == 1 else MANY_AXES
    belief = believe(data.axes, data.seen, data.cost, data.variance, prior)
    return _decide(data, belief, goal, care, current)


def _decide(data: Seen, belief: Belief, goal: Goal, care: Care, current: Setting | None) -> Proposal:
    """Look again, look further, or choose."""
    mean, deviation = moments(belief)
    margin = float(stdtrit(data.freedom, 1.0 - care.break_chance)) * deviation
    sound = np.array(
        [
            point.error_rate <= goal.max_error_rate and int(place) not in data.closed
            for place, point in zip(data.seen, data.points, strict=True)
        ]
    )
    upper = mean + np.where(deviation > 1e-3, margin, 0.0)
    holds = (upper <= data.limit + 1e-6)[data.seen] & sound
    rejected = rejections(data, mean, upper, holds, goal)
    gain = (data.size - mean)[data.seen]
    again = _unsettled(data, care, holds)
    best = int(data.seen[np.argmax(np.where(holds, gain, -inf))]) if holds.any() else None
    if again is not None:
        why = f"look again at {name_of(data.candidates[again])}: the interval of its mean is over {care.interval:.0%}"
        return describe("measure", again, best, data, mean, deviation, rejected, current, why)
    following = _next(data, belief, best, mean, care) if len(data.seen) < care.max_sizes else None
    if following is not None:
        place, why = following
        return describe("measure", place, best, data, mean, deviation, rejected, current, why)
    if best is None:
        place, why = _least_bad(data, upper, sound)
        return describe("choose", place, None, data, mean, deviation, rejected, current, why)
    near = data.seen[holds & (gain >= gain[holds].max() - log(1.0 + care.tolerance))]
    choice = int(min(near, key=lambda place: data.candidates[place]))
    why = "nothing that was not measured is expected to gain"
    if choice != best:
        why += f"; the smallest within {care.tolerance:.0%} of {name_of(data.candidates[best])}"
    blur = _blur(data, choice, holds, care, current)
    if blur is not None:
        stay, why = blur
        return describe("no_verdict", stay, best, data, mean, deviation, rejected, current, why)
    return describe("choose", choice, best, data, mean, deviation, rejected, current, why)


def _least_bad(data: Seen, upper: Floats, sound: NDArray[np.bool_]) -> tuple[int, str]:
    """What to run where no measured setting is sure to hold the bounds, and why."""
    in_time = (upper <= data.late + 1e-6)[data.seen] & sound
    if in_time.any():
        fastest = int(data.seen[np.argmin(np.where(in_time, data.cost - data.size[data.seen], inf))])
        return fastest, "no measured setting keeps up with what arrives: the best within the latency bound"
    works = data.seen[sound] if sound.any() else data.seen
    smallest = int(works[np.argmin(data.axes[works, 0])])
    return smallest, "no measured setting is sure to hold the bounds: the smallest one is the safest"


def _blur(
    data: Seen, choice: int, holds: NDArray[np.bool_], care: Care, current: Setting | None
) -> tuple[int, str] | None:
    """Stay with the current setting, and why, if the looks spread too widely to tell it from the choice; else None."""
    places = data.seen.tolist()
    base = data.candidates.index(current) if current in data.candidates else None
    if base is None or base == choice or base not in places:
        return None
    one, two = places.index(base), places.index(choice)
    error = float(np.hypot(np.sqrt(data.variance[one]), np.sqrt(data.variance[two])))
    gain = float(data.cost[one] - data.size[base] - data.cost[two] + data.size[choice])
    if error <= care.blurred or gain > 3.0 * error or not holds[one]:
        return None
    why = (
        f"no verdict: one look varies by {data.noise:.0%}, so a gain of {gain:.0%} is known to {1.96 * error:.0%} only; "
        "is there a noisy neighbour"
    )
    return base, why


def _next(data: Seen, belief: Belief, best: int | None, mean: Floats, care: Care) -> tuple[int, str] | None:
    """The unmeasured candidate most worth a look and why, or None."""
    open_ = np.ones(len(data.candidates), bool)
    open_[data.seen] = False
    open_[list(data.closed)] = False
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
        place = int(np.argmax(chance))
        if chance[place] < care.hopeless:
            return None
        return place, f"nothing measured holds the bounds yet: this one may, by {chance[place]:.0%}"
    worth = expected_gain(belief, data.size, float(mean[best] - data.size[best]), data.limit)
    if data.axes.shape[1] > 1 and len(data.seen) >= (1.0 - GUARDED) * care.max_sizes:
        beside = open_ & _beside(data.axes, best)
        if beside.any():
            place = int(np.argmax(np.where(beside, worth, -1.0)))
            return place, f"a step from {name_of(data.candidates[best])} on one axis"
    place = int(np.argmax(np.where(open_, worth, -1.0)))
    if worth[place] < care.stop_gain:
        return None
    return place, f"expected gain {worth[place]:.1%} under the bounds"


def _beside(axes: Floats, place: int) -> NDArray[np.bool_]:
    """The next candidates [m] on each axis from a place, all other axes equal."""
    found = np.zeros(len(axes), bool)
    for axis in range(axes.shape[1]):
        line = np.flatnonzero((np.delete(axes - axes[place], axis, axis=1) == 0.0).all(axis=1))
        step = axes[line, axis] - axes[place, axis]
        for side in (step > 0, step < 0):
            if side.any():
                found[line[side][np.argmin(np.abs(step[side]))]] = True
    return found
