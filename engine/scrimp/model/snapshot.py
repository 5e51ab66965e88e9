"""All samples of one instant, in columns: a row per target, an array per field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of one kind.

    `values` has shape (rows,): float64 for numbers (canonical units), bool for truths, int32 codes into `words`
    for strings. `valid` says where a value is known; `values` is arbitrary elsewhere. `age_s` is how old each
    sample is at the snapshot's time, `interval_s` how often the source samples (`nan` if unknown, so nothing
    is stale by default). `reason` says why what is not valid is unknown, where one cause holds for the whole column.
    """

    values: Floats | Bools | Codes
    valid: Bools
    age_s: Floats
    interval_s: float = float("nan")
    words: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of one kind. `labels` holds a string column per label key.

    `partial` says why rows may be missing (one of several sources failed), and is empty where none can be.
    """

    kind: str
    names: tuple[str, ...]
    columns: Mapping[str, Column]
    labels: Mapping[str, Column] = field(default_factory=dict)
    partial: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Row number by name."""
        return {name: row for row, name in enumerate(self.names)}


@dataclass(frozen=True, slots=True)
class Series:
    """The recent samples of one numeric field, oldest first, aligned with the rows of the snapshot's table.

    `times_s` is (rows, samples) or (1, samples) where all rows were sampled together; `values` is (rows, samples),
    `nan` where a sample is missing. `interval_s` is (rows,) or (1,): the expected time between samples.
    `failed` is (rows,) or (1,): the source failed now, so that windows are unknown whatever the samples say.
    """

    times_s: Floats
    values: Floats
    interval_s: Floats
    failed: Bools


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All samples of one instant.

    A kind that is not in `tables` was reported by no source and is unknown as a whole; one with an empty table is
    known to be empty. `failures` gives the cause per kind, for people. `series` is keyed by (kind, field).
    """

    at_s: float
    tables: Mapping[str, Table]
    series: Mapping[tuple[str, str], Series] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    currency: str = "USD"


def number_column(
    values: Sequence[float | None] | Floats,
    age_s: float | Floats = 0.0,
    *,
    interval_s: float = float("nan"),
    reason: str = "",
) -> Column:
    """A column of numbers; `None`, `nan` and the infinities are unknown."""
    array = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return Column(array, np.isfinite(array), _ages(age_s, len(array)), interval_s, reason=reason)


def truth_column(
    values: Sequence[bool | None],
    age_s: float | Floats = 0.0,
    *,
    interval_s: float = float("nan"),
    reason: str = "",
) -> Column:
    """A column of truths; `None` is unknown."""
    array = np.array([bool(value) for value in values], dtype=np.bool_)
    valid = np.array([value is not None for value in values], dtype=np.bool_)
    return Column(array, valid, _ages(age_s, len(array)), interval_s, reason=reason)


def text_column(
    values: Sequence[str | None],
    age_s: float | Floats = 0.0,
    *,
    interval_s: float = float("nan"),
    reason: str = "",
) -> Column:
    """A column of strings, dictionary-encoded in order of first appearance; `None` is unknown."""
    codes: dict[str, int] = {}
    array = np.array(
        [-1 if value is None else codes.setdefault(value, len(codes)) for value in values], dtype=np.int32
    )
    return Column(array, array >= 0, _ages(age_s, len(array)), interval_s, tuple(codes), reason)


def _ages(age_s: float | Floats, rows: int) -> Floats:
    return np.broadcast_to(np.asarray(age_s, dtype=np.float64), (rows,)).copy()
