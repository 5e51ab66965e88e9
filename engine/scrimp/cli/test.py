"""`scrimp test`: the tests that stand beside policies."""

import json
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import quoteattr

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._files import write_file
from scrimp.cli._session import open_session
from scrimp.evaluate import value_text
from scrimp.model.types import DURATION
from scrimp.simulate import Failure, Tested, run_tests


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report here.")
def command(paths: tuple[Path, ...], *, output: Literal["text", "json"], junit: Path | None) -> None:
    """Run the tests of policies on a virtual clock."""
    session = open_session(paths)
    tested = []
    for one in run_tests(session.policies.checked):
        tested.append(one)
        if output == "text":
            _show(one)
    failed = sum(bool(one.failures) for one in tested)
    if output == "json":
        click.echo(json.dumps(_as_json(tested), indent=2))
    elif not tested:
        click.echo("error: there is no test in these files", err=True)
    else:
        click.echo(f"{len(tested) - failed} passed, {failed} failed", err=True)
    if junit is not None:
        write_file(junit, _as_junit(tested))
    raise click.exceptions.Exit(ExitCode.NO if failed or not tested else ExitCode.DONE)


def _show(one: Tested) -> None:
    mark = "failed" if one.failures else "passed"
    click.echo(f"{mark}  {one.test.policy}: {one.test.title}")
    for failure in one.failures:
        click.echo(f"  {_place(failure)} at {value_text(failure.at_s, DURATION)}: {failure.message}")


def _place(failure: Failure) -> str:
    at = failure.source.place(failure.span.start)
    return f"{failure.source.path}:{at.line}:{at.column}"


def _as_json(tested: list[Tested]) -> dict[str, object]:
    return {
        "scrimp": "test/1",
        "tests": [
            {
                "policy": one.test.policy,
                "title": one.test.title,
                "passed": not one.failures,
                "failures": [
                    {"place": _place(failure), "at_s": failure.at_s, "message": failure.message}
                    for failure in one.failures
                ],
            }
            for one in tested
        ],
    }


def _as_junit(tested: list[Tested]) -> str:
    failed = sum(bool(one.failures) for one in tested)
    cases = []
    for one in tested:
        inner = "".join(
            f"<failure message={quoteattr(f'{_place(failure)}: {failure.message}')}/>"
            for failure in one.failures
        )
        cases.append(
            f"  <testcase classname={quoteattr(one.test.policy)} name={quoteattr(one.test.title)}>{inner}</testcase>"
        )
    head = f'<testsuite name="scrimp" tests="{len(tested)}" failures="{failed}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])
