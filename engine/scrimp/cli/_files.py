"""The team's `scrimp.yaml`, for all commands."""

import os
from pathlib import Path

from scrimp.cli._app import Wrong
from scrimp.cli._screen import show
from scrimp.config import Config, load_config


def configuration() -> Config:
    """The configuration of the working folder; `Wrong` after showing what is wrong with it."""
    config, findings = load_config(Path(), os.environ)
    show(findings)
    if config is None:
        raise Wrong("the configuration has errors")
    return config
