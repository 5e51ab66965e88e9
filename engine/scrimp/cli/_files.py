"""The team's files for all commands: `scrimp.yaml`, policy files, the checked set."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from scrimp.cli._app import Wrong
from scrimp.cli._screen import show
from scrimp.compile import PolicySet
from scrimp.config import Config, load_config
from scrimp.model.catalogue import Catalogue
from scrimp.reload import load_policies, policy_files

paths_argument = click.argument(
    "paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path)
)


def configuration() -> Config:
    """The configuration of the working folder; `Wrong` after showing what is wrong with it."""
    config, findings = load_config(Path(), os.environ)
    show(findings)
    if config is None:
        raise Wrong("the configuration has errors")
    return config


def policy_paths(paths: Sequence[Path], config: Config) -> Sequence[Path]:
    """The paths given, or the configured folder where there are none; `Wrong` if one has no policy file."""
    roots = list(paths) or [config.policies]
    for root in roots:
        try:
            found = policy_files(root)
        except OSError as error:
            raise Wrong(f"cannot read `{root}`: {error.strerror}") from error
        if not found:
            raise Wrong(f"there is no policy file in `{root}`")
    return roots


def require_policies(paths: Sequence[Path], config: Config, catalogue: Catalogue) -> PolicySet:
    """The set, for commands that cannot go on without; `Wrong` after showing the errors."""
    loaded = load_policies(policy_paths(paths, config), catalogue, config.params)
    if loaded.policy_set is None:
        show(loaded.diagnostics)
        raise Wrong("the policies have errors")
    return loaded.policy_set
