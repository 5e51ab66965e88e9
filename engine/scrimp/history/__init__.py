"""Samples, usage, prices and acts in Parquet, a day and kind a folder; written by the daemon, read by DuckDB.

The history is for reckoning, not for proof: the audit log says what happened. It is bounded by a retention policy, and
where it cannot be written the daemon goes on deciding and says so.
"""

from scrimp.history.actions import Done, done_table
from scrimp.history.columns import table_of, usage_of, with_currency
from scrimp.history.files import Folder, HistoryError, Part, day_of
from scrimp.history.history import Extent, History, open_history
from scrimp.history.hours import Span
from scrimp.history.keep import Retention, compact, expire
from scrimp.history.keeper import MEASURED, Keeper, roll_hour
from scrimp.history.query import Limits
from scrimp.history.recorder import Recorder, RecorderSettings
from scrimp.history.rollup import NOT_MEASURED, UNATTRIBUTED

__all__ = [
    "MEASURED",
    "NOT_MEASURED",
    "UNATTRIBUTED",
    "Done",
    "Extent",
    "Folder",
    "History",
    "HistoryError",
    "Keeper",
    "Limits",
    "Part",
    "Recorder",
    "RecorderSettings",
    "Retention",
    "Span",
    "compact",
    "day_of",
    "done_table",
    "expire",
    "open_history",
    "roll_hour",
    "table_of",
    "usage_of",
    "with_currency",
]
