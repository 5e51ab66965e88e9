"""What a collector brought, looked over before it is believed: strangers write collectors too.

Each function gives what is wrong with the shape, "" if nothing is. Values are not looked at: a wrong one is only unknown.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from scrimp.api import Collected, KindBatch, SeriesBatch


def batch_fault(collected: object) -> str:
    """What is wrong with the answer of `collect`."""
    if not isinstance(collected, Collected):
        return "it brought no samples"
    failed: Any = collected.failed  # whatever a stranger put there
    if not isinstance(failed, Mapping):
        return "`failed` is not a map"
    return next((wrong for batch in collected.batches if (wrong := _batch(batch))), "")


def series_fault(found: object) -> str:
    """What is wrong with the answer of `refill`."""
    if not isinstance(found, Sequence):
        return "it brought no series"
    return next((wrong for batch in found if (wrong := _series(batch))), "")


def _batch(batch: object) -> str:
    if not isinstance(batch, KindBatch):
        return "a batch is not a KindBatch"
    wrong = _names(batch.kind, batch.names)
    if wrong:
        return wrong
    rows = len(batch.names)
    columns: dict[str, Any] = {f"{batch.kind}.{name}": values for name, values in batch.fields.items()}
    if batch.labels is not None:
        columns[f"labels of {batch.kind}"] = batch.labels
    if isinstance(batch.sampled_at_s, Sized):
        columns[f"sampling times of {batch.kind}"] = batch.sampled_at_s
    faults = (_length(name, values, rows) for name, values in columns.items())
    return next((wrong for wrong in faults if wrong), "")


def _series(batch: object) -> str:
    if not isinstance(batch, SeriesBatch):
        return "a series is not a SeriesBatch"
    wrong = _names(batch.kind, batch.names) or _length(batch.field, batch.values, len(batch.names))
    if wrong:
        return wrong
    samples = len(batch.times_s)
    ragged = any(len(row) != samples for row in batch.values)
    return f"the rows of `{batch.kind}.{batch.field}` differ in length" if ragged else ""


def _names(kind: str, names: Sequence[str]) -> str:
    if not set(map(type, names)) <= {str}:
        return f"a name of `{kind}` is not a string"
    if len(set(names)) == len(names):
        return ""
    twice = Counter(names).most_common(1)[0][0]
    return f"two rows of `{kind}` are named `{twice}`"


def _length(name: str, values: Any, rows: int) -> str:
    found = len(values) if isinstance(values, Sized) else -1
    return "" if found == rows else f"`{name}` has {max(found, 0)} values for {rows} rows"
