"""What the samples say of memory and of who runs where, for advice: peaks by block, and the fleet at its last tick.

Both are reckoned by DuckDB, so that no more than a row per operation and block, or per target, comes out of any history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from scrimp.history.files import Folder
from scrimp.history.hours import LOOK_BACK_S, NOT_RUNNING, Span
from scrimp.history.query import Limits, connect, named, run, scan
from scrimp.history.rows import MICRO
from scrimp.model.usage import Floats


@dataclass(frozen=True, slots=True)
class MemoryPeaks:
    """The highest memory of any job of an operation in each block that has samples of it, in bytes, oldest first.

    `span_s` is from the first of these samples to the last; `limit_bytes` the largest limit of its jobs in the last block
    that knows one, `None` if none does.
    """

    operation: str
    peaks: Floats
    span_s: float
    limit_bytes: float | None


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A node at the last tick. `None` is not known; `price` is of an hour."""

    name: str
    pool: str
    price: float | None
    cores: float | None
    memory_bytes: float | None
    gpus: float | None
    cpu_utilization: float | None
    memory_utilization: float | None


@dataclass(frozen=True, slots=True)
class FleetJob:
    """A job that ran at the last tick, on a node or in a group ("" where not known). `None` is not known; memory is in bytes."""

    name: str
    node: str
    group: str
    operation: str
    critical: bool
    checkpointable: bool
    cores: float | None
    cores_used: float | None
    memory_limit: float | None
    memory_used: float | None
    gpus: float | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who ran where; `sizes` is how many members each group has that says so."""

    nodes: tuple[FleetNode, ...] = ()
    jobs: tuple[FleetJob, ...] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GpuSeries:
    """What the GPUs of nodes did, by node and block, as shares of what they have: the highest of each block, nan if unknown."""

    names: tuple[str, ...]
    memory: Floats
    duty: Floats


NODE_NUMBERS = ("price_per_hour", "cores", "memory_bytes", "gpus", "cpu_utilization", "memory_utilization")
JOB_TEXTS = ("state", "node", "group", "operation", "critical", "checkpointable")
JOB_NUMBERS = ("cores", "cores_used", "memory_limit", "memory_used", "gpus")


def read_memory_peaks(
    folder: Folder, span: Span, block_s: float, limits: Limits | None = None
) -> tuple[MemoryPeaks, ...] | None:
    """By operation; `None` where there are no samples of jobs at all, or none that could say so."""
    files = folder.files("samples", "job", span.from_s, span.to_s)
    if not files:
        return None
    with connect(folder.root, limits) as link:
        there = _columns(link, files)
        if not {"operation", "memory_used"} <= there:
            return ()
        alive = f"AND coalesce(state, '') NOT IN {NOT_RUNNING}" if "state" in there else ""
        found = run(
            link,
            f"""SELECT operation, list(peak ORDER BY block), (max(last) - min(first)) / {MICRO},
              arg_max(allowed, block) FILTER (allowed IS NOT NULL)
            FROM (
              SELECT CAST(operation AS VARCHAR) AS operation, epoch_us("at") // ? AS block,
                max(CAST(memory_used AS DOUBLE)) AS peak, max({_number("memory_limit", there)}) AS allowed,
                min(epoch_us("at")) AS first, max(epoch_us("at")) AS last
              FROM {scan(files)} WHERE epoch_us("at") >= ? AND epoch_us("at") < ? AND operation <> '' {alive}
              GROUP BY ALL HAVING peak IS NOT NULL
            ) GROUP BY operation ORDER BY operation""",
            [round(block_s * MICRO), *_micro(span)],
        ).fetchall()
    return tuple(
        MemoryPeaks(str(name), np.array(peaks, dtype=np.float64), float(span_s), allowed)
        for name, peaks, span_s, allowed in found
    )


def read_fleet(folder: Folder, span: Span, limits: Limits | None = None) -> Fleet:
    """The nodes and jobs of the last tick in the span.

    What a source does not say at each tick is taken from the last quarter of an hour.
    """
    nodes, jobs, groups = (
        folder.files("samples", kind, span.from_s, span.to_s) for kind in ("node", "job", "node_group")
    )
    with connect(folder.root, limits) as link:
        last = max(_last_tick(link, files, span) for files in (nodes, jobs, groups))
        machines = _at(link, nodes, last, ("state", "group"), NODE_NUMBERS)
        work = _at(link, jobs, last, JOB_TEXTS, JOB_NUMBERS)
        sizes = {name: size for name, size in _at(link, groups, last, (), ("size",)) if size is not None}
    return Fleet(
        tuple(
            FleetNode(name, group, *numbers)
            for name, state, group, *numbers in machines
            if state not in NOT_RUNNING
        ),
        tuple(
            FleetJob(name, node, group, operation, critical == "true", checkpointable == "true", *numbers)
            for name, state, node, group, operation, critical, checkpointable, *numbers in work
            if state not in NOT_RUNNING
        ),
        sizes,
    )


def read_gpu_series(
    folder: Folder, span: Span, nodes: Sequence[str], block_s: float, limits: Limits | None = None
) -> GpuSeries:
    """Of those nodes that say both what their GPUs' memory and their GPUs do."""
    files = folder.files("samples", "node", span.from_s, span.to_s)
    nothing = GpuSeries((), np.zeros((0, 0)), np.zeros((0, 0)))
    if not files:
        return nothing
    with connect(folder.root, limits) as link:
        if not {"gpu_memory_utilization", "gpu_utilization"} <= _columns(link, files):
            return nothing
        link.register("wanted", pa.table({"name": pa.array(nodes, pa.string())}))
        found = run(
            link,
            f"""SELECT CAST(name AS VARCHAR) AS name, epoch_us("at") // ? AS block,
              max(CAST(gpu_memory_utilization AS DOUBLE)) AS memory, max(CAST(gpu_utilization AS DOUBLE)) AS duty
            FROM {scan(files)} WHERE epoch_us("at") >= ? AND epoch_us("at") < ? AND CAST(name AS VARCHAR) IN (FROM wanted)
            GROUP BY ALL HAVING memory IS NOT NULL AND duty IS NOT NULL""",
            [round(block_s * MICRO), *_micro(span)],
        ).fetchnumpy()
    names, row = np.unique(np.asarray(found["name"], dtype=object).astype(str), return_inverse=True)
    blocks = np.asarray(found["block"], dtype=np.int64)
    if not len(blocks):
        return nothing
    memory, duty = (np.full((len(names), int(np.ptp(blocks)) + 1), np.nan) for _ in range(2))
    memory[row, blocks - blocks.min()] = np.asarray(found["memory"], dtype=np.float64)
    duty[row, blocks - blocks.min()] = np.asarray(found["duty"], dtype=np.float64)
    return GpuSeries(tuple(names.tolist()), memory, duty)


