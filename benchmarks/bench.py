"""What every benchmark shares: its arguments, the data folder, its bars, and how they are printed.

A benchmark is a function from `Arguments` to a `Report`; `run` does the rest. It is a script of this folder, so that
`from bench import run` works without an installation of the folder. What a benchmark measures is its own business.
"""

import argparse
import csv
import gzip
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

QUICK_S = 50.0
"""A quick run ends within this many seconds."""

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise and what was measured for it. `met` None: not judged, for nothing was measured, or only a part."""

    name: str
    figure: float | str | None
    bar: str
    met: bool | None
    unit: str = ""


def at_least(name: str, figure: float, bound: float, unit: str = "") -> Bar:
    """A bar that is met from `bound` upwards; both in `unit`."""
    return Bar(name, figure, f">= {bound:g}", figure >= bound, unit)


def at_most(name: str, figure: float, bound: float, unit: str = "") -> Bar:
    """A bar that is met from `bound` downwards; both in `unit`."""
    return Bar(name, figure, f"<= {bound:g}", figure <= bound, unit)


def below(name: str, figure: float, bound: float, unit: str = "") -> Bar:
    """A bar that is met below `bound`, and not at it; both in `unit`."""
    return Bar(name, figure, f"< {bound:g}", figure < bound, unit)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows behind the bars. Cells are numbers or text; floats are printed with four significant digits."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[float | str | None]]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run found. `left_out` names what did not fit or had no data; `facts` are free figures."""

    bars: Sequence[Bar]
    left_out: Sequence[str] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line, read. `data` is None where no data folder was found: generate data with like statistics."""

    data: Path | None
    quick: bool
    seed: int
    output: Literal["text", "json"]
    started_s: float

    def files(self, folder: str, pattern: str) -> list[Path]:
        """Data files by glob pattern, in order, from `DATA/folder` or, if the folder itself was given, from `DATA`."""
        if self.data is None:
            return []
        for place in (self.data / folder, self.data):
            found = sorted(place.glob(pattern)) if place.is_dir() else []
            if found:
                return found
        return []

    def begin(self, part: str) -> None:
        """Tell on standard error which part a full run has come to: some take many minutes."""
        if not self.quick:
            sys.stderr.write(f"{time.monotonic() - self.started_s:6.0f} s  {part}\n")
            sys.stderr.flush()

    def left_s(self) -> float:
        """Seconds left of a quick run, less a reserve for printing; infinite in a full run."""
        if not self.quick:
            return float("inf")
        return QUICK_S - 5.0 - (time.monotonic() - self.started_s)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a comma-separated file with one header line, gzip or plain by its suffix. An empty cell is ''."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as packed:
            return list(csv.DictReader(packed))
    with path.open(encoding="utf-8", newline="") as plain:
        return list(csv.DictReader(plain))


def arguments(description: str, argv: Sequence[str] | None = None) -> Arguments:
    """Read the command line; an unusable `--data` ends the process with 2, like any wrong usage."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data",
        type=Path,
        help="data folder (default: $SCRIMP_BENCH_DATA, ../shared/data, else generated data)",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"end within {QUICK_S:g} s; names what it leaves out"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of all randomness (default: 1)")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    given = parser.parse_args(argv)
    data: Path | None = given.data
    if data is None and os.environ.get("SCRIMP_BENCH_DATA"):
        data = Path(os.environ["SCRIMP_BENCH_DATA"])
    if data is not None and not data.is_dir():
        parser.error(f"no data folder `{data}`")
    if data is None and DEFAULT_DATA.is_dir():
        data = DEFAULT_DATA
    return Arguments(data, given.quick, given.seed, given.output, time.monotonic())


def run(description: str, main: Callable[[Arguments], Report], argv: Sequence[str] | None = None) -> int:
    """Run one benchmark and print its report. The exit code: 0 every measured bar is met, 1 one is not."""
    given = arguments(description, argv)
    report = main(given)
    wall_s = time.monotonic() - given.started_s
    if given.output == "json":
        sys.stdout.write(json.dumps(_plain(report, given, wall_s), indent=1, allow_nan=False) + "\n")
    else:
        _print(report, given, wall_s)
    return 1 if any(bar.met is False for bar in report.bars) else 0


def _plain(report: Report, given: Arguments, wall_s: float) -> dict[str, Any]:
    """The report as JSON values."""
    found = {
        "bars": [
            {"name": b.name, "figure": b.figure, "unit": b.unit, "bar": b.bar, "met": b.met}
            for b in report.bars
        ],
        "left_out": list(report.left_out),
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": [list(row) for row in t.rows]}
            for t in report.tables
        ],
        "notes": list(report.notes),
        "facts": report.facts,
        "generated_data": given.data is None,
        "quick": given.quick,
        "seed": given.seed,
        "wall_s": round(wall_s, 2),
    }
    return {name: _finite(value) for name, value in found.items()}


def _finite(value: Any) -> Any:
    """JSON has no number for what never came: it is the text `inf` or `nan`."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _cell(value: float | str | None) -> str:
    """One cell as text."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def _amount(bar: Bar) -> str:
    """What was measured, with its unit."""
    return _cell(bar.figure) if bar.figure is None else f"{_cell(bar.figure)} {bar.unit}".strip()


def _verdict(bar: Bar) -> str:
    """Whether a bar is met; a figure that is not judged is of a part of what the bar is of."""
    if bar.met is None:
        return "not measured" if bar.figure is None else "only a part measured"
    return "met" if bar.met else "NOT MET"


def _print(report: Report, given: Arguments, wall_s: float) -> None:
    """The report for people; the bars stand last."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    for table in report.tables:
        _print_table(console, table)
    for note in report.notes:
        console.print(note, markup=False)
    for name in report.left_out:
        console.print(f"left out: {name}", markup=False)
    source = "generated data" if given.data is None else str(given.data)
    console.print(f"{source}, {wall_s:.1f} s{', quick' if given.quick else ''}", markup=False)
    bars = [[b.name, _amount(b), f"{b.bar} {b.unit}".strip(), _verdict(b)] for b in report.bars]
    _print_table(console, Table("bars", ["bar", "measured", "promised", ""], bars))


def _print_table(console: Console, table: Table) -> None:
    """One table, numbers to the right."""
    shown = RichTable(title=table.title, title_justify="left", box=None, pad_edge=False)
    for place, column in enumerate(table.columns):
        numeric = any(isinstance(row[place], (int, float)) for row in table.rows)
        shown.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(_cell(value)) for value in row))
    console.print(shown)
    console.print()
