"""How far the figures of `analytics.py` carry: parameters chosen on one part and judged on another, and other tables.

Sizes: containers are cut at random into halves; `hold` is chosen on one half (the largest with sizes of at most 1.66
times their use by both readings of a first half) and judged on the other, where peers are those of that half alone.
Shared GPUs: the shipped rules on random parts of the containers, packed by the first half of the day and, harder, by the
quiet second half for the busy first. Other tables: containers drawn with replacement, other days, fewer rows, noise.
Forecasts: parts of the series, backwards, with noise, gaps, growth and steps, and generated clusters. Budgets: months with
the noise of parts of the series and of other clusters. There is no bar here: the tables say how often those of
`analytics.py` would be met.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from analytics_data import (
    Containers,
    cluster_gpus,
    containers,
    generated_instead,
    generated_nodes,
    hourly_nodes,
)
from analytics_sizes import READINGS, histories, shared, sized, some_of
from analytics_spend import HISTORY_DAYS, HORIZON_DAYS, budgets, forecasts
from bench import Arguments, Report, Table, run
from scrimp.costs import ShareRules, SizeRules
from scrimp.model.usage import Floats

Cell = float | str | None

HOLDS: Final = (0.3, 0.4, 0.5, 0.55, 0.6, 0.67, 0.7, 0.75, 0.8, 0.85)
MARGINS: Final = (0.05, 0.1, 0.15, 0.2)  # of sizes without peers, to compare
OVER_MAX, BY_USE_MAX = 10.0, 1.7
SPENT_MAX = 1.66  # room for tables on which the same choice costs more
SAVED_MIN, CROWDED_MAX = 39.0, 0.01
PART = 0.75  # of the containers, in each random part


def size_figures(table: Containers, rules: SizeRules, *, alone: bool = False) -> list[float]:
    """Percent above their size and size by use, for each reading."""
    judged = [sized(histories(table, reading, rules), rules, alone=alone) for reading, _ in READINGS]
    return [figure for one in judged for figure in (one.over_percent, one.by_use)]


def by_hold(table: Containers) -> Floats:
    """The figures of every `HOLDS`; (holds, figures)."""
    return np.array([size_figures(table, replace(SizeRules(), hold=hold)) for hold in HOLDS])


def chosen(figures: Floats) -> int:
    """The number of the largest hold whose sizes are at most `SPENT_MAX` times their use by both readings.

    Not the one with the fewest above their size: of a few dozen that is mostly luck, which the other half does not share.
    """
    return max(0, int(np.sum(figures[:, 1::2].max(axis=1) <= SPENT_MAX)) - 1)


def size_splits(table: Containers, rng: np.random.Generator, count: int) -> list[Table]:
    """Chosen on one random half of the containers, judged on the other; the shipped rules and every choice beside."""
    rows: list[list[Cell]] = []
    every, own = [], []
    for number in range(count):
        order = rng.permutation(len(table.names))
        half = len(order) // 2
        at = chosen(by_hold(some_of(table, np.sort(order[:half]).tolist())))
        judge = some_of(table, np.sort(order[half:]).tolist())
        every.append(by_hold(judge))
        own.append([size_figures(judge, SizeRules(margin=margin), alone=True) for margin in MARGINS])
        shipped = size_figures(judge, SizeRules())
        rows.append([str(number + 1), HOLDS[at], *every[-1][at].tolist(), *shipped])
    figures = np.array([[float(cell or 0.0) for cell in row[2:]] for row in rows])
    met = (figures <= np.tile((OVER_MAX, BY_USE_MAX), figures.shape[1] // 2)).sum(axis=0)
    rows.append(["mean", None, *figures.mean(axis=0).tolist()])
    rows.append(["standard deviation", None, *figures.std(axis=0).tolist()])
    rows.append([f"met, of {count}", None, *met.tolist()])
    names = [f"{what}, {reading}" for reading, _ in READINGS for what in ("above %", "by use")]
    columns = ["half", "hold", *names, *(f"shipped: {name}" for name in names)]
    title = f"sizes chosen on one half of the containers, judged on the other, {count} random cuts"
    means: list[list[Cell]] = [
        [hold, *some] for hold, some in zip(HOLDS, np.mean(every, axis=0).tolist(), strict=True)
    ]
    means += [
        [f"own peak and {margin:.0%}", *some]
        for margin, some in zip(MARGINS, np.mean(own, axis=0).tolist(), strict=True)
    ]
    frontier = Table(f"{title}: every hold, means of the judged halves", ["hold", *names], means)
    return [Table(title, columns, rows), frontier]


def other_tables(table: Containers, rng: np.random.Generator) -> Mapping[str, Containers]:
    """What else could have been recorded in the same format."""
    jobs = len(table.names)
    noise = np.exp(rng.normal(0, 0.02, table.memory.shape))
    few = np.where(rng.random(table.memory.shape) < 0.5, np.nan, 1.0)
    late, early = table.times_s >= 7200, table.times_s <= table.times_s[-1] - 7200
    found = {"as it is": table}
    for number in range(3):
        found[f"drawn with replacement, {number + 1}"] = some_of(
            table, np.sort(rng.integers(0, jobs, jobs)).tolist()
        )
    found["half of the samples"] = replace(table, memory=table.memory * few, duty=table.duty * few)
    found["noise of 2 %"] = replace(table, memory=table.memory * noise, duty=table.duty * noise)
    for name, at in (("two hours later", late), ("two hours shorter", early)):
        found[name] = Containers(table.names, table.times_s[at], table.memory[:, at], table.duty[:, at])
    found["backwards: sized when it is quiet"] = replace(
        table, memory=table.memory[:, ::-1], duty=table.duty[:, ::-1]
    )
    return found


def table_figures(table: Containers, rng: np.random.Generator) -> Table:
    """The shipped rules on other tables."""
    rows: list[list[Cell]] = []
    for name, other in other_tables(table, rng).items():
        packed = shared(other, ShareRules())
        rows.append([name, *size_figures(other, SizeRules()), packed.saved, packed.over])
    names = [f"{what}, {reading}" for reading, _ in READINGS for what in ("above %", "by use")]
    title = "the shipped rules on other tables"
    return Table(title, ["containers", *names, "GPUs saved %", "minutes over %"], rows)


def share_parts(table: Containers, rng: np.random.Generator, count: int) -> Table:
    """Shared GPUs on random parts of the containers, and the rule that plans for a rise taken away."""
    size = int(PART * len(table.names))
    parts = [some_of(table, np.sort(rng.permutation(len(table.names))[:size]).tolist()) for _ in range(count)]
    rows: list[list[Cell]] = []
    for name, rules in (
        ("shipped", ShareRules()),
        ("without the rise of one", ShareRules(reach=0.0, usual=0.0)),
    ):
        for by_later, direction in ((False, "by the first half"), (True, "by the second half")):
            found = [shared(part, rules, by_later=by_later) for part in parts]
            saved, over = np.array([one.saved for one in found]), np.array([one.over for one in found])
            met = int(np.sum((saved >= SAVED_MIN) & (over <= CROWDED_MAX)))
            rows.append(
                [
                    f"{name}, packed {direction}",
                    float(saved.mean()),
                    float(saved.min()),
                    float(over.mean()),
                    float(over.max()),
                    met,
                ]
            )
    title = f"shared GPUs, {count} random parts of {size} containers"
    columns = ["rules", "saved %", "least saved", "minutes over %", "most over", "met both"]
    return Table(title, columns, rows)


def other_series(nodes: Floats, rng: np.random.Generator) -> Mapping[str, Sequence[Floats]]:
    """Spend that could have come instead; each name with its series."""
    hours = len(nodes)
    day = np.arange(hours) / 24
    daily = np.exp(rng.normal(0, 0.03, hours // 24 + 1)).repeat(24)[:hours]
    gaps = np.where(rng.random(hours) < 0.5, np.nan, nodes)
    weeks = [_weeks(nodes, rng) for _ in range(4)]
    days = np.arange(len(weeks[0])) / 24
    return {
        "as it is": [nodes],
        "without the first week": [nodes[7 * 24 :]],
        "without the last week": [nodes[: -7 * 24]],
        "from a half day on": [nodes[84:]],
        "backwards": [nodes[::-1].copy()],
        "noise of 3 % a day": [nodes * daily],
        "half of the hours": [gaps],
        "0.5 % growth a day": [nodes * np.exp(0.005 * day)],
        "its weeks drawn, 12 weeks": weeks,
        "its weeks drawn, a step of 1.4": [one * np.where(days > 45, 1.4, 1.0) for one in weeks],
        "generated, 12 weeks": [generated_nodes(np.random.default_rng(seed), 84) for seed in range(4)],
    }


def _weeks(nodes: Floats, rng: np.random.Generator, weeks: int = 12) -> Floats:
    whole = np.where(np.isfinite(nodes), nodes, np.nanmean(nodes))
    starts = rng.integers(0, max(1, len(whole) // 24 - 6), weeks)
    return np.concatenate([whole[start * 24 : (start + 7) * 24] for start in starts.tolist()])


def series_figures(nodes: Floats, rng: np.random.Generator) -> Table:
    """Seven-day forecasts of other series."""
    rows: list[list[Cell]] = []
    for name, several in other_series(nodes, rng).items():
        long = [one for one in several if len(one) >= (HISTORY_DAYS + HORIZON_DAYS + 1) * 24]
        found = [forecasts(one) for one in long]
        if found:
            figures = np.array([(one.error, one.held, one.half_width) for one in found])
            rows.append(
                [name, sum(one.origins for one in found), *figures.mean(axis=0).tolist(), *_ends(figures)]
            )
    columns = [
        "series",
        "origins",
        "mean error %",
        "band held %",
        "half width %",
        "worst error",
        "least held",
        "most held",
    ]
    return Table(f"{HORIZON_DAYS}-day spend of other series", columns, rows)


def _ends(figures: Floats) -> list[float]:
    return [float(figures[:, 0].max()), float(figures[:, 1].min()), float(figures[:, 1].max())]


def month_figures(nodes: Floats, gpus: Mapping[str, Floats], given: Arguments) -> Table:
    """Budgets with the noise of parts of the series and of other clusters."""
    count, half = (6 if given.quick else 60), len(nodes) // 2
    noises = {"the series": nodes, "its first half": nodes[:half], "its second half": nodes[half:]}
    noises["generated cluster"] = generated_nodes(np.random.default_rng(given.seed))
    rows: list[list[Cell]] = []
    for number, (name, noise) in enumerate({**noises, **gpus}.items()):
        if len(noise) < 8 * 24 or given.left_s() < 8.0:
            continue
        found = budgets(noise, np.random.default_rng(given.seed + 100 + number), count)
        leads = np.array([one.lead for one in found.used_up])
        middle, least = (float(np.median(leads)), float(leads.min())) if len(leads) else (None, None)
        rows.append([name, len(leads), found.early_percent, middle, least, found.pages_a_year])
    columns = [
        "noise of",
        "used up",
        "paged 7 days before, %",
        "median days",
        "fewest days",
        "pages in 12 clean months",
    ]
    return Table(f"{count} months with +40 % from day 12, and {count} clean", columns, rows)


def main(given: Arguments) -> Report:
    """All of it, each part with random numbers of its own."""
    table, nodes = containers(given), hourly_nodes(given)
    count, cuts = (2, 2) if given.quick else (10, 30)
    parts: list[Callable[[np.random.Generator], list[Table]]] = [
        lambda rng: size_splits(table, rng, cuts),
        lambda rng: [table_figures(table, rng)],
        lambda rng: [share_parts(table, rng, count)],
    ]
    left_out = generated_instead(given)
    if len(nodes) >= (HISTORY_DAYS + HORIZON_DAYS + 1) * 24:
        parts.append(lambda rng: [series_figures(nodes, rng)])
        parts.append(lambda _: [month_figures(nodes, cluster_gpus(given), given)])
    else:
        left_out.append("forecasts and budgets: too few days of spend")
    tables = []
    for number, part in zip(itertools.count(), parts):
        if given.left_s() < 10.0:
            left_out.append(f"parts {number + 1} to {len(parts)}")
            break
        tables += part(np.random.default_rng(given.seed + number))
    return Report([], left_out, tables)


if __name__ == "__main__":
    sys.exit(run(__doc__, main))
