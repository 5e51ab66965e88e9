"""Tables for `analytics.py`: hourly spend of a cluster, and containers on GPUs; generated where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from bench import Arguments, read_csv
from scrimp.model.usage import Floats

DEVICE_MIB = 81_920.0
DAY_S = 86_400
SPEND, CONTAINERS = "*active_nodes*.csv*", "*containers*.csv*"


def generated_instead(given: Arguments) -> list[str]:
    """The tables that a data folder lacks, so that generated ones are measured."""
    tables = {"hourly spend": SPEND, "containers": CONTAINERS}
    lacks = [name for name, pattern in tables.items() if given.data and not given.files("usage", pattern)]
    return [f"{name}: no such table in the data folder; a generated one instead" for name in lacks]


def hourly_nodes(given: Arguments) -> Floats:
    """Mean active nodes of each hour, `nan` where none was recorded. A node costs one unit of money an hour.

    Times without a zone are taken as UTC, wherever it runs: no hour is there twice, and none lacks.
    """
    for path in given.files("usage", SPEND):
        rows = [row for row in read_csv(path) if row["active_nodes"]]
        if rows:
            times = [datetime.fromisoformat(row["time"]) for row in rows]
            seconds = np.array([(at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() for at in times])
            nodes = np.array([float(row["active_nodes"]) for row in rows])
            hours = ((seconds - seconds.min()) // 3600).astype(np.int64)
            count = np.bincount(hours)
            total = np.bincount(hours, nodes)
            return np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return generated_nodes(np.random.default_rng(given.seed))


def cluster_gpus(given: Arguments) -> dict[str, Floats]:
    """GPUs in use by hour of a whole other cluster, and of its largest part, where there is such a table."""
    for path in given.files("pool", "*_vc_5min.csv*"):
        parts: dict[str, dict[int, list[float]]] = {}
        for row in read_csv(path):
            minute = next(float(text) for name, text in row.items() if name.startswith("minute"))
            parts.setdefault(row["vc"], {}).setdefault(int(minute // 60), []).append(
                float(row["running_gpus"])
            )
        hours = 1 + max(max(each) for each in parts.values())
        series = {
            name: np.array([np.mean(each[hour]) if hour in each else 0.0 for hour in range(hours)])
            for name, each in parts.items()
        }
        largest = max(series, key=lambda name: float(series[name].sum()))
        return {"another cluster": np.sum(list(series.values()), axis=0), "its largest part": series[largest]}
    return {}


def generated_nodes(rng: np.random.Generator, days: int = 49) -> Floats:
    """A cluster of some 330 nodes: slow swings of a tenth, a weekly dip, and one outage of a day."""
    swing = np.zeros(days)
    for day in range(1, days):
        swing[day] = 0.85 * swing[day - 1] + rng.normal(0, 0.035)
    week = np.where(np.arange(days) % 7 >= 5, -0.03, 0.01)
    daily = 330 * np.exp(swing + week)
    daily[int(days * 0.47)] *= 0.25
    return np.repeat(daily, 24) * np.exp(rng.normal(0, 0.02, days * 24))


@dataclass(frozen=True, slots=True)
class Containers:
    """GPU memory (MiB) and duty (0 to 1) of containers, (containers, times); `nan` where one did not run."""

    names: tuple[str, ...]
    times_s: Floats
    memory: Floats
    duty: Floats


def containers(given: Arguments) -> Containers:
    """Containers that have a GPU."""
    for path in given.files("usage", CONTAINERS):
        rows = [row for row in read_csv(path) if row["gpu_mem_mib"] or row["gpu_duty_pct"]]
        if rows:
            names = sorted({row["container"] for row in rows})
            times = np.unique([float(row["t_s"]) for row in rows])
            place = {name: at for at, name in enumerate(names)}
            memory = np.full((len(names), len(times)), np.nan)
            duty = memory.copy()
            at = np.searchsorted(times, [float(row["t_s"]) for row in rows])
            for row, column in zip(rows, at.tolist(), strict=True):
                memory[place[row["container"]], column] = float(row["gpu_mem_mib"] or "nan")
                duty[place[row["container"]], column] = float(row["gpu_duty_pct"] or "nan") / 100
            return Containers(tuple(names), times, memory, duty)
    return generated_containers(np.random.default_rng(given.seed))


def generated_containers(rng: np.random.Generator, count: int = 64) -> Containers:
    """Image generators: most of the time one model in memory, now and then two, rarely a large one; duty in bursts.

    As in the recorded day, its last quarter is quiet.
    """
    times = np.arange(0.0, DAY_S, 57.0)
    shape = (count, len(times))
    base = rng.choice([17_000.0, 24_800.0, 30_500.0], size=(count, 1), p=[0.05, 0.75, 0.2])
    memory = base * np.exp(rng.normal(0, 0.02, shape)) - rng.choice([0, 9000], size=shape, p=[0.7, 0.3])
    for _ in range(60):  # spells of some minutes with more in memory, whose peaks come back
        start = rng.integers(0, int(0.75 * shape[1]), count)[:, None]
        within = (np.arange(shape[1]) >= start) & (
            np.arange(shape[1]) < start + rng.integers(3, 12, (count, 1))
        )
        memory = np.where(within, np.maximum(memory, base + 16_000 * rng.beta(1.2, 3.0, (count, 1))), memory)
    busy = rng.random(shape) < 0.15
    duty = np.where(busy, rng.random(shape) * 0.45, 0.0)
    return Containers(tuple(f"g{at:03d}" for at in range(count)), times, memory, duty)
