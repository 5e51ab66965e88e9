"""Tests of policies and their steps."""

from typing import Literal

from msgspec import Struct

from scrimp.diagnostics import Span
from scrimp.lang.ast.expressions import CompareOp, Expr, Quantity, Ref, Text
from scrimp.lang.ast.policies import ActionCall, Word


class Start(Struct, frozen=True):
    span: Span
    at: Text  # ISO 8601
    every: Quantity


class Given(Struct, frozen=True):
    span: Span
    kind: Word
    name: Text
    values: tuple[tuple[Ref, Expr], ...]


class SampleRun(Struct, frozen=True):
    """One entry of a series: a value, `missing` or `stale`, repeated; `step` for `0+10x5` (rises by 10)."""

    span: Span
    value: Expr | Literal["missing", "stale"]
    step: Expr | None = None
    repeat: int = 1


class SeriesStep(Struct, frozen=True):
    """`series gpu_utilization["train-a", "serve"] = 5% x15, missing x3`."""

    span: Span
    field: Ref
    rows: tuple[Text, ...]
    samples: tuple[SampleRun, ...]


class ExpectAction(Struct, frozen=True):
    """An action that must be acted on; arguments that are not written match any value."""

    span: Span
    action: ActionCall


class ExpectNothing(Struct, frozen=True):
    span: Span
    because: Text | None


class ExpectNo(Struct, frozen=True):
    """`no scale_down where labels.tier == "critical"`."""

    span: Span
    action: Word
    where: Expr | None


class ExpectSaving(Struct, frozen=True):
    span: Span
    op: CompareOp
    amount: Expr


Expectation = ExpectAction | ExpectNothing | ExpectNo | ExpectSaving


class At(Struct, frozen=True):
    span: Span
    at: Quantity
    expect: Expectation


class Always(Struct, frozen=True):
    span: Span
    expect: Expectation


class Restart(Struct, frozen=True):
    """`restart at 15m`: state is written, dropped and read back before that tick."""

    span: Span
    at: Quantity


Step = Start | Given | SeriesStep | At | Always | Restart


class Test(Struct, frozen=True):
    """A test of one policy; steps in the order written."""

    span: Span
    policy: Word
    title: Text
    steps: tuple[Step, ...]
