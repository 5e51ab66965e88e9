"""Whether a series changed: its trend, with the doubt about it, and when its level shifted."""

import math
from dataclasses import dataclass

import numpy as np

from scrimp.model.usage import Floats, Integers


@dataclass(frozen=True, slots=True)
class LevelRules:
    """When a level has changed: a two-sided CUSUM of daily logarithms (Page 1954).

    A day counts as far as it is off the level by more than `allowance` robust standard deviations, at most `clip`, so that
    one outage is not a change; the sum of such days reaches `threshold`. The level and its spread are those of the days
    since the last change, at least `days_min` of them, at most `days_max`; a spread below `spread_min` counts as that.
    """

    allowance: float = 1.5
    clip: float = 3.0
    threshold: float = 10.0
    days_min: int = 5
    days_learn: int = 14
    days_max: int = 56
    spread_min: float = 0.05


def level_starts(days: Floats, ends: Integers, per_day: int, rules: LevelRules) -> Integers:
    """For each of `ends` (the step at which the last whole day of an origin begins), the step since which its level holds.

    `days[i]` is the amount of the day that begins at step i. Days are counted back from each end, in phases of a day, and
    each answer depends on the past of its end alone. 0 where the level never changed.
    """
    found = np.zeros(len(ends), dtype=np.int64)
    logs = np.log(np.maximum(days, 1e-9))
    for phase in {int(end) % per_day for end in ends.tolist() if end >= 0}:
        starts = _starts(logs[phase::per_day], rules)
        mine = (ends >= 0) & (ends % per_day == phase)
        at = starts[ends[mine] // per_day]
        found[mine] = np.where(at > 0, at * per_day + phase, 0)
    return found


def _starts(logs: Floats, rules: LevelRules) -> Integers:
    """After each day, the day with which its level began."""
    found = np.zeros(len(logs), dtype=np.int64)
    since, up, down, up_at, down_at = 0, 0.0, 0.0, 0, 0
    for day, value in enumerate(logs.tolist()):
        seen = logs[max(since, day - rules.days_max) : day]
        if day - since >= rules.days_learn:
            level = float(np.median(seen))
            spread = max(1.4826 * float(np.median(np.abs(seen - level))), rules.spread_min)
            off = min(rules.clip, max(-rules.clip, (value - level) / spread))
            up, down = max(0.0, up + off - rules.allowance), max(0.0, down - off - rules.allowance)
            up_at, down_at = (up_at if up else day + 1), (down_at if down else day + 1)
            if max(up, down) >= rules.threshold:
                since = up_at if up >= down else down_at
                up, down = 0.0, 0.0
        found[day] = since
    return found


@dataclass(frozen=True, slots=True)
class Trend:
    """Of a series of weeks: the change per week in the series' unit and as a share of its median, and the doubt about it.

    `p_value` is how likely a trend as clear as this, up or down, is where there is none (Mann-Kendall). `weeks` were seen.
    """

    slope: float
    relative: float
    p_value: float
    weeks: int


def trend(days: Floats) -> Trend:
    """The trend of daily amounts (`nan` is not known): the Theil-Sen slope of weekly medians, tested by Mann and Kendall.

    Weeks are counted back from the end, so that the newest is whole; a week with fewer than four known days is left out.
    With fewer than three weeks nothing is claimed: slope 0, p 1. Sources: Sen 1968; Mann 1945; Kendall 1975 (ties, and the
    correction for continuity); the exact distribution where ten weeks or fewer have no ties.
    """
    count = len(days) // 7
    weeks = days[len(days) - 7 * count :].reshape(count, 7)
    fine = np.sum(np.isfinite(weeks), axis=1) >= 4
    at = np.flatnonzero(fine)
    if len(at) < 3:
        return Trend(0.0, 0.0, 1.0, len(at))
    medians = np.nanmedian(weeks[fine], axis=1)
    first, second = np.triu_indices(len(at), 1)
    slope = float(np.median((medians[second] - medians[first]) / (at[second] - at[first])))
    middle = float(np.median(medians))
    relative = slope / middle if middle else 0.0
    return Trend(slope, relative, _mann_kendall(medians), len(at))


def _mann_kendall(values: Floats) -> float:
    """The two-sided p value of Kendall's S."""
    count = len(values)
    first, second = np.triu_indices(count, 1)
    score = int(np.sum(np.sign(values[second] - values[first])))
    repeats = np.unique(values, return_counts=True)[1]
    if count <= 10 and np.all(repeats == 1):
        return _kendall_exact(count, abs(score))
    ties = int(np.sum(repeats * (repeats - 1) * (2 * repeats + 5)))
    variance = (count * (count - 1) * (2 * count + 5) - ties) / 18
    if variance <= 0 or score == 0:
        return 1.0
    return math.erfc((abs(score) - 1) / math.sqrt(variance) / math.sqrt(2))


def _kendall_exact(count: int, score: int) -> float:
    """P(|S| >= score) for an order without trend: orders are counted by their inversions."""
    orders = np.ones(1)
    for size in range(2, count + 1):
        orders = np.convolve(orders, np.ones(size))
    pairs = count * (count - 1) // 2
    scores = pairs - 2 * np.arange(len(orders))
    return float(np.sum(orders[np.abs(scores) >= score]) / np.sum(orders))
