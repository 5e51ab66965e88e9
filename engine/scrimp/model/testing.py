"""Tests of policies after the checks: a virtual clock, rows, series, and what is expected when."""

from collections.abc import Mapping
from dataclasses import dataclass

from scrimp.diagnostics import Source, Span
from scrimp.model.expression import Const, Expression


@dataclass(frozen=True, slots=True)
class Sampled:
    """One entry of a series: a value, missing (`None`), or `stale`: the last sample again, with its old time."""

    value: float | bool | str | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """An action that must be acted on, with the arguments that were written."""

    action: str
    args: Mapping[str, Const]


@dataclass(frozen=True, slots=True)
class ExpectedNothing:
    """Nothing acts; `because` is the blocker of at least one decision of the policy."""

    because: str | None


@dataclass(frozen=True, slots=True)
class ExpectedNo:
    """No such action acts on a row where `where` is true."""

    action: str
    where: Expression | None


@dataclass(frozen=True, slots=True)
class ExpectedSaving:
    """The sum acted on at that tick."""

    op: str
    amount: Const


Expectation = Expected | ExpectedNothing | ExpectedNo | ExpectedSaving


@dataclass(frozen=True, slots=True)
class Expecting:
    """An expectation at some seconds after the start, or (`None`) at every tick."""

    at_s: float | None
    what: Expectation
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class CheckedTest:
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
