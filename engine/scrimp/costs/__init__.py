"""What usage costs, and what it could: the arithmetic of reports, budgets, forecasts and savings. Pure.

Every function takes its time, its parameters and its data as arguments; nothing here reads, waits or remembers.
"""

from scrimp.costs.changes import LevelRules, Trend, trend
from scrimp.costs.forecast import (
    Backtest,
    Forecast,
    ForecastRules,
    Judged,
    SpendSeries,
    backtest,
    forecast,
    hourly,
    judge,
)
from scrimp.costs.groups import PERIOD, group_costs, merge_groups, select
from scrimp.costs.prices import FitRules, Machine, fit_prices
from scrimp.costs.split import BillShares, device_shares, split_costs
from scrimp.costs.units import UnitCost, unit_costs

__all__ = [
    "PERIOD",
    "Backtest",
    "BillShares",
    "FitRules",
    "Forecast",
    "ForecastRules",
    "Judged",
    "LevelRules",
    "Machine",
    "SpendSeries",
    "Trend",
    "UnitCost",
    "backtest",
    "device_shares",
    "fit_prices",
    "forecast",
    "group_costs",
    "hourly",
    "judge",
    "merge_groups",
    "select",
    "split_costs",
    "trend",
    "unit_costs",
]
