"""`scrimp check`: everything that can be said about policies without running them."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from msgspec.structs import asdict

from scrimp.check import clause_costs, costly_clauses
from scrimp.cli._app import ExitCode
from scrimp.cli._files import configuration
from scrimp.cli._screen import coloured, plural, width
from scrimp.cli._session import exit_code
from scrimp.config import FilesUsed, unused_params
from scrimp.diagnostics import Diagnostic, Severity, has_errors, render_json, render_text

if TYPE_CHECKING:
    from scrimp.reload import Read

MAX_SAMPLES = 100_000  # a day at one a second is nearly as many


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--costs", is_flag=True, help="Show what each clause reads for a target: series, and samples of them."
)
@click.option(
    "--max-samples",
    type=click.IntRange(min=1),
    default=MAX_SAMPLES,
    show_default=True,
    help="Warn of a clause that reads more samples for a target.",
)
@click.option(
    "--output", type=click.Choice(["text", "json", "sarif", "github"]), default="text", show_default=True
)
def command(
    paths: tuple[Path, ...],
    *,
    strict: bool,
    costs: bool,
    max_samples: int,
    output: Literal["text", "json", "sarif", "github"],
) -> ExitCode:
    """Check policies: syntax, names, types, units, tests. Works offline.

    PATHS are files or folders; without any, the policies of the working folder.
    """
    from scrimp.plugins import load_catalogue  # noqa: PLC0415 - not needed for --help
    from scrimp.reload import read_policies  # noqa: PLC0415 - as above

    config = configuration()
    read = read_policies(
        list(paths) or [config.policies],
        load_catalogue(config.currency),
        config.params,
        uses=partial(FilesUsed, config.folder, config.calendars),
        today=datetime.now(UTC).date(),
    )
    policies = read.checked.policies if read.checked else ()
    costly = (one for policy in policies for one in costly_clauses(policy, config.interval_s, max_samples))
    unused = unused_params(config, read.checked.params) if read.checked and not paths else ()
    found = (*read.diagnostics, *costly, *unused)
    shown = policies if costs or output == "json" else ()
    spent = [cost for policy in shown for cost in clause_costs(policy, config.interval_s)]
    if any(one.code == "SCR405" for one in found) and not read.sources:
        click.echo(render_text(found, colour=coloured(sys.stderr), width=width()), err=True)
        raise click.exceptions.Exit(ExitCode.WRONG)
    code = exit_code(found, strict=strict)
    if output == "json":
        click.echo(json.dumps({**_as_json(read, found), "costs": [asdict(cost) for cost in spent]}, indent=2))
    elif output == "sarif":
        from scrimp.cli._sarif import sarif  # noqa: PLC0415 - one of four forms

        click.echo(json.dumps(sarif(render_json(found)), indent=2))
    elif output == "github":
        for one in found:
            click.echo(_annotation(one))
    else:
        if found:
            click.echo(render_text(found, colour=coloured(sys.stdout), width=width()))
        for cost in spent:
            reads = f"{plural(cost.series, 'field')}, {plural(cost.samples, 'sample')}"
            click.echo(f"{cost.policy:<32} {cost.clause:<7} {reads}")
        if not has_errors(found):
            tests = len(read.checked.tests) if read.checked else 0
            counts = (
                plural(len(read.sources), "file"),
                plural(len(policies), "policy", "policies"),
                plural(tests, "test"),
            )
            told = ", ".join(counts)
            warned = f"{plural(len(found), 'warning')}" if found else "fine"
            click.echo(f"{told}: {warned}", err=True)
    raise click.exceptions.Exit(code)


def _annotation(one: Diagnostic) -> str:
    """A workflow command that marks the line in a review."""
    level = "error" if one.severity is Severity.ERROR else "warning"
    places: dict[str, str | int] = {}
    if one.source is not None:
        places["file"] = one.source.path
        if one.span is not None:
            at = one.source.place(one.span.start)
            places |= {"line": at.line, "col": at.column}
    places["title"] = one.code
    properties = ",".join(f"{name}={_escaped(str(value), ':', ',')}" for name, value in places.items())
    hint = f" ({one.hint})" if one.hint else ""
    return f"::{level} {properties}::{_escaped(f'{one.message}{hint}')}"


def _escaped(text: str, *more: str) -> str:
    """A workflow command ends at its line's end, a property at a comma."""
    for char in ("%", "\r", "\n", *more):
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def _as_json(read: "Read", found: Sequence[Diagnostic]) -> dict[str, object]:
    errors = sum(one.severity is Severity.ERROR for one in found)
    summary = {"files": len(read.sources), "errors": errors, "warnings": len(found) - errors}
    return {"scrimp": "check/1", "findings": render_json(found), "summary": summary}
