"""`scrimp schema`: the JSON Schemas of files and outputs, and the catalogue that policies are written with."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files

import click

from scrimp.cli._app import ExitCode, Wrong
from scrimp.diagnostics import did_you_mean
from scrimp_schemas import text

_SUFFIX = ".schema.json"
CATALOGUE = "catalogue"


@click.command()
@click.argument("name", required=False)
@click.argument("kind", required=False)
def command(name: str | None, kind: str | None) -> ExitCode:
    """Print the JSON Schema called NAME, such as `plan`; without a name, list them.

    `catalogue` is the kinds with their fields, and the actions, that policies may name; `catalogue KIND` is one kind.
    """
    names = sorted(
        one.name.removesuffix(_SUFFIX)
        for one in files("scrimp_schemas").iterdir()
        if one.name.endswith(_SUFFIX)
    )
    if kind is not None and name != CATALOGUE:
        raise Wrong(f"only `{CATALOGUE}` has kinds")
    if name is None:
        click.echo("\n".join(sorted([*names, CATALOGUE])))
    elif name == CATALOGUE:
        click.echo("\n".join(_catalogue(kind)))
    elif name in names:
        click.echo(text(f"{name}{_SUFFIX}").rstrip())
    else:
        raise Wrong(f"there is no schema `{name}`; known are {', '.join(sorted([*names, CATALOGUE]))}")
    return ExitCode.DONE


def _catalogue(kind: str | None) -> Iterator[str]:
    """JSON, with a line for each field and each action."""
    from scrimp.plugins import load_catalogue  # noqa: PLC0415 - no schema needs it

    catalogue = load_catalogue()
    if kind is not None and kind not in catalogue.kinds:
        near = did_you_mean(kind, catalogue.kinds)
        raise Wrong(f"there is no kind `{kind}`" + (f"; did you mean `{near}`?" if near else ""))
    kinds = [one for name, one in catalogue.kinds.items() if kind in (None, name)]
    actions = [
        one for one in catalogue.actions.values() if kind is None or not one.kinds or kind in one.kinds
    ]
    yield "{"
    yield f'  "scrimp": "{CATALOGUE}/1",'
    yield '  "kinds": {'
    for place, spec in enumerate(kinds):
        yield f'    "{spec.name}": {{"doc": {json.dumps(spec.doc)}, "fields": {{'
        fields = {field.name: {"type": str(field.type), "doc": field.doc} for field in spec.fields.values()}
        yield from _lines(fields, "      ")
        yield "    }}" + ("," if place < len(kinds) - 1 else "")
    yield "  },"
    yield '  "actions": {'
    yield from _lines(
        {
            action.name: {
                "kinds": list(action.kinds),
                "parameters": {param.name: [str(one) for one in param.types] for param in action.params},
                "writes": action.writes,
                "direction": action.direction.value,
                "inverse": action.inverse,
                "doc": action.doc,
            }
            for action in actions
        },
        "    ",
    )
    yield "  }"
    yield "}"


def _lines(members: Mapping[str, object], indent: str) -> Iterator[str]:
    """The members of a JSON object, a line for each."""
    for place, (name, value) in enumerate(members.items(), 1):
        yield f"{indent}{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" + (
            "," if place < len(members) else ""
        )
