"""What to say about a word that begins no statement of its block."""

from scrimp.diagnostics import did_you_mean
from scrimp.lang.mend import Cursor
from scrimp.lang.tokens import WORD
from scrimp.lang.words import BLOCKS, CLAUSES, ENTRIES, ITEMS, STEPS

_PLACES = {
    "line": "does not begin an item",
    "clause": "is not a clause of a policy",
    "entry": "is not a limit or a condition of a guard",
    "limit": "does not belong in an allowance",
    "step": "is not a step of a test",
}
_USUAL = {
    "line": "items are `use`, `const`, `param`, `allowance`, `policy` and `test`",
    "limit": "an allowance has limits only, such as `limit 40 actions per 1h`",
}
# Words that stand inside a clause -> how that clause reads.
_INSIDE = {
    "for": "`for` follows the condition: `when E for 10m`",
    "tolerating": "`tolerating` follows `for`: `when E for 10m tolerating 2m unknown`",
    "where": "`where` follows the kind: `target node_group where E`",
    "and": "`and` stands between two conditions of one clause",
    "or": "`or` stands between two conditions of one clause",
    "then": "`then` stands between two actions: `do a() then b()`",
    "within": '`within` follows the approvers: `approvers "@team" within 30m`',
    "if": "the condition of a policy is its `when` clause",
    "while": "the condition of a policy is its `when` clause",
    "action": "actions stand in the `do` clause: `do scale_down(to = 2)`",
    "actions": "actions stand in the `do` clause: `do scale_down(to = 2)`",
    "expect": "an expectation has its time: `at 5m expect nothing`",
    "rule": "it is called `policy` here",
    "let": "a constant is written `const idle = 15%`",
    "import": 'files are used by `use catalog "catalog.yaml"`',
    "include": 'files are used by `use catalog "catalog.yaml"`',
}


def unknown_statement(cursor: Cursor, kind: str) -> bool:
    """Report the token at the cursor. False if a mere capital was mended, so that the caller looks again."""
    token = cursor.token
    words = BLOCKS[kind]
    if token.kind == WORD and token.text.lower() in words and token.text != token.text.lower():
        cursor.lower_case(token.text.lower())
        return False
    near = did_you_mean(token.text, words) if token.kind == WORD else None
    if near is not None and token.text not in _INSIDE:
        hint = f"did you mean `{near}`?"
    elif token.text in _INSIDE:
        hint = _INSIDE[token.text]
    elif token.text in ENTRIES and kind in ("clause", "line"):
        hint = f"`{token.text}` stands in the policy's `guard {{ … }}`"
    elif token.text in CLAUSES and kind != "clause":
        hint = f"`{token.text}` is a clause of a `policy`"
    elif token.text in STEPS and kind != "step":
        hint = f"`{token.text}` is a step of a `test`"
    elif token.text in ITEMS:
        hint = f"`{token.text}` stands outside of blocks"
    else:
        hint = _USUAL.get(kind, f"one of {', '.join(f'`{word}`' for word in words)}")
    cursor.report("SCR108", token.span, f"{cursor.shown(token)} {_PLACES[kind]}", hint=hint)
    return True
