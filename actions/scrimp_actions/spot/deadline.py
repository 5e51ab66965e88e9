"""Whether to wait, to run on spot or to run on demand, for work with a deadline: a small Markov decision process.

State: time left, slack (time left less work left), the phase that the spot market is in (how long it has been up or
down; `survival`), and what runs. Slack is what a job spends: waiting and each changeover take some, progress takes
none. Running on demand keeps slack for later, when spot lives longer. The value table is solved backwards in time;
its model is the one of "Can't Be Late" (Wu et al., NSDI 2024, section 3), whose rules (Uniform Progress) it replaces
by the expected cost under the estimated lifetimes. `must_run_on_demand` is the hard net below: whatever the table
says, the deadline holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scrimp_actions.spot.survival import HOUR_S, Lifetimes

_NEVER = 1e7  # the cost of missing the deadline, in prices of a step on demand: more than any job has steps


class Mode(IntEnum):
    """What the job runs on."""

    IDLE = 0
    SPOT = 1
    ON_DEMAND = 2


@dataclass(frozen=True, slots=True)
class Model:
    """The market that a table is solved for. `spot_ratio` is the price of spot in prices on demand.

    `swap_per_h` is how often the own pool is lost while another one is up: a changeover, not an outage.
    """

    lifetimes: Lifetimes
    spot_ratio: float
    swap_per_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Table:
    """Expected cost to go. `after[r, phase, mode, s]`: r steps left, s of them slack, before the next phase is known.

    Costs are in prices of one step on demand. Phases: those of a market that is up, then those of one that is down.
    """

    model: Model
    step_s: float
    changeover_s: float
    after: NDArray[np.float32]

    def costs(self, left_s: float, slack_s: float, phase: int) -> tuple[float, float, float, float, float]:
        """Expected cost, in seconds at the price on demand, of: waiting, spot begun, spot kept, on demand begun, kept."""
        step, ratio = self.step_s, self.model.spot_ratio
        change = self.changeover_s / step
        left, slack = left_s / step - 1.0, slack_s / step
        wait = self._at(left, slack - 1.0, phase, Mode.IDLE)
        # The last step is paid only as far as there is work for it.
        warm = min(1.0, left + 1.0 - slack)
        cold = min(1.0, change + warm)
        begin = self._at(left, slack - change, phase, Mode.SPOT) + ratio * cold
        keep = self._at(left, slack, phase, Mode.SPOT) + ratio * warm
        demand = self._at(left, slack - change, phase, Mode.ON_DEMAND) + cold
        stay = self._at(left, slack, phase, Mode.ON_DEMAND) + warm
        return wait * step, begin * step, keep * step, demand * step, stay * step

    def _at(self, left: float, slack: float, phase: int, mode: Mode) -> float:
        """The table between its grid points, linear in both; beyond its ends the end."""
        if slack < 0.0:
            return _NEVER
        rows, columns = self.after.shape[0] - 1, self.after.shape[3] - 1
        left, slack = min(max(left, 0.0), float(rows)), min(slack, float(columns))
        r, s = min(int(left), rows - 1), min(int(slack), columns - 1)
        x, y = left - r, slack - s
        (a, b), (c, e) = self.after[r : r + 2, phase, mode, s : s + 2].tolist()
        return float((1 - x) * ((1 - y) * a + y * b) + x * ((1 - y) * c + y * e))


def solve(model: Model, *, horizon_s: float, slack_s: float, changeover_s: float, step_s: float) -> Table:
    """The table for up to `horizon_s` left and up to `slack_s` of slack, in steps of `step_s` (at least a changeover)."""
    if step_s < changeover_s:
        raise ValueError("a step is at least a changeover long")
    rows, columns = int(np.ceil(horizon_s / step_s)) + 1, max(2, int(np.ceil(slack_s / step_s)))
    ups, chain = model.lifetimes.prior.ups, model.lifetimes.step(step_s)
    phases, change = len(chain), changeover_s / step_s
    swap = 1.0 - np.exp(-model.swap_per_h * step_s / HOUR_S)
    # value[phase, mode, s] with r steps left; with nothing left to do it costs nothing.
    value = expected = np.full((phases, 3, columns + 1), _NEVER)
    after = np.empty((rows + 1, phases, 3, columns + 1), dtype=np.float32)
    for r in range(rows + 1):
        if r:
            value = _step(expected, ups, change, model.spot_ratio)
        value[:, :, r:] = 0.0
        value[ups:, Mode.SPOT] = value[ups:, Mode.IDLE]
        if swap:
            value[:ups, Mode.SPOT] += swap * (value[:ups, Mode.IDLE] - value[:ups, Mode.SPOT])
        expected = (chain @ value.reshape(phases, -1)).reshape(value.shape)
        after[r] = expected
    return Table(model, step_s, changeover_s, after)


def _step(after: NDArray[np.float64], ups: int, change: float, ratio: float) -> NDArray[np.float64]:
    """One step back in time: the best of the actions, for each phase, mode and slack (the last axis).

    Waiting takes a step of slack, a changeover `change` (0..1) of one; without as much the deadline is missed.
    """
    wait, less = after[:, Mode.IDLE, :-1], after[:, :, :-1]
    if change < 1.0:
        less = change * less + (1.0 - change) * after[:, :, 1:]
    begin = ratio + less[:ups, Mode.SPOT]
    value = np.empty_like(after)
    value[:, Mode.IDLE, 0] = _NEVER
    np.minimum(wait, 1.0 + less[:, Mode.ON_DEMAND], out=value[:, Mode.IDLE, 1:])
    np.add(after[:, Mode.ON_DEMAND], 1.0, out=value[:, Mode.ON_DEMAND])
    np.minimum(value[:, Mode.ON_DEMAND, 1:], wait, out=value[:, Mode.ON_DEMAND, 1:])
    value[ups:, Mode.SPOT] = _NEVER  # a market that is down has no spot to be on
    np.minimum(value[:ups, Mode.IDLE], ratio + after[:ups, Mode.SPOT], out=value[:ups, Mode.SPOT])
    for mode in (Mode.IDLE, Mode.ON_DEMAND):
        np.minimum(value[:ups, mode, 1:], begin, out=value[:ups, mode, 1:])
    return value


def must_run_on_demand(
    mode: Mode, *, left_s: float, work_s: float, warming_s: float, changeover_s: float, tick_s: float
) -> bool:
    """Whether any other choice for the next `tick_s` could miss the deadline if spot fell away at its end.

    `work_s` is work left, `warming_s` what is left of the changeover under way. The answer leaves room for one
    changeover to on demand after the tick, which is all that is needed as on demand does not fall away.
    """
    progress = max(0.0, tick_s - warming_s) if mode is Mode.SPOT else 0.0
    return left_s - tick_s < work_s - min(work_s, progress) + changeover_s
