"""Usage analytics: sums that are exact, sizes that hold, GPUs shared, spend forecast, budgets that warn in time.

Everything is sized, packed or forecast from the past alone and judged on what came after.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics_data import DEVICE_MIB, Containers, containers, hourly_nodes
from analytics_speed import speed_bars
from analytics_sums import sums_off
from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from scrimp.costs import (
    Backtest,
    ForecastRules,
    ShareRules,
    SizeRules,
    backtest,
    block_peaks,
    crowded,
    hourly,
    judge,
    pack_by_series,
    size_for,
)
from scrimp.model.usage import MICRO, Floats

HISTORY_DAYS = 21
HORIZON_DAYS = 7
MONTH_DAYS = 30
BEFORE_DAYS = 56
BURST_DAY = 12
BURST = 1.4
BUDGET = 1.1
BLOCK_DAYS = 7
BURN = 3.0


def sizing(table: Containers) -> tuple[list[Bar], Table]:
    """Sizes from the first half of the days, judged on the second."""
    split = _half(table)
    first = table.times_s < split
    rules = SizeRules()
    peaks = [block_peaks(table.times_s[first], row[first], rules.block_s) for row in table.memory]
    peers = np.concatenate(peaks)
    rows, sizes, uses, broken = [], [], [], 0
    for name, own, row in zip(table.names, peaks, table.memory, strict=True):
        later = row[~first]
        later = later[np.isfinite(later)]
        size = size_for(own, split - float(table.times_s[0]), rules, peers)
        if size is None or not len(later):
            continue
        over = float(later.max()) > size.value
        broken += over
        sizes.append(size.value)
        uses.append(float(later.mean()))
        if over:
            rows.append([name, size.value, float(later.max()), float(later.mean()), size.confidence])
    if not sizes:
        return [], Table("sizes", [], [])
    share, ratio = 100 * broken / len(sizes), sum(sizes) / sum(uses)
    title = (
        f"containers above their size, of {len(sizes)}: MiB; all sizes say 'not enough data, at least'"
        f" ({rules.peaks_needed()} peaks and a week are needed)"
    )
    bars = [
        at_most("GPU memory: containers ever above their size", share, 10.0, "%"),
        at_most("GPU memory: size by mean use", ratio, 1.7, "x"),
    ]
    return bars, Table(title, ["container", "size", "peak after", "mean after", "confidence"], rows)


def sharing(table: Containers) -> list[Bar]:
    """Containers onto 80 GiB GPUs by the series of the first half, judged on the second."""
    first = table.times_s < _half(table)
    seen = np.isfinite(table.memory[:, first]).any(axis=1)
    memory, duty = table.memory[seen], table.duty[seen]
    found = pack_by_series(memory[:, first], duty[:, first], DEVICE_MIB, ShareRules())
    over = crowded(found, memory[:, ~first], duty[:, ~first], DEVICE_MIB)
    return [
        at_least("co-location: GPUs saved", 100 * found.saved, 39.0, "%"),
        at_most("co-location: minutes over 100 %", 100 * over, 0.01, "%"),
    ]


def _half(table: Containers) -> float:
    """Half of the days that a table covers, from its first sample on; a day that was cut short counts as one."""
    start, end = float(table.times_s[0]), float(table.times_s[-1])
    days = max(1.0, np.ceil((end - start) / 86_400))
    return start + days * 43_200


def forecasts(nodes: Floats) -> tuple[list[Bar], Table]:
    """Seven days ahead from every origin with three weeks of history."""
    test = backtest(hourly(0, nodes * MICRO, "USD"), HORIZON_DAYS, ForecastRules())
    steps = HORIZON_DAYS * 24
    judged = judge(test, steps)
    at = np.flatnonzero((test.origins >= HISTORY_DAYS * 24) & np.isfinite(judged.error))
    halves = np.array([judged.half_width(one)[0] for one in at.tolist()])
    held = np.abs(judged.error[at]) <= halves
    actual = test.actual(steps)[at]
    misses = np.abs(judged.mid[at] / actual - 1)
    names = ("long level", "week level", "robust trend", "Holt-Winters")
    rows: list[list[float | str | None]] = [
        [name, 100 * float(np.mean(np.abs(member[at] / actual - 1)))]
        for name, member in zip(names, test.members(steps), strict=True)
    ]
    rows.append(["together", 100 * float(misses.mean())])
    bars = [
        at_most(f"{HORIZON_DAYS}-day spend: mean error", 100 * float(misses.mean()), 9.0, "%"),
        at_least(f"{HORIZON_DAYS}-day spend: the 80 % band covers", 100 * float(held.mean()), 78.0, "%"),
        at_most(
            f"{HORIZON_DAYS}-day spend: the 80 % band covers at most", 100 * float(held.mean()), 90.0, "%"
        ),
        at_most(f"{HORIZON_DAYS}-day spend: half width of the band", 100 * float(halves.mean()), 20.0, "%"),
    ]
    title = f"mean error of {HORIZON_DAYS}-day spend, {len(at)} origins six hours apart, %"
    return bars, Table(title, ["forecast", "mean error"], rows)


@dataclass(frozen=True, slots=True)
class Month:
    """A simulated month: the days at which the budget was paged and used up; `None` if it was not."""

    paged: float | None
    full: float | None


def months(nodes: Floats, rng: np.random.Generator, count: int, burst: float) -> list[Month]:
    """Months whose noise is weeks of the series, drawn with replacement, after eight weeks of the same noise."""
    level = np.where(np.isfinite(nodes), nodes, np.nanmean(nodes)) / np.nanmean(nodes)
    found = []
    for _ in range(count):
        hours = (BEFORE_DAYS + MONTH_DAYS) * 24
        starts = rng.integers(0, max(1, len(level) // 24 - BLOCK_DAYS + 1), hours // (BLOCK_DAYS * 24) + 1)
        spend = np.concatenate([level[s * 24 : (s + BLOCK_DAYS) * 24] for s in starts.tolist()])[:hours]
        spend[(BEFORE_DAYS + BURST_DAY) * 24 :] *= burst
        found.append(_month(spend))
    return found


def _month(spend: Floats) -> Month:
    """One month, asked every six hours."""
    begin, hours, limit = BEFORE_DAYS * 24, len(spend), BUDGET * MONTH_DAYS * 24
    test = backtest(hourly(0, spend * MICRO, "USD"), MONTH_DAYS + 1, ForecastRules())
    spent = np.concatenate(([0.0], np.cumsum(spend[begin:])))
    full = int(np.argmax(spent >= limit)) / 24 if spent[-1] >= limit else None
    for at, origin in enumerate(test.origins.tolist()):
        if begin < origin < hours and _pages(
            test, at, hours - origin, float(spent[origin - begin]), limit, spend
        ):
            return Month((origin - begin) / 24, full)
    return Month(None, full)


def _pages(test: Backtest, at: int, left: int, spent: float, limit: float, spend: Floats) -> bool:
    """Whether the forecast's lower bound, or both burn rates, page at an origin."""
    origin = int(test.origins[at])
    judged = judge(test, left)
    least = spent + judged.mid[at] / MICRO * (1 - judged.shortfall(at))
    plan = limit / (MONTH_DAYS * 24)
    burns = all(spend[origin - window : origin].mean() >= BURN * plan for window in (1, 6))
    return bool(least >= limit or burns)


