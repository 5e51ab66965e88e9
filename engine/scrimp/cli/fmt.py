"""`scrimp fmt`: the canonical layout."""

import os
import tempfile
from pathlib import Path

import click

from scrimp.cli._app import ExitCode, Failed
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
        if check:
            code = max(code, ExitCode.NO)
        else:
            _replace(Path(source.path), text)
        click.echo(f"{'would change' if check else 'changed'} {source.path}")
    raise click.exceptions.Exit(code)


def _replace(path: Path, text: str) -> None:
    """Write beside, then rename: a crash leaves the old file or the new one. Raises `Failed`."""
    real = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        beside = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            beside.chmod(real.stat().st_mode)
            beside.replace(real)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise Failed(f"cannot write `{path}`: {error.strerror}") from error
