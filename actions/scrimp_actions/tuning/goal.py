"""What is wanted: the objective, the bounds, the prices, and how carefully the tuner looks."""

from dataclasses import dataclass
from math import exp, log
from typing import Literal

from scrimp_actions.tuning.history import HALF_LIFE_S, Observation, Point, Setting

Objective = Literal["cost", "throughput", "energy"]
MIB = float(2**20)


@dataclass(frozen=True, slots=True)
class Goal:
    """The objective and its bounds; None bounds nothing.

    Prices are in one currency of the caller's choice. `arrivals_per_s` adds the wait for a batch to fill, (b - 1) / (2 x rate), and
    asks for a throughput of at least rate / `max_load`.
    """

    objective: Objective = "throughput"
    max_latency_s: float | None = None
    max_memory_bytes: float | None = None
    min_batch: int = 1
    max_batch: int | None = None
    price_per_s: float = 0.0
    price_per_kwh: float = 0.0
    overhead_per_batch: float = 0.0
    arrivals_per_s: float | None = None
    max_load: float = 0.8
    max_error_rate: float = 0.05
    memory_reserve: float = 0.03
    memory_reserve_bytes: float = 256 * MIB


@dataclass(frozen=True, slots=True)
class Care:
    """How the tuner looks.

    A size is not batch-bound where speed rises by less than `flat` for each e-fold of it (3 % by doubling: what a duel calls no gain).
    `stop_gain` was chosen on half of the families (a model on a GPU) of public tables of batch size against latency,
    `break_chance` on all of them; `benchmarks/tuning.py` reports both halves, and curves of other shapes.
    """

    min_observations: int = 10
    max_looks: int = 5
    interval: float = 0.03
    stop_gain: float = 0.0015
    max_sizes: int = 10
    break_chance: float = 0.02
    tolerance: float = 0.02
    noise: float = 0.05
    noise_weight: float = 2.0
    hopeless: float = 0.01
    blurred: float = 0.15
    max_growth: float | None = None
    memory_growth: float = 8.0
    min_weight: float = 0.05
    half_life_s: float = HALF_LIFE_S
    flat: float = 0.05


def log_cost(goal: Goal, point: Point) -> float | None:
    """Log of the cost of a batch under the objective: seconds, joules or money. None: what it needs was not measured.

    The cost of an item is this less log(batch). Failed batches are paid for: divided by 1 - error rate.
    """
    seconds = exp(point.period)
    lost = -log(max(1e-9, 1.0 - point.error_rate))
    if goal.objective == "throughput":
        return point.period + lost
    if goal.objective == "energy":
        return None if not point.watts else point.period + log(point.watts) + lost
    rate = goal.price_per_s + goal.price_per_kwh * (point.watts or 0.0) / 3.6e6
    money = (rate or 1.0) * seconds
    if goal.price_per_kwh and point.watts is None:
        return None
    return (
        log(money) + lost if not goal.overhead_per_batch else log(money * exp(lost) + goal.overhead_per_batch)
    )


def worth(goal: Goal, look: Observation) -> float | None:
    """Items per unit of the objective in one look: what a duel compares. None: nothing was done, or power was not measured."""
    if look.items_per_s <= 0.0 or look.n <= 0:
        return None
    batch = look.setting.batch
    period = log(batch / look.items_per_s)
    errors = float(look.errors)
    point = Point(look.at_s, 1.0, period, 0.0, -1.0, 0.0, None, look.watts, float(look.n), errors)
    cost = log_cost(goal, point)
    return None if cost is None else batch / exp(cost)


def latency_limit_s(goal: Goal, setting: Setting) -> float:
    """What is left of the latency bound for the batch itself once it has filled; infinite without a bound."""
    if goal.max_latency_s is None:
        return float("inf")
    wait_s = (setting.batch - 1) / (2.0 * goal.arrivals_per_s) if goal.arrivals_per_s else 0.0
    return goal.max_latency_s - wait_s


def memory_limit_bytes(goal: Goal) -> float:
    """The memory bound less the reserve: the larger of a share and a fixed amount (drivers take theirs)."""
    if goal.max_memory_bytes is None:
        return float("inf")
    return goal.max_memory_bytes - max(goal.memory_reserve * goal.max_memory_bytes, goal.memory_reserve_bytes)
