"""What was done, and what it would have cost not to: the rows of the stream `actions`.

The audit log says what happened; here stands, beside it, what savings are reckoned from: the cost rate and the pace of work
that the target had in the snapshot that the act was decided on. Rows are written at the outcome; after a crash they are
made again from the ledger, without what only the snapshot knew.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from scrimp.history.files import Folder
from scrimp.history.query import connect, named, run, scan

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("at_s", pa.float64()),
        ("policy", pa.string()),
        ("target", pa.string()),
        ("action", pa.string()),
        ("direction", pa.string()),
        ("undo", pa.bool_()),
        ("outcome", pa.string()),
        ("projected_micro_per_hour", pa.int64()),
        ("rate_micro_per_hour", pa.int64()),
        ("items_per_second", pa.float64()),
        ("currency", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Done:
    """One act and its outcome, at `at_s` (epoch seconds). What is not known is `None`.

    `projected_micro_per_hour` is what the plan said that it saves; `rate_micro_per_hour` what the target cost just before,
    and `items_per_second` what it got done: together the counterfactual.
    """

    key: str
    at_s: float
    policy: str
    target: str
    action: str
    direction: str = ""
    undo: bool = False
    outcome: str = "done"
    projected_micro_per_hour: int | None = None
    rate_micro_per_hour: int | None = None
    items_per_second: float | None = None
    currency: str = "USD"
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


def done_table(acts: Iterable[Done]) -> pa.Table:
    """Acts as they are stored."""
    rows = [
        {
            **{name: getattr(one, name) for name in SCHEMA.names},
            "before": json.dumps(one.before or {}, sort_keys=True),
            "after": json.dumps(one.after or {}, sort_keys=True),
        }
        for one in acts
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def read_acts(folder: Folder, from_s: float, to_s: float) -> tuple[Done, ...]:
    """The acts of `[from_s, to_s)` in order of time, each key once: the row that knows most of it."""
    files = folder.files("actions", None, from_s, to_s)
    if not files:
        return ()
    with connect(folder.root) as link:
        found = run(
            link,
            f"""SELECT {", ".join(named(name) for name in SCHEMA.names)} FROM {scan(files)} WHERE at_s >= ? AND at_s < ?
            QUALIFY row_number() OVER (PARTITION BY key ORDER BY rate_micro_per_hour IS NULL, at_s) = 1 ORDER BY at_s, key""",
            [from_s, to_s],
        ).fetchall()
    return tuple(
        Done(
            **{
                **dict(zip(SCHEMA.names, row, strict=True)),
                "before": json.loads(row[-2]),
                "after": json.loads(row[-1]),
            }
        )
        for row in found
    )


def episodes_at(acts: Sequence[Done], at_s: float) -> pa.Table:
    """Which policy is in force on a target at an instant: the last that acted on it and was not undone."""
    found: dict[str, str] = {}
    for one in acts:
        if one.at_s >= at_s or one.outcome not in ("done", "merged"):
            continue
        if not one.undo:
            found[one.target] = one.policy
        elif found.get(one.target) == one.policy:
            del found[one.target]
    return pa.table({"target": pa.array(found, pa.string()), "policy": pa.array(found.values(), pa.string())})
