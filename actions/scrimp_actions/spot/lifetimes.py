"""The life of a spot pool as a Markov chain: its phases, the prior of their hazards, and what follows from a chain.

The hazard of losing a pool (and of getting it back) falls with the time that the present state has lasted; it rises
with unrest (how many short lives came one after the other) and falls with depth (the share of the instances asked for
that could be had). All three are cut into phases, and the market is taken for a Markov chain over them, in steps of
the time between two observations: where a pool comes and goes at every look, only such a chain says so. How it is
learnt: `survival`. What to do with it: `pools` and `deadline`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

HOUR_S = 3600.0
_LONGEST_H = 100


@dataclass(frozen=True)
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
    loss_per_h: tuple[float, ...] = (1.2, 0.9, 0.55, 0.32, 0.17, 0.07)
    return_per_h: tuple[float, ...] = (2.5, 1.8, 1.0, 0.5, 0.22, 0.07)
    calm_s: float = 3600.0
    unrest_factor: tuple[float, ...] = (1.0, 1.4, 1.6, 2.0)
    depth_edges: tuple[float, ...] = ()
    depth_factor: tuple[float, ...] = (1.0,)
    drift_per_h: float = 1.0
    pool_weight: float = 8.0
    weight: float = 4.0
    half_life_s: float = 3 * 86400.0
    caution: float = 1.0

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

    def of_several(self, pools: int) -> Prior:
        """The prior of "at least one of these pools is up": the more pools, the rarer and the shorter is there none."""
        return replace(
            self,
            loss_per_h=tuple(hazard / pools for hazard in self.loss_per_h),
            return_per_h=tuple(hazard * pools for hazard in self.return_per_h),
        )

    @cached_property
    def ages(self) -> int:
        """Phases of age."""
        return len(self.loss_per_h)

    @cached_property
    def restless(self) -> int:
        """Phases of age before calm; only in those does unrest matter."""
        return bisect_right(self.edges_s, self.calm_s) if self.calm_s else 0

    @cached_property
    def block(self) -> int:
        """Phases of one level of depth (or of a market that is down): restless ages times unrest, then calm ages."""
        return self.ages + self.restless * (len(self.unrest_factor) - 1)

    @cached_property
    def ups(self) -> int:
        """Phases of a market that is up."""
        return self.block * len(self.depth_factor)

    @cached_property
    def _places(self) -> tuple[tuple[int, int], ...]:
        """The age and the unrest of each place in a block: all ages in calm, then the restless ages for each unrest."""
        calm = [(age, 0) for age in range(self.ages)]
        return (*calm, *((age, k) for k in range(1, len(self.unrest_factor)) for age in range(self.restless)))

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

    @cached_property
    def hazards_per_h(self) -> NDArray[np.float64]:
        """The hazard of every phase: of loss in those that are up, of return in those that are down."""
        lost = [self.loss_per_h[age] * self.unrest_factor[unrest] for age, unrest in self._places]
        back = [self.return_per_h[age] for age, _ in self._places]
        return np.concatenate([*(scale * np.array(lost) for scale in self.depth_factor), np.array(back)])

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
        later = [self._older(age, step_s) for age, _ in self._places]
        share = np.array([chance for chance, _ in later])
        older = np.array([self.place(then, k) for (_, then), (_, k) in zip(later, self._places, strict=True)])
        lost = [self.place(0, min(k + 1, most) if age < self.restless else 0) for age, k in self._places]
        fresh, at = np.array([self.place(0, k) for _, k in self._places]), np.arange(block)
        chain = np.zeros((ups + block, ups + block))
        for level, moves in enumerate(drift):
            rows = level * block + at
            chain[rows, ups + np.array(lost)] = ends[rows]
            for other, moved in enumerate(moves):
                chain[rows, other * block + at] += (1.0 - ends[rows]) * (1.0 - share) * moved
                chain[rows, other * block + older] += (1.0 - ends[rows]) * share * moved
        rows = ups + at
        for level, chance in enumerate(back):
            chain[rows, level * block + fresh] = ends[rows] * chance
        chain[rows, rows] += (1.0 - ends[rows]) * (1.0 - share)
        chain[rows, ups + older] += (1.0 - ends[rows]) * share
        return chain


DEPTH_PRIOR = Prior(depth_edges=(1.0,), depth_factor=(1.8, 0.6))
"""For markets whose depth is seen: all that was asked for could be had, or only some of it."""


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

    @cached_property
    def _down_s(self) -> NDArray[np.float64]:
        """The mean seconds until up, of every phase: one step, and that of where it leads to."""
        ups = self.prior.ups
        stays = self.chain[ups:, ups:]
        down = np.linalg.solve(np.eye(len(stays)) - stays, np.full(len(stays), self.step_s))
        return np.concatenate([np.zeros(ups), down])

    def expected_down_s(self, phase: int) -> float:
        """The mean time until a pool in this phase is up; 0 in one that is up."""
        return float(self._down_s[phase])

    def loss_per_h(self, phase: int) -> float:
        """The present hazard of losing a pool in a phase that is up."""
        lost = float(self.chain[phase, self.prior.ups :].sum())
        return -math.log(max(1e-12, 1.0 - lost)) * HOUR_S / self.step_s
