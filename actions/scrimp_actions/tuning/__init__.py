"""Batch-size tuning: history in, proposal out, with reasons. Pure arithmetic; whoever calls it does the measuring.

    history = {}
    work, sizes = Workload("log_mel", "gpu-a"), [Setting(2**k) for k in range(8)]
    goal, setting = Goal(max_latency_s=0.2), Setting(8)
    while True:
        latency_s = measure(setting.batch)  # the caller's part: run some batches
        look = Observation(work, setting, clock(), 10, latency_s, setting.batch / latency_s, spread=0.01)
        history = fold(history, [look])
        proposal = propose(history[work], sizes, goal, current=Setting(8))
        if proposal.verdict != "measure":
            break
        setting = proposal.setting
    for line in proposal.lines():  # what, the gains, why, and what each other size was rejected by
        print(line)

`propose` asks for looks (`measure`), `choose`s a measured setting, `wait`s for data or gives `no_verdict`. Afterwards `see` a
`Retune` every look: it watches for drift (`watch`), and `order`s duels with the neighbours after one. `to_json` and
`retune_to_json` keep both over a restart.
"""

from scrimp_actions.tuning.arrange import ladder
from scrimp_actions.tuning.drift import Cusum, DriftLimits, length_shift, watch
from scrimp_actions.tuning.explain import CurvePoint, Proposal, Rejection
from scrimp_actions.tuning.goal import Care, Goal
from scrimp_actions.tuning.history import (
    History,
    Observation,
    Point,
    Setting,
    Workload,
    fold,
    from_json,
    to_json,
)
from scrimp_actions.tuning.retune import (
    Ground,
    Order,
    Retune,
    RetuneRules,
    order,
    retune_from_json,
    retune_to_json,
    see,
    see_lengths,
)
from scrimp_actions.tuning.search import propose

__all__ = [
    "Care",
    "CurvePoint",
    "Cusum",
    "DriftLimits",
    "Goal",
    "Ground",
    "History",
    "Observation",
    "Order",
    "Point",
    "Proposal",
    "Rejection",
    "Retune",
    "RetuneRules",
    "Setting",
    "Workload",
    "fold",
    "from_json",
    "ladder",
    "length_shift",
    "order",
    "propose",
    "retune_from_json",
    "retune_to_json",
    "see",
    "see_lengths",
    "to_json",
    "watch",
]
