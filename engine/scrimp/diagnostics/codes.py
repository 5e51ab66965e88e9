"""The table of codes. A code never changes its meaning and is never used again.

1xx syntax; 2xx names, types and units; 3xx warnings about meaning; 4xx configuration and reload; 5xx collecting;
6xx planning; 7xx executing; 8xx store and audit. To add one: a row here, in order, and its page
`explain/SCRnnn.md`.
"""

import pkgutil

from msgspec import Struct


class Code(Struct, frozen=True):
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
    "SCR201": Code("a name that does not exist"),
    "SCR202": Code("a kind that does not exist"),
    "SCR203": Code("an action that does not exist"),
    "SCR204": Code("two values of different types meet"),
    "SCR205": Code("a value of the wrong type"),
    "SCR206": Code("a name is given twice"),
    "SCR207": Code("a clause is missing"),
    "SCR208": Code("a clause stands twice"),
    "SCR209": Code("another currency"),
    "SCR210": Code("a function that does not exist here"),
    "SCR211": Code("a function's arguments are wrong"),
    "SCR212": Code("a window over something that has no samples"),
    "SCR213": Code("an action's parameters are wrong"),
    "SCR214": Code("a name that two kinds have"),
    "SCR215": Code("a field of another kind"),
    "SCR216": Code("two kinds are related in a way that is not a join"),
    "SCR217": Code("an action does not fit the kind"),
    "SCR218": Code("a reducing action would act blind"),
    "SCR219": Code("a parameter is out of its bounds"),
    "SCR220": Code("an action cannot be undone"),
    "SCR221": Code("a number is out of range"),
    "SCR222": Code("hours that cannot be read"),
    "SCR223": Code("not available in this version"),
    "SCR224": Code("no policy or allowance of this name"),
    "SCR225": Code("a value cannot be known beforehand"),
    "SCR226": Code("a pattern cannot be read"),
    "SCR227": Code("a limit's amount has the wrong unit"),
    "SCR228": Code("a file that is used cannot be read"),
    "SCR231": Code("a test expects something when there is no tick"),
    "SCR232": Code("a test expects nothing"),
    "SCR233": Code("a cause that does not exist"),
    "SCR234": Code("a test expects an action that its policy never comes to"),
    "SCR235": Code("a test's clock is wrong"),
    # 3xx warnings about meaning
    "SCR301": Code("never used"),
    "SCR302": Code("a name hides a field"),
    "SCR303": Code("a condition that can never be true"),
    "SCR304": Code("a policy says too little about itself"),
    "SCR305": Code("a condition that is always true"),
    "SCR306": Code("a `disable` comment that is due or does nothing"),
    "SCR307": Code("two policies can act on one target differently"),
    "SCR308": Code("two policies can switch each other on"),
    "SCR309": Code("a clause reads very many samples"),
    # 4xx configuration and reload
    "SCR401": Code("the configuration cannot be read"),
    "SCR402": Code("a key that the configuration does not have"),
    "SCR403": Code("a value that the configuration does not take"),
    "SCR404": Code("an environment variable is not set"),
    "SCR405": Code("a policy file cannot be read"),
    "SCR406": Code("a plug-in cannot be used"),
    "SCR407": Code("policy files cannot be watched"),
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
    "SCR601": Code("a budget passed a mark"),
    # 7xx executing
    "SCR701": Code("no provider carries out this action"),
    "SCR702": Code("an action was refused"),
    "SCR703": Code("an action was not done by its deadline"),
    "SCR704": Code("an action failed"),
    "SCR705": Code("it is not known what an action came to"),
    "SCR706": Code("a provider could not go on with what it began"),
    # 8xx store and audit
    "SCR801": Code("the audit log cannot be written"),
    "SCR802": Code("another engine runs on this state folder"),
    "SCR803": Code("the state folder is of a newer version"),
    "SCR804": Code("the ledger cannot be used"),
    "SCR805": Code("the audit log was changed"),
    "SCR806": Code("there is nothing to answer"),
    "SCR807": Code("the history cannot be read or written"),
    "SCR808": Code("a file to import cannot be read"),
    "SCR809": Code("a row that cannot be imported"),
    "SCR821": Code("someone else has to answer"),
}


def explain(code: str) -> str | None:
    """The page of a code, in Markdown; None for a code that does not exist."""
    if code not in CODES:
        return None
    page = pkgutil.get_data("scrimp.diagnostics", f"explain/{code}.md")
    return page.decode() if page is not None else None
