"""Usage in columns: what nodes offered and were billed, and what work on them was given and used.

One row is one charge period (an hour or shorter) x one *charge* or one *allocation* x one resource:

- a **charge** row (`job` is "") is what a node, a volume or a service offered and what it was billed. `capacity` is all
  that there was, `allocated` what the system keeps for itself (kubelet, driver, daemon sets). Its `resource` is one of
  `RESOURCES`, or `NODE` where the bill is for the machine as a whole, or `OTHER` for what buys none of them (support,
  network, licences, tax). A node's bill may stand on one `NODE` row, or split over its resources; its rows of the single
  resources then carry the capacity, and `billed_micro` 0.
- an **allocation** row (`job` is not "") is what one piece of work was given (its request, or more if it used more) and
  what it used of it. `billed_micro` is 0.

Rows of one charge period of one node share `start_s`, `node`, `currency` and `origin`: that is all that joins them, so a
table may be cut anywhere between two such groups, and the results of the pieces add up.

Quantities are **unit-hours** within the period, so that they add: GPU-hours (a quarter of a device for an hour is 0.25),
core-hours, GiB-hours of memory and of storage. Money is integers in millionths of the currency unit, so that sums are
exact; a credit is negative.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

MICRO: Final = 1_000_000
GPU: Final = "gpu"
CPU: Final = "cpu"
MEMORY: Final = "memory"
STORAGE: Final = "storage"
RESOURCES: Final = (GPU, CPU, MEMORY, STORAGE)
NODE: Final = "node"
OTHER: Final = "other"

ON_DEMAND: Final = "on_demand"
SPOT: Final = "spot"
RESERVED: Final = "reserved"

DIMENSIONS: Final = (
    "node",
    "pool",
    "instance_type",
    "purchase_option",
    "job",
    "operation",
    "team",
    "policy",
    "resource",
    "currency",
    "origin",
)
"""The columns of text, by which costs are filtered and grouped."""


@dataclass(frozen=True, slots=True)
class Categorical:
    """A column of text, dictionary-encoded: `codes` index `names`. Names are distinct; "" is nothing stated."""

    codes: Codes
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Integers | Bools) -> "Categorical":
        """The column of some rows, with the same names."""
        return Categorical(self.codes[rows], self.names)

    def texts(self) -> list[str]:
        """The text of every row."""
        return [self.names[code] for code in self.codes.tolist()]

    def equals(self, wanted: str) -> Bools:
        """Where the text is `wanted`."""
        if wanted not in self.names:
            return np.zeros(len(self.codes), dtype=np.bool_)
        hit: Bools = self.codes == self.names.index(wanted)
        return hit

    def is_any(self, wanted: Iterable[str]) -> Bools:
        """Where the text is one of `wanted`."""
        named = set(wanted)
        hit = np.fromiter(map(named.__contains__, self.names), np.bool_, len(self.names))
        return hit[self.codes] if len(self.names) else np.zeros(len(self.codes), dtype=np.bool_)


def categorical(texts: Iterable[str]) -> Categorical:
    """Encode texts, in order of first appearance."""
    seen: dict[str, int] = {}
    codes = np.array([seen.setdefault(text, len(seen)) for text in texts], dtype=np.int32)
    return Categorical(codes, tuple(seen))


def constant(text: str, rows: int) -> Categorical:
    """A column that says the same in every row."""
    return Categorical(np.zeros(rows, dtype=np.int32), (text,))


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time, in seconds since 1970 UTC; `label` is how reports call it, such as `2026-11`."""

    start_s: int
    end_s: int
    label: str = ""

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.end_s - self.start_s) / 3600

    def __str__(self) -> str:
        texts = (
            datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%MZ") for t in (self.start_s, self.end_s)
        )
        return self.label or "/".join(texts)


@dataclass(frozen=True, slots=True)
class UsageTable:
    """Rows as the module says. All columns have one length; `start_s` and `end_s` are seconds since 1970 UTC.

    `policy` names the policy whose episode was in force on the row's target, "" if none was. `instance_type` chooses
    the price vector of a charge. `origin` is what the bill of an imported charge says of it and nothing here reckons with
    (who provided and invoiced it, its service, SKU, region, …): columns of FOCUS as a JSON text, "" for what is measured here.
    """

    start_s: Integers
    end_s: Integers
    node: Categorical
    pool: Categorical
    instance_type: Categorical
    purchase_option: Categorical
    job: Categorical
    operation: Categorical
    team: Categorical
    policy: Categorical
    resource: Categorical
    currency: Categorical
    origin: Categorical
    capacity: Floats
    allocated: Floats
    used: Floats
    billed_micro: Integers

    def __len__(self) -> int:
        return len(self.start_s)

    def dimension(self, name: str) -> Categorical:
        """A text column by its name, one of `DIMENSIONS`."""
        if name not in DIMENSIONS:
            raise KeyError(name)
        column: Categorical = getattr(self, name)
        return column

    def take(self, rows: Integers | Bools) -> "UsageTable":
        """The table of some rows. Split costs *before* filtering: a group that lost a row no longer adds to its bill."""
        columns: dict[str, Any] = {}
        for one in fields(self):
            column = getattr(self, one.name)
            columns[one.name] = column.take(rows) if isinstance(column, Categorical) else column[rows]
        return UsageTable(**columns)

    def is_charge(self) -> Bools:
        """Which rows are charges; the others are allocations."""
        return self.job.equals("")


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One row of a `UsageTable`, for the few rows that are written by hand; the fields are its columns."""

    start_s: int
    end_s: int
    node: str = ""
    pool: str = ""
    instance_type: str = ""
    purchase_option: str = ""
    job: str = ""
    operation: str = ""
    team: str = ""
    policy: str = ""
    resource: str = NODE
    currency: str = "USD"
    origin: str = ""
    capacity: float = 0.0
    allocated: float = 0.0
    used: float = 0.0
    billed_micro: int = 0


def usage_table(rows: Sequence[UsageRow]) -> UsageTable:
    """Rows laid into columns."""
    columns: dict[str, Any] = {name: categorical(getattr(row, name) for row in rows) for name in DIMENSIONS}
    for name in ("start_s", "end_s", "billed_micro"):
        columns[name] = np.array([getattr(row, name) for row in rows], dtype=np.int64)
    for name in ("capacity", "allocated", "used"):
        columns[name] = np.array([getattr(row, name) for row in rows], dtype=np.float64)
    return UsageTable(**columns)


@dataclass(frozen=True, slots=True)
class WorkTable:
    """What was produced: `quantity` of `unit` (`samples`, `audio_hours`) by a job in a period. Columns of one length."""

    start_s: Integers
    end_s: Integers
    job: Categorical
    operation: Categorical
    team: Categorical
    unit: Categorical
    quantity: Floats

    def __len__(self) -> int:
        return len(self.start_s)
