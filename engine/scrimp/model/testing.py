"""Tests of policies after the checks: a virtual clock, rows, series, and what is expected when."""

from collections.abc import Mapping

from msgspec import Struct

from scrimp.diagnostics import Source, Span
from scrimp.model.expression import Const, Expression


class Sampled(Struct, frozen=True):
    """One entry of a series: a value, missing (`None`), or `stale`: the last sample again, with its old time."""

    value: float | bool | str | None
    stale: bool = False


class Expected(Struct, frozen=True):
    """An action that must be acted on, with the arguments that were written."""

    action: str
    args: Mapping[str, Const]


class ExpectedNothing(Struct, frozen=True):
    """Nothing acts; `because` is the blocker of at least one decision of the policy."""

    because: str | None


class ExpectedNo(Struct, frozen=True):
    """No such action acts on a row where `where` is true."""

    action: str
    where: Expression | None


class ExpectedSaving(Struct, frozen=True):
    """The sum acted on at that tick."""

    op: str
    amount: Const


Expectation = Expected | ExpectedNothing | ExpectedNo | ExpectedSaving


class Expecting(Struct, frozen=True):
    """An expectation at some seconds after the start, or (`None`) at every tick."""

    at_s: float | None
    what: Expectation
    text: str
    span: Span


class CheckedTest(Struct, frozen=True):
    """One test. `givens` hold constant values by field (`labels.KEY` too), `series` one entry per tick from the first."""

    policy: str
    title: str
    start_s: float
    every_s: float
    givens: Mapping[tuple[str, str], Mapping[str, Const]]
    series: Mapping[tuple[str, str, str], tuple[Sampled, ...]]  # (kind, name, field)
    expecting: tuple[Expecting, ...]
    restarts_s: tuple[float, ...]
    end_s: float  # of the last tick, after the start
    source: Source
    span: Span
