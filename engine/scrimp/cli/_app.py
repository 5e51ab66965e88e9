"""The group of commands, exit codes, and the one place where anything unexpected ends.

Each public module of this folder is a command of its name and holds it as `command`. A command prints its result on
stdout and returns an `ExitCode`; whatever it cannot do it raises as `Wrong` or `Failed`.
"""

import gc
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

# New objects between two looks for garbage: starting makes many objects, and no garbage.
GC_THRESHOLD = 20_000


class ExitCode(IntEnum):
    """What a process says at its end, for every command alike."""

    DONE = 0
    NO = 1  # done, and the answer is no
    WRONG = 2  # wrong usage or configuration
    FAILED = 3  # the outside world failed
    CHANGES = 10  # with --detailed-exitcode only


class Wrong(click.ClickException):
    """Wrong usage or configuration: one line, and exit code 2."""

    exit_code = ExitCode.WRONG


class Failed(click.ClickException):
    """The outside world failed: one line, and exit code 3."""

    exit_code = ExitCode.FAILED


class Commands(click.Group):
    """Finds commands by folder; `scrimp check` imports nothing of `scrimp plan`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """All commands in the order of names."""
        return sorted(
            path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or `None`."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"scrimp.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a near miss named."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from scrimp.diagnostics import did_you_mean  # noqa: PLC0415 - on a mistake only

            near = did_you_mean(args[0], self.list_commands(ctx))
            hint = f"; did you mean `{near}`?" if near else ""
            raise click.UsageError(f"there is no command `{args[0]}`{hint}", ctx) from error


@click.group(cls=Commands, context_settings={"auto_envvar_prefix": "SCRIMP", "max_content_width": 100})
@click.version_option(package_name="scrimp", prog_name="scrimp", message="%(prog)s %(version)s")
def commands() -> None:
    """Policy as code for compute cost.

    Exit codes: 0 done; 1 done, and the answer is no; 2 wrong usage or configuration; 3 could not do it;
    10 changes are present, with --detailed-exitcode only. Every flag is also read from the environment, such as
    SCRIMP_PLAN_SNAPSHOT for `plan --snapshot`.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line, and give its exit code. Never raises but for `SystemExit` out of a command's own depths."""
    try:
        # `main` would end the process itself
        with commands.make_context("scrimp", list(arguments)) as context:
            code = commands.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, Wrong | Failed) else ExitCode.WRONG
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.FAILED
    except BrokenPipeError:
        # The reader has all that it wanted. What is still buffered must not fail again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except OSError as error:
        where = f"`{error.filename}`: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a sentence, never a traceback
        said = " ".join(str(error).split())
        click.echo(f"error: {type(error).__name__}{': ' if said else ''}{said}", err=True)
        return ExitCode.FAILED
    return code if isinstance(code, int) else ExitCode.DONE


def main() -> NoReturn:
    """The console script."""
    gc.set_threshold(GC_THRESHOLD)
    code = run(sys.argv[1:])
    gc.freeze()  # the process ends: nothing is worth being looked through once more
    if threading.active_count() > 1:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End at once, with threads under way: a disk or a source that hangs, a history that is behind.

    The interpreter's own end would tear them out of whatever they call, and out of C++ that aborts the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
