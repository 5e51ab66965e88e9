"""What stands in a file beside policies and tests, and the file itself."""

from typing import Literal

from msgspec import Struct

from scrimp.diagnostics import Source, Span
from scrimp.lang.ast.expressions import Expr, Text
from scrimp.lang.ast.policies import Limit, Policy, Word
from scrimp.lang.ast.tests import Test


class Version(Struct, frozen=True):
    span: Span
    number: int


class Use(Struct, frozen=True):
    span: Span
    what: Literal["catalog", "calendar", "params"]
    path: Text


class Const(Struct, frozen=True):
    span: Span
    name: Word
    value: Expr


class Param(Struct, frozen=True):
    """`param spare: money/h = $400/h within [$0/h, $2000/h]`; `type` is the text after the colon."""

    span: Span
    name: Word
    type: Word
    default: Expr
    within: tuple[Expr, Expr] | None


class Allowance(Struct, frozen=True):
    span: Span
    name: Word
    limits: tuple[Limit, ...]


Item = Use | Const | Param | Allowance | Policy | Test


class Comment(Struct, frozen=True):
    """A `#` comment with its text; `own_line` where nothing stands before it on its line."""

    span: Span
    text: str
    own_line: bool


class PolicyFile(Struct, frozen=True):
    """One parsed file. `items` are those that parsed: a file with errors still yields the rest."""

    source: Source
    version: Version | None
    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
