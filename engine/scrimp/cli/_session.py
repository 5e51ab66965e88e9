"""The catalogue and the compiled policies for commands that decide."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from scrimp.cli._app import ExitCode
from scrimp.cli._files import configuration
from scrimp.cli._screen import show
from scrimp.config import Config, FilesUsed, unused_params
from scrimp.diagnostics import Diagnostic, has_errors
from scrimp.model.catalogue import Catalogue

if TYPE_CHECKING:
    from scrimp.compile import PolicySet


class Session(Struct, frozen=True):
    """A folder's configuration and policies."""

    config: Config
    catalogue: Catalogue
    policies: "PolicySet"


def open_session(paths: Sequence[Path], currency: str | None = None) -> Session:
    """Configuration, catalogue and policies; ends the command with the findings where they are wrong."""
    from scrimp.plugins import load_catalogue  # noqa: PLC0415 - not needed for --help
    from scrimp.reload import load_policies  # noqa: PLC0415 - as above

    config = configuration()
    catalogue = load_catalogue(currency or config.currency)
    uses = partial(FilesUsed, config.folder, config.calendars)
    loaded = load_policies(list(paths) or [config.policies], catalogue, config.params, uses=uses)
    if loaded.policy_set is None:
        show(loaded.diagnostics)
        raise click.exceptions.Exit(ExitCode.WRONG)
    if not paths:
        show(unused_params(config, loaded.policy_set.checked.params))
    return Session(config, loaded.policy_set.catalogue, loaded.policy_set)


def exit_code(findings: Iterable[Diagnostic], *, strict: bool = False) -> ExitCode:
    """No if there are errors, or any finding under --strict."""
    found = list(findings)
    return ExitCode.NO if has_errors(found) or (strict and found) else ExitCode.DONE
