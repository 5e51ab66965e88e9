"""Policies and their clauses."""

from dataclasses import dataclass
from typing import Literal

from scrimp.diagnostics import Span
from scrimp.lang.ast.expressions import Expr, Quantity, Text

ModeWord = Literal["off", "dry_run", "approve", "enforce"]
ScopeWord = Literal["target", "policy", "owner", "fleet"]
UnknownWord = Literal["hold", "skip", "freeze"]


@dataclass(frozen=True, slots=True)
class Word:
    """A name as written, where its place matters."""

    span: Span
    value: str


@dataclass(frozen=True, slots=True)
class Argument:
    """`to = size / 2` in an action's parentheses."""

    span: Span
    name: Word
    value: Expr


@dataclass(frozen=True, slots=True)
class ActionCall:
    """`scale_down(to = 4)`."""

    span: Span
    name: Word
    args: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """`for 10m tolerating 2m unknown`."""

    span: Span
    duration: Quantity
    tolerating: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    span: Span
    value: Text


@dataclass(frozen=True, slots=True)
class Mode:
    span: Span
    value: ModeWord


@dataclass(frozen=True, slots=True)
class Priority:
    span: Span
    value: Quantity


@dataclass(frozen=True, slots=True)
class Target:
    span: Span
    kind: Word
    where: Expr | None


@dataclass(frozen=True, slots=True)
class When:
    span: Span
    condition: Expr
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class Do:
    span: Span
    actions: tuple[ActionCall, ...]


@dataclass(frozen=True, slots=True)
class OnFailure:
    span: Span
    action: ActionCall


@dataclass(frozen=True, slots=True)
class Undo:
    span: Span
    condition: Expr
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class Cooldown:
    """One `30m per target` of a cooldown clause; a clause with several yields several."""

    span: Span
    duration: Quantity
    scope: ScopeWord


@dataclass(frozen=True, slots=True)
class Cooldowns:
    span: Span
    entries: tuple[Cooldown, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """`unknown hold`, `unknown hold after 10m do scale_up(by = 1)`."""

    span: Span
    value: UnknownWord
    after: Quantity | None = None
    action: ActionCall | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    span: Span
    after: Quantity


@dataclass(frozen=True, slots=True)
class Coverage:
    span: Span
    value: Quantity


@dataclass(frozen=True, slots=True)
class UsesAllowance:
    span: Span
    name: Word


@dataclass(frozen=True, slots=True)
class Approvers:
    span: Span
    names: tuple[Text, ...]
    within: Quantity | None


@dataclass(frozen=True, slots=True)
class Limit:
    """`limit 3 actions per 1h`, `limit 10% of targets per 1h per owner`, `limit $300/h of capacity per 1h`."""

    span: Span
    amount: Quantity
    of: Literal["actions", "targets", "capacity"]
    per: Quantity
    scope: ScopeWord | None = None


@dataclass(frozen=True, slots=True)
class Ensure:
    span: Span
    condition: Expr


@dataclass(frozen=True, slots=True)
class Halt:
    span: Span
    condition: Expr


@dataclass(frozen=True, slots=True)
class Save:
    span: Span
    least: Expr


@dataclass(frozen=True, slots=True)
class Payback:
    span: Span
    within: Quantity


@dataclass(frozen=True, slots=True)
class During:
    """`only during "Mon-Fri 08:00-20:00 Europe/Berlin"`, `never during calendar "freeze"`."""

    span: Span
    only: bool
    window: Text
    calendar: bool = False


GuardEntry = Limit | Ensure | Halt | Save | Payback | During


@dataclass(frozen=True, slots=True)
class Guard:
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


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as its clauses in the order written; a bare `Text` is its description.

    The parser keeps repeated and missing clauses: `check` reports them.
    """

    span: Span
    name: Word
    clauses: tuple[Clause, ...]
