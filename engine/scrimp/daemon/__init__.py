"""One tick, and the loop around it; owns the clock and the sleeping."""

from scrimp.daemon.budget_alerts import passed, standing
from scrimp.daemon.budgets import BudgetBook
from scrimp.daemon.compose import Parts, compose, preview, remembered
from scrimp.daemon.doctor import Examination, examine
from scrimp.daemon.loop import Alarm, Daemon, Told, Unloadable
from scrimp.daemon.observe import World
from scrimp.daemon.tick import Ticked, TickSettings, conclude

__all__ = [
    "Alarm",
    "BudgetBook",
    "Daemon",
    "Examination",
    "Parts",
    "TickSettings",
    "Ticked",
    "Told",
    "Unloadable",
    "World",
    "compose",
    "conclude",
    "examine",
    "passed",
    "preview",
    "remembered",
    "standing",
]
