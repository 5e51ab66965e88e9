"""Policies after the checks: names resolved, defaults filled in, durations in seconds, percentages exact."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from scrimp.diagnostics import Source, Span
from scrimp.model.catalogue import ActionSpec, Catalogue
from scrimp.model.decision import Mode
from scrimp.model.expression import Const, Expression
from scrimp.model.testing import CheckedTest

ScopeWord = Literal["target", "policy", "owner", "fleet"]
COOLDOWN_DEFAULT_S = 1800.0
PRIORITY_DEFAULT = 50
COVERAGE_DEFAULT = Fraction(1, 2)
STALE_DEFAULT_INTERVALS = 3.0
APPROVAL_DEFAULT_S = 3600.0


class Condition(Struct, frozen=True):
    """An expression of type bool with its `for` and `tolerating`; `digest` changes when any of them does."""

    expression: Expression
    for_s: float
    tolerating_s: float
    digest: str


class ActionCall(Struct, frozen=True):
    """One action with its arguments as expressions over the target's row."""

    spec: ActionSpec
    args: Mapping[str, Expression]
    text: str
    span: Span


class Cooldown(Struct, frozen=True):
    """At most one act in `seconds` per `scope`."""

    seconds: float
    scope: ScopeWord


class Limit(Struct, frozen=True):
    """At most `amount` of `of` in `per_s`, counted per `scope` (an allowance counts all policies that use it).

    `amount` is a number of actions, a share of targets, or money per hour in the catalogue's currency.
    """

    amount: Fraction
    of: Literal["actions", "targets", "capacity"]
    per_s: float
    scope: ScopeWord
    text: str


class Allowance(Struct, frozen=True):
    """Limits that several policies share."""

    name: str
    limits: tuple[Limit, ...]


class WeeklyHours(Struct, frozen=True):
    """`"Mon-Fri 08:00-20:00 Europe/Berlin"`: days 0 (Monday) to 6, minutes of the local day, half-open.

    Where `to_minute` <= `from_minute` the hours end on the following day.
    """

    days: frozenset[int]
    from_minute: int
    to_minute: int
    zone: str
    text: str


class Calendar(Struct, frozen=True):
    """The time that the events of a calendar fill: half-open spans in epoch seconds, in order, none touching another."""

    name: str
    spans: tuple[tuple[float, float], ...]

    @property
    def text(self) -> str:
        """As a policy names it."""
        return f'calendar "{self.name}"'


class During(Struct, frozen=True):
    """`only during` or `never during` some hours, or the events of a calendar."""

    only: bool
    hours: WeeklyHours | Calendar


class Guards(Struct, frozen=True):
    """A policy's guards, in the order in which they are asked."""

    ensure: tuple[Expression, ...] = ()
    halt: tuple[Expression, ...] = ()
    during: tuple[During, ...] = ()
    save: tuple[Expression, ...] = ()  # ratio (share of the target's cost_rate) or money/h
    payback_s: float | None = None
    limits: tuple[Limit, ...] = ()


class Blind(Struct, frozen=True):
    """`unknown … after D do a()`."""

    after_s: float
    action: ActionCall


class Policy(Struct, frozen=True):
    """One policy, checked. `where` and the expressions of guards range over rows of `kind`.

    `stale_s` is `None` for the default of three collection intervals. `digest` is the policy's hash in the audit log.
    """

    name: str
    description: str
    owner: str
    mode: Mode
    priority: int
    kind: str
    where: Expression | None
    when: Condition
    do: tuple[ActionCall, ...]
    on_failure: ActionCall | None
    undo: Condition | None
    cooldowns: tuple[Cooldown, ...]
    on_unknown: Literal["hold", "skip", "freeze"]
    blind: Blind | None
    stale_s: float | None
    coverage: Fraction
    allowances: tuple[str, ...]
    approvers: tuple[str, ...]
    approval_s: float
    guards: Guards
    source: Source
    span: Span
    digest: str


class Param(Struct, frozen=True):
    """A parameter with its bounds, for overrides in `scrimp.yaml`."""

    name: str
    default: Const
    within: tuple[Const, Const] | None


class CheckedSet(Struct, frozen=True):
    """All policies of a folder, checked together against `catalogue`; `digest` names the set in audit records."""

    policies: tuple[Policy, ...]
    allowances: Mapping[str, Allowance]
    params: Mapping[str, Const]
    digest: str
    catalogue: Catalogue
    tests: tuple[CheckedTest, ...] = ()
