"""Batch-size tuning: how close to the best size, with how many looks, under bounds and noise; drift; and speed.

On tables of speed against batch size, and on generated curves of many shapes. When to stop, cliffs and knees were chosen on one
half of the tables' families (a model on a GPU), and both halves are reported; the amplitudes of the prior, the chance of a
broken bound, the rules for server grids and those for drift were chosen with all tables in view. The heights of cliffs and
the widest amplitude were chosen on perturbed tables of that half (see `tuning_perturbed`); perturbed tables are reported for the other half.
"""

from __future__ import annotations

import hashlib
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from scrimp_actions.tuning import Care, DriftLimits, Goal, Observation, Setting, Workload, fold, propose
from tuning_axes import (
    P99_LIMITS_MS,
    Job,
    generated_job,
    generated_server,
    read_jobs,
    read_servers,
    tune_job,
    walk,
)
from tuning_data import Curve, generated_curves, read_curves
from tuning_drift import KINDS, measure
from tuning_perturbed import CHANGES, perturbed
from tuning_search import FACTORS, SIMPLER, Outcome, Score, replay, score, scrimp

EXACT = Care(tolerance=0.0)
NOISE = 0.1
GRID = "server grid"
CHANCES = (0.002, 0.02, 0.1, 0.3)
DRIFT_NOISE = (0.05, 0.1, 0.2)
AUDIO = "librispeech"


def chosen_half(curve: Curve) -> bool:
    """Whether a curve's family belongs to the half on which most defaults were chosen."""
    return int(hashlib.sha256(f"{curve.source}/{curve.family}".encode()).hexdigest(), 16) % 2 == 0


def sample(curves: Sequence[Curve], each: int, seed: int) -> list[Curve]:
    """At most `each` curves of every family, drawn once."""
    families: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        families.setdefault((curve.source, curve.family), []).append(curve)
    rng = np.random.default_rng([seed, 5])
    kept = []
    for found in families.values():
        places = sorted(rng.permutation(len(found))[:each].tolist())
        kept += [found[place] for place in places]
    return [kept[place] for place in rng.permutation(len(kept))]


COLUMNS = (
    "curves",
    "number",
    "mean",
    "worst",
    "worst curve's mean",
    "bound broken",
    "sizes",
    "most sizes",
    "looks",
)


def row(name: str, found: Score) -> list[float | str | None]:
    """A line of the tables."""
    return [
        name, float(found.curves), found.mean, found.worst, found.worst_curve, found.broken,
        found.sizes, float(found.most_sizes), found.looks,
    ]  # fmt: skip


def by_part(outcomes: Sequence[Outcome]) -> list[list[float | str | None]]:
    """Scores of all, of both halves, and of every source."""
    parts: dict[str, list[Outcome]] = {"all": list(outcomes)}
    for each in outcomes:
        parts.setdefault(
            "half that most defaults were chosen on" if chosen_half(each.curve) else "other half", []
        ).append(each)
    for each in outcomes:
        parts.setdefault(each.curve.source, []).append(each)
    return [row(name, score(found)) for name, found in parts.items()]


# ---- one axis


