"""From audit records back to the ledger, by the same transitions that `plan` and `simulate` use.

The store itself writes by these: a record goes into the log first, and what `advance` makes of it into SQLite.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from scrimp.model.ledger import EMPTY_LEDGER, Ledger, Pause
from scrimp.plan import book
from scrimp.store.codec import approval_from, intent_from


def replay(records: Iterable[Mapping[str, Any]]) -> Ledger:
    """The ledger that these records lead to. Holds and what dry runs note are not in the log, and not in it."""
    ledger = EMPTY_LEDGER
    for record in records:
        ledger = advance(ledger, record)
    return ledger


def advance(ledger: Ledger, record: Mapping[str, Any]) -> Ledger:
    """The ledger after one more record. Most events change nothing in it."""
    values = record["values"]
    match record["event"]:
        case "intent":
            return book.note_intent(ledger, intent_from(values["intent"]))
        case "outcome":
            return book.note_outcome(ledger, record["key"], values["outcome"])
        case "approval":
            return _approve(ledger, values)
        case "pause":
            pause = Pause(values["since_s"], record["actor"], values["reason"]) if values["paused"] else None
            return replace(ledger, pause=pause)
        case "decision" if "ended" in values:
            ended = values["ended"]
            return book.end_episode(
                ledger, record["policy"], record["target"], shadow=False, writes=ended["writes"]
            )
    return ledger


def _approve(ledger: Ledger, values: Mapping[str, Any]) -> Ledger:
    if "request" in values:
        request = approval_from(values["request"])
        return book.note_requests(ledger, {request.id: request})
    found = ledger.approvals.get(values["id"])
    if found is None or "refused" in values:
        return ledger
    answered = replace(found, granted=values["granted"], actor=values["by"])
    return replace(ledger, approvals={**ledger.approvals, found.id: answered})
