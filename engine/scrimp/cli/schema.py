"""`scrimp schema`: the JSON Schemas of files and outputs."""

from importlib.resources import files

import click

from scrimp.cli._app import ExitCode, Wrong
from scrimp_schemas import text

_SUFFIX = ".schema.json"


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> ExitCode:
    """Print the JSON Schema called NAME, such as `plan`; without a name, list them."""
    names = sorted(
        one.name.removesuffix(_SUFFIX)
        for one in files("scrimp_schemas").iterdir()
        if one.name.endswith(_SUFFIX)
    )
    if name is None:
        click.echo("\n".join(names))
    elif name in names:
        click.echo(text(f"{name}{_SUFFIX}").rstrip())
    else:
        raise Wrong(f"there is no schema `{name}`; known are {', '.join(names)}")
    return ExitCode.DONE
