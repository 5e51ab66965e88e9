"""Tuning with more than one axis: a server's copies, batch limit and load; a training job's batch size and power limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, isnan
from pathlib import Path

import numpy as np

from bench import Arguments, read_csv
from scrimp_actions.tuning import Care, Goal, History, Observation, Setting, Workload, fold, propose

P99_LIMITS_MS = (20.0, 50.0, 100.0, 200.0)
WORK = Workload("grid")


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured at one setting: items per second, tail latency (seconds), watts. No rate: it failed."""

    items_per_s: float
    tail_s: float
    watts: float | None = None


Grid = Mapping[Setting, Cell]


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a search ended, and after how many settings."""

    setting: Setting
    looks: int


def walk(grid: Grid, goal: Goal, care: Care, start: Setting) -> Walk:
    """Search a grid from a setting on, one exact look at each."""
    candidates, history, setting = sorted(grid), {}, start
    seen: History = history
    while True:
        cell = grid[setting]
        works = cell.items_per_s > 0
        rate = cell.items_per_s if works else 0.0
        row = Observation(
            WORK,
            setting,
            0.0,
            100,
            cell.tail_s,
            rate,
            cell.tail_s,
            0.0,
            None,
            cell.watts,
            0 if works else 100,
        )
        seen = fold(seen, [row])
        found = propose(seen[WORK], candidates, goal, start, care)
        assert found.setting is not None
        if found.verdict != "measure":
            return Walk(found.setting, len(seen[WORK]))
        setting = found.setting


# ---- a server: copies x batch limit x load


@dataclass(frozen=True, slots=True)
class Server:
    """A server's grid, and the best rate in the whole table, defaults included, under a bound."""

    name: str
    grid: Grid
    all_cells: Sequence[Cell]

    def best(self, limit_s: float) -> float:
        """Items per second of the best configuration under the bound; 0: none holds it."""
        return max((cell.items_per_s for cell in self.all_cells if cell.tail_s <= limit_s), default=0.0)


def read_servers(given: Arguments) -> list[Server]:
    """Every model and device of the grid tables. The server's defaults count as results, not as candidates."""
    found: dict[str, tuple[dict[Setting, Cell], list[Cell]]] = {}
    for path in given.files("usage", "batch_infer_*grid*"):
        for row in read_csv(path):
            rate = float(row["throughput_per_s"] or 0)
            if rate <= 0:
                continue
            cell = Cell(rate, float(row["latency_p99_ms"]) / 1e3, float(row["gpu_power_w"] or 0) or None)
            grid, cells = found.setdefault(f"{row['model']} {row['gpu']}", ({}, []))
            cells.append(cell)
            if row["is_default"] != "1":
                load = int(row["concurrency"]) * int(row["client_batch"])
                grid[Setting(int(row["max_batch"]), int(row["instances"]), load)] = cell
    return [Server(name, grid, cells) for name, (grid, cells) in found.items()]


