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

from scrimp_actions.spot.lifetimes import HOUR_S, Lifetimes

_NEVER = 1e6  # the cost of missing the deadline, in prices of a step on demand: more than any job has steps


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


class Part(IntEnum):
    """What the table keeps of the expected cost: of idling, of spot while it is kept, once it is lost, and on demand."""

    IDLE = 0
    KEPT = 1
    LOST = 2
    ON_DEMAND = 3


@dataclass(frozen=True, slots=True)
class Table:
    """Expected cost to go. `after[r, phase, part, s]`: r steps left, s of them slack, before the next phase is known.

    Costs are in prices of one step on demand. Phases: those of a market that is up, then those of one that is down.
    The expected cost on spot is the sum of its two parts: both are weighted with their chances.
    """

    model: Model
    step_s: float
    changeover_s: float
    after: NDArray[np.float32]

    def costs(self, left_s: float, slack_s: float, phase: int, warming_s: float = 0.0) -> Costs:
        """The expected cost of each way to go on with the market in a phase.

        `warming_s` is what is left of the changeover of what runs.
        """
        step, ratio = self.step_s, self.model.spot_ratio
        change, warming = self.changeover_s / step, warming_s / step
        left, slack = left_s / step - 1.0, slack_s / step
        work = left + 1.0 - slack

        def spot(warm: float) -> float:
            kept = self._at(left, slack - warm, phase, Part.KEPT)
            return (
                kept
                + self._at(left, slack - min(1.0, warm), phase, Part.LOST)
                + ratio * min(1.0, warm + work)
            )

        def demand(warm: float) -> float:
            return self._at(left, slack - warm, phase, Part.ON_DEMAND) + min(1.0, warm + work)

        wait = self._at(left, slack - 1.0, phase, Part.IDLE)
        return Costs(
            wait * step,
            spot(change) * step,
            spot(warming) * step,
            demand(change) * step,
            demand(warming) * step,
        )

    def _at(self, left: float, slack: float, phase: int, part: Part) -> float:
        """The table between its grid points, linear in both; beyond its ends the end."""
        if slack < 0.0:
            return _NEVER
        rows, columns = self.after.shape[0] - 1, self.after.shape[3] - 1
        left, slack = min(max(left, 0.0), float(rows)), min(slack, float(columns))
        r, s = min(int(left), rows - 1), min(int(slack), columns - 1)
        x, y = left - r, slack - s
        (a, b), (c, e) = self.after[r : r + 2, phase, part, s : s + 2].tolist()
        if y * self.step_s and s * self.step_s < self.changeover_s <= slack * self.step_s:
            y = 1.0  # the last changeover still fits here, but not at the grid point below
        return float((1 - x) * ((1 - y) * a + y * b) + x * ((1 - y) * c + y * e))


@dataclass(frozen=True, slots=True)
class Costs:
    """Expected cost, in seconds at the price on demand, of each way to go on."""

    wait: float
    begin: float
    keep: float
    demand: float
    stay: float


def solve(model: Model, *, horizon_s: float, slack_s: float, changeover_s: float) -> Table:
    """The table for up to `horizon_s` left and up to `slack_s` of slack.

    Its step is that of the chain, or as many of those as fit into a changeover.
    """
    ups, steps = model.lifetimes.prior.ups, max(1, int(changeover_s / model.lifetimes.step_s))
    step_s = steps * model.lifetimes.step_s
    rows, columns = int(np.ceil(horizon_s / step_s)) + 1, max(2, int(np.ceil(slack_s / step_s)) + 1)
    moved, kept = (found.astype(np.float32) for found in model.lifetimes.over(steps))
    lost = moved[:ups].copy()
    lost[:, :ups] -= kept
    phases, change = len(moved), changeover_s / step_s
    swap = 1.0 - np.exp(-model.swap_per_h * step_s / HOUR_S)
    # value[phase, mode, s] with r steps left; with nothing left to do it costs nothing.
    value = np.full((3, phases, columns + 1), _NEVER, dtype=np.float32)
    after = np.zeros((rows + 1, 4, phases, columns + 1), dtype=np.float32)
    for r in range(rows + 1):
        if r:
            _step(value, after[r - 1], ups, change, model.spot_ratio)
        value[:, :, r:] = 0.0
        if swap:
            value[Mode.SPOT, :ups] += swap * (value[Mode.IDLE, :ups] - value[Mode.SPOT, :ups])
        np.matmul(moved, value[Mode.IDLE], out=after[r, Part.IDLE])
        np.matmul(moved, value[Mode.ON_DEMAND], out=after[r, Part.ON_DEMAND])
        np.matmul(kept, value[Mode.SPOT, :ups], out=after[r, Part.KEPT, :ups])
        np.matmul(lost, value[Mode.IDLE], out=after[r, Part.LOST, :ups])
    return Table(model, step_s, changeover_s, after.transpose(0, 2, 1, 3))


def _step(
    value: NDArray[np.float32], after: NDArray[np.float32], ups: int, change: float, ratio: float
) -> None:
    """One step back in time, into `value`: the best of the actions, for each mode, phase and slack.

    Waiting takes a step of slack. A changeover takes `change` of one; what of it reaches into the next step is owed
    for by spot only if it is kept until then.
    """
    idle, spot, demand = value[Mode.IDLE], value[Mode.SPOT, :ups], value[Mode.ON_DEMAND]
    wait = after[Part.IDLE, :, :-1]
    begin = _less(after[Part.KEPT, :ups], change) + _less(after[Part.LOST, :ups], min(1.0, change))
    begin += ratio
    idle[:, 0] = _NEVER
    np.minimum(wait, _less(after[Part.ON_DEMAND], change) + 1.0, out=idle[:, 1:])
    np.minimum(idle[:ups, 1:], begin, out=idle[:ups, 1:])
    np.add(after[Part.ON_DEMAND], 1.0, out=demand)
    np.minimum(demand[:, 1:], wait, out=demand[:, 1:])
    np.minimum(demand[:ups, 1:], begin, out=demand[:ups, 1:])
    np.add(after[Part.KEPT, :ups], after[Part.LOST, :ups] + ratio, out=spot)
    np.minimum(idle[:ups], spot, out=spot)


def _less(after: NDArray[np.float32], slack: float) -> NDArray[np.float32]:
    """The values with so much less slack (0 to 2 steps), from the second column on.

    Where less than a step of it is missing, it counts as there: the net below is exact, and a table that took such
    slack for nothing would keep a step of it unused.
    """
    if slack <= 1.0:
        return np.asarray(slack * after[:, :-1] + (1.0 - slack) * after[:, 1:])
    less = np.empty_like(after[:, 1:])
    less[:, 0] = after[:, 0]
    np.add((slack - 1.0) * after[:, :-2], (2.0 - slack) * after[:, 1:-1], out=less[:, 1:])
    return less


def must_run_on_demand(
    mode: Mode, *, left_s: float, work_s: float, warming_s: float, changeover_s: float, tick_s: float
) -> bool:
    """Whether any other choice for the next `tick_s` could miss the deadline if spot fell away at its end.

    `work_s` is work left, `warming_s` what is left of the changeover under way. The answer leaves room for one
    changeover to on demand after the tick, which is all that is needed as on demand does not fall away.
    """
    progress = max(0.0, tick_s - warming_s) if mode is Mode.SPOT else 0.0
    return left_s - tick_s < work_s - min(work_s, progress) + changeover_s
