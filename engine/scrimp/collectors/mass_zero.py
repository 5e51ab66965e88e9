"""Distrust of a source whose values all turn to zero, or vanish, at once: that is how a broken exporter looks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from scrimp.api import KindBatch, SeriesBatch, Value


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """What must outlive a tick, and a restart, about one source.

    `alive` is how many of its numbers were not zero when it was last trusted, `rows` how many rows it had then.
    """

    alive: int = 0
    rows: int = 0
    distrusted: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """The memory after one successful collect, and the reason to distrust it, "" if there is none.

    `shrunk`: distrusted, and rows are missing too, so that what rows there are is not known.
    """

    memory: SourceMemory
    doubt: str = ""
    shrunk: bool = False


def judge(memory: SourceMemory, batches: Sequence[KindBatch], at_least: int) -> Judged:
    """Whether what a source brought is believed: not if at least `at_least` live values all died since it last was."""
    alive = sum(_alive(values) for batch in batches for values in batch.fields.values())
    rows = sum(len(batch.names) for batch in batches)
    if alive or not (memory.distrusted or memory.alive >= at_least):
        return Judged(SourceMemory(alive, rows))
    doubt = f"all {memory.alive} values that were not zero turned to zero or vanished at once"
    return Judged(replace(memory, distrusted=True), doubt, rows < memory.rows)


def believed(memory: SourceMemory, found: Sequence[SeriesBatch], at_least: int) -> tuple[SeriesBatch, ...]:
    """Past samples without those of instants at which all that the source has was zero: nobody judged them then."""
    if memory.alive < at_least:
        return tuple(found)
    alive: Counter[float] = Counter()
    for batch in found:
        for place, at_s in enumerate(batch.times_s):
            alive[at_s] += _alive([row[place] for row in batch.values])
    kept = []
    for batch in found:
        places = [place for place, at_s in enumerate(batch.times_s) if alive[at_s]]
        times_s = [batch.times_s[place] for place in places]
        kept.append(
            replace(batch, times_s=times_s, values=[[row[place] for place in places] for row in batch.values])
        )
    return tuple(kept)


def _alive(values: Sequence[Value]) -> int:
    """How many numbers are known and not zero; texts and truths say nothing about a source's health."""
    if not set(map(type, values)) <= {float, int, type(None), np.float64}:
        known = (v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
        return sum(1 for v in known if v and not isnan(v))
    array = np.array(values, dtype=np.float64)
    return int(np.count_nonzero(np.nan_to_num(array)))
