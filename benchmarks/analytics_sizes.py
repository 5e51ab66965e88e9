"""Sizes and shared GPUs, made from what was seen and judged on what came after; for the analytics benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analytics_data import DAY_S, DEVICE_MIB, Containers
from scrimp.costs import (
    Peers,
    ShareRules,
    Size,
    SizeRules,
    block_peaks,
    crowded,
    pack_by_series,
    size_for,
)
from scrimp.model.usage import Bools, Floats

Reading = Literal["own", "day"]
"""Each container's first half is that of its own life, or what it showed in the first half of the table's days."""

READINGS: tuple[tuple[Reading, str], ...] = (("own", ""), ("day", ", all cut at half a day"))
"""Both, with what a bar's name says of them."""


@dataclass(frozen=True, slots=True)
class History:
    """One container: block peaks of its first half, seconds that they span and that they are to hold for, what came."""

    name: str
    peaks: Floats
    span_s: float
    ahead_s: float
    later: Floats


@dataclass(frozen=True, slots=True)
class Sized:
    """Containers with their sizes."""

    histories: Sequence[History]
    sizes: Sequence[Size]

    @property
    def over(self) -> Bools:
        """Which were ever above their size."""
        pairs = zip(self.histories, self.sizes, strict=True)
        return np.array([float(one.later.max()) > size.value for one, size in pairs], dtype=bool)

    @property
    def over_percent(self) -> float:
        """The share of them that ever were."""
        return 100 * float(self.over.mean())

    @property
    def by_use(self) -> float:
        """The sum of the sizes by that of the mean uses that came."""
        used = sum(float(one.later.mean()) for one in self.histories)
        return sum(size.value for size in self.sizes) / used


def histories(table: Containers, reading: Reading, rules: SizeRules) -> list[History]:
    """All containers with something known in both halves."""
    found = []
    half, end = half_s(table), float(table.times_s[-1])
    for name, row in zip(table.names, table.memory, strict=True):
        known = np.isfinite(row)
        if not known.any():
            continue
        times, values = table.times_s[known], row[known]
        cut = half if reading == "day" else (times[0] + times[-1]) / 2
        first = times < cut
        if first.all() or not first.any():
            continue
        ahead = (end if reading == "day" else float(times[-1])) - cut
        peaks = block_peaks(times[first], values[first], rules.block_s)
        found.append(History(name, peaks, float(cut - times[0]), float(ahead), values[~first]))
    return found


def sized(found: Sequence[History], rules: SizeRules, *, alone: bool = False) -> Sized:
    """Each sized from its own peaks and, where these are few, those of the others; or `alone`, from its own only."""
    peers = None if alone else Peers([one.peaks for one in found])
    sizes = [size_for(one.peaks, one.span_s, rules, peers, ahead_s=one.ahead_s) for one in found]
    return Sized(found, [size for size in sizes if size is not None])


@dataclass(frozen=True, slots=True)
class Shared:
    """GPUs saved, and minutes over 100 % of their memory or time; both in percent."""

    saved: float
    over: float


def shared(table: Containers, rules: ShareRules, *, by_later: bool = False) -> Shared:
    """Packed by one half of the days, judged on the other."""
    first = (table.times_s < half_s(table)) != by_later
    seen = np.isfinite(table.memory[:, first]).any(axis=1)
    memory, duty = table.memory[seen], table.duty[seen]
    found = pack_by_series(memory[:, first], duty[:, first], DEVICE_MIB, rules)
    over = crowded(found, memory[:, ~first], duty[:, ~first], DEVICE_MIB)
    return Shared(100 * found.saved, 100 * over)


def half_s(table: Containers) -> float:
    """Half of the days that a table covers, from its first sample on; a day that was cut short counts as one."""
    start, end = float(table.times_s[0]), float(table.times_s[-1])
    return start + max(1.0, np.ceil((end - start) / DAY_S)) * DAY_S / 2


def some_of(table: Containers, rows: Sequence[int]) -> Containers:
    """These rows of a table; a row that is named twice is two containers."""
    at = list(rows)
    return Containers(tuple(table.names[row] for row in at), table.times_s, table.memory[at], table.duty[at])
