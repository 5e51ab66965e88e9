"""`scrimp history`: what the history has, and bills and samples of before into it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._files import configuration
from scrimp.cli._progress import progress
from scrimp.cli._screen import iso, plural, show, write_json
from scrimp.history import Folder, HistoryError, Imported, import_bill, open_history
from scrimp.model.money import Money
from scrimp.model.usage import MICRO

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
@store_option
def import_files(
    *, files: Sequence[Path], cost: Literal["effective", "billed"], strict: bool, store: Path | None
) -> ExitCode:
    """Import bills: FOCUS 1.0 to 1.3 or AWS cost and usage reports, CSV or Parquet. Bad rows: exit code 1.

    The format is seen by the columns. To import a file again changes nothing. Where scrimp measures itself, a report
    takes what was measured.
    """
    config = configuration()
    folder = Folder((store or config.store) / "history")
    bad = 0
    for path in files:
        try:
            folder.open()
            with progress(path.name) as told:
                found = import_bill(folder, path, cost, strict=strict, progress=told)
        except HistoryError as error:
            message = f"{error} (scrimp explain {error.code})"
            raise (Wrong(message) if error.code in ("SCR808", "SCR809") else Failed(message)) from error
        show(found.findings)
        _tell(found)
        bad += found.bad
    return ExitCode.NO if bad else ExitCode.DONE


def _tell(found: Imported) -> None:
    sums = ", ".join(str(Money(micro / MICRO, currency)) for currency, micro in sorted(found.sums.items()))
    span = f" {time.strftime('%Y-%m-%d', time.gmtime(found.from_s))} to {time.strftime('%Y-%m-%d', time.gmtime(found.to_s))}"
    click.echo(
        f"{found.path.name}: {found.form}, {plural(found.rows, 'row')},{span if found.rows else ''} {sums or 'nothing'}"
    )
    if found.bad:
        left = f", {found.bad_micro / MICRO:,.2f} of cost among them" if found.bad_micro else ""
        click.echo(f"{found.path.name}: {plural(found.bad, 'bad row')} left out{left}", err=True)
