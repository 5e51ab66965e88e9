"""`scrimp fmt`: the canonical layout."""

import os
import tempfile
from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._files import configuration
from scrimp.cli._screen import show
from scrimp.diagnostics import has_errors
from scrimp.lang import format_file, parse
from scrimp.reload import read_sources


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; say which files would change.")
def command(paths: tuple[Path, ...], *, check: bool) -> None:
    """Rewrite policy files in the canonical layout; comments are kept."""
    sources, findings = read_sources(list(paths) or [configuration().policies])
    show(findings)
    code = ExitCode.WRONG if findings else ExitCode.DONE
    for source in sources:
        file, wrong = parse(source)
        if has_errors(wrong):
            show(wrong)
            code = max(code, ExitCode.NO)
            continue
        text = format_file(file)
        if text == source.text:
            continue
        click.echo(f"{'would change' if check else 'changed'} {source.path}")
        if check:
            code = max(code, ExitCode.NO)
        else:
            _replace(Path(source.path), text)
    raise click.exceptions.Exit(code)


def _replace(path: Path, text: str) -> None:
    """Write beside, then rename: a crash leaves the old file or the new one."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    Path(name).chmod(path.stat().st_mode)
    Path(name).replace(path)
