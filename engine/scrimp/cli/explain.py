"""`scrimp explain`: the page of a code."""

import click

from scrimp.cli._app import ExitCode
from scrimp.diagnostics import CODES, did_you_mean, explain


@click.command()
@click.argument("code")
def command(code: str) -> None:
    """Explain a code such as SCR204, with a wrong policy and a right one."""
    page = explain(code.upper())
    if page is None:
        near = did_you_mean(code.upper(), CODES)
        hint = f"; did you mean {near}?" if near else f"; codes are SCR101 to {max(CODES)}"
        click.echo(f"error: there is no code {code}{hint}", err=True)
        raise click.exceptions.Exit(ExitCode.WRONG)
    click.echo(page.rstrip())
