"""Sources of samples, gathered in parallel into one snapshot; snapshot files in and out."""

from scrimp.collectors.dump import dump_snapshot
from scrimp.collectors.snapshot import load_snapshot, snapshot_currency

__all__ = ["dump_snapshot", "load_snapshot", "snapshot_currency"]
