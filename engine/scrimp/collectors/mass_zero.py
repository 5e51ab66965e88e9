"""Distrust of a source whose values all turn to zero, or vanish, at once: that is how a broken exporter looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from scrimp.api import KindBatch, Value


@dataclass(slots=True)
class ZeroWatch:
    """The memory about one source: how many of its numbers were not zero when it was last trusted."""

    at_least: int
    before: int = 0
    rows: int = 0
    distrusted: bool = False
    shrunk: bool = False  # while distrusted: rows are missing too, so what rows there are is not known

    def look(self, batches: Sequence[KindBatch]) -> str:
        """Take one successful collect into account; the reason to distrust it, or "" if there is none."""
        alive = sum(_alive(values) for batch in batches for values in batch.fields.values())
        if alive:
            self.distrusted = False
        elif self.before >= self.at_least:
            self.distrusted = True
        rows = sum(len(batch.names) for batch in batches)
        if not self.distrusted:
            self.before, self.rows = alive, rows
            return ""
        self.shrunk = rows < self.rows
        return f"all {self.before} values that were not zero turned to zero or vanished at once"

    def trust(self) -> None:
        """A person says that the zeros are real."""
        self.distrusted = False
        self.before = 0


def _alive(values: Sequence[Value]) -> int:
    """How many numbers are known and not zero; texts and truths say nothing about a source's health."""
    if not set(map(type, values)) <= {float, int, type(None), np.float64}:
        known = (v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
        return sum(1 for v in known if v and not isnan(v))
    array = np.array(values, dtype=np.float64)
    return int(np.count_nonzero(np.nan_to_num(array)))
