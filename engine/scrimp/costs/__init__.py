"""What usage costs, and what it could: the arithmetic of reports, budgets, forecasts and savings. Pure.

Every function takes its time, its parameters and its data as arguments; nothing here reads, waits or remembers.
"""

from scrimp.costs.advice import (
    Advice,
    Marks,
    capped,
    share_advice,
    size_advice,
    spot_advice,
    usage_advice,
)
from scrimp.costs.budgets import (
    AlertRules,
    Budget,
    BudgetAlert,
    BudgetStatus,
    Fired,
    Severity,
    budget_alerts,
    budget_status,
    spend_series,
    worth_telling,
)
from scrimp.costs.causes import Cause, causes
from scrimp.costs.changes import LevelRules, Trend, trend
from scrimp.costs.colocate import ShareRules, Sharing, crowded, pack_by_series
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
from scrimp.costs.groups import PERIOD, group_costs, groupings, merge_groups, select
from scrimp.costs.pace import PaceRules, new_height
from scrimp.costs.periods import PERIOD_UNITS, PeriodUnit, calendar_period, calendar_periods
from scrimp.costs.prices import FitRules, Machine, fit_prices
from scrimp.costs.repack import (
    PackJob,
    PackNode,
    freed_nodes,
    freed_per_hour,
    price_proposals,
    share_out,
)
from scrimp.costs.rounding import known_amounts, sums
from scrimp.costs.savings import Realised, SavingEntry, TargetHour, realised
from scrimp.costs.sizing import MIB, Peers, Size, SizeRules, after_oom, block_peaks, size_for
from scrimp.costs.split import BillShares, device_shares, split_costs
from scrimp.costs.units import UnitCost, unit_cost_change, unit_costs

__all__ = [
    "MIB",
    "PERIOD",
    "PERIOD_UNITS",
    "Advice",
    "AlertRules",
    "Backtest",
    "BillShares",
    "Budget",
    "BudgetAlert",
    "BudgetStatus",
    "Cause",
    "Fired",
    "FitRules",
    "Forecast",
    "ForecastRules",
    "Judged",
    "LevelRules",
    "Machine",
    "Marks",
    "PaceRules",
    "PackJob",
    "PackNode",
    "Peers",
    "PeriodUnit",
    "Realised",
    "SavingEntry",
    "Severity",
    "ShareRules",
    "Sharing",
    "Size",
    "SizeRules",
    "SpendSeries",
    "TargetHour",
    "Trend",
    "UnitCost",
    "after_oom",
    "backtest",
    "block_peaks",
    "budget_alerts",
    "budget_status",
    "calendar_period",
    "calendar_periods",
    "capped",
    "causes",
    "crowded",
    "device_shares",
    "fit_prices",
    "forecast",
    "freed_nodes",
    "freed_per_hour",
    "group_costs",
    "groupings",
    "hourly",
    "judge",
    "known_amounts",
    "merge_groups",
    "new_height",
    "pack_by_series",
    "price_proposals",
    "realised",
    "select",
    "share_advice",
    "share_out",
    "size_advice",
    "size_for",
    "spend_series",
    "split_costs",
    "spot_advice",
    "sums",
    "trend",
    "unit_cost_change",
    "unit_costs",
    "usage_advice",
    "worth_telling",
]
