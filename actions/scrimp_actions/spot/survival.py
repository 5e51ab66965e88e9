"""How long a spot pool stays available, estimated online from what was seen so far.

The hazard of losing a pool (and of getting it back) falls with the time that the present state has lasted, and with
its depth: how many more instances could be had than are needed. Both are cut into phases, and the market is taken
for a Markov chain over them in continuous time: the rate of each transition is the number of times it was seen,
divided by the time spent in its phase, both fading with age, and drawn towards a prior by a fixed weight of
pseudo-events (a Gamma prior on piecewise constant hazards; Friedman, Annals of Statistics 1982). Lifetimes per zone
as the guide of choice: SkyNomad (arXiv 2601.06520, section 4). What to do with them: `pools` and `deadline`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before anything was seen, and how fast what was seen is forgotten.

    `edges_s` cuts the time since the last change into phases (the first begins at 0); `loss_per_h` and
    `return_per_h` are the hazards in those phases of a pool that is up and of one that is down. `depth_edges` cuts
    the depth (instances to be had, over instances needed) into levels and `depth_factor` scales the loss per level;
    `drift_per_h` is how fast a market moves from one level to the next. `weight` is the number of seen events that
    a hazard of the prior counts for, `half_life_s` the age at which an observation counts half. `caution` scales the
    estimated loss: storms come in rows, so the mean hazard of the past is too friendly for the next hours.
    """

    edges_s: tuple[float, ...] = (360.0, 1080.0, 3600.0, 10800.0, 32400.0)
    loss_per_h: tuple[float, ...] = (1.5, 0.7, 0.35, 0.17, 0.09, 0.05)
    return_per_h: tuple[float, ...] = (3.0, 1.5, 0.7, 0.35, 0.15, 0.06)
    depth_edges: tuple[float, ...] = ()
    depth_factor: tuple[float, ...] = (1.0,)
    drift_per_h: float = 1.0
    weight: float = 4.0
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
        if (
            min(
                *self.loss_per_h,
                *self.return_per_h,
                *self.depth_factor,
                self.weight,
                self.half_life_s,
                self.caution,
            )
            <= 0
        ):
            raise ValueError("hazards, factors, weight and half-life are above zero")

    @property
    def ages(self) -> int:
        """Phases of age."""
        return len(self.loss_per_h)

    @property
    def ups(self) -> int:
        """Phases of a market that is up: every level of depth with every age."""
        return self.ages * len(self.depth_factor)

    def phase(self, up: bool, age_s: float, depth: float | None = None) -> int:
        """The phase of a state that has lasted `age_s`; without a depth, the deepest level."""
        age = bisect_right(self.edges_s, age_s)
        if not up:
            return self.ups + age
        levels = len(self.depth_edges)
        return (levels if depth is None else bisect_right(self.depth_edges, depth)) * self.ages + age

    def rates(self) -> NDArray[np.float64]:
        """The prior's rates per hour, (phases, phases), zero on the diagonal."""
        ages, ups = self.ages, self.ups
        rates = np.zeros((ups + ages, ups + ages))
        widths_h = np.diff(np.array((0.0, *self.edges_s))) / HOUR_S
        levels = len(self.depth_factor)
        for level in range(levels):
            for age in range(ages):
                at = level * ages + age
                rates[at, ups] = self.loss_per_h[age] * self.depth_factor[level]
                if age < ages - 1:
                    rates[at, at + 1] = 1.0 / widths_h[age]
                for other in (level - 1, level + 1):
                    if 0 <= other < levels:
                        rates[at, other * ages + age] = self.drift_per_h
        for age in range(ages):
            rates[ups + age, [level * ages for level in range(levels)]] = self.return_per_h[age] / levels
            if age < ages - 1:
                rates[ups + age, ups + age + 1] = 1.0 / widths_h[age]
        return rates


