"""The ledger in SQLite and the audit log: hash-chained, written before anything is done."""

from scrimp.store.errors import (
    LedgerUnusable,
    LogUnwritable,
    NotAllowed,
    NotAwaiting,
    StoreBusy,
    StoreError,
    StoreTooNew,
)
from scrimp.store.export import export_records
from scrimp.store.log import Bad, Log, Verification
from scrimp.store.records import REDACTED, Context, Entry, Event, Git, Record, instant
from scrimp.store.replay import advance, replay
from scrimp.store.round_trip import round_trip
from scrimp.store.store import (
    ROWS,
    SOURCES,
    Store,
    StoreSettings,
    Visit,
    open_store,
    read_records,
    visit_store,
)

__all__ = [
    "REDACTED",
    "ROWS",
    "SOURCES",
    "Bad",
    "Context",
    "Entry",
    "Event",
    "Git",
    "LedgerUnusable",
    "Log",
    "LogUnwritable",
    "NotAllowed",
    "NotAwaiting",
    "Record",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreSettings",
    "StoreTooNew",
    "Verification",
    "Visit",
    "advance",
    "export_records",
    "instant",
    "open_store",
    "read_records",
    "replay",
    "round_trip",
    "visit_store",
]
