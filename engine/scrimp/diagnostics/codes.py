"""The table of codes. A code never changes its meaning and is never used again.

1xx syntax; 2xx names, types and units; 3xx warnings about meaning; 4xx configuration and reload; 5xx collecting;
6xx planning; 7xx executing; 8xx store and audit. To add one: a row here, in order, and its page
`explain/SCRnnn.md`.
"""

import pkgutil
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What every finding under a code has in common, as a short phrase in lower case."""

    title: str


CODES: dict[str, Code] = {
    # 1xx syntax
    "SCR101": Code("something else is expected here"),
    "SCR102": Code("a bracket or brace has no partner"),
    "SCR103": Code("a text is not closed, or not in double quotes"),
    "SCR104": Code("a character that the language does not have"),
    "SCR105": Code("a number is not written with its unit"),
    "SCR106": Code("an operator of another language"),
    "SCR107": Code("a name or keyword is not in lower case with `_`"),
    "SCR108": Code("a word that begins nothing here"),
    "SCR109": Code("the version line is missing or not known"),
    "SCR110": Code("an expression nests too deeply"),
    "SCR111": Code("a file is too large"),
    "SCR112": Code("a `disable` comment is malformed"),
    # 2xx names, types and units
    # 3xx warnings about meaning
    # 4xx configuration and reload
    "SCR401": Code("the configuration cannot be read"),
    "SCR402": Code("a key that the configuration does not have"),
    "SCR403": Code("a value that the configuration does not take"),
    "SCR404": Code("an environment variable is not set"),
    "SCR405": Code("a policy file cannot be read"),
    "SCR406": Code("a plug-in cannot be used"),
    # 5xx collecting
    "SCR501": Code("a collector failed"),
    "SCR502": Code("a value does not fit its field"),
    "SCR503": Code("data for a kind or field that does not exist"),
    "SCR504": Code("a source turned to zero all at once"),
    "SCR505": Code("a snapshot cannot be read"),
    "SCR506": Code("a snapshot is not built as one"),
    "SCR507": Code("two rows of a kind have one name"),
    "SCR508": Code("a series belongs to no row"),
    # 6xx planning
    # 7xx executing
    "SCR701": Code("no provider carries out this action"),
    "SCR702": Code("an action was refused"),
    "SCR703": Code("an action was not done by its deadline"),
    "SCR704": Code("an action failed"),
    "SCR705": Code("it is not known what an action came to"),
    # 8xx store and audit
    "SCR801": Code("the audit log cannot be written"),
    "SCR802": Code("another engine runs on this state folder"),
    "SCR803": Code("the state folder is of a newer version"),
    "SCR804": Code("the ledger cannot be used"),
    "SCR805": Code("the audit log was changed"),
    "SCR806": Code("there is nothing to answer"),
}


def explain(code: str) -> str | None:
    """The page of a code, in Markdown; None for a code that does not exist."""
    if code not in CODES:
        return None
    page = pkgutil.get_data("scrimp.diagnostics", f"explain/{code}.md")
    return page.decode() if page is not None else None
