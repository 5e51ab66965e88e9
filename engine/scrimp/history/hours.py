"""Samples of an hour, laid together per target: means weighted by time, in DuckDB tables of fixed columns.

A sample holds until the next tick, but no longer than a few ticks: while scrimp did not run, nothing is known and nothing
is billed. A mean is over the time in which the value was known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from scrimp.history.files import Folder
from scrimp.history.query import named, run, scan
from scrimp.history.rows import MICRO

HOLDS_TICKS = 3.0  # a sample holds for so many ticks at most
HOLDS_LEAST_S = 90.0
LOOK_BACK_S = 900.0  # for the tick that an hour begins in

NUMBERS: Mapping[str, tuple[str, ...]] = {
    "node": (
        *("price_per_hour", "cores", "memory_bytes", "gpus"),
        *("cpu_utilization", "memory_utilization", "gpu_utilization", "gpu_memory_utilization"),
    ),
    "node_group": (
        *("size", "price_per_hour", "cost_rate"),
        *("cpu_utilization", "memory_utilization", "gpu_utilization"),
    ),
    "job": (
        *("cores", "cores_used", "gpus", "gpus_used", "memory_limit", "memory_used"),
        *("cost_rate", "items_per_second"),
    ),
    "pool": ("size", "allocated", "utilization", "price_per_hour"),
    "volume": ("size_bytes", "used", "price_per_hour"),
    "spot_market": ("price_per_hour",),
}
TEXTS: Mapping[str, tuple[str, ...]] = {
    "node": ("group", "instance_type", "zone", "purchase_option"),
    "node_group": ("instance_type", "purchase_option", "accelerator"),
    "job": ("group", "node", "operation", "instance_type", "purchase_option"),
    "pool": ("resource",),
    "volume": (),
    "spot_market": ("instance_type", "zone"),
}
NOT_RUNNING = ("pending", "stopped", "failed")  # of a job: it holds nothing


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in epoch seconds; the end is excluded."""

    from_s: float
    to_s: float


def lay_hours(link: duckdb.DuckDBPyConnection, folder: Folder, span: Span) -> int:
    """Make a table `h_KIND` per kind for the span; gives the number of ticks that it rests on."""
    ticks = 0
    for kind in NUMBERS:
        ticks = max(ticks, _lay(link, folder, kind, span))
    return ticks


def _lay(link: duckdb.DuckDBPyConnection, folder: Folder, kind: str, span: Span) -> int:
    files = folder.files("samples", kind, span.from_s - LOOK_BACK_S, span.to_s + LOOK_BACK_S)
    if not files:
        run(link, f"CREATE OR REPLACE TABLE h_{kind} AS {_empty(kind)}")
        return 0
    source, bounds = scan(files), (span.from_s - LOOK_BACK_S, span.to_s + LOOK_BACK_S)
    there = {row[0] for row in run(link, f"DESCRIBE SELECT * FROM {source}").fetchall()}
    times = run(
        link,
        f'SELECT DISTINCT epoch_us("at") t FROM {source} WHERE epoch_us("at") >= ? AND epoch_us("at") < ? ORDER BY t',
        [round(one * MICRO) for one in bounds],
    ).fetchnumpy()["t"]
    held = _held(np.asarray(times, dtype=np.float64) / MICRO, span)
    link.register("ticks", pa.table({"t": pa.array(np.asarray(times, dtype=np.int64)), "dt": pa.array(held)}))
    columns = [
        *(_mean(one, there) for one in NUMBERS[kind]),
        *(_last(one, there) for one in TEXTS[kind]),
    ]
    alive = f"AND coalesce(state, '') NOT IN {NOT_RUNNING}" if kind == "job" and "state" in there else ""
    run(
        link,
        f"""CREATE OR REPLACE TABLE h_{kind} AS
        SELECT CAST(name AS VARCHAR) AS name, sum(dt) / 3600 AS hours, {_labels(there)} AS labels, {", ".join(columns)}
        FROM {source} JOIN ticks ON epoch_us("at") = t WHERE dt > 0 {alive} GROUP BY name""",
    )
    link.unregister("ticks")
    return int(np.count_nonzero(held))


def _held(
    times_s: np.ndarray[tuple[int], np.dtype[np.float64]], span: Span
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """For how long the sample of each tick holds within the span, in seconds."""
    if not len(times_s):
        return times_s
    gaps = np.diff(times_s)
    usual_s = float(np.median(gaps)) if len(gaps) else HOLDS_LEAST_S / HOLDS_TICKS
    longest_s = max(HOLDS_TICKS * usual_s, HOLDS_LEAST_S)
    # After the last tick that is known the next is expected after the usual gap.
    until = times_s + np.append(np.where(gaps > longest_s, usual_s, gaps), usual_s)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = np.maximum(
        np.minimum(until, span.to_s) - np.maximum(times_s, span.from_s), 0.0
    )
    return found


def _mean(name: str, there: set[str]) -> str:
    if name not in there:
        return f"NULL::DOUBLE AS {named(name)}"
    column = f"CAST({named(name)} AS DOUBLE)"
    return f"sum({column} * dt) / sum(dt) FILTER ({column} IS NOT NULL) AS {named(name)}"


def _last(name: str, there: set[str]) -> str:
    if name not in there:
        return f"''::VARCHAR AS {named(name)}"
    column = f"CAST({named(name)} AS VARCHAR)"
    return f"""coalesce(arg_max({column}, "at") FILTER ({column} IS NOT NULL), \'\') AS {named(name)}"""


def _labels(there: set[str]) -> str:
    """The last labels as a JSON text; empty where there are none."""
    keys = sorted(one for one in there if one.startswith("labels."))
    if not keys:
        return "''"
    pairs = ", ".join(
        f"'{one.removeprefix('labels.').replace(chr(39), chr(39) * 2)}', CAST({named(one)} AS VARCHAR)"
        for one in keys
    )
    return f'CAST(arg_max(json_object({pairs}), "at") AS VARCHAR)'


def _empty(kind: str) -> str:
    numbers = ", ".join(f"NULL::DOUBLE AS {named(one)}" for one in NUMBERS[kind])
    texts = "".join(f", ''::VARCHAR AS {named(one)}" for one in TEXTS[kind])
    return f"SELECT '' AS name, 0.0::DOUBLE AS hours, '' AS labels, {numbers}{texts} WHERE false"
