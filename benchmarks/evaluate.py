"""Evaluation: a tick over 100,000 targets and 100 policies, against the same policies in plain NumPy, one at a time.

Policies have three to five comparisons, some of them windows, with 5 % of the values missing. Both sides use the
same three-valued logic over the same columns, interleaved, best of several rounds. What plain NumPy gives is compared
row by row with what scrimp gives, so that speed is not bought with wrong answers.
"""

import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench import Arguments, Report, Table, at_least, at_most, run
from scrimp.check import check_files
from scrimp.compile import PolicySet, compile_set
from scrimp.config.catalogue import builtin_catalogue
from scrimp.diagnostics import Source, render_text
from scrimp.evaluate import evaluate
from scrimp.lang import parse
from scrimp.model.ledger import EMPTY_LEDGER, Ledger
from scrimp.model.snapshot import Column, Series, Snapshot, text_column
from scrimp.model.snapshot import Table as Rows
from scrimp.plan import decide
from scrimp_actions.specs import SPECS

NOW_S = 1_763_899_200.0
SAMPLES = 15
RATIOS = ("cpu_utilization", "memory_utilization", "gpu_utilization")
NUMBERS = ("queue_depth", "items_per_second", "price_per_hour", "cost_rate", "size")
UNITS = {"items_per_second": "count/s", "price_per_hour": "$/h", "cost_rate": "$/h"}
TYPES = tuple(f"type-{n}" for n in range(12))

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison, as data, so that both sides are made of the same."""

    field: str
    op: str  # "<", ">", "==", "avg<"
    value: float | str

    def text(self) -> str:
        """As a policy says it."""
        if isinstance(self.value, str):
            return f'{self.field} == "{self.value}"'
        if self.field in RATIOS:
            amount = f"{self.value * 100:.0f}%"
        elif self.field in ("price_per_hour", "cost_rate"):
            amount = f"${self.value:.2f}/h"
        else:
            amount = f"{self.value:.0f}"
        if self.op == "avg<":
            return f"avg({self.field}) over 15m < {amount}"
        return f"{self.field} {self.op} {amount}"


def policies(rng: np.random.Generator, count: int, *, shared: bool) -> list[list[Comparison]]:
    """Conjunctions of three to five comparisons that few rows meet. Shared: thresholds are round, as people write them."""
    found = []
    for _ in range(count):
        parts = [Comparison("instance_type", "==", str(rng.choice(TYPES)))]
        for field in rng.choice(RATIOS, size=int(rng.integers(1, 3)), replace=False):
            share = float(rng.choice([0.05, 0.1])) if shared else round(float(rng.uniform(0.02, 0.12)), 2)
            parts.append(Comparison(str(field), "avg<" if field == "gpu_utilization" else "<", share))
        for field in rng.choice(
            ("queue_depth", "price_per_hour", "cost_rate"), size=int(rng.integers(1, 3)), replace=False
        ):
            top = float(rng.choice([90.0, 95.0])) if shared else round(float(rng.uniform(80, 99)), 0)
            parts.append(Comparison(str(field), ">", top))
        found.append(parts)
    return found


def compiled(conditions: list[list[Comparison]], hold: str = "") -> PolicySet:
    """The policies through the language, as a user's are."""
    text = "scrimp 1\n" + "\n".join(
        f'policy p{n} {{ "d" owner "o" mode enforce target node_group '
        f"when {' and '.join(part.text() for part in parts)} {hold} do scale_down(by = 20%) }}"
        for n, parts in enumerate(conditions)
    )
    file, wrong = parse(Source("bench.scrimp", text))
    checked, findings = check_files([file], builtin_catalogue().with_actions(SPECS))
    if checked is None:
        sys.exit(render_text([*wrong, *findings], colour=False))
    return compile_set(checked)


def rows(rng: np.random.Generator, count: int) -> Snapshot:
    """Targets with uniform values, 5 % of them missing."""
    names = tuple(f"group-{n}" for n in range(count))

    def column(values: Floats) -> Column:
        return Column(values, rng.random(count) >= 0.05, np.zeros(count), 60.0)

    columns = {field: column(rng.random(count)) for field in RATIOS}
    columns |= {
        field: column(rng.random(count) * 100) for field in ("queue_depth", "price_per_hour", "cost_rate")
    }
    columns["size"] = Column(
        np.floor(rng.random(count) * 100) + 2, np.ones(count, dtype=bool), np.zeros(count), 60.0
    )
    columns["instance_type"] = text_column(
        [str(one) for one in rng.choice(TYPES, size=count)], 0.0, interval_s=60.0
    )
    samples = rng.random((count, SAMPLES)) * rng.random((count, 1))
    samples[rng.random(samples.shape) < 0.05] = np.nan
    times = NOW_S - 60.0 * np.arange(SAMPLES)[::-1]
    series = Series(times[None, :], samples, np.full(1, 60.0), np.zeros(1, dtype=bool))
    table = Rows("node_group", names, columns)
    return Snapshot(NOW_S, {"node_group": table}, {("node_group", "gpu_utilization"): series})


