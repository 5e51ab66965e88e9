"""Sources of samples, gathered in parallel into one snapshot; snapshot files in and out."""

from scrimp.collectors.columns import unknown_column
from scrimp.collectors.dump import dump_snapshot
from scrimp.collectors.gather import CollectorStatus, Gathered, Gatherer, GatherSettings, Refilled
from scrimp.collectors.mass_zero import SourceMemory
from scrimp.collectors.snapshot import load_snapshot, snapshot_currency

__all__ = [
    "CollectorStatus",
    "GatherSettings",
    "Gathered",
    "Gatherer",
    "Refilled",
    "SourceMemory",
    "dump_snapshot",
    "load_snapshot",
    "snapshot_currency",
    "unknown_column",
]