def _last_tick(link: duckdb.DuckDBPyConnection, files: Sequence[Path], span: Span) -> int:
    """In microseconds since 1970; 0 where there is none."""
    if not files:
        return 0
    sql = f'SELECT max(epoch_us("at")) FROM {scan(files)} WHERE epoch_us("at") >= ? AND epoch_us("at") < ?'
    return int(run(link, sql, _micro(span)).fetchall()[0][0] or 0)


def read_discounts(folder: Folder, span: Span, limits: Limits | None = None) -> dict[str, float]:
    """By how much spot is cheaper than on demand, by instance type: the mean over the span and the zones, where known."""
    files = folder.files("samples", "spot_market", span.from_s, span.to_s)
    if not files:
        return {}
    with connect(folder.root, limits) as link:
        there = _columns(link, files)
        if "instance_type" not in there:
            return {}
        price, whole = _number("price_per_hour", there), _number("on_demand_price", there)
        rows = run(
            link,
            f"""SELECT type, avg(discount) FROM (
              SELECT CAST(instance_type AS VARCHAR) AS type,
                avg(coalesce({_number("discount", there)}, 1 - {price} / nullif({whole}, 0))) AS discount
              FROM {scan(files)} WHERE epoch_us("at") >= ? AND epoch_us("at") < ? GROUP BY 1, name
            ) WHERE type <> '' AND discount IS NOT NULL GROUP BY type""",
            _micro(span),
        ).fetchall()
    return {str(kind): float(discount) for kind, discount in rows}


def _at(
    link: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    last: int,
    texts: Sequence[str],
    numbers: Sequence[str],
) -> list[Any]:
    """Name, texts and numbers of the rows that the last tick has."""
    if not files:
        return []
    there = _columns(link, files)
    columns = [
        *(_latest(f"CAST({named(one)} AS VARCHAR)", "''", there, one) for one in texts),
        *(_latest(f"CAST({named(one)} AS DOUBLE)", "NULL::DOUBLE", there, one) for one in numbers),
    ]
    return run(
        link,
        f"""SELECT CAST(name AS VARCHAR) AS name, {", ".join(columns)} FROM {scan(files)}
        WHERE epoch_us("at") > ? AND epoch_us("at") <= ? GROUP BY name HAVING max(epoch_us("at")) = ? ORDER BY 1""",
        [last - round(LOOK_BACK_S * MICRO), last, last],
    ).fetchall()


def _latest(column: str, otherwise: str, there: set[str], name: str) -> str:
    if name not in there:
        return otherwise
    return f'coalesce(arg_max({column}, "at") FILTER ({column} IS NOT NULL), {otherwise})'


def _number(name: str, there: set[str]) -> str:
    return f"CAST({named(name)} AS DOUBLE)" if name in there else "NULL::DOUBLE"


def _columns(link: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> set[str]:
    return {row[0] for row in run(link, f"DESCRIBE SELECT * FROM {scan(files)}").fetchall()}


def _micro(span: Span) -> tuple[int, int]:
    return round(span.from_s * MICRO), round(span.to_s * MICRO)
