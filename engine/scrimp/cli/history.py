"""`scrimp history`: what the history has, and bills and samples of before into it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from scrimp.api import Refilling, Unavailable
from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._files import configuration
from scrimp.cli._progress import progress
from scrimp.cli._screen import iso, plural, show, write_json
from scrimp.history import (
    Folder,
    HistoryError,
    Imported,
    Span,
    import_bill,
    keep_only,
    open_history,
    unfinished,
)
from scrimp.history import fill as fill_history
from scrimp.model.money import Money
from scrimp.model.usage import MICRO
from scrimp.reports import instant

store_option = click.option(
    "--store", type=click.Path(path_type=Path), help="The state folder; by default the configured one."
)


@click.group()
def command() -> None:
    """Show the history, and import bills and samples of before."""


@command.command("show")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@store_option
def show_history(*, output: Literal["text", "json"], store: Path | None) -> ExitCode:
    """Show what usage there is, by source."""
    config = configuration()
    try:
        found = open_history(store or config.store, config.currency).extents()
    except HistoryError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    tell_unfinished(store or config.store)
    if output == "json":
        sources = [
            {"source": one.source, "from": iso(one.from_s), "to": iso(one.to_s), "rows": one.rows}
            for one in found
        ]
        write_json({"scrimp": "history/1", "sources": sources})
        return ExitCode.DONE
    for one in found:
        click.echo(f"{one.source:<10} {iso(one.from_s)} to {iso(one.to_s)}  {plural(one.rows, 'row')}")
    if not found:
        click.echo("no usage yet", err=True)
    return ExitCode.DONE


def tell_unfinished(store: Path) -> None:
    """A line on stderr for each import that has not ended."""
    for name in unfinished(Folder(store / "history")):
        click.echo(f"the import of {name} has not ended: days of it may lack; import it again", err=True)


@command.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--cost",
    type=click.Choice(["effective", "billed"]),
    default="effective",
    show_default=True,
    help="Amortised over use, or as invoiced.",
)
@click.option("--strict", is_flag=True, help="Import nothing of a file with a bad row.")
@click.option(
    "--replace",
    is_flag=True,
    help="Instead of other imports, from the first hour of these files to their last.",
)
@store_option
def import_files(
    *,
    files: Sequence[Path],
    cost: Literal["effective", "billed"],
    strict: bool,
    replace: bool,
    store: Path | None,
) -> ExitCode:
    """Import bills: FOCUS 1.0 to 1.3 or AWS cost and usage reports, CSV or Parquet. Bad or doubled rows: exit code 1.

    The format is seen by the columns. To import a file again changes nothing; a bill that was delivered again, with other
    contents, needs `--replace` with all of its files. Where scrimp measures itself, a report takes what was measured.
    """
    config = configuration()
    folder = Folder((store or config.store) / "history")
    done: list[Imported] = []
    try:
        folder.open()
        for path in files:
            with progress(path.name) as told:
                found = import_bill(folder, path, cost, strict=strict, progress=told)
            show(found.findings)
            _tell(found)
            done.append(found)
        if replace:
            _replace(folder, done)
    except HistoryError as error:
        message = f"{error} (scrimp explain {error.code})"
        raise (Wrong(message) if error.code in ("SCR808", "SCR809") else Failed(message)) from error
    doubled = [] if replace else [one for one in done if one.doubled[0]]
    for one in doubled:
        count, micro = one.doubled
        click.echo(
            f"{one.path.name}: {plural(count, 'charge')} of it, {micro / MICRO:,.2f} of cost, "
            f"{'is' if count == 1 else 'are'} for machines and times that another import has too; both count.\n"
            "If it was delivered again, import all of its files with --replace; if it is the same bill in another "
            "format, take one of them, as `scrimp report --source` does",
            err=True,
        )
    return ExitCode.NO if doubled or any(one.bad for one in done) else ExitCode.DONE


def _replace(folder: Folder, done: Sequence[Imported]) -> None:
    """Take out what other imports have in the span of these."""
    for source in sorted({one.source for one in done if one.rows}):
        mine = [one for one in done if one.source == source and one.rows]
        span = Span(min(one.from_s for one in mine), max(one.to_s for one in mine))
        gone = keep_only(folder, source, span, {one.ident for one in mine})
        sums = ", ".join(str(Money(micro / MICRO, currency)) for currency, micro in sorted(gone.items()))
        click.echo(f"instead of other imports of {source}: {sums or 'nothing'}")


@command.command()
@click.option("--collector", "name", help="The collector to ask; by default the only one that has a past.")
@click.option(
    "--from", "from_text", required=True, help="From this instant on: 2026-11-01, or 30d for so long ago."
)
@click.option("--to", "to_text", default="now", show_default=True, help="Up to this instant.")
@store_option
def fill(*, name: str | None, from_text: str, to_text: str, store: Path | None) -> ExitCode:
    """Fill the history with the past of a collector, such as a Prometheus, as it is set up in scrimp.yaml.

    It ends where measuring here began, so that no hour is told twice. Spans that could not be had: exit code 1.
    """
    from scrimp.daemon import compose  # noqa: PLC0415 - not needed for the other commands

    config = configuration()
    now_s = time.time()
    from_s, to_s = (_instant(one, now_s) for one in (from_text, to_text))
    collectors = {one.name: one for one in compose(config, time.time, time.sleep).collectors}
    having: dict[str, Refilling] = {
        each: one for each, one in collectors.items() if isinstance(one, Refilling)
    }
    if name is None and len(having) == 1:
        name = next(iter(having))
    source = having.get(name or "")
    if source is None or name is None:
        raise Wrong(f"which collector? With a past there are: {', '.join(sorted(having)) or 'none'}")
    try:
        history = open_history(store or config.store, config.currency)
        history.folder.open()
        began_s = history.begin_s(now_s)
        span = Span(from_s, to_s if began_s is None else min(to_s, began_s))
        if span.from_s >= span.to_s:
            raise Wrong("nothing is left to fill before measuring began")
        with progress(name) as told:
            found = fill_history(
                history.folder, source, collectors[name].covers(), span, config.currency, progress=told
            )
    except HistoryError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    except Unavailable as error:
        raise Failed(f"`{name}` has no past to give: {error}") from error
    click.echo(f"{name}: {found.samples:,} samples, {plural(found.hours, 'hour')} of usage")
    for gap, cause in found.gaps:
        click.echo(f"{iso(round(gap.from_s))} to {iso(round(gap.to_s))}: {cause}", err=True)
    for kind, field in found.nothing:
        click.echo(f"{kind}.{field}: not one sample came", err=True)
    return ExitCode.NO if found.gaps else ExitCode.DONE


def _instant(text: str, now_s: float) -> float:
    found = instant(text, now_s)
    if found is None:
        raise Wrong(f"`{text}` is no instant: write 2026-11-01, or 30d for so long ago")
    return found


def _tell(found: Imported) -> None:
    sums = ", ".join(str(Money(micro / MICRO, currency)) for currency, micro in sorted(found.sums.items()))
    span = f" {time.strftime('%Y-%m-%d', time.gmtime(found.from_s))} to {time.strftime('%Y-%m-%d', time.gmtime(found.to_s))},"
    click.echo(
        f"{found.path.name}: {found.form}, {plural(found.rows, 'row')},{span if found.rows else ''} {sums or 'nothing'}"
    )
    if found.bad:
        left = f", {found.bad_micro / MICRO:,.2f} of cost among them" if found.bad_micro else ""
        click.echo(f"{found.path.name}: {plural(found.bad, 'bad row')} left out{left}", err=True)
