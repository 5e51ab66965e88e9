"""Cost reports: what a period cost, by what, and where it is heading; as text, JSON, CSV, a page, and FOCUS."""

from scrimp.reports.document import decimal, document, table
from scrimp.reports.figures import BREAKDOWNS, Figures, Question, figures_of
from scrimp.reports.page import page
from scrimp.reports.periods import DAY_S, bins, instant, period_at, steps
from scrimp.reports.report import Report, focus_days, groups_of
from scrimp.reports.savings import make_report, savings
from scrimp.reports.sums import Ask, chosen
from scrimp.reports.text import text

__all__ = [
    "BREAKDOWNS",
    "DAY_S",
    "Ask",
    "Figures",
    "Question",
    "Report",
    "bins",
    "chosen",
    "decimal",
    "document",
    "figures_of",
    "focus_days",
    "groups_of",
    "instant",
    "make_report",
    "page",
    "period_at",
    "savings",
    "steps",
    "table",
    "text",
]
