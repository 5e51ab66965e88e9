"""The tuner and simpler searches on one curve, with and without noise on every look, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, floor, inf

import numpy as np

from scrimp_actions.tuning import Care, Goal, History, Observation, Setting, Workload, fold, propose
from tuning_data import Curve

FACTORS: tuple[float | None, ...] = (1.5, 2.0, 4.0, None)
"""Latency bounds, as multiples of the latency of the smallest batch."""

MARGIN = 1.15
"""Under noise, the best size that counts keeps this distance from the bound."""

MOST_LOOKS = 5
"""Under noise, looks at one size."""

WORK = Workload("curve")


@dataclass(slots=True)
class Eyes:
    """Looks at a curve through multiplicative noise of relative deviation `noise`, and counts them."""

    curve: Curve
    noise: float
    rng: np.random.Generator
    looks: int = 0
    sizes: set[int] = field(default_factory=set)

    def look(self, place: int) -> tuple[float, float]:
        """Items per second and tail latency (seconds) at a place of the ladder, as seen in one look."""
        self.looks += 1
        self.sizes.add(place)
        slower = exp(self.noise * self.rng.standard_normal()) if self.noise else 1.0
        return self.curve.items_per_s[place] / slower, self.curve.tail_s[place] * slower

    def mean(self, place: int) -> tuple[float, float]:
        """The mean of as many looks as are allowed; one without noise."""
        seen = [self.look(place) for _ in range(MOST_LOOKS if self.noise else 1)]
        return float(np.mean([rate for rate, _ in seen])), float(np.mean([tail for _, tail in seen]))


Search = Callable[[Eyes, float | None], int]


def scrimp(care: Care) -> Search:
    """The tuner of `scrimp_actions.tuning`, from the smallest size on, until it no longer asks for a look."""

    def search(eyes: Eyes, limit_s: float | None) -> int:
        candidates = [Setting(b) for b in eyes.curve.batch]
        history: History = {}
        goal, setting = Goal(max_latency_s=limit_s), candidates[0]
        while True:
            rate, tail_s = eyes.look(candidates.index(setting))
            spread = None if eyes.noise else 0.0
            row = Observation(WORK, setting, 0.0, 100, setting.batch / rate, rate, tail_s, spread)
            history = fold(history, [row])
            found = propose(history[WORK], candidates, goal, candidates[0], care)
            assert found.setting is not None
            if found.verdict != "measure":
                return candidates.index(found.setting)
            setting = found.setting

    return search


def _scored(eyes: Eyes, limit_s: float | None) -> Callable[[int], float]:
    """Items per second where the bound holds, else a negative score that grows towards the bound; each size once."""
    known: dict[int, float] = {}

    def score(place: int) -> float:
        if place not in known:
            rate, tail_s = eyes.mean(place)
            known[place] = rate if limit_s is None or tail_s <= limit_s else -tail_s / limit_s
        return known[place]

    return score


def golden(eyes: Eyes, limit_s: float | None) -> int:
    """Golden section on the ladder (Kiefer, 1953): right where there is one peak."""
    score, low, high = _scored(eyes, limit_s), 0, len(eyes.curve.batch) - 1
    while high - low > 2:
        left = low + floor(0.382 * (high - low))
        right = max(left + 1, low + ceil(0.618 * (high - low)))
        if score(left) < score(right):
            low = left if left > low else low + 1
        else:
            high = right if right < high else high - 1
    return max(range(low, high + 1), key=score)


def climb(eyes: Eyes, limit_s: float | None) -> int:
    """Hill climbing: the next size as long as it is better."""
    score, place = _scored(eyes, limit_s), 0
    while place + 1 < len(eyes.curve.batch) and score(place + 1) > score(place):
        place += 1
    return place


def affine(eyes: Eyes, limit_s: float | None) -> int:
    """Latency = a + b x batch from the two smallest sizes; the best that this line promises, unmeasured."""
    batch = eyes.curve.batch
    (_, first), (_, second) = eyes.mean(0), eyes.mean(1)
    slope = max(0.0, (second - first) / (batch[1] - batch[0]))
    line = [first + slope * (b - batch[0]) for b in batch]
    within = [k for k, tail_s in enumerate(line) if tail_s <= (limit_s or inf)] or [0]
    return max(within, key=lambda k: batch[k] / line[k])


def largest(eyes: Eyes, limit_s: float | None) -> int:
    """The largest size that holds the bound."""
    for place in reversed(range(len(eyes.curve.batch))):
        if eyes.mean(place)[1] <= (limit_s or inf):
            return place
    return 0


def exhaustive(eyes: Eyes, limit_s: float | None) -> int:
    """Every size, and the best of those that hold the bound."""
    score = _scored(eyes, limit_s)
    return max(range(len(eyes.curve.batch)), key=score)


SIMPLER: dict[str, Search] = {
    "golden section": golden,
    "hill climbing": climb,
    "affine model": affine,
    "largest that fits": largest,
    "exhaustive": exhaustive,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search: which curve, the share of the best that was reached (at most 1), and whether the bound is truly broken."""

    curve: Curve
    bounded: bool
    share: float
    broken: bool
    sizes: int
    looks: int


def replay(
    curves: Iterable[Curve],
    search: Search,
    *,
    noise: float = 0.0,
    seed: int = 0,
    repeats: int = 1,
    left_s: Callable[[], float] = lambda: inf,
) -> list[Outcome]:
    """Run a search on every curve under every bound, `repeats` times; after the first three, as long as time is left."""
    found: list[Outcome] = []
    for place, curve in enumerate(curves):
        if place > 2 and left_s() <= 0.0:
            break
        for which, factor in enumerate(FACTORS):
            limit_s = curve.limit_s(factor)
            best = curve.best(limit_s if limit_s is None or not noise else limit_s / MARGIN)
            for repeat in range(repeats):
                eyes = Eyes(curve, noise, np.random.default_rng([seed, place, which, repeat]))
                chosen = search(eyes, limit_s)
                broken = limit_s is not None and curve.tail_s[chosen] > limit_s * (1 + 1e-9)
                share = min(1.0, curve.items_per_s[chosen] / best)
                found.append(Outcome(curve, factor is not None, share, broken, len(eyes.sizes), eyes.looks))
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """Outcomes in figures. Broken outcomes earn what they earn; they count in `broken`, a share of the bounded ones."""

    curves: int
    mean: float
    worst: float
    worst_curve: float
    broken: float
    sizes: float
    most_sizes: int
    looks: float


def score(outcomes: Sequence[Outcome]) -> Score:
    """Mean and worst share, of single outcomes and of the mean of each curve."""
    shares: dict[str, list[float]] = {}
    for each in outcomes:
        shares.setdefault(f"{each.curve.source} {each.curve.name}", []).append(each.share)
    bounded = [each.broken for each in outcomes if each.bounded]
    return Score(
        len(shares),
        float(np.mean([each.share for each in outcomes])),
        min(each.share for each in outcomes),
        min(float(np.mean(each)) for each in shares.values()),
        float(np.mean(bounded)) if bounded else 0.0,
        float(np.mean([each.sizes for each in outcomes])),
        max(each.sizes for each in outcomes),
        float(np.mean([each.looks for each in outcomes])),
    )
