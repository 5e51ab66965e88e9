"""How long a spot pool stays available, estimated online from what was seen so far.

The hazard of losing a pool (and of getting it back) falls with the time that the present state has lasted; it rises
with unrest (how many short lives came one after the other) and falls with depth (the share of the instances asked for
that could be had). All three are cut into phases, and the market is taken for a Markov chain over them, in steps of
the time between two observations: where a pool comes and goes at every look, only such a chain says so. The chance
that a phase ends in a loss (or a return) is the number of times it was seen, over the steps spent in it, both fading
with age, and drawn towards a prior in two stages: first the prior as a whole to the losses of this pool, then each
chance to the prior so scaled, by fixed weights of pseudo-events (empirical Bayes with a Gamma prior on piecewise
constant hazards; Friedman, Annals of Statistics 1982). Lifetimes per zone as the guide of choice: SkyNomad (arXiv
2601.06520, section 4). What to do with them: `pools` and `deadline`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

HOUR_S = 3600.0
_LONGEST_H = 100
_SURE = 0.95  # a prior never takes a change within one step for certain


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before anything was seen, and how fast what was seen is forgotten.

    `edges_s` cuts the time since the last change into phases (the first begins at 0); `loss_per_h` and
    `return_per_h` are the hazards in those phases of a pool that is up and of one that is down. `calm_s` (0, or one
    of the edges): a life that ends before it adds one to the unrest, any state that outlasts it sets the unrest to
    zero; `unrest_factor` scales the loss after none, one, two .. such lives in a row. `depth_edges` cuts the depth
    (instances to be had, over instances asked for) into levels and `depth_factor` scales the loss per level;
    `drift_per_h` is how fast a market moves from one level to the next.

    `pool_weight` is the number of events that the prior counts for when the losses (or the returns) of a pool are
    compared with it as a whole, `weight` the number that a single hazard then counts for; `half_life_s` the age at
    which an observation counts half. `caution` scales the estimated loss: storms come in rows, so the mean hazard
    of the past is too friendly for the next hours.
    """

    edges_s: tuple[float, ...] = (360.0, 1080.0, 3600.0, 10800.0, 32400.0)
    loss_per_h: tuple[float, ...] = (1.2, 0.8, 0.55, 0.32, 0.15, 0.06)
    return_per_h: tuple[float, ...] = (2.9, 1.7, 1.0, 0.4, 0.2, 0.07)
    calm_s: float = 3600.0
    unrest_factor: tuple[float, ...] = (1.0, 1.5, 1.9, 2.4)
    depth_edges: tuple[float, ...] = ()
    depth_factor: tuple[float, ...] = (1.0,)
    drift_per_h: float = 1.0
    pool_weight: float = 4.0
    weight: float = 8.0
    half_life_s: float = 2 * 86400.0
    caution: float = 1.6

    def __post_init__(self) -> None:
        """Phases and hazards have to fit together."""
        # INVARIANT: one hazard per phase, one phase more than edges, everything positive and in order.
        if not len(self.loss_per_h) == len(self.return_per_h) == len(self.edges_s) + 1:
            raise ValueError("a prior has one hazard more than edges")
        if len(self.depth_factor) != len(self.depth_edges) + 1:
            raise ValueError("a prior has one depth factor more than depth edges")
        for edges in (self.edges_s, self.depth_edges):
            if list(edges) != sorted(set(edges)) or (edges and edges[0] <= 0):
                raise ValueError("the edges of the phases rise from above zero")
        if not self.unrest_factor or self.calm_s not in (0.0, *self.edges_s):
            raise ValueError("calm begins at one of the edges, and unrest has at least one factor")
        positive = (*self.loss_per_h, *self.return_per_h, *self.unrest_factor, *self.depth_factor)
        if min(*positive, self.pool_weight, self.weight, self.half_life_s, self.caution) <= 0:
            raise ValueError("hazards, factors, weights and half-life are above zero")

    @property
    def ages(self) -> int:
        """Phases of age."""
        return len(self.loss_per_h)

    @property
    def restless(self) -> int:
        """Phases of age before calm; only in those does unrest matter."""
        return bisect_right(self.edges_s, self.calm_s) if self.calm_s else 0

    @property
    def block(self) -> int:
        """Phases of one level of depth (or of a market that is down): restless ages times unrest, then calm ages."""
        return self.ages + self.restless * (len(self.unrest_factor) - 1)

    @property
    def ups(self) -> int:
        """Phases of a market that is up."""
        return self.block * len(self.depth_factor)

    def place(self, age: int, unrest: int) -> int:
        """The place of an age and an unrest in a block."""
        if not unrest or age >= self.restless:
            return age
        return self.ages + (unrest - 1) * self.restless + age

    def phase(self, up: bool, age_s: float, unrest: int = 0, depth: float | None = None) -> int:
        """The phase of a state that has lasted `age_s`; without a depth, the deepest level."""
        place = self.place(bisect_right(self.edges_s, age_s), min(unrest, len(self.unrest_factor) - 1))
        if not up:
            return self.ups + place
        levels = len(self.depth_edges)
        return (levels if depth is None else bisect_right(self.depth_edges, depth)) * self.block + place

    def hazards_per_h(self) -> NDArray[np.float64]:
        """The hazard of every phase: of loss in those that are up, of return in those that are down."""
        hazards = np.zeros(self.ups + self.block)
        for age in range(self.ages):
            for unrest, factor in enumerate(self.unrest_factor if age < self.restless else (1.0,)):
                at = self.place(age, unrest)
                hazards[self.ups + at] = self.return_per_h[age]
                for level, scale in enumerate(self.depth_factor):
                    hazards[level * self.block + at] = self.loss_per_h[age] * factor * scale
        return hazards

    def drift(self, step_s: float) -> NDArray[np.float64]:
        """The chance to be at another level of depth a step later, (levels, levels)."""
        levels, moved = len(self.depth_factor), 1.0 - math.exp(-self.drift_per_h * step_s / HOUR_S)
        rows = np.zeros((levels, levels))
        for level in range(levels):
            near = [other for other in (level - 1, level + 1) if 0 <= other < levels]
            rows[level, near] = moved / 2
            rows[level, level] = 1.0 - moved / 2 * len(near)
        return rows

    def _older(self, age: int, step_s: float) -> tuple[float, int]:
        """The chance that a state in a phase of age is in a later one after a step, and which that is."""
        if age == self.ages - 1:
            return 0.0, age
        low, high = (0.0, *self.edges_s)[age], self.edges_s[age]
        first, last = math.ceil(low / step_s), math.ceil(high / step_s) - 1
        return 1.0 / max(1, last - first + 1), bisect_right(self.edges_s, (max(first, last) + 1) * step_s)

    def chain(
        self, ends: NDArray[np.float64], drift: NDArray[np.float64], back: NDArray[np.float64], step_s: float
    ) -> NDArray[np.float64]:
        """Chances over one step, (phases, phases).

        `ends` is the chance of each phase to end in a loss or a return, `drift` that of each level of depth to become
        another, `back` that of each level to be the one that a market returns with.
        """
        block, ups, most = self.block, self.ups, len(self.unrest_factor) - 1
        chain = np.zeros((ups + block, ups + block))
        places = [
            (age, unrest) for age in range(self.ages) for unrest in range(most + 1 if age < self.restless else 1)
        ]
        for age, unrest in places:
            at = self.place(age, unrest)
            share, then = self._older(age, step_s)
            older = self.place(then, unrest)
            lost = ups + self.place(0, min(unrest + 1, most) if age < self.restless else 0)
            for level, moves in enumerate(drift):
                here = level * block + at
                chain[here, lost] += ends[here]
                chain[here, at : ups : block] += (1.0 - ends[here]) * (1.0 - share) * moves
                chain[here, older : ups : block] += (1.0 - ends[here]) * share * moves
            here = ups + at
            chain[here, self.place(0, unrest) : ups : block] += ends[here] * back
            chain[here, here] += (1.0 - ends[here]) * (1.0 - share)
            chain[here, ups + older] += (1.0 - ends[here]) * share
        return chain


