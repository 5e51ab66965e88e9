"""What stands in a file beside policies and tests, and the file itself."""

from dataclasses import dataclass
from typing import Literal

from scrimp.diagnostics import Source, Span
from scrimp.lang.ast.expressions import Expr, Text
from scrimp.lang.ast.policies import Limit, Policy, Word
from scrimp.lang.ast.tests import Test


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
