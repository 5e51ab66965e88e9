"""The syntax tree of a policy file: what was written, nothing of what it means.

Every node is immutable and carries the `Span` it was written at. Literals keep their exact value
(`Fraction`, in the canonical unit of their kind: seconds, bytes, share of one, units of the currency,
units of the currency per hour) beside the text as written.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from scrimp.diagnostics import Source, Span

Unit = Literal["count", "ratio", "duration", "bytes", "money", "money/h"]
CompareOp = Literal["==", "!=", "<", "<=", ">", ">=", "starts_with", "ends_with", "contains", "matches"]
ModeWord = Literal["off", "dry_run", "approve", "enforce"]
ScopeWord = Literal["target", "policy", "owner", "fleet"]
UnknownWord = Literal["hold", "skip", "freeze"]


# ---- expressions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: `50%`, `2h30m`, `$4.20/h`, `16GiB`, `10_000`."""

    span: Span
    text: str
    value: Fraction
    unit: Unit
    currency: str | None = None  # ISO 4217, for money only


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal; `value` is without its quotes and escapes."""

    span: Span
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    span: Span
    value: bool


@dataclass(frozen=True, slots=True)
class Ref:
    """A name: `gpu_utilization`, `labels.tier`, `job.group`, `budget["audio"].used`, a const or a param.

    `row` is the string in brackets, after the first part.
    """

    span: Span
    parts: tuple[str, ...]
    row: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """`max(2, size / 2)`, `avg(gpu_utilization) over 15m`, `count(job where job.critical)`."""

    span: Span
    name: str
    name_span: Span
    args: tuple["Expr", ...]
    where: "Expr | None" = None
    over: Quantity | None = None


@dataclass(frozen=True, slots=True)
class KnownElse:
    """`known(E, else V)`."""

    span: Span
    operand: "Expr"
    default: "Expr"


@dataclass(frozen=True, slots=True)
class IsKnown:
    """`E is known`."""

    span: Span
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Negative:
    """`-E`."""

    span: Span
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+ - * /`."""

    span: Span
    op: Literal["+", "-", "*", "/"]
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of two values, or of a text with a pattern."""

    span: Span
    op: CompareOp
    op_span: Span
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class Membership:
    """`E in [a, b]`."""

    span: Span
    operand: "Expr"
    items: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not E`."""

    span: Span
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b and c`, `a or b`: two operands or more, all under one operator."""

    span: Span
    op: Literal["and", "or"]
    operands: tuple["Expr", ...]


Expr = (
    Quantity
    | Text
    | Truth
    | Ref
    | Call
    | KnownElse
    | IsKnown
    | Negative
    | Arithmetic
    | Compare
    | Membership
    | Not
    | Logic
)


# ---- policies -------------------------------------------------------------------------------------------


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


# ---- other items ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Version:
    span: Span
    number: int


@dataclass(frozen=True, slots=True)
class Use:
    span: Span
    what: Literal["catalog", "calendar", "params"]
    path: Text


@dataclass(frozen=True, slots=True)
class Const:
    span: Span
    name: Word
    value: Expr


@dataclass(frozen=True, slots=True)
class Param:
    """`param spare: money/h = $400/h within [$0/h, $2000/h]`; `type` is the text after the colon."""

    span: Span
    name: Word
    type: Word
    default: Expr
    within: tuple[Expr, Expr] | None


@dataclass(frozen=True, slots=True)
class Allowance:
    span: Span
    name: Word
    limits: tuple[Limit, ...]


# ---- tests ----------------------------------------------------------------------------------------------


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


Item = Use | Const | Param | Allowance | Policy | Test


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#` comment with its text; `own_line` where nothing stands before it on its line."""

    span: Span
    text: str
    own_line: bool


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One parsed file. `items` are those that parsed: a file with errors still yields the rest."""

    source: Source
    version: Version | None
    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
