"""Tests of policies and their steps."""

from dataclasses import dataclass
from typing import Literal

from scrimp.diagnostics import Span
from scrimp.lang.ast.expressions import CompareOp, Expr, Quantity, Ref, Text
from scrimp.lang.ast.policies import ActionCall, Word


@dataclass(frozen=True, slots=True)
class Start:
    span: Span
    at: Text  # ISO 8601
    every: Quantity


@dataclass(frozen=True, slots=True)
class Given:
    span: Span
    kind: Word
    name: Text
    values: tuple[tuple[Ref, Expr], ...]


@dataclass(frozen=True, slots=True)
class SampleRun:
    """One entry of a series: a value, `missing` or `stale`, repeated; `step` for `0+10x5` (rises by 10)."""

    span: Span
    value: Expr | Literal["missing", "stale"]
    step: Expr | None = None
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class SeriesStep:
    """`series gpu_utilization["train-a", "serve"] = 5% x15, missing x3`."""

    span: Span
    field: Ref
    rows: tuple[Text, ...]
    samples: tuple[SampleRun, ...]


@dataclass(frozen=True, slots=True)
class ExpectAction:
    """An action that must be acted on; arguments that are not written match any value."""

    span: Span
    action: ActionCall


@dataclass(frozen=True, slots=True)
class ExpectNothing:
    span: Span
    because: Text | None


@dataclass(frozen=True, slots=True)
class ExpectNo:
    """`no scale_down where labels.tier == "critical"`."""

    span: Span
    action: Word
    where: Expr | None


@dataclass(frozen=True, slots=True)
class ExpectSaving:
    span: Span
    op: CompareOp
    amount: Expr


Expectation = ExpectAction | ExpectNothing | ExpectNo | ExpectSaving


@dataclass(frozen=True, slots=True)
class At:
    span: Span
    at: Quantity
    expect: Expectation


@dataclass(frozen=True, slots=True)
class Always:
    span: Span
    expect: Expectation


@dataclass(frozen=True, slots=True)
class Restart:
    """`restart at 15m`: state is written, dropped and read back before that tick."""

    span: Span
    at: Quantity


Step = Start | Given | SeriesStep | At | Always | Restart


@dataclass(frozen=True, slots=True)
class Test:
    """A test of one policy; steps in the order written."""

    span: Span
    policy: Word
    title: Text
    steps: tuple[Step, ...]