def generated_server(seed: int) -> Server:
    """A closed-loop server of like statistics: copies overlap, batches amortise, load queues."""
    rng = np.random.default_rng([seed, 77])
    grid = {}
    for batch in (2**k for k in range(9)):
        for copies in range(1, 6):
            for load in (2**k for k in range(11)):
                used = max(1, min(batch, load // copies))
                batch_s = 0.0035 + 0.0009 * used
                device = min(copies, 1.0 + 0.25 * (copies - 1)) / (1.0 + 0.004 * max(0, load - 256))
                rate = min(load / (batch_s + 0.001), device * used / batch_s)
                rate *= exp(0.01 * rng.standard_normal())
                tail_s = load / rate * exp(abs(0.08 * rng.standard_normal()) + 0.05)
                grid[Setting(batch, copies, load)] = Cell(rate, tail_s, 90.0 + 0.02 * rate)
    return Server("generated server", grid, list(grid.values()))


# ---- a training job: batch size x power limit


@dataclass(frozen=True, slots=True)
class Job:
    """A job's grid; rates are progress to the target per second, so that epochs count."""

    dataset: str
    device: str
    grid: Grid
    default: Setting
    max_watts: float

    def cost(self, setting: Setting) -> float:
        """Half of the energy and half of maximum power x time, to reach the target."""
        cell = self.grid[setting]
        return (cell.watts or 0.0) / 2 / cell.items_per_s + self.max_watts / 2 / cell.items_per_s

    def saved(self, setting: Setting) -> float:
        """Share of the default's cost that a setting saves."""
        return 1.0 - self.cost(setting) / self.cost(self.default)

    def ceiling(self) -> float:
        """What the best setting saves."""
        return max(self.saved(s) for s in self.grid if self.grid[s].items_per_s > 0)


def _epochs(path: Path) -> dict[tuple[str, str, str], dict[int, dict[str, float]]]:
    """By job and batch size: mean epochs to each target, over the seeds; inf if a seed did not reach it."""
    runs: dict[tuple[str, str, str], dict[int, dict[str, list[float]]]] = {}
    for row in read_csv(path):
        key = (row["dataset"], row["network"], row["optimizer"])
        end = float(row["target_epoch"] or "nan")
        targets = runs.setdefault(key, {}).setdefault(int(row["batch_size"]), {})
        targets.setdefault(row["target_metric"], []).append(float("inf") if isnan(end) else end)
    return {
        key: {b: {t: float(np.mean(ends)) for t, ends in targets.items()} for b, targets in sizes.items()}
        for key, sizes in runs.items()
    }


def read_jobs(given: Arguments) -> list[Job]:
    """Every job that has power and epochs; the default is its largest batch at full power, the target what that can reach."""
    epochs = {}
    for path in given.files("usage", "batch_train_zeus_epochs*"):
        epochs.update(_epochs(path))
    jobs = []
    for path in given.files("usage", "batch_train_zeus_power_*"):
        rows: dict[tuple[str, str, str], list[dict[str, str]]] = {}
        for row in read_csv(path):
            rows.setdefault((row["dataset"], row["network"], row["optimizer"]), []).append(row)
        for key, found in rows.items():
            job = _job(key, path.name.split("_")[-1].split(".")[0], found, epochs.get(key, {}))
            if job is not None:
                jobs.append(job)
    return jobs


def _hardest(sizes: Mapping[int, Mapping[str, float]], default: int) -> str | None:
    """The target that takes the default the most epochs, of those that it reaches with every seed."""
    reached = {name: epochs for name, epochs in sizes.get(default, {}).items() if isfinite(epochs)}
    return max(sorted(reached), key=lambda name: reached[name], default=None)


def _job(
    key: tuple[str, str, str],
    device: str,
    rows: Sequence[Mapping[str, str]],
    sizes: Mapping[int, Mapping[str, float]],
) -> Job | None:
    """One job's grid; None without a target, or where nothing is to be chosen."""
    largest = max((int(row["batch_size"]) for row in rows if int(row["batch_size"]) in sizes), default=0)
    target = _hardest(sizes, largest)
    if target is None:
        return None
    grid = {}
    for row in rows:
        batch, epoch_s = int(row["batch_size"]), float(row["time_per_epoch"] or 0)
        if epoch_s <= 0 or batch not in sizes:
            continue
        rate = 1e6 / (epoch_s * sizes[batch].get(target, float("inf")))
        setting = Setting(batch, power_limit_w=float(row["power_limit"]))
        grid[setting] = Cell(rate, batch * epoch_s / 1e6, float(row["average_power"]))
    default = max(grid, key=lambda s: (s.batch, s.power_limit_w), default=None)
    if default is None or grid[default].items_per_s <= 0:
        return None
    return Job(key[0], device, grid, default, max(s.power_limit_w for s in grid))


def generated_job(seed: int) -> Job:
    """A training job of like statistics: the largest batch is slow, low limits stretch time."""
    rng = np.random.default_rng([seed, 78])
    grid = {}
    for batch, epoch_s, epochs in (
        (8, 10500, 7),
        (16, 6400, 7),
        (32, 5100, 7),
        (64, 5000, 8),
        (128, 6900, 9),
        (192, 9700, 10),
    ):
        for limit in range(100, 325, 25):
            slow = 1.0 + 2.0 * exp(-(limit - 100) / 30.0)
            watts = min(float(limit), 175.0 + 10.0 * rng.standard_normal())
            seconds = epoch_s * slow * exp(0.01 * rng.standard_normal())
            grid[Setting(batch, power_limit_w=float(limit))] = Cell(
                1e6 / (seconds * epochs), batch * seconds / 1e6, watts
            )
    default = Setting(192, power_limit_w=300.0)
    return Job("generated", "gpu", grid, default, 300.0)


def tune_job(job: Job, care: Care) -> Walk:
    """Search a job's grid from its default on, by cost: prices chosen so that it is half energy, half maximum power x time."""
    goal = Goal(objective="cost", price_per_s=job.max_watts / 2, price_per_kwh=3.6e6 / 2)
    return walk(job.grid, goal, care, job.default)
