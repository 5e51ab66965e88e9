"""Hints for the usual mistakes, by the token that does not fit and what stands around it."""

from collections.abc import Set as AbstractSet

from scrimp.lang.tokens import WORD, Token
from scrimp.lang.words import NUMBERS

_COMPARE = frozenset(("==", "!=", "<", "<=", ">", ">="))
_CURRENCIES = frozenset(("usd", "eur", "gbp", "dollar", "dollars", "euro", "euros"))
_SCOPES = frozenset(("TARGET", "POLICY", "OWNER", "FLEET"))


def advice(before: Token, token: Token, after: Token, expected: AbstractSet[str]) -> str:
    """The hint for a token that none of `expected` takes, or nothing."""
    value = token.kind == WORD or token.kind in NUMBERS or token.kind in ("STRING", "(")
    hints = (
        (token.kind == "/" and after.kind == "/", "a comment begins with `#`"),
        (token.kind in _COMPARE, "compare two values at a time: `1 < a and a < 5`"),
        (token.text == "not" and after.text == "in", "write `not E in [...]`"),
        (before.text == "is", "write `E is known`, or `not E is known`"),
        (token.kind == "{" and "LPAR" in expected, "arguments stand in `(` and `)`"),
        (expected == {"LPAR"}, f"an action is written with its arguments: `{before.text}()`"),
        (token.text == "unless", "write `and not`"),
        (
            token.text == "tolerating" and "FOR" in expected,
            "`for` comes first: `for 10m tolerating 2m unknown`",
        ),
        (token.text.lower() in _CURRENCIES, f"the sign of the currency stands in front: `${before.text}`"),
        (
            token.kind in (":", "="),
            f"nothing stands between a word and its value: leave the `{token.kind}` out",
        ),
        (token.kind == "," and "$END" in expected, "nothing stands between clauses: leave the `,` out"),
        (expected == {"NAME", "RPAR"}, f"an argument has a name, such as `to = {token.text}`"),
        ({"ACTIONS", "OF"} <= expected, "such as `3 actions`, `10% of targets` or `$100/h of capacity`"),
        (expected == _SCOPES, "a cooldown is `per target`, `per policy`, `per owner` or `per fleet`"),
        (expected == {"PER"}, "such as `per 1h`, or `per target` of a cooldown"),
        (
            token.kind == ")" and "COMMA" in expected,
            "`known(E, else V)` replaces an unknown E; `E is known` asks",
        ),
        (token.kind == ")" and "RPAR" not in expected, "no `(` is open here: leave it out"),
        (token.kind == WORD and "THEN" in expected, "`then` stands between two actions: `do a() then b()`"),
        (value and {"AND", "OR"} <= expected, "`and` or `or` stands between two conditions"),
    )
    return next((hint for true, hint in hints if true), "")
