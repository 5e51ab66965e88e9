"""`scrimp audit`: read, verify and export the audit log."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._screen import plural, write_json
from scrimp.cli._state import store_option, visiting
from scrimp.cli._why_recorded import instant_s
from scrimp.store import Event, Record, Visit, export_records, instant, read_records


def _instant(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """The instant as records have it."""
    return None if text is None else instant(instant_s(text, time.time()))


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that choose records."""
    for option in (
        click.option(
            "--since",
            callback=_instant,
            help="From then on: 2026-11-23T12:00:00Z, or `2h` for two hours ago.",
        ),
        click.option("--event", type=click.Choice(get_args(Event)), help="Only records of this event."),
        click.option("--target", help="Only records about this target, such as node_group/train."),
        click.option("--policy", help="Only records of this policy."),
    ):
        command = option(command)
    return command


def _records(visit: Visit, chosen: dict[str, str | None]) -> Iterator[Record]:
    return read_records(visit.log, **chosen)


@click.group()
def command() -> None:
    """Read, verify and export the audit log."""


@command.command("list")
@_filters
@click.option("--last", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@store_option
def list_records(
    *, last: int, output: Literal["text", "json"], store: Path | None, **chosen: str | None
) -> ExitCode:
    """List the newest records, oldest first."""
    with visiting(store) as visit:
        found = list(deque(_records(visit, chosen), maxlen=last))
    if output == "json":
        write_json({"scrimp": "audit/1", "records": found})
        return ExitCode.DONE
    for record in found:
        words = [record["policy"], record["target"], record["action"], record["values"].get("outcome")]
        told = " ".join(str(word) for word in words if word)
        click.echo(f"{record['seq']:>6}  {record['at'][:19]}Z  {record['event']:<9} {told}".rstrip())
    return ExitCode.DONE


@command.command()
@click.argument("seq", type=click.IntRange(min=1))
@store_option
def show(seq: int, *, store: Path | None) -> ExitCode:
    """Show the record number SEQ as JSON."""
    with visiting(store) as visit:
        record = next((one for one in read_records(visit.log) if one.get("seq") == seq), None)
    if record is None:
        raise Wrong(f"there is no record {seq}")
    write_json(record)
    return ExitCode.DONE


@command.command()
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@store_option
def verify(*, output: Literal["text", "json"], store: Path | None) -> ExitCode:
    """Check that no record was changed, left out or put in; names the first that is bad. Exit code 1 if one is."""
    with visiting(store) as visit:
        found = visit.verify()
    bad = found.bad
    if output == "json":
        place = (
            None
            if bad is None
            else {"file": bad.file, "line": bad.line, "seq": bad.seq, "reason": bad.reason}
        )
        write_json({"scrimp": "verify/1", "records": found.records, "bad": place})
    elif bad is None:
        click.echo(f"{plural(found.records, 'record')}: sound")
    else:
        where = f"{bad.file}:{bad.line}: " if bad.line else ""
        click.echo(f"{where}record {bad.seq}: {bad.reason}")
        click.echo(f"{plural(found.records, 'record')} before it: sound (scrimp explain SCR805)", err=True)
    return ExitCode.DONE if bad is None else ExitCode.NO


@command.command()
@_filters
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of stdout.")
@store_option
def export(
    *, form: Literal["jsonl", "csv"], out: Path | None, store: Path | None, **chosen: str | None
) -> ExitCode:
    """Write records for other programs."""
    with visiting(store) as visit:
        if out is None:
            export_records(_records(visit, chosen), sys.stdout, form)
            return ExitCode.DONE
        try:
            with out.open("w", encoding="utf-8", newline="") as into:
                count = export_records(_records(visit, chosen), into, form)
        except OSError as error:
            raise Failed(f"cannot write `{out}`: {error.strerror}") from error
    click.echo(f"{plural(count, 'record')} written to {out}", err=True)
    return ExitCode.DONE
