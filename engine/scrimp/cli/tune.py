"""`scrimp tune`: what is known of batch sizes, which is best, and why."""

import csv
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from scrimp.api import BYTES, DURATION, Type
from scrimp.cli._app import ExitCode, Wrong
from scrimp.cli._files import configuration, write_file
from scrimp.cli._screen import show, width, write_json
from scrimp.cli._tune_curve import Study, as_html, as_json, as_text
from scrimp.diagnostics import Diagnostic, Source, Span
from scrimp.model.quantities import quantity
from scrimp_actions.tuning import Goal, Observation, Setting, Workload, fold, ladder, propose
from scrimp_actions.tuning.collector import options_of
from scrimp_actions.tuning.notebook import Notebook
from scrimp_actions.tuning.session import Wish, study

NEEDED = ("operation", "batch", "items_per_s")
MOST_FINDINGS = 20


@click.command()
@click.argument("operation", required=False)
@click.option(
    "--history",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Looks from a CSV file instead of those of the engine.",
)
@click.option("--max-latency", metavar="DURATION", help="No batch may take longer, such as `2s`.")
@click.option("--max-memory", metavar="BYTES", help="No worker may use more, such as `16GiB`.")
@click.option("--objective", type=click.Choice(["cost", "throughput", "energy"]), help="What is made best.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the curves.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    operation: str | None,
    file: Path | None,
    max_latency: str | None,
    max_memory: str | None,
    objective: str | None,
    html: Path | None,
    output: Literal["text", "json"],
) -> ExitCode:
    """Show what was measured of batch sizes, the fit, what is out of bounds, and the best size; nothing is changed.

    Without --history, the looks that the engine made (collector `tuning`), under the bounds that its policy set.
    A CSV file has the columns operation, batch and items_per_s; latency_s, tail_s, memory_bytes, watts, errors, n,
    device, precision, bucket, instances, load, power_limit_w and at_s (epoch seconds) are used where they are there.
    """
    asked = _goal(max_latency, max_memory, objective)
    studies = _of_engine(operation, asked) if file is None else _of_file(file, operation, asked)
    if not studies:
        raise Wrong(f"nothing was measured{f' of `{operation}`' if operation else ''} yet")
    if html is not None:
        write_file(html, as_html(studies))
    if output == "json":
        write_json({"scrimp": "tune/1", "studies": [as_json(study) for study in studies]})
    else:
        click.echo("\n\n".join(as_text(study, width()) for study in studies))
    return ExitCode.DONE


def _goal(max_latency: str | None, max_memory: str | None, objective: str | None) -> dict[str, object]:
    """What the command line asks for; it goes before what the policy set."""
    found: dict[str, object] = {}
    if max_latency is not None:
        found["max_latency_s"] = _amount(max_latency, DURATION, "--max-latency", "2s")
    if max_memory is not None:
        found["max_memory_bytes"] = _amount(max_memory, BYTES, "--max-memory", "16GiB")
    if objective is not None:
        found["objective"] = objective
    return found


def _amount(text: str, wanted: Type, option: str, example: str) -> float:
    value = quantity(text, wanted)
    if value is None or value <= 0:
        raise Wrong(f"{option}: `{text}` is not such as `{example}`")
    return value


def _of_engine(operation: str | None, asked: Mapping[str, object]) -> list[Study]:
    """What the engine's own tuner says, by the options of its collector; then what it knows of other devices."""
    config, now_s = configuration(), time.time()
    notebook, found = Notebook(config.store / "tuning"), []
    section = next((one.options for one in config.collectors if one.type == "tuning"), {})
    pace, care, _, reserve_bytes = options_of(section)
    for one in notebook.operations() if operation is None else [operation]:
        session = notebook.session(one)
        if session is None:
            continue
        wish = notebook.wish(one) or Wish(Goal())
        goal = replace(wish.goal, memory_reserve_bytes=reserve_bytes, **asked)  # type: ignore[arg-type]
        wish = replace(wish, goal=goal, memory_limit_bytes=session.memory_limit_bytes)
        proposal = study(session, wish, care, pace, now_s)
        found.append(Study(session.workload, proposal, dict(session.points), session.incumbent, session.told))
        for workload, points in sorted(session.aside.items()):
            other = propose(points, _candidates(points, goal), goal, None, care, now_s)
            found.append(Study(workload, other, dict(points)))
    return found


def _of_file(file: Path, operation: str | None, asked: Mapping[str, object]) -> list[Study]:
    rows = _read(file)
    goal = replace(Goal(), **asked)  # type: ignore[arg-type]
    history = fold({}, rows)
    found = []
    for workload, points in sorted(history.items()):
        if operation in (None, workload.operation):
            proposal = propose(points, _candidates(points, goal), goal)
            found.append(Study(workload, proposal, dict(points)))
    return found


def _candidates(points: Mapping[Setting, object], goal: Goal) -> list[Setting]:
    """What was measured, and on the one axis of batch sizes the sizes between."""
    measured = set(points)
    if not measured:
        return ladder(goal, 1)
    if len({setting[1:] for setting in measured}) == 1:
        most = max(setting.batch for setting in measured)
        rest = next(iter(measured))[1:]
        goal = replace(goal, max_batch=min(2 * most, goal.max_batch or 2 * most))
        measured |= {Setting(one.batch, *rest) for one in ladder(goal, most)}
    return sorted(measured)


def _read(file: Path) -> list[Observation]:
    """The rows of a CSV file; each that cannot be read is told with its line, and none is left out in silence."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"cannot read `{file}`: {error}") from error
    lines = text.split("\n")
    reader = csv.DictReader(lines)
    missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise Wrong(f"`{file}` has no column {', '.join(f'`{name}`' for name in missing)}")
    source = Source(str(file), text)
    found, findings = [], []
    for row in reader:
        try:
            found.append(_observation(row))
        except (ValueError, KeyError, TypeError) as error:
            start = source.line_starts[reader.line_num - 1]
            span = Span(start, start + len(lines[reader.line_num - 1]))
            findings.append(Diagnostic("SCR809", f"a look cannot be read: {error}", source, span))
    if findings:
        show(findings[:MOST_FINDINGS])
        raise Wrong(f"{len(findings)} rows of `{file}` cannot be read")
    return found


def _observation(row: Mapping[str, str | None]) -> Observation:
    def number(name: str, otherwise: float | None = None) -> float | None:
        text = (row.get(name) or "").strip()
        if not text:
            return otherwise
        value = float(text)
        if not 0 <= value < float("inf"):
            raise ValueError(f"`{name}` is {text}")
        return value

    def text(name: str) -> str:
        return (row.get(name) or "").strip()

    batch, rate = number("batch"), number("items_per_s")
    if not text("operation") or not batch or batch != int(batch) or rate is None:
        raise ValueError("it needs an operation, a whole `batch` of at least 1, and `items_per_s`")
    latency = number("latency_s", batch / rate if rate else 0.0)
    assert latency is not None
    return Observation(
        Workload(text("operation"), text("device"), text("precision"), text("bucket")),
        Setting(
            int(batch),
            int(number("instances", 1) or 1),
            int(number("load", 1) or 1),
            number("power_limit_w", 0.0) or 0.0,
        ),
        number("at_s", 0.0) or 0.0,
        int(number("n", 10) or 0),
        latency,
        rate,
        number("tail_s"),
        None,
        number("memory_bytes"),
        number("watts"),
        int(number("errors", 0) or 0),
    )
