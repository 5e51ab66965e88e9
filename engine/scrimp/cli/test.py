"""`scrimp test`: the tests that stand beside policies."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import quoteattr

import click

from scrimp.cli._app import ExitCode, Failed
from scrimp.cli._files import write_file
from scrimp.cli._session import open_session
from scrimp.evaluate import value_text
from scrimp.model.types import DURATION
from scrimp.simulate import Coverage, Failure, Tested, run_tests
from scrimp.store import StoreError, round_trip

WORDS = {True: "true", False: "false", None: "unknown"}


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report here.")
@click.option(
    "--coverage", is_flag=True, help="Say which conditions were never true, never false, never unknown."
)
@click.option(
    "--min",
    "least",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail if less of it was seen; implies --coverage.",
)
def command(
    paths: tuple[Path, ...],
    *,
    output: Literal["text", "json"],
    junit: Path | None,
    coverage: bool,
    least: float | None,
) -> None:
    """Run the tests of policies on a virtual clock."""
    session = open_session(paths)
    seen = Coverage() if coverage or least is not None else None
    tested = []
    try:
        for one in run_tests(session.policies.checked, round_trip, seen):
            tested.append(one)
            if output == "text":
                _show(one)
    except StoreError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    if output == "json":
        covered = {} if seen is None else {"coverage": _coverage_json(seen)}
        click.echo(json.dumps({**_as_json(tested), **covered}, indent=2))
    else:
        _sum_up(tested, seen)
    if junit is not None:
        write_file(junit, _as_junit(tested))
    short = seen is not None and least is not None and seen.share() * 100 < least
    if short:
        click.echo(f"error: less than {least:g}% of what conditions can be was seen", err=True)
    failed = not tested or any(one.failures for one in tested)
    raise click.exceptions.Exit(ExitCode.NO if failed or short else ExitCode.DONE)


def _show(one: Tested) -> None:
    mark = "failed" if one.failures else "passed"
    click.echo(f"{mark}  {one.test.policy}: {one.test.title}")
    for failure in one.failures:
        click.echo(f"  {_place(failure)} at {value_text(failure.at_s, DURATION)}: {failure.message}")


def _sum_up(tested: Sequence[Tested], seen: Coverage | None) -> None:
    for one in () if seen is None else seen.conditions():
        if one.never:
            never = ", ".join(f"never {WORDS[truth]}" for truth in one.never)
            click.echo(f"{one.policy}: {one.clause}: `{one.text}` was {never}")
    failed = sum(bool(one.failures) for one in tested)
    told = (
        f"{len(tested) - failed} passed, {failed} failed"
        if tested
        else "error: there is no test in these files"
    )
    if seen is not None:
        told += f"; {seen.share():.0%} of what conditions can be was seen"
    click.echo(told, err=True)


def _coverage_json(seen: Coverage) -> dict[str, object]:
    conditions = [
        {
            "policy": one.policy,
            "clause": one.clause,
            "condition": one.text,
            "never": [WORDS[truth] for truth in one.never],
        }
        for one in seen.conditions()
    ]
    return {"share": seen.share(), "conditions": conditions}


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
