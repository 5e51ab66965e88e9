"""`scrimp deny`: say no to what a policy asks for."""

from pathlib import Path

import click

from scrimp.cli._answer import answer
from scrimp.cli._app import ExitCode
from scrimp.cli._state import actor_option, store_option


@click.command()
@click.argument("name", metavar="[ID]", default="")
@actor_option
@store_option
def command(name: str, *, actor: str, store: Path | None) -> ExitCode:
    """Deny the request ID, as `plan` and the audit log name it.

    Without ID, lists what waits. Who may answer is said by the policy's `approvers` and by scrimp.yaml.
    """
    return answer(name, granted=False, actor=actor, store=store)
