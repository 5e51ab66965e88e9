"""`scrimp report`: what a period cost, by what, and where it is heading."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._files import configuration, write_file
from scrimp.cli._progress import progress
from scrimp.cli._screen import write_json
from scrimp.cli.history import tell_unfinished
from scrimp.costs import PERIOD_UNITS, PeriodUnit
from scrimp.diagnostics import did_you_mean
from scrimp.history import (
    MEASURED,
    VERSIONS,
    FocusSettings,
    History,
    HistoryError,
    Source,
    Span,
    open_history,
    write_focus,
)
from scrimp.model.costs import CostGroups
from scrimp.model.usage import DIMENSIONS, Period
from scrimp.reports import (
    DAY_S,
    Ask,
    Report,
    chosen,
    decimal,
    document,
    focus_days,
    instant,
    make_report,
    page,
    period_at,
    steps,
    table,
    text,
)

Form = Literal["text", "json", "csv", "html", "focus"]
GROUPED = tuple(name for name in DIMENSIONS if name not in ("currency", "origin"))


@click.command()
@click.option(
    "--period",
    "unit",
    type=click.Choice(PERIOD_UNITS),
    help="The calendar period (UTC) that holds now.  [default: month]",
)
@click.option("--back", type=click.IntRange(min=0), help="So many periods ago.")
@click.option(
    "--from", "from_text", help="From this instant on: 2026-11-01, 2026-11-01T12:00Z, or 7d for so long ago."
)
@click.option("--to", "to_text", help="Up to this instant; by default now.")
@click.option("--by", multiple=True, help="Group by a dimension; repeat it to group by several together.")
@click.option(
    "--where", multiple=True, metavar="NAME=VALUE", help="Only rows of this value; repeat for more."
)
@click.option("--team-label", help="The label that stands for `team`.")
@click.option(
    "--source",
    default="",
    help="Only this source: measured, focus, cur. By default what was measured, and before that imports.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "csv", "html", "focus"]),
    default="text",
    show_default=True,
    help="`focus` needs `--out FILE.csv` or `--out FILE.parquet`.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of stdout.")
@click.option(
    "--focus-version",
    type=click.Choice(VERSIONS),
    default="1.2",
    show_default=True,
    help="The columns of which FOCUS.",
)
@click.option(
    "--focus-allocated", is_flag=True, help="With the columns of split costs that FOCUS 1.3 introduced."
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="The state folder; by default the configured one."
)
def command(*, output: Form, out: Path | None, store: Path | None, **asked: Any) -> ExitCode:
    """Report what a period cost: used, idle and overhead add up to the bill.

    Dimensions are resource, operation, job, team, pool, node, policy, instance_type and purchase_option.
    """
    config = configuration()
    now_s = time.time()
    period = _period(asked["unit"], asked["back"], asked["from_text"], asked["to_text"], now_s)
    by = tuple(_known(name) for name in asked["by"])
    where = _where(asked["where"])
    ask = replace(
        Ask.of(period, where=where, by=by, label=asked["team_label"], marks=config.marks),
        source=asked["source"],
    )
    try:
        history = open_history(store or config.store, config.currency)
        tell_unfinished(store or config.store)
        _look_for(asked["source"], history)
        if output == "focus":
            _focus(
                history,
                ask,
                now_s,
                out,
                FocusSettings(asked["focus_version"], allocated=asked["focus_allocated"]),
            )
            return ExitCode.DONE
        with progress("rows of usage") as told:
            report = make_report(history, ask, now_s, told)
    except HistoryError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    _write(report, output, by, out)
    return ExitCode.DONE


def _focus(history: History, ask: Ask, now_s: float, out: Path | None, settings: FocusSettings) -> None:
    if out is None or out.suffix not in (".csv", ".parquet"):
        raise Wrong("`--output focus` needs `--out FILE.csv` or `--out FILE.parquet`")
    span = Span(ask.question.period.start_s, ask.question.period.end_s)
    imported = any(part.source != MEASURED for part in chosen(history, ask.source, span, now_s))
    settings = replace(settings, imported=imported)
    with progress("days") as told:
        days = list(steps(ask.question.period, DAY_S))

        def watched() -> Iterator[tuple[Period, CostGroups]]:
            for day, groups in focus_days(history, ask, now_s):
                told(days.index(day) + 1, len(days))
                yield day, groups

        sums = write_focus(out, watched(), settings)
    total = ", ".join(f"{decimal(micro)} {currency}" for currency, micro in sorted(sums.items()))
    click.echo(f"FOCUS {settings.version} written to {out}: {total or 'no rows'}", err=True)


def _look_for(source: str, history: History) -> None:
    """A source that the history never had is a slip of the pen, and no bill of nothing."""
    known = {one.source for one in history.extents()} | {MEASURED, *get_args(Source)}
    if source and source not in known:
        near = did_you_mean(source, known)
        hint = f"did you mean `{near}`?" if near else "there are " + ", ".join(sorted(known))
        raise Wrong(f"there is no source `{source}`: {hint}")


def _period(
    unit: PeriodUnit | None, back: int | None, from_text: str | None, to_text: str | None, now_s: float
) -> Period:
    if from_text is None and to_text is None:
        try:
            return period_at(unit or "month", now_s, back or 0)
        except (ValueError, OverflowError) as error:
            raise Wrong(f"the calendar has no {unit or 'month'} so long ago") from error
    for flag, given in (("--period", unit), ("--back", back)):
        if given is not None:
            raise Wrong(f"`{flag}` is of calendar periods, and `--from` is of another: give one of them")
    if from_text is None:
        raise Wrong("`--to` needs `--from`")
    from_s, to_s = (_instant(text or "now", now_s) for text in (from_text, to_text))
    if from_s >= to_s:
        raise Wrong("the period ends before it begins")
    return Period(int(from_s), int(to_s))


def _instant(text: str, now_s: float) -> float:
    found = instant(text, now_s)
    if found is None:
        raise Wrong(f"`{text}` is no instant: write 2026-11-01, 2026-11-01T12:00Z, or 7d for so long ago")
    return found


def _where(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Wrong(f"`--where {pair}` is not NAME=VALUE")
        found[_known(name)] = (*found.get(name, ()), value)
    return found


def _known(name: str) -> str:
    if name not in GROUPED:
        near = did_you_mean(name, GROUPED)
        hint = f"did you mean `{near}`?" if near else "there are " + ", ".join(GROUPED)
        raise Wrong(f"there is no dimension `{name}`: {hint}")
    return name


def _write(report: Report, output: Form, by: Sequence[str], out: Path | None) -> None:
    if output == "json" and out is None:
        write_json(document(report))
        return
    made = {"text": text, "html": page, "csv": lambda one: table(one, by), "json": _json}[output](report)
    if out is None:
        sys.stdout.write(made)
        return
    write_file(out, made)
    click.echo(f"written to {out}", err=True)


def _json(report: Report) -> str:
    import json  # noqa: PLC0415 - one of four forms

    return json.dumps(document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
