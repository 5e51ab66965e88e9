"""Policies and their clauses."""

from typing import Literal

from msgspec import Struct

from scrimp.diagnostics import Span
from scrimp.lang.ast.expressions import Expr, Quantity, Text

ModeWord = Literal["off", "dry_run", "approve", "enforce"]
ScopeWord = Literal["target", "policy", "owner", "fleet"]
UnknownWord = Literal["hold", "skip", "freeze"]


class Word(Struct, frozen=True):
    """A name as written, where its place matters."""

    span: Span
    value: str


class Argument(Struct, frozen=True):
    """`to = size / 2` in an action's parentheses."""

    span: Span
    name: Word
    value: Expr


class ActionCall(Struct, frozen=True):
    """`scale_down(to = 4)`."""

    span: Span
    name: Word
    args: tuple[Argument, ...]


class Hold(Struct, frozen=True):
    """`for 10m tolerating 2m unknown`."""

    span: Span
    duration: Quantity
    tolerating: Quantity | None = None


class Owner(Struct, frozen=True):
    span: Span
    value: Text


class Mode(Struct, frozen=True):
    span: Span
    value: ModeWord


class Priority(Struct, frozen=True):
    span: Span
    value: Quantity


class Target(Struct, frozen=True):
    span: Span
    kind: Word
    where: Expr | None


class When(Struct, frozen=True):
    span: Span
    condition: Expr
    hold: Hold | None


class Do(Struct, frozen=True):
    span: Span
    actions: tuple[ActionCall, ...]


class OnFailure(Struct, frozen=True):
    span: Span
    action: ActionCall


class Undo(Struct, frozen=True):
    span: Span
    condition: Expr
    hold: Hold | None


class Cooldown(Struct, frozen=True):
    """One `30m per target` of a cooldown clause; a clause with several yields several."""

    span: Span
    duration: Quantity
    scope: ScopeWord


class Cooldowns(Struct, frozen=True):
    span: Span
    entries: tuple[Cooldown, ...]


class Unknown(Struct, frozen=True):
    """`unknown hold`, `unknown hold after 10m do scale_up(by = 1)`."""

    span: Span
    value: UnknownWord
    after: Quantity | None = None
    action: ActionCall | None = None


class Stale(Struct, frozen=True):
    span: Span
    after: Quantity


class Coverage(Struct, frozen=True):
    span: Span
    value: Quantity


class UsesAllowance(Struct, frozen=True):
    span: Span
    name: Word


class Approvers(Struct, frozen=True):
    span: Span
    names: tuple[Text, ...]
    within: Quantity | None


class Limit(Struct, frozen=True):
    """`limit 3 actions per 1h`, `limit 10% of targets per 1h per owner`, `limit $300/h of capacity per 1h`."""

    span: Span
    amount: Quantity
    of: Literal["actions", "targets", "capacity"]
    per: Quantity
    scope: ScopeWord | None = None


class Ensure(Struct, frozen=True):
    span: Span
    condition: Expr


class Halt(Struct, frozen=True):
    span: Span
    condition: Expr


class Save(Struct, frozen=True):
    span: Span
    least: Expr


class Payback(Struct, frozen=True):
    span: Span
    within: Quantity


class During(Struct, frozen=True):
    """`only during "Mon-Fri 08:00-20:00 Europe/Berlin"`, `never during calendar "freeze"`."""

    span: Span
    only: bool
    window: Text
    calendar: bool = False


GuardEntry = Limit | Ensure | Halt | Save | Payback | During


class Guard(Struct, frozen=True):
    span: Span
    entries: tuple[GuardEntry, ...]


Clause = (
    Text
    | Owner
    | Mode
    | Priority
    | Target
    | When
    | Do
    | OnFailure
    | Undo
    | Cooldowns
    | Unknown
    | Stale
    | Coverage
    | UsesAllowance
    | Approvers
    | Guard
)


class Policy(Struct, frozen=True):
    """A policy as its clauses in the order written; a bare `Text` is its description.

    The parser keeps repeated and missing clauses: `check` reports them.
    """

    span: Span
    name: Word
    clauses: tuple[Clause, ...]
