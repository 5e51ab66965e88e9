"""How long a spot pool stays available, estimated online from what was seen so far.

The chance that a phase (`lifetimes`) ends in a loss or a return is the number of times it was seen, over the steps
spent in it, both fading with age, and drawn towards a prior in two stages: first the prior as a whole to the losses of
this pool, then each chance to the prior so scaled, by fixed weights of pseudo-events (empirical Bayes with a Gamma
prior on piecewise constant hazards; Friedman, Annals of Statistics 1982). Lifetimes per zone as the guide of choice:
SkyNomad (arXiv 2601.06520, section 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scrimp_actions.spot.lifetimes import HOUR_S, Lifetimes, Prior

_SURE = 0.95  # a prior never takes a change within one step for certain


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
        known, was_up, before = (
            self._up is not None and step_s <= self._gap_limit_s,
            self._up,
            self.phase(self._at_s),
        )
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
        if "seen" in state:  # a state of an earlier version has counts of another kind: they are dropped
            made._seen = Counts.restore(prior, state["seen"])
        if state["up"] is not None:
            made._up, made._depth, made._unrest = (
                bool(state["up"]),
                state["depth"],
                int(state.get("unrest", 0)),
            )
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
        self.steps, self.ended = self.steps * keep, self.ended * keep
        self.drift, self.back = self.drift * keep, self.back * keep
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
        believed = 1.0 - np.exp(-prior.hazards_per_h * step_s / HOUR_S)
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
        steps, ended = np.array(state["steps"], dtype=float), np.array(state["ended"], dtype=float)
        drift, back = np.array(state["drift"], dtype=float), np.array(state["back"], dtype=float)
        if steps.shape != none.steps.shape or drift.shape != none.drift.shape:
            return none
        return cls(steps, ended, drift, back, float(state["time_s"]))
