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
from scrimp_actions.tuning.search import propose

__all__ = [
    "Care",
    "CurvePoint",
    "Cusum",
    "DriftLimits",
    "Goal",
    "History",
    "Observation",
    "Point",
    "Proposal",
    "Rejection",
    "Setting",
    "Workload",
    "fold",
    "from_json",
    "ladder",
    "length_shift",
    "propose",
    "to_json",
    "watch",
]
