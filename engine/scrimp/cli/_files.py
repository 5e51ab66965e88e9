"""The team's `scrimp.yaml`, and files that commands write."""

import os
from pathlib import Path

from scrimp.cli._app import Failed, Wrong
from scrimp.cli._screen import show
from scrimp.config import Config, load_config


def configuration() -> Config:
    """The configuration of the working folder; `Wrong` after showing what is wrong with it."""
    config, findings = load_config(Path(), os.environ)
    show(findings)
    if config is None:
        raise Wrong("the configuration has errors")
    return config


def write_file(path: Path, text: str) -> None:
    """Raises `Failed`."""
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Failed(f"cannot write `{path}`: {error.strerror}") from error
