"""Spot capacity: which pool and when, and how to survive the interruption. Arithmetic and state machines, no cloud calls."""

from scrimp_actions.spot.deadline import Mode
from scrimp_actions.spot.interruption import advance, request, wake_s
from scrimp_actions.spot.lifetimes import DEPTH_PRIOR, Lifetimes, Prior
from scrimp_actions.spot.market import MarketMemory, Offer, Outlook
from scrimp_actions.spot.member import (
    AWS_BUDGET,
    AZURE_BUDGET,
    GCP_BUDGET,
    Budget,
    Member,
    Rules,
    State,
    Step,
    StepKind,
)
from scrimp_actions.spot.policy import Choice, ChoiceRules, Option, Task, choose, still_fits, table_for
from scrimp_actions.spot.survival import Survival

__all__ = [
    "AWS_BUDGET",
    "AZURE_BUDGET",
    "DEPTH_PRIOR",
    "GCP_BUDGET",
    "Budget",
    "Choice",
    "ChoiceRules",
    "Lifetimes",
    "MarketMemory",
    "Member",
    "Mode",
    "Offer",
    "Option",
    "Outlook",
    "Prior",
    "Rules",
    "State",
    "Step",
    "StepKind",
    "Survival",
    "Task",
    "advance",
    "choose",
    "request",
    "still_fits",
    "table_for",
    "wake_s",
]