@dataclass(frozen=True)
class Lifetimes:
    """The chain at one moment. `rates` are per hour, (phases, phases), zero on the diagonal; see `Prior.phase`."""

    prior: Prior
    rates: NDArray[np.float64] = field(repr=False)

    def step(self, step_s: float) -> NDArray[np.float64]:
        """Transition probabilities over `step_s`, (phases, phases)."""
        generator = self.rates - np.diag(self.rates.sum(axis=1))
        moved = np.clip(expm(generator * (step_s / HOUR_S)), 0.0, 1.0)
        return np.asarray(moved / moved.sum(axis=1, keepdims=True), dtype=np.float64)

    @cached_property
    def _up_s(self) -> NDArray[np.float64]:
        """Mean seconds up within k x 600 s, (k, phases that are up), for k up to 100 hours."""
        ups, step_s = self.prior.ups, 600.0
        rates = self.rates.copy()
        rates[ups:] = 0.0
        moved = Lifetimes(self.prior, rates).step(step_s)[:ups, :ups]
        alive, total = np.ones(ups), np.zeros((601, ups))
        for k in range(1, 601):
            after = moved @ alive
            total[k] = total[k - 1] + step_s * 0.5 * (alive + after)
            alive = after
        return total

    def expected_up_s(self, phase: int, cap_s: float) -> float:
        """The mean of min(time until lost, `cap_s`) of a pool in a phase that is up; caps beyond 100 h count as 100 h."""
        place = min(max(cap_s, 0.0) / 600.0, 600.0)
        low = min(int(place), 599)
        column = self._up_s[:, phase]
        return float(column[low] + (place - low) * (column[low + 1] - column[low]))

    def loss_per_h(self, phase: int) -> float:
        """The present hazard of losing a pool in a phase that is up."""
        return float(self.rates[phase, self.prior.ups :].sum())


class Survival:
    """The running estimate for one pool: fed with every observation, in order of time.

    It is a plain accumulator; `lifetimes` hands out the frozen estimate, and `state` with `restore` carries it over
    a restart. A gap between two observations longer than `gap_limit_s` is not counted: what happened in it is unknown.
    """

    __slots__ = ("_at_s", "_depth", "_gap_limit_s", "_since_s", "_time_s", "_times", "_up", "prior")

    def __init__(self, prior: Prior, gap_limit_s: float = HOUR_S) -> None:
        self.prior = prior
        phases = prior.ups + prior.ages
        self._times = np.zeros((phases, phases))
        self._time_s = np.zeros(phases)
        self._up: bool | None = None
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
        return self.prior.phase(bool(self._up), self.age_s(now_s), self._depth)

    def observe(self, now_s: float, up: bool, depth: float | None = None) -> None:
        """Take in one observation. One that is not newer than the last is ignored."""
        if now_s <= self._at_s:
            return
        step_s = now_s - self._at_s
        known = self._up is not None and step_s <= self._gap_limit_s
        before = self.phase(self._at_s) if known else 0
        if up is not self._up:
            if known:
                self._fade(now_s - self._since_s)
            self._since_s = now_s
        self._up, self._depth, self._at_s = up, depth, now_s
        if known:
            self._time_s[before] += step_s
            after = self.phase(now_s)
            if after != before:
                self._times[before, after] += 1.0

    def _fade(self, passed_s: float) -> None:
        """Let all that was counted age. Done at changes only: within one state all counts keep their proportion."""
        keep = 0.5 ** (passed_s / self.prior.half_life_s)
        self._times *= keep
        self._time_s *= keep

    def lifetimes(self) -> Lifetimes:
        """The estimate as of the last observation: prior events, and the time they would take, plus what was seen."""
        believed = self.prior.rates()
        hours = self._time_s[:, None] / HOUR_S
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = (self.prior.weight + self._times) / (self.prior.weight / believed + hours)
            plain = np.where(hours > 0, self._times / hours, 0.0)
        rates = np.where(believed > 0, drawn, plain)
        rates[: self.prior.ups, self.prior.ups :] *= self.prior.caution
        return Lifetimes(self.prior, rates)

    def state(self) -> dict[str, Any]:
        """The accumulator as JSON values."""
        seen = self._up is not None
        return {
            "times": self._times.tolist(),
            "time_s": self._time_s.tolist(),
            "up": self._up,
            "depth": self._depth,
            "since_s": self._since_s if seen else None,
            "at_s": self._at_s if seen else None,
        }

    @classmethod
    def restore(cls, prior: Prior, state: dict[str, Any], gap_limit_s: float = HOUR_S) -> Survival:
        """The accumulator that `state` came from; counts of another set of phases are dropped."""
        made = cls(prior, gap_limit_s)
        times, time_s = np.array(state["times"], dtype=float), np.array(state["time_s"], dtype=float)
        if times.shape == made._times.shape and time_s.shape == made._time_s.shape:
            made._times, made._time_s = times, time_s
        if state["up"] is not None:
            made._up, made._depth = bool(state["up"]), state["depth"]
            made._since_s, made._at_s = float(state["since_s"]), float(state["at_s"])
        return made
