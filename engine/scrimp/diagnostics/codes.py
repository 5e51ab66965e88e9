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
    # 5xx collecting
    # 6xx planning
    # 7xx executing
    # 8xx store and audit
}


def explain(code: str) -> str | None:
    """The page of a code, in Markdown; None for a code that does not exist."""
    if code not in CODES:
        return None
    page = pkgutil.get_data("scrimp.diagnostics", f"explain/{code}.md")
    return page.decode() if page is not None else None
