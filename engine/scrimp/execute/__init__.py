"""Carrying a plan out: intent before act, another look, deadline, retry, outcome; recovery after a crash."""

from scrimp.execute.calls import ExecuteSettings
from scrimp.execute.execute import execute
from scrimp.execute.journal import Journal, Outcome, shadow_intents
from scrimp.execute.recover import recover

__all__ = [
    "ExecuteSettings",
    "Journal",
    "Outcome",
    "execute",
    "recover",
    "shadow_intents",
]
