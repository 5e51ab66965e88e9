"""The LALR tables of `grammar.lark`: built by Lark, shipped as JSON so that start-up needs no Lark.

`tables.json` stands beside the grammar with the grammar's digest in it. Where the digest does not match (the
grammar was edited), the tables are built in memory; nothing is ever cached outside the package, so there
is no cache that somebody else could write to. `python -m scrimp.lang.grammar` writes the file anew; a test fails
while it is out of date.
"""

import hashlib
import json
import pkgutil
from functools import cache
from typing import Any

from msgspec import Struct, field

# The symbols that the parser starts from; `line` to `step` are the kinds of statement.
STARTS = (
    "version",
    "line",
    "allowance_head",
    "policy_head",
    "test_head",
    "guard_head",
    "clause",
    "entry",
    "limit",
    "step",
    "expr",
)
END = "$END"


class Rule(Struct, frozen=True):
    """One production: `origin` is the symbol it makes, `name` the builder that makes its node.

    `splice` marks Lark's helpers for `*`, whose children join their parent's; `passes` a rule that hands its only
    child on.
    """

    origin: str
    name: str
    size: int
    splice: bool
    passes: bool


class Tables(Struct, frozen=True):
    """The parser's tables: `states[s][symbol]` is a state to go to, or `-1 - r` to reduce by rule r."""

    states: tuple[dict[str, int], ...]
    rules: tuple[Rule, ...]
    starts: dict[str, int]
    ends: dict[str, int]
    words: dict[str, str]  # keyword or sign as written -> terminal
    patterns: dict[str, str]  # terminal -> regular expression
    chains: dict[tuple[int, int, str], int] = field(default_factory=dict)  # what `after_chain` has found

    def after_chain(self, below: int, state: int, terminal: str) -> int:
        """The state above `below` once each rule that passes its only child on is reduced in turn, from `state` on.

        Nearly all reductions of an expression are such: a number passes up through each level of precedence. Where the
        chain leads depends on these three only, so each is followed once.
        """
        key = (below, state, terminal)
        found = self.chains.get(key)
        if found is None:
            found = state
            while (action := self.states[found].get(terminal, 0)) < 0 and self.rules[-1 - action].passes:
                found = self.states[below][self.rules[-1 - action].origin]
                if terminal == END and found in self.ends.values():
                    break
            self.chains[key] = found
        return found


def read_data(name: str) -> bytes:
    """A file that stands in the package."""
    found = pkgutil.get_data("scrimp.lang", name)
    if found is None:  # the package was installed without its data
        raise RuntimeError(f"package data is missing: {name}")
    return found


def digest(grammar: bytes) -> str:
    """What ties the tables to the grammar that they were built from."""
    return hashlib.sha256(grammar.replace(b"\r\n", b"\n")).hexdigest()


@cache
def load() -> Tables:
    """The tables of the grammar that stands in the package."""
    grammar = read_data("grammar.lark")
    try:
        stored = json.loads(read_data("tables.json"))
    except (OSError, ValueError):
        stored = {}
    if stored.get("grammar") != digest(grammar):
        from scrimp.lang.grammar import build  # noqa: PLC0415 -- brings in Lark, 80 ms that only a changed grammar pays

        stored = build(grammar)
    return _from_json(stored)


def _from_json(stored: dict[str, Any]) -> Tables:
    rows: list[dict[str, int]] = stored["rows"]
    return Tables(
        states=tuple(rows[at] for at in stored["states"]),
        rules=tuple(Rule(*rule) for rule in stored["rules"]),
        starts=stored["starts"],
        ends=stored["ends"],
        words=stored["words"],
        patterns=stored["patterns"],
    )
