"""`scrimp doctor`: is everything reachable."""

import time
from collections.abc import Sequence
from typing import Literal

import click

from scrimp.api import Health
from scrimp.cli._app import ExitCode
from scrimp.cli._files import configuration
from scrimp.cli._screen import plural, show, style, write_json
from scrimp.daemon import Examination, examine

COLOURS = {Health.GOOD: "green", Health.WARNING: "yellow", Health.BAD: "red"}


@click.command()
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--deadline",
    type=click.FloatRange(min=1.0),
    default=30.0,
    show_default=True,
    help="Seconds that a plug-in may take to look at what it needs.",
)
def command(*, output: Literal["text", "json"], deadline: float) -> ExitCode:
    """Look whether configuration, policies, store, collectors and providers are all there; exit code 1 if one is not.

    Collectors are read once, providers look at what they act on, and a source of notices sends one to itself.
    """
    found, findings = examine(configuration(), time.time, time.sleep, deadline_s=deadline)
    bad = sum(one.checkup.health is Health.BAD for one in found)
    if output == "json":
        write_json({"scrimp": "doctor/1", "healthy": not bad, "checks": [one.as_json() for one in found]})
    else:
        show(findings)
        click.echo(as_text(found))
        click.echo(f"{plural(bad, 'thing')} to put right" if bad else "all is well")
    return ExitCode.NO if bad else ExitCode.DONE


def as_text(found: Sequence[Examination]) -> str:
    """A line for each thing that was looked at."""
    part_width = max(len(one.part) for one in found)
    what_width = max(len(one.checkup.what) for one in found)
    lines = []
    for one in found:
        word = style(f"{one.checkup.health.value:<8}", COLOURS[one.checkup.health])
        line = f"{word}{one.part:<{part_width}}  {one.checkup.what:<{what_width}}  {one.took_s:6.2f} s"
        lines.append(f"{line}  {one.checkup.detail}".rstrip())
    return "\n".join(lines)