@dataclass(frozen=True)
class Lifetimes:
    """The chain at one moment: chances over `step_s` seconds, (phases, phases); see `Prior.phase`."""

    prior: Prior
    step_s: float
    chain: NDArray[np.float64] = field(repr=False)

    def over(self, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Chances over so many steps, and those of never being lost on the way, (phases up, phases up)."""
        ups = self.prior.ups
        power = np.linalg.matrix_power
        return power(self.chain, steps), power(self.chain[:ups, :ups], steps)

    def near(self, other: Lifetimes, share: float) -> bool:
        """Whether both chains are of one kind and no chance differs by more than this share and 0.001."""
        if self.chain.shape != other.chain.shape or self.step_s != other.step_s:
            return False
        return np.allclose(self.chain, other.chain, rtol=share, atol=1e-3)

    @cached_property
    def _up_s(self) -> tuple[float, NDArray[np.float64]]:
        """Seconds of a block of steps, and the mean seconds up within k blocks, (k, phases that are up).

        That within k + 1 blocks is that within the first, and from where the chain is then that within k.
        """
        ups, steps = self.prior.ups, max(1, round(HOUR_S / self.step_s))
        kept, within, moved = self.chain[:ups, :ups], np.zeros(ups), np.eye(ups)
        for _ in range(steps):
            within += moved.sum(axis=1) * self.step_s
            moved = moved @ kept
        total = np.zeros((_LONGEST_H + 1, ups))
        for k in range(_LONGEST_H):
            total[k + 1] = within + moved @ total[k]
        return steps * self.step_s, total

    def expected_up_s(self, phase: int, cap_s: float) -> float:
        """The mean of min(time until lost, `cap_s`) of a pool in a phase that is up; caps beyond 100 h count as 100 h."""
        block_s, total = self._up_s
        place = min(max(cap_s, 0.0) / block_s, float(_LONGEST_H))
        low = min(int(place), _LONGEST_H - 1)
        column = total[:, phase]
        return float(column[low] + (place - low) * (column[low + 1] - column[low]))

    def loss_per_h(self, phase: int) -> float:
        """The present hazard of losing a pool in a phase that is up."""
        lost = float(self.chain[phase, self.prior.ups :].sum())
        return -math.log(max(1e-12, 1.0 - lost)) * HOUR_S / self.step_s


class Survival:
    """The running estimate for one pool: fed with every observation, in order of time.

    It is a plain accumulator; `lifetimes` hands out the frozen estimate, and `state` with `restore` carries it over
    a restart. A gap between two observations longer than `gap_limit_s` is not counted: what happened in it is unknown.
    """

    __slots__ = ("_at_s", "_depth", "_gap_limit_s", "_seen", "_since_s", "_unrest", "_up", "prior")

    def __init__(self, prior: Prior, gap_limit_s: float = HOUR_S) -> None:
        self.prior = prior
        self._seen = Counts.none(prior)
        self._up: bool | None = None
        self._unrest = 0
        self._depth: float | None = None
        self._since_s = self._at_s = -math.inf
        self._gap_limit_s = gap_limit_s

    @property
    def up(self) -> bool | None:
        """The last seen state; None before the first observation."""
        return self._up

    def age_s(self, now_s: float) -> float:
        """Seconds for which the present state has been seen to last; 0 before the first observation."""
        return 0.0 if self._up is None else max(0.0, now_s - self._since_s)

    def phase(self, now_s: float) -> int:
        """The phase at `now_s`; a pool never seen counts as just gone."""
        return self.prior.phase(bool(self._up), self.age_s(now_s), self._unrest, self._depth)

    def observe(self, now_s: float, up: bool, depth: float | None = None) -> None:
        """Take in one observation. One that is not newer than the last is ignored."""
        if now_s <= self._at_s:
            return
        step_s, prior = now_s - self._at_s, self.prior
        known, was_up, before = self._up is not None and step_s <= self._gap_limit_s, self._up, self.phase(self._at_s)
        if up is not was_up:
            if known:
                self._seen.fade(0.5 ** ((now_s - self._since_s) / prior.half_life_s))
            if was_up and self._at_s - self._since_s < prior.calm_s:
                self._unrest = min(self._unrest + 1, len(prior.unrest_factor) - 1)
            self._since_s = now_s
        elif now_s - self._since_s >= prior.calm_s:
            self._unrest = 0
        self._up, self._depth, self._at_s = up, depth, now_s
        if known:
            self._seen.take(before, self.phase(now_s), prior, step_s, ended=up is not was_up)

    def lifetimes(self) -> Lifetimes:
        """The estimate as of the last observation."""
        return self._seen.lifetimes(self.prior)

    def state(self) -> dict[str, Any]:
        """The accumulator as JSON values."""
        seen = self._up is not None
        return {
            "seen": self._seen.state(),
            "up": self._up,
            "unrest": self._unrest,
            "depth": self._depth,
            "since_s": self._since_s if seen else None,
            "at_s": self._at_s if seen else None,
        }

    @classmethod
    def restore(cls, prior: Prior, state: dict[str, Any], gap_limit_s: float = HOUR_S) -> Survival:
        """The accumulator that `state` came from; counts of another set of phases are dropped."""
        made = cls(prior, gap_limit_s)
        made._seen = Counts.restore(prior, state["seen"])
        if state["up"] is not None:
            made._up, made._depth, made._unrest = bool(state["up"]), state["depth"], int(state["unrest"])
            made._since_s, made._at_s = float(state["since_s"]), float(state["at_s"])
        return made


@dataclass(slots=True)
class Counts:
    """What was seen, faded: steps spent in each phase, how many of them ended it, moves between levels of depth,
    levels returned with, and the seconds of all steps.
    """

    steps: NDArray[np.float64]
    ended: NDArray[np.float64]
    drift: NDArray[np.float64]
    back: NDArray[np.float64]
    time_s: float = 0.0

    @classmethod
    def none(cls, prior: Prior) -> Counts:
        """Nothing seen yet."""
        phases, levels = prior.ups + prior.block, len(prior.depth_factor)
        return cls(np.zeros(phases), np.zeros(phases), np.zeros((levels, levels)), np.zeros(levels))

    def fade(self, keep: float) -> None:
        """Let all that was counted age. Done at changes only: within one state all counts keep their proportion."""
        for counts in (self.steps, self.ended, self.drift, self.back):
            counts *= keep
        self.time_s *= keep

    def take(self, before: int, after: int, prior: Prior, step_s: float, *, ended: bool) -> None:
        """Count one step from one phase to another."""
        self.steps[before] += 1.0
        self.time_s += step_s
        if ended:
            self.ended[before] += 1.0
        if after < prior.ups:
            level = after // prior.block
            if before < prior.ups:
                self.drift[before // prior.block, level] += 1.0
            else:
                self.back[level] += 1.0

    def lifetimes(self, prior: Prior) -> Lifetimes:
        """The estimate: first the prior is scaled as a whole, then each chance is drawn to what was seen."""
        steps, ups = float(self.steps.sum()), prior.ups
        step_s = round(self.time_s / steps, 3) if steps > 0 else HOUR_S / 6
        believed = 1.0 - np.exp(-prior.hazards_per_h() * step_s / HOUR_S)
        for part in (slice(None, ups), slice(ups, None)):
            seen, due = self.ended[part].sum(), (believed[part] * self.steps[part]).sum()
            believed[part] *= (prior.pool_weight + seen) / (prior.pool_weight + due)
        believed = np.minimum(believed, _SURE)
        ends = (prior.weight + self.ended) / (prior.weight / believed + self.steps)
        ends[:ups] = 1.0 - (1.0 - ends[:ups]) ** prior.caution
        drift = prior.drift(step_s) * prior.weight + self.drift
        back = np.ones(len(prior.depth_factor)) + self.back
        drift, back = drift / drift.sum(axis=1, keepdims=True), back / back.sum()
        return Lifetimes(prior, step_s, prior.chain(ends, drift, back, step_s))

    def state(self) -> dict[str, Any]:
        """The counts as JSON values."""
        return {
            "steps": self.steps.tolist(),
            "ended": self.ended.tolist(),
            "drift": self.drift.tolist(),
            "back": self.back.tolist(),
            "time_s": self.time_s,
        }

    @classmethod
    def restore(cls, prior: Prior, state: dict[str, Any]) -> Counts:
        """The counts that `state` came from, or none where they are of another set of phases."""
        none = cls.none(prior)
        read = [np.array(state[name], dtype=float) for name in ("steps", "ended", "drift", "back")]
        fits = all(
            old.shape == new.shape
            for old, new in zip(read, (none.steps, none.ended, none.drift, none.back), strict=True)
        )
        return cls(*read, float(state["time_s"])) if fits else none
