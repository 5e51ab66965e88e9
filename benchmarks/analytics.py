"""Usage analytics: sums that are exact, sizes that hold, GPUs shared, spend forecast, budgets that warn in time.

Everything is sized, packed or forecast from the past alone and judged on what came after. How far the figures carry on
other containers, days and clusters is what `analytics_choice.py` shows.
"""

from __future__ import annotations

import sys

import numpy as np

from analytics_data import Containers, containers, generated_instead, hourly_nodes
from analytics_sizes import READINGS, histories, shared, sized
from analytics_speed import speed_bars
from analytics_spend import (
    BURST_DAY,
    EARLY_DAYS,
    HISTORY_DAYS,
    HORIZON_DAYS,
    budgets,
    forecasts,
)
from analytics_sums import sums_off
from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from scrimp.costs import ShareRules, SizeRules
from scrimp.model.usage import Floats


def size_bars(table: Containers) -> tuple[list[Bar], list[Table]]:
    """Each container's first half sizes its second."""
    bars, tables, rules = [], [], SizeRules()
    for reading, suffix in READINGS:
        found = sized(histories(table, reading, rules), rules)
        if not found.sizes:
            continue
        bars += [
            at_most(f"GPU memory: containers ever above their size{suffix}", found.over_percent, 10.0, "%"),
            at_most(f"GPU memory: size by mean use{suffix}", found.by_use, 1.7, "x"),
        ]
        rows = [
            [one.name, size.value, float(one.later.max()), float(one.later.mean()), size.confidence]
            for one, size, over in zip(found.histories, found.sizes, found.over.tolist(), strict=True)
            if over
        ]
        title = (
            f"containers above their size{suffix}, of {len(found.sizes)}: MiB; all sizes say 'not enough data, at"
            f" least' ({rules.peaks_needed()} peaks and a week are needed)"
        )
        tables.append(Table(title, ["container", "size", "peak after", "mean after", "confidence"], rows))
    return bars, tables


def share_bars(table: Containers) -> list[Bar]:
    """Containers onto 80 GiB GPUs by the series of the first half, judged on the second."""
    found = shared(table, ShareRules())
    return [
        at_least("co-location: GPUs saved", found.saved, 39.0, "%"),
        at_most("co-location: minutes over 100 %", found.over, 0.01, "%"),
    ]


def forecast_bars(nodes: Floats) -> tuple[list[Bar], Table]:
    """Seven days ahead from every origin with three weeks of history."""
    found, name = forecasts(nodes), f"{HORIZON_DAYS}-day spend"
    names = ("long level", "week level", "robust trend", "Holt-Winters", "together")
    rows = [[name, error] for name, error in zip(names, (*found.members, found.error), strict=True)]
    bars = [
        at_most(f"{name}: mean error", found.error, 9.0, "%"),
        at_least(f"{name}: the 80 % band covers", found.held, 78.0, "%"),
        at_most(f"{name}: the 80 % band covers at most", found.held, 90.0, "%"),
        at_most(f"{name}: half width of the band", found.half_width, 20.0, "%"),
    ]
    title = f"mean error of {name}, {found.origins} origins six hours apart, %; "
    title += f"beside its last band stands that {found.told:.0f} % of earlier ones held"
    return bars, Table(title, ["forecast", "mean error"], rows)


def budget_bars(nodes: Floats, given: Arguments) -> tuple[list[Bar], Table]:
    """Months with more demand from a day on, and months without."""
    count = 12 if given.quick else 200
    found = budgets(nodes, np.random.default_rng(given.seed), count)
    leads = [one.lead for one in found.used_up]
    bars = [
        at_least(
            f"budget, +40 % from day {BURST_DAY}: days paged before 100 %, median",
            float(np.median(leads)) if leads else 0.0,
            EARLY_DAYS,
        ),
        at_least(
            f"budget, +40 % from day {BURST_DAY}: months paged {EARLY_DAYS} days before",
            found.early_percent,
            98.0,
            "%",
        ),
        at_most("budget, clean months: pages in 12 months", found.pages_a_year, 1.0),
    ]
    rows: list[list[float | str | None]] = [
        ["used the budget up", len(leads)],
        ["paged before", sum(lead > 0 for lead in leads)],
        [f"paged {EARLY_DAYS} days before", sum(lead >= EARLY_DAYS for lead in leads)],
        ["fewest days", min(leads, default=None)],
        [f"not to be known {EARLY_DAYS} days before", sum(one.known < 1 for one in found.used_up)],
    ]
    rows += [
        [f"first paged by: {rule}", sum(one.rule == rule for one in found.more)]
        for rule in ("new height", "forecast", "burn rate")
    ]
    rows.append(["clean months with a page", sum(one.paged is not None for one in found.clean)])
    return bars, Table(
        f"{count} months with +40 % from day {BURST_DAY}, and {count} clean", ["", "months"], rows
    )


def main(given: Arguments) -> Report:
    """All of it."""
    bars: list[Bar] = []
    tables: list[Table] = []
    left_out = generated_instead(given)
    bars += sums_off(given)
    table = containers(given)
    found, over = size_bars(table)
    bars += found + share_bars(table)
    tables += over
    nodes = hourly_nodes(given)
    if len(nodes) >= (HISTORY_DAYS + HORIZON_DAYS) * 24:
        for part, shown in (forecast_bars(nodes), budget_bars(nodes, given)):
            bars += part
            tables.append(shown)
    else:
        left_out.append(f"forecasts and budgets: fewer than {HISTORY_DAYS + HORIZON_DAYS} days of spend")
    found, skipped, notes = speed_bars(given)
    return Report([*bars, *found], [*left_out, *skipped], tables, notes)


if __name__ == "__main__":
    sys.exit(run(__doc__, main))
