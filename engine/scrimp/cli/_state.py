"""The state folder for commands beside the engine: who asks, and what can go wrong."""

import os
import pwd
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from scrimp.cli._app import Failed, Wrong
from scrimp.cli._files import configuration
from scrimp.store import NotAllowed, NotAwaiting, StoreError, Visit, visit_store

store_option = click.option(
    "--store", type=click.Path(path_type=Path), help="The state folder; by default the configured one."
)


def actor_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--actor`, for everything that goes into the audit log under somebody's name."""
    return click.option(
        "--actor",
        default=os_user,
        envvar="SCRIMP_ACTOR",
        show_default="the user",
        help="Who stands in the audit log for this; also SCRIMP_ACTOR.",
    )(command)


def os_user() -> str:
    """Whose process this is, by the operating system: the environment has no say in it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {os.getuid()}"


@contextmanager
def visiting(store: Path | None, *, make: bool = False) -> Iterator[Visit]:
    """The state folder, closed at the end. With `make` it is made where there is none; else that is `Wrong`."""
    folder = store or configuration().store
    if not make and not folder.is_dir():
        raise Wrong(f"there is no state folder `{folder}`: nothing has run here yet")
    try:
        with visit_store(folder, time.time) as visit:
            yield visit
    except (NotAwaiting, NotAllowed) as error:
        raise Wrong(f"{error} (scrimp explain {error.code})") from error
    except StoreError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
