"""Batch-size tuning: history in, proposal out, with reasons. Pure arithmetic; whoever calls it does the measuring."""

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
