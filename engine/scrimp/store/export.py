"""The audit log for other programs: JSON lines as they are, or CSV with one column per field."""

import csv
import json
from collections.abc import Iterable
from typing import Literal, TextIO

from scrimp.store.records import Record, canonical

FIELDS = (
    "seq", "at", "tick", "event", "policy", "policy_hash", "git", "target",
    "action", "key", "values", "before", "after", "actor", "prev", "hash",
)  # fmt: skip


def export_records(records: Iterable[Record], into: TextIO, form: Literal["jsonl", "csv"]) -> int:
    """Write the records one by one; gives how many. In CSV, what is nested is JSON and `null` is empty."""
    count = 0
    table = csv.writer(into, lineterminator="\n") if form == "csv" else None
    if table is not None:
        table.writerow(FIELDS)
    for record in records:
        count += 1
        if table is None:
            into.write(canonical(record).decode() + "\n")
        else:
            table.writerow([_cell(record.get(name)) for name in FIELDS])
    return count


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"  # a spreadsheet would run it as a formula
    return "" if value is None else value
