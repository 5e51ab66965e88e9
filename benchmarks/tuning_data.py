"""Curves of speed against batch size for the tuning benchmark: read from public tables, or generated in many shapes.

Files are found by their columns' roles, not by their rows: another table of the same format brings other curves. A row
without a speed, or with a speed of 0 (it did not fit), is no point of a curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import Arguments, read_csv

LEAST_SIZES = 3
"""A curve with fewer sizes is no search."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One workload: batch sizes in rising order, true items per second, and true tail latency (seconds) of a batch."""

    source: str
    family: str
    name: str
    batch: tuple[int, ...]
    items_per_s: tuple[float, ...]
    tail_s: tuple[float, ...]

    def limit_s(self, factor: float | None) -> float | None:
        """The latency bound: `factor` times the latency of the smallest batch."""
        return None if factor is None else factor * self.tail_s[0]

    def best(self, limit_s: float | None) -> float:
        """Items per second of the best size whose latency holds the bound."""
        within = [
            r for r, t in zip(self.items_per_s, self.tail_s, strict=True) if limit_s is None or t <= limit_s
        ]
        return max(within)


Key = tuple[str, ...]
Sample = tuple[int, float, float]


def _curves(source: str, family: Callable[[Key], str], rows: Iterator[tuple[Key, Sample]]) -> list[Curve]:
    """Group samples (batch, items per second, tail) by key; a size that stands twice begins a curve of its own."""
    groups: dict[tuple[Key, int], dict[int, tuple[float, float]]] = {}
    for key, (batch, rate, tail_s) in rows:
        copy = 0
        while batch in groups.setdefault((key, copy), {}):
            copy += 1
        groups[key, copy][batch] = (rate, tail_s)
    found = []
    for (key, copy), points in groups.items():
        sizes = sorted(points)
        if len(sizes) >= LEAST_SIZES:
            name = " ".join([*(part for part in key if part), *([f"#{copy + 1}"] if copy else [])])
            rates, tails = zip(*(points[b] for b in sizes), strict=True)
            found.append(Curve(source, family(key), name, tuple(sizes), rates, tails))
    return found


def _nvidia(path: Path) -> Iterator[tuple[Key, Sample]]:
    """Serving tables: the tail is the highest percentile that was measured."""
    names = ("domain", "model", "gpu", "precision", "backend", "input", "concurrency")
    for row in read_csv(path):
        tail = (
            row["latency_p99_ms"] or row["latency_p95_ms"] or row["latency_p90_ms"] or row["latency_avg_ms"]
        )
        if tail and float(row["items_per_s"] or 0) > 0:
            sample = (int(row["batch_size"]), float(row["items_per_s"]), float(tail) / 1e3)
            yield tuple(row[name] for name in names), sample


def _zeus(path: Path) -> Iterator[tuple[Key, Sample]]:
    """Training: a batch takes batch / items of an epoch; the items of an epoch are not told, so a million stands in."""
    items = 1e6
    for row in read_csv(path):
        batch, epoch_s = int(row["batch_size"]), float(row["time_per_epoch"] or 0)
        if epoch_s > 0:
            key = (
                row["dataset"],
                row["network"],
                path.name.split("_")[-1].split(".")[0],
                row["optimizer"],
                row["power_limit"],
            )
            yield key, (batch, items / epoch_s, batch * epoch_s / items)


def _pollux(path: Path) -> Iterator[tuple[Key, Sample]]:
    """Training over several GPUs; the batch of the curve is the local one."""
    model = path.name.removesuffix(".gz").removesuffix(".csv").split("_")[-1]
    for row in read_csv(path):
        step_s, batch = float(row["step_time_s"] or 0), int(row["local_batch"])
        if step_s > 0:
            gpus = sum(int(digit) for digit in row["placement"])
            yield (model, row["placement"]), (batch, batch * gpus / step_s, step_s)


def _gavel(path: Path) -> Iterator[tuple[Key, Sample]]:
    """Training by GPU type and count."""
    for row in read_csv(path):
        steps, batch, gpus = float(row["steps_per_s"] or 0), int(row["batch_size"] or 0), int(row["gpus"])
        if steps > 0 and batch > 0:
            yield (row["model"], row["gpu"], row["gpus"]), (batch, batch * gpus * steps, 1.0 / steps)


def _grid(path: Path) -> Iterator[tuple[Key, Sample]]:
    """A server's grid, one curve of batch limits for each number of copies and clients."""
    for row in read_csv(path):
        if row["is_default"] != "1" and float(row["throughput_per_s"] or 0) > 0:
            key = (row["model"], row["gpu"], f"{row['instances']} copies", f"{row['concurrency']} clients")
            yield (
                key,
                (int(row["max_batch"]), float(row["throughput_per_s"]), float(row["latency_p99_ms"]) / 1e3),
            )


READERS: tuple[tuple[str, str, Callable[[Path], Iterator[tuple[Key, Sample]]], Callable[[Key], str]], ...] = (
    ("serving", "batch_infer_nvidia*", _nvidia, lambda key: f"{key[1]} {key[2]}"),
    ("training, power", "batch_train_zeus_power_*", _zeus, lambda key: f"{key[0]} {key[2]}"),
    ("training, placed", "batch_train_pollux_*", _pollux, lambda key: key[0]),
    (
        "training, types",
        "batch_train_gavel_isolated*",
        _gavel,
        lambda key: f"{key[0]} {key[1].split('_')[0]}",
    ),
    ("server grid", "batch_infer_*grid*", _grid, lambda key: f"{key[0]} {key[2]}"),
)


def read_curves(given: Arguments) -> list[Curve]:
    """Every curve of every table that is there. `family` is what a split may not cut: a model on a GPU."""
    return [
        curve
        for source, pattern, reader, family in READERS
        for path in given.files("usage", pattern)
        for curve in _curves(source, family, reader(path))
    ]


