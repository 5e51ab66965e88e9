"""Samples, usage, prices and acts in Parquet, a day and kind a folder; written by the daemon, read by DuckDB.

The history is for reckoning, not for proof: the audit log says what happened. It is bounded by a retention policy, and
where it cannot be written the daemon goes on deciding and says so.
"""

from scrimp.history.actions import Done, done_table
from scrimp.history.backfill import Filled, fill
from scrimp.history.bills import Source
from scrimp.history.columns import read_pieces, table_of, usage_of, with_currency
from scrimp.history.daily import Chosen, add_up, due_days, read_daily, rows_of
from scrimp.history.files import Folder, HistoryError, Part, day_of, whole_file
from scrimp.history.fleet import Fleet, FleetJob, FleetNode, GpuSeries, MemoryPeaks
from scrimp.history.focus import FOCUS_BY, FocusSettings, write_focus
from scrimp.history.focus_columns import VERSIONS, Version, columns_of
from scrimp.history.history import Extent, History, open_history
from scrimp.history.hours import Span
from scrimp.history.imports import Imported, import_bill, unfinished
from scrimp.history.keep import Retention, compact, expire
from scrimp.history.keeper import MEASURED, Keeper, roll_hour
from scrimp.history.query import Limits
from scrimp.history.recorder import Recorder, RecorderSettings
from scrimp.history.redelivered import keep_only
from scrimp.history.rollup import NOT_MEASURED, UNATTRIBUTED

__all__ = [
    "FOCUS_BY",
    "MEASURED",
    "NOT_MEASURED",
    "UNATTRIBUTED",
    "VERSIONS",
    "Chosen",
    "Done",
    "Extent",
    "Filled",
    "Fleet",
    "FleetJob",
    "FleetNode",
    "FocusSettings",
    "Folder",
    "GpuSeries",
    "History",
    "HistoryError",
    "Imported",
    "Keeper",
    "Limits",
    "MemoryPeaks",
    "Part",
    "Recorder",
    "RecorderSettings",
    "Retention",
    "Source",
    "Span",
    "Version",
    "add_up",
    "columns_of",
    "compact",
    "day_of",
    "done_table",
    "due_days",
    "expire",
    "fill",
    "import_bill",
    "keep_only",
    "open_history",
    "read_daily",
    "read_pieces",
    "roll_hour",
    "rows_of",
    "table_of",
    "unfinished",
    "usage_of",
    "whole_file",
    "with_currency",
    "write_focus",
]