def budgets(nodes: Floats, given: Arguments) -> tuple[list[Bar], Table]:
    """Months with more demand from a day on, and months without."""
    count = 12 if given.quick else 36
    rng = np.random.default_rng(given.seed)
    more, clean = months(nodes, rng, count, BURST), months(nodes, rng, count, 1.0)
    leads = [one.full - one.paged if one.paged is not None else 0.0 for one in more if one.full is not None]
    early = sum(lead >= 7 for lead in leads)
    pages = 12 * sum(one.paged is not None for one in clean) / count
    bars = [
        at_least(f"budget, +40 % from day {BURST_DAY}: days paged before 100 %, median", _median(leads), 7.0),
        at_most("budget, clean months: pages in 12 months", pages, 1.0),
    ]
    rows: list[list[float | str | None]] = [
        ["months that used the budget up", len(leads)],
        ["paged before", sum(lead > 0 for lead in leads)],
        ["paged 7 days before", early],
        ["fewest days", min(leads, default=None)],
    ]
    return bars, Table(f"{count} months with +40 % from day {BURST_DAY}", ["", "months"], rows)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def main(given: Arguments) -> Report:
    """All of it."""
    bars: list[Bar] = []
    tables: list[Table] = []
    left_out: list[str] = []
    bars += sums_off(given)
    table = containers(given)
    sized, over = sizing(table)
    bars += sized + sharing(table)
    tables.append(over)
    nodes = hourly_nodes(given)
    if len(nodes) >= (HISTORY_DAYS + HORIZON_DAYS) * 24:
        found, shown = forecasts(nodes)
        bars += found
        tables.append(shown)
        found, shown = budgets(nodes, given)
        bars += found
        tables.append(shown)
    else:
        left_out.append(f"forecasts and budgets: fewer than {HISTORY_DAYS + HORIZON_DAYS} days of spend")
    found, skipped, notes = speed_bars(given)
    return Report([*bars, *found], [*left_out, *skipped], tables, notes)


if __name__ == "__main__":
    sys.exit(run(__doc__, main))
