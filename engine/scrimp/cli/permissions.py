"""`scrimp permissions`: the least that the loaded policies and the configured plug-ins have to be allowed."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import click

from scrimp.api import Permission, Permitted
from scrimp.aws import iam_document
from scrimp.cli._app import ExitCode, Wrong
from scrimp.cli._screen import show, write_json
from scrimp.cli._session import open_session
from scrimp.compile import PolicySet
from scrimp.daemon import compose
from scrimp.diagnostics import has_errors


@click.command()
@click.option(
    "--policies", type=click.Path(path_type=Path), multiple=True, help="Files or folders of policies."
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="`json` is an IAM policy document.",
)
def command(policies: tuple[Path, ...], *, output: Literal["text", "json"]) -> ExitCode:
    """Print the least-privilege permissions for these policies and this scrimp.yaml; nobody is asked for them.

    What the policies cannot come to is not among them, and what scrimp.yaml does not name cannot be touched.
    """
    session = open_session(policies)
    parts = compose(session.config, time.time, time.sleep, preview=True)
    show(parts.findings)
    if has_errors(parts.findings):
        raise Wrong("not all plug-ins can be used")
    actions = actions_of(session.policies)
    found = [
        permission
        for plugin in (*parts.collectors, *parts.providers)
        if isinstance(plugin, Permitted)
        for permission in plugin.permissions(actions)
    ]
    if output == "json":
        write_json(iam_document(found))
    else:
        click.echo(as_text(found, actions))
    return ExitCode.DONE


def actions_of(policies: PolicySet) -> frozenset[str]:
    """All actions that the policies can come to: what they do, what follows a failure, blindness, or the undo."""
    found: set[str] = set()
    for policy in policies.checked.policies:
        calls = [
            *policy.do,
            *(one for one in (policy.on_failure, policy.blind and policy.blind.action) if one),
        ]
        found.update(call.spec.name for call in calls)
        if policy.undo is not None:
            found.update(call.spec.inverse for call in policy.do if call.spec.inverse)
    return frozenset(found)


def as_text(permissions: Iterable[Permission], actions: Iterable[str]) -> str:
    """One line for each permission, by system, with who needs it."""
    lines = [f"for the actions {', '.join(sorted(actions)) or '(none)'}", ""]
    merged: dict[tuple[str, str, str, bool], list[str]] = {}
    for one in permissions:
        bound = "".join(
            f" where {key} = {value}" for pairs in one.conditions.values() for key, value in pairs.items()
        )
        where = ", ".join(one.resources) + bound
        merged.setdefault((one.system, one.action, where, one.optional), []).append(one.why)
    for (system, action, where, optional), whys in sorted(merged.items()):
        note = " (without it something stays unknown)" if optional else ""
        lines.append(f"{system:<5}{action:<38}{where}")
        lines.append(f"{'':5}{'':38}{', '.join(dict.fromkeys(whys))}{note}")
    if len(lines) == 2:
        lines.append("no plug-in needs any permission")
    return "\n".join(lines)