def exact_part(
    curves: Sequence[Curve], grid: Sequence[Curve], shapes: Sequence[Curve], given: Arguments
) -> tuple[list[Bar], list[Table]]:
    """Without noise: the tuner by source and half, other shapes, and the simpler searches."""
    other = replay(shapes, scrimp(EXACT), left_s=lambda: given.left_s() - 30.0)
    found = replay(curves, scrimp(EXACT), left_s=lambda: given.left_s() - 20.0)
    curves = curves[: len(found) // len(FACTORS)]
    total = score(found)
    rows = by_part(found)
    if grid:
        rows.append(
            row("server grid's slices, nearly flat (no part of the bars)", score(replay(grid, scrimp(EXACT))))
        )
    usual = score(replay(curves[:: max(1, len(curves) // (20 if given.quick else 60))], scrimp(Care())))
    rows.append(row("the smallest within 2 % of the best (default), a sample", usual))
    kinds = {
        kind: [each for each in other if each.curve.family == kind]
        for kind in dict.fromkeys(each.curve.family for each in other)
    }
    simple = [
        row("this tuner", total),
        *(row(name, score(replay(curves, search))) for name, search in SIMPLER.items()),
    ]
    bars = [
        at_least("worst curve and bound", 100 * total.worst, 97.5, "% of the best"),
        at_least("mean", 100 * total.mean, 99.9, "% of the best"),
        at_most("sizes looked at, mean", total.sizes, 5.0),
        at_most("sizes looked at, most", float(total.most_sizes), 10.0),
        at_most("bound broken", 100 * total.broken, 0.0, "%"),
        at_least("generated shapes, mean", 100 * score(other).mean, 99.9, "% of the best"),
    ]
    tables = [
        Table("bounds of 1.5, 2 and 4 times the smallest batch's latency, and none", COLUMNS, rows),
        Table(
            "generated shapes",
            COLUMNS,
            [row("all", score(other)), *(row(k, score(v)) for k, v in kinds.items())],
        ),
        Table("simpler searches on the same curves", COLUMNS, simple),
    ]
    return bars, tables


def perturbed_part(curves: Sequence[Curve], given: Arguments) -> tuple[list[Bar], list[Table]]:
    """Tables as others might have measured them, of the half that nothing was chosen on."""
    reserve_s = 14.0 if given.quick else 60.0
    found = {
        change: replay(
            perturbed(curves, change, given.seed),
            scrimp(EXACT),
            left_s=lambda: given.left_s() - reserve_s,
        )
        for change in list(CHANGES)[:: 3 if given.quick else 1]
    }
    total = score([one for outcomes in found.values() for one in outcomes])
    bars = [
        at_least("perturbed tables, mean", 100 * total.mean, 99.5, "% of the best"),
        at_most("perturbed tables, sizes looked at", total.sizes, 5.0),
        at_most("perturbed tables, bound broken", 100 * total.broken, 0.0, "%"),
    ]
    rows = [row("all", total), *(row(change, score(outcomes)) for change, outcomes in found.items())]
    return bars, [Table("perturbed tables, other half", COLUMNS, rows)]


def noisy_part(
    curves: Sequence[Curve], shapes: Sequence[Curve], repeats: int, levels: Sequence[Curve], given: Arguments
) -> tuple[list[Bar], list[Table]]:
    """With noise on every look: the tuner, other shapes, the simpler searches, and the frontier of care."""

    def noisy(some: Sequence[Curve], care: Care, times: int) -> list[Outcome]:
        return replay(some, scrimp(care), noise=NOISE, seed=seed, repeats=times, left_s=left_s)

    seed = given.seed

    def left_s() -> float:
        return given.left_s() - 8.0

    found = noisy(curves, EXACT, repeats)
    curves = curves[: len(found) // len(FACTORS) // repeats]
    total, rows = score(found), by_part(found)
    rows.append(row("generated shapes", score(noisy(shapes, EXACT, 1))))
    rows += [
        row(n, score(replay(curves[:: 3 if given.quick else 1], s, noise=NOISE, seed=seed, repeats=repeats)))
        for n, s in SIMPLER.items()
    ]
    frontier = []
    for looks in (2, 5):
        for chance in CHANCES:
            at = score(noisy(levels, replace(EXACT, break_chance=chance, max_looks=looks), 1))
            frontier.append(row(f"break_chance {chance:g}, {looks} looks a size", at))
    bars = [
        at_most("10 % noise: bound truly broken", 100 * total.broken, 1.0, "%"),
        at_least("10 % noise: mean", 100 * total.mean, 98.0, "% of the best"),
        at_least("10 % noise: worst curve's mean", 100 * total.worst_curve, 80.0, "% of the best"),
    ]
    tables = [
        Table("10 % noise on every look; against the best size at 1 / 1.15 of the bound", COLUMNS, rows),
        Table("frontier: how careful, against how much", COLUMNS, frontier),
    ]
    return bars, tables


# ---- more axes


def servers_part(given: Arguments) -> tuple[list[Bar], list[Table]]:
    """A server's grid under bounds on p99."""
    rows: list[list[float | str | None]] = []
    found = read_servers(given) or [generated_server(given.seed)]
    for server in found:
        for limit_ms in P99_LIMITS_MS:
            best = server.best(limit_ms / 1e3)
            if not best:
                continue
            end = walk(
                server.grid,
                Goal(max_latency_s=limit_ms / 1e3),
                replace(EXACT, max_sizes=25),
                min(server.grid),
            )
            cell = server.grid[end.setting]
            share = cell.items_per_s / best if cell.tail_s <= limit_ms / 1e3 else 0.0
            named = f"batch {end.setting.batch} x {end.setting.instances} copies x load {end.setting.load}"
            rows.append(
                [f"{server.name} ({len(server.all_cells)})", limit_ms, named, share, float(end.looks)]
            )
    if not rows:
        return [Bar("server grid", None, ">= 98", None)], []
    bars = [
        at_least(
            "server grid: worst p99 bound", 100 * min(float(r[3] or 0) for r in rows), 98.0, "% of the best"
        ),
        at_most("server grid: looks", max(float(r[4] or 0) for r in rows), 25.0),
    ]
    columns = ("server (configurations)", "p99 bound ms", "chosen", "of the best", "looks")
    return bars, [
        Table("copies x batch limit x load; a choice that breaks the bound counts 0", columns, rows)
    ]


def jobs_part(given: Arguments) -> tuple[list[Bar], list[Table]]:
    """Training to a target at half energy and half maximum power x time."""
    jobs = read_jobs(given) or [generated_job(given.seed)]
    rows: list[list[float | str | None]] = []
    shares = []
    audio: float | None = None
    for job in jobs:
        end = tune_job(job, replace(EXACT, max_sizes=25))
        saved, ceiling = job.saved(end.setting), job.ceiling()
        shares.append((1 - ceiling) / (1 - saved))
        if job.dataset == AUDIO and job.device == "a40":
            audio = saved
        rows.append(
            [f"{job.dataset} {job.device}", *_job_row(job, end.setting), saved, ceiling, float(end.looks)]
        )
    name = "audio training on an A40: saved against the default"
    bars = [
        Bar(name, None, ">= 60", None, "%") if audio is None else at_least(name, 100 * audio, 60.0, "%"),
        at_least("training jobs: worst share of the least cost", 100 * min(shares), 97.5, "%"),
    ]
    columns = ("job", "settings", "default", "chosen", "saved", "ceiling", "looks, failures too")
    return bars, [Table("batch size x power limit, from the largest batch at full power", columns, rows)]


def _job_row(job: Job, chosen: Setting) -> list[float | str | None]:
    """How many settings, the default and the choice."""
    shown = [f"{s.batch} at {s.power_limit_w:g} W" for s in (job.default, chosen)]
    return [float(len(job.grid)), *shown]


# ---- drift and speed


def drift_part(given: Arguments) -> tuple[list[Bar], list[Table]]:
    """False alarms and delays for every kind of latency and noise; the bars are on independent ones."""
    streams, rises = (1, 60) if given.quick else (20, 400)
    kinds = [k for k in KINDS if not given.quick or k in {"independent", "skewed"}]
    found = [
        measure(kind, noise, seed=given.seed, streams=streams, rises=rises, limits=DriftLimits())
        for kind in kinds
        for noise in DRIFT_NOISE
    ]
    plain = [f for f in found if f.kind == "independent"]
    bars = [
        at_most(f"drift of +30 % seen, {f.noise:.0%} noise: 9 of 10 within", f.delay_p90, 20.0, "samples")
        for f in plain
    ]
    bars.append(
        at_most("drift: false alarms, worst noise", max(f.false_alarms for f in plain), 2.0, "in 10,000")
    )
    rows = [
        [
            f.kind,
            f"{f.noise:.0%}",
            f.false_alarms,
            f.delay_mean,
            f.delay_p90,
            "yes" if f.delay_p90 <= 20 and f.false_alarms <= 2 else "no",
        ]
        for f in found
    ]
    columns = ("latencies", "noise", "false alarms in 10,000", "delay, mean", "delay, p90", "both bars hold")
    return bars, [Table("a rise of 30 %", columns, rows)]


def speed_part(seed: int) -> tuple[list[Bar], list[Table]]:
    """One proposal from 10,000 rows of history: of one workload, and of fifty; folding included, and the fold kept."""
    times = [(workloads, *_proposal_ms(workloads, seed)) for workloads in (1, 50)]
    bars = [at_most("one proposal from 10,000 history rows", max(whole for _, whole, _ in times), 20.0, "ms")]
    rows = [[float(number), whole, kept] for number, whole, kept in times]
    return bars, [
        Table(
            "processor time of one proposal, best of 15",
            ("workloads", "rows folded ms", "fold kept ms"),
            rows,
        )
    ]


def _proposal_ms(workloads: int, seed: int) -> tuple[float, float]:
    """Least processor time (ms) to fold 10,000 rows and propose, and to propose alone."""
    rng = np.random.default_rng(seed)
    candidates = [Setting(2**k) for k in range(11)]
    rows = []
    for k in range(10_000):
        setting = candidates[int(rng.integers(len(candidates)))]
        latency_s = 0.01 * (1 + setting.batch / 32) * float(np.exp(0.1 * rng.standard_normal()))
        work = Workload("op", "gpu", "fp16", str(k % workloads))
        rate = setting.batch / latency_s
        rows.append(Observation(work, setting, float(k), 20, latency_s, rate, memory_bytes=1e9))
    asked, history = rows[0].workload, fold({}, rows)
    goal = Goal(max_latency_s=0.1)
    whole = timeit.repeat(
        lambda: propose(fold({}, rows)[asked], candidates, goal, candidates[0]),
        number=1,
        repeat=15,
        timer=time.process_time,
    )
    kept = timeit.repeat(
        lambda: propose(history[asked], candidates, goal, candidates[0]),
        number=1,
        repeat=15,
        timer=time.process_time,
    )
    return min(whole) * 1e3, min(kept) * 1e3


def main(given: Arguments) -> Report:
    """All parts; a quick run takes fewer curves of each family."""
    everything = read_curves(given)
    left_out = [] if everything else ["tables of batch size against speed: curves are generated"]
    tables_curves = everything or generated_curves(given.seed, 6)
    plain = [c for c in tables_curves if c.source != GRID]
    grid = [c for c in tables_curves if c.source == GRID]
    exact = sample(plain, 2, given.seed) if given.quick else plain
    noisy = sample(plain, 1, given.seed)[::2] if given.quick else sample(plain, 4, given.seed)
    shapes = generated_curves(given.seed + 100, 2 if given.quick else 20)
    if given.quick:
        left_out += [
            "most curves of each family, and as many more as time asks for (see `number`)",
            "some kinds of latencies for drift; slices of the server's grid",
        ]
    judged = sample([c for c in plain if not chosen_half(c)], 1, given.seed)
    repeats, every = (1, 8) if given.quick else (3, 3)
    grids = [] if given.quick else sample(grid, 1, given.seed)
    planned: dict[str, Callable[[], tuple[list[Bar], list[Table]]]] = {
        "one proposal": lambda: speed_part(given.seed),
        "a server's grid": lambda: servers_part(given),
        "power limits": lambda: jobs_part(given),
        "drift": lambda: drift_part(given),
        "exact curves": lambda: exact_part(exact, grids, shapes, given),
        "perturbed curves": lambda: perturbed_part(judged[::5] if given.quick else judged, given),
        "noisy curves": lambda: noisy_part(noisy, shapes[::4], repeats, noisy[::every], given),
    }
    if not judged:
        del planned["perturbed curves"]
    parts = []
    for name, part in planned.items():
        given.begin(name)
        parts.append(part())
    notes = [
        "Shares count at most 1; a search begins at the smallest size.",
        "Slices of a server's grid (batch limits at fixed load) are nearly flat; the grid has a bar of its own.",
    ]
    return Report(
        [bar for bars, _ in parts for bar in bars],
        left_out,
        [table for _, tables in parts for table in tables],
        notes,
    )


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", main))