# ---- generated curves

Floats = np.ndarray
LADDERS: tuple[tuple[int, ...], ...] = (
    (1, 2, 4, 8, 16, 32, 64, 128),
    (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    (8, 16, 24, 32, 48, 64, 96, 128),
    (16, 23, 32, 45, 64, 91, 128, 181, 256),
    (1, 2, 4, 8, 16),
)


def _knee(b: Floats, rng: np.random.Generator) -> Floats:
    """Flat, then linear: the latency of a device that fills up."""
    knee, sharp = b[0] * 2.0 ** rng.uniform(-2, np.log2(b[-1] / b[0]) + 1), 2.0 ** rng.uniform(0, 3)
    return (1.0 + (b / knee) ** sharp) ** (1.0 / sharp)


def _steps(b: Floats, rng: np.random.Generator) -> Floats:
    """Padded to multiples of a tile: 9 costs what 16 costs."""
    tile = float(rng.choice([8, 32, 128]))
    return 1.0 + rng.uniform(0.1, 1.0) * np.ceil(b / tile)


def _cliff(b: Floats, rng: np.random.Generator) -> Floats:
    """Beyond a size everything is slower: a cache or memory has run out."""
    at = rng.integers(1, len(b))
    return _knee(b, rng) * np.where(np.arange(len(b)) >= at, rng.uniform(1.2, 2.5), 1.0)


def _dip(b: Floats, rng: np.random.Generator) -> Floats:
    """One size within is slower than its neighbours: another kernel was picked."""
    slow = np.ones(len(b))
    slow[rng.integers(1, len(b) - 1)] = rng.uniform(1.1, 1.8)
    return _knee(b, rng) * slow


def _plateau(b: Floats, rng: np.random.Generator) -> Floats:
    """Speed rises to a level and stays there within a percent or two."""
    knee = b[0] * 2.0 ** rng.uniform(0, 3)
    return np.maximum(1.0, b / knee) * np.exp(0.015 * rng.standard_normal(len(b)))


def _falling(b: Floats, rng: np.random.Generator) -> Floats:
    """The smallest batches are best: a processor whose cache holds only them."""
    speed = np.exp(-rng.uniform(0.05, 0.25) * np.log2(b / b[0]) ** rng.uniform(0.7, 1.2))
    return b / speed * np.exp(0.02 * rng.standard_normal(len(b)))


def _inner(b: Floats, rng: np.random.Generator) -> Floats:
    """The best size lies within: overhead falls, then the cache runs out."""
    best = rng.uniform(1, np.log2(b[-1] / b[0]) - 0.5)
    away = np.log2(b / b[0]) - best
    loss = rng.uniform(0.02, 0.15) * np.where(away < 0, rng.uniform(0.7, 2.0), 1.0) * np.abs(away) ** 1.5
    return b * np.exp(loss + 0.015 * rng.standard_normal(len(b)))


def _jump(b: Floats, rng: np.random.Generator) -> Floats:
    """Flat speed, then a leap at one size: a faster kernel from there on."""
    at = rng.integers(len(b) // 2, len(b))
    rest = b ** rng.uniform(0.85, 1.0)
    return rest / np.where(np.arange(len(b)) >= at, rng.uniform(1.1, 1.7), 1.0)


def _rough(b: Floats, rng: np.random.Generator) -> Floats:
    """A knee under true quirks of 4 % at every size."""
    return _knee(b, rng) * np.exp(0.04 * rng.standard_normal(len(b)))


def _wall(b: Floats, rng: np.random.Generator) -> Floats:
    """From one size on memory is swapped: many times slower."""
    at = rng.integers(2, len(b))
    return _knee(b, rng) * np.where(np.arange(len(b)) >= at, rng.uniform(3.0, 20.0), 1.0)


def _wave(b: Floats, rng: np.random.Generator) -> Floats:
    """Speed rises and falls more than once."""
    octaves = np.log2(b / b[0])
    turns = np.sin(2.0 * np.pi * octaves / rng.uniform(1.5, 6.0) + rng.uniform(0.0, 2.0 * np.pi))
    return _knee(b, rng) * np.exp(rng.uniform(0.05, 0.25) * turns)


def _bowl(b: Floats, rng: np.random.Generator) -> Floats:
    """The latency of a whole batch falls at first: small ones are padded, or wait."""
    octaves = np.log2(b / b[0])
    away = octaves - rng.uniform(0.0, 0.7) * octaves[-1]
    return np.exp(rng.uniform(0.02, 0.2) * away**2 / (1.0 + np.abs(away) / 3.0))


SHAPES: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "knee": _knee,
    "steps": _steps,
    "cliff": _cliff,
    "dip": _dip,
    "plateau": _plateau,
    "falling": _falling,
    "inner": _inner,
    "jump": _jump,
    "rough": _rough,
    "wall": _wall,
    "wave": _wave,
    "bowl": _bowl,
}


def generated_curves(seed: int, each: int) -> list[Curve]:
    """`each` curves of every shape. Of these only walls and bowls were used to choose a default of the tuner, from other seeds."""
    found = []
    for place, (shape, latency) in enumerate(SHAPES.items()):
        for k in range(each):
            rng = np.random.default_rng([seed, place, k])
            sizes = LADDERS[k % len(LADDERS)]
            b = np.array(sizes, float)
            cost_s = latency(b, rng) * 10.0 ** rng.uniform(-3, -1)
            tail = cost_s * np.exp(np.abs(rng.uniform(0.0, 0.15) + 0.02 * rng.standard_normal(len(b))))
            found.append(Curve("generated", shape, f"{shape} {k}", sizes, tuple(b / cost_s), tuple(tail)))
    return found