def plain(parts: list[Comparison], snapshot: Snapshot) -> tuple[Bools, Bools]:
    """One policy in plain NumPy: where it is true, and where it is false."""
    columns = snapshot.tables["node_group"].columns
    true = np.ones(len(snapshot.tables["node_group"]), dtype=np.bool_)
    false = np.zeros_like(true)
    for part in parts:
        column = columns[part.field]
        if isinstance(part.value, str):
            code = column.words.index(part.value)
            holds, valid = column.values == code, column.valid
        elif part.op == "avg<":
            series = snapshot.series["node_group", part.field]
            known = ~np.isnan(series.values)
            count = known.sum(axis=1)
            newest = np.where(known, series.times_s, -np.inf).max(axis=1)
            valid = (count >= SAMPLES * 0.5) & (NOW_S - newest <= 180.0)
            holds = np.where(known, series.values, 0.0).sum(axis=1) / count < part.value
        else:
            valid = column.valid & (column.age_s <= 180.0)
            holds = column.values < part.value if part.op == "<" else column.values > part.value
        true &= valid & holds
        false |= valid & ~holds
    return true, false


def best_of(rounds: int, *tasks: Callable[[], object]) -> list[float]:
    """Best seconds of each task, interleaved."""
    best = [float("inf")] * len(tasks)
    for _ in range(rounds):
        for place, task in enumerate(tasks):
            start = time.perf_counter()
            task()
            best[place] = min(best[place], time.perf_counter() - start)
    return best


def clocks_s(conditions: list[list[Comparison]], snapshot: Snapshot, rounds: int) -> float:
    """Best seconds of a whole tick in which every policy has a `for`, and one target is new."""
    policy_set = compiled(conditions, "for 10m tolerating 2m unknown")
    holds = decide(policy_set, snapshot, EMPTY_LEDGER, NOW_S).holds
    table = snapshot.tables["node_group"]
    other = replace(table, names=("new", *table.names[1:]))
    later = replace(snapshot, at_s=NOW_S + 60, tables={"node_group": other})
    return best_of(rounds, lambda: decide(policy_set, later, Ledger(holds=holds), NOW_S + 60))[0]


def main(given: Arguments) -> Report:
    """Both kinds of policy sets, the whole tick, and its memory."""
    rng = np.random.default_rng(given.seed)
    targets = 100_000
    snapshot = rows(rng, targets)
    table, bars = [], []
    for shared in (True, False):
        conditions = policies(rng, 100, shared=shared)
        policy_set = compiled(conditions)
        found = evaluate(policy_set, snapshot, EMPTY_LEDGER, NOW_S)
        for parts, one in zip(conditions, found.policies, strict=True):
            true, false = plain(parts, snapshot)
            assert np.array_equal(np.flatnonzero(true), one.due_rows), one.policy.name
            assert int(false.sum()) == one.false, one.policy.name
        ours, theirs, tick = best_of(
            3 if given.quick else 7,
            lambda: evaluate(policy_set, snapshot, EMPTY_LEDGER, NOW_S),  # noqa: B023 - called within the loop
            lambda: [plain(parts, snapshot) for parts in conditions],  # noqa: B023 - as above
            lambda: decide(policy_set, snapshot, EMPTY_LEDGER, NOW_S),  # noqa: B023 - as above
        )
        tracemalloc.start()
        plan = decide(policy_set, snapshot, EMPTY_LEDGER, NOW_S)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        kind = "round thresholds" if shared else "all thresholds differ"
        acts = len(plan.proposed)
        table.append(
            (kind, policy_set.distinct, ours * 1e3, theirs * 1e3, theirs / ours, tick * 1e3, acts, peak)
        )
        bars.append(at_least(f"speed over plain NumPy, {kind}", theirs / ours, 1.0, "times"))
        bars.append(at_most(f"whole tick, {kind}", tick, 1.0, "s"))
        if shared:
            clocks = clocks_s(conditions, snapshot, 3 if given.quick else 7)
            bars.append(at_most("whole tick, each policy with a `for`, one target new", clocks, 1.0, "s"))
    columns = ("policies", "nodes", "evaluate ms", "plain ms", "ratio", "tick ms", "proposals", "peak MiB")
    return Report(bars, [], [Table("100,000 targets x 100 policies, 5 % missing", columns, table)], [])


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", main))
