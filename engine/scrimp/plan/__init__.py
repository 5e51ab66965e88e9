"""Decisions and the plan: conflicts, guards, limits, modes. With `evaluate` this is `decide`."""

from scrimp.plan.book import (
    cooling_keys,
    end_episode,
    note_intent,
    note_outcome,
    note_requests,
    prune,
)
from scrimp.plan.effects import total_saving
from scrimp.plan.intents import following_intent, intent_on_failure, intents_of
from scrimp.plan.planner import Settings, decide, make_plan

__all__ = [
    "Settings",
    "cooling_keys",
    "decide",
    "end_episode",
    "following_intent",
    "intent_on_failure",
    "intents_of",
    "make_plan",
    "note_intent",
    "note_outcome",
    "note_requests",
    "prune",
    "total_saving",
]
