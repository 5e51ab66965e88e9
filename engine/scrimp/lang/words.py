"""The words that begin a statement, and how the parser tells them from names.

A clause's keyword can also name a field. It begins a statement where what follows it could not follow a name.
"""

from collections.abc import Callable, Sequence

from scrimp.lang.tokens import WORD, Token

LITERALS = ("DURATION", "PERCENT", "INT", "RATE", "MONEY", "BYTES", "FLOAT")
NUMBERS = frozenset((*LITERALS, "BROKEN"))

# Words that can stand after a complete value.
INFIX = frozenset(
    (
        *("and", "or", "in", "is", "starts_with", "ends_with", "contains", "matches"),
        *("over", "for", "tolerating", "where", "then", "per", "within", "after", "else"),
    )
)

Follows = Callable[[Token, Token], bool]


def _text(token: Token, _: Token) -> bool:
    return token.kind == "STRING"


def _number(token: Token, _: Token) -> bool:
    return token.kind in NUMBERS


def _operand(token: Token, _: Token) -> bool:
    return token.kind in NUMBERS or token.kind in ("STRING", "(") or _name(token, token)


def _name(token: Token, _: Token) -> bool:
    return token.kind == WORD and token.text not in INFIX


def _word(*words: str) -> Follows:
    return lambda token, _: token.kind == WORD and token.text in words


def _name_then(kind: str) -> Follows:
    return lambda token, after: token.kind == WORD and after.kind == kind


def _brace(token: Token, _: Token) -> bool:
    return token.kind == "{"


ITEMS: dict[str, Follows] = {
    "use": _word("catalog", "calendar", "params"),
    "const": _name_then("="),
    "param": _name_then(":"),
    "allowance": _name_then("{"),
    "policy": _name_then("{"),
    "test": _name_then("STRING"),
}
CLAUSES: dict[str, Follows] = {
    "owner": _text,
    "mode": _word("off", "dry_run", "approve", "enforce"),
    "priority": _number,
    "target": _name,
    "when": _operand,
    "do": _name_then("("),
    "on": _word("failure"),
    "undo": _word("when"),
    "cooldown": _number,
    "unknown": _word("hold", "skip", "freeze"),
    "stale": _word("after"),
    "coverage": _number,
    "uses": _word("allowance"),
    "approvers": _text,
    "guard": _brace,
}
ENTRIES: dict[str, Follows] = {
    "limit": _number,
    "ensure": _operand,
    "halt": _word("if"),
    "save": _word("at"),
    "payback": _word("within"),
    "only": _word("during"),
    "never": _word("during"),
}
STEPS: dict[str, Follows] = {
    "start": _text,
    "given": _name,
    "series": _name,
    "at": _number,
    "always": _word("expect"),
    "restart": _word("at"),
}
LIMITS: dict[str, Follows] = {"limit": _number}

# What stands in a block: start symbol of its statements -> the words that begin them.
BLOCKS: dict[str, dict[str, Follows]] = {
    "line": ITEMS,
    "clause": CLAUSES,
    "entry": ENTRIES,
    "limit": LIMITS,
    "step": STEPS,
}


def begins(tokens: Sequence[Token], at: int, words: dict[str, Follows]) -> bool:
    """Whether the token at `at` begins a statement with one of these words."""
    token = tokens[at]
    if token.kind != WORD or token.text not in words or (at and tokens[at - 1].kind == "."):
        return False
    last = len(tokens) - 1
    return words[token.text](tokens[min(at + 1, last)], tokens[min(at + 2, last)])
