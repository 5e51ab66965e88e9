"""The past of a source into the history: chunk by chunk, so that neither side has to hold much, then hour by hour as usage.

Any collector that can bring the past will do (`Refilling`), a Prometheus above all. A chunk that it cannot answer is asked
again in halves, down to the smallest; what even then fails is a gap, and told. A field of which nothing came beside others
that did come is asked for alone, so that its query's error is not lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scrimp.api import Refilling, SeriesBatch, Unavailable
from scrimp.history.daily import add_up
from scrimp.history.files import Folder, Part, day_of
from scrimp.history.hours import Span
from scrimp.history.keeper import HOUR_S, MEASURED, roll_hour
from scrimp.history.query import Limits
from scrimp.history.rows import AT, MICRO

CHUNK_S = 6 * 3600.0
SMALLEST_S = 900.0

Keys = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was brought: samples (a value of a field), hours of usage, and the spans that could not be had, with causes.

    `nothing` are the kinds and fields that the source answers for, but of which not one sample came.
    """

    samples: int
    hours: int
    gaps: tuple[tuple[Span, str], ...] = ()
    nothing: Keys = ()


def fill(
    folder: Folder,
    source: Refilling,
    keys: Keys,
    span: Span,
    currency: str,
    *,
    deadline_s: float = 60.0,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Filled:
    """Bring the samples of `keys` (kind and field) in the span.

    Raises `HistoryError` where they cannot be written, and `Unavailable` where the source answers for none of the fields,
    neither at the end of the span nor at its begin.
    """
    keys, gaps = _answered(source, keys, span, deadline_s)
    samples = 0
    seen: set[tuple[str, str]] = set()
    spans = [
        Span(at, min(at + CHUNK_S, span.to_s)) for at in np.arange(span.from_s, span.to_s, CHUNK_S).tolist()
    ]
    hours: set[int] = set()
    steps = 2 * len(spans)
    for done, chunk in enumerate(spans):
        found, missed = _ask(source, keys, chunk, deadline_s)
        gaps.extend(missed)
        seen.update((one.kind, one.field) for one in found)
        for part, table, count in _tables(found, chunk):
            folder.write(part, table)
            samples += count
            starts = np.unique(table["at"].cast(pa.int64()).to_numpy() // (HOUR_S * MICRO))
            hours.update(starts.tolist())
        progress(done + 1, steps)
    for done, hour in enumerate(sorted(hours)):
        roll_hour(folder, hour, currency, limits)
        progress(len(spans) + round((done + 1) / len(hours) * len(spans)), steps)
    for day in sorted({day_of(hour * HOUR_S) for hour in hours}):
        add_up(folder, Part("usage", MEASURED, day), limits)
    nothing = tuple(key for key in keys if key not in seen)
    return Filled(samples, len(hours), _merged(gaps), nothing)


def _answered(
    source: Refilling, keys: Keys, span: Span, deadline_s: float
) -> tuple[Keys, list[tuple[Span, str]]]:
    """The fields that the source answers for, by a question or two each; the others are missing all along, with the cause."""
    length_s = min(SMALLEST_S, span.to_s - span.from_s)
    good, gaps, causes = [], [], []
    for kind, name in keys:
        try:
            source.refill(span.to_s, {(kind, name): length_s}, deadline_s=deadline_s)
        except Unavailable as error:
            try:
                source.refill(span.from_s + length_s, {(kind, name): length_s}, deadline_s=deadline_s)
            except Unavailable:
                causes.append(str(error))
                gaps.append((span, f"{kind}.{name}: {error}"))
                continue
        good.append((kind, name))
    if keys and not good:
        raise Unavailable(causes[0])
    return good, gaps


def _merged(gaps: Sequence[tuple[Span, str]]) -> tuple[tuple[Span, str], ...]:
    """Spans that follow one another for the same cause as one."""
    found: list[tuple[Span, str]] = []
    for gap, cause in sorted(gaps, key=lambda one: (one[1], one[0].from_s)):
        if found and found[-1][1] == cause and found[-1][0].to_s >= gap.from_s:
            found[-1] = Span(found[-1][0].from_s, max(found[-1][0].to_s, gap.to_s)), cause
        else:
            found.append((gap, cause))
    return tuple(sorted(found, key=lambda one: one[0].from_s))


def _ask(
    source: Refilling, keys: Keys, chunk: Span, deadline_s: float
) -> tuple[list[SeriesBatch], list[tuple[Span, str]]]:
    length_s = chunk.to_s - chunk.from_s
    try:
        found = list(source.refill(chunk.to_s, dict.fromkeys(keys, length_s), deadline_s=deadline_s))
    except Unavailable as error:
        if length_s <= SMALLEST_S:
            fields = f"{keys[0][0]}.{keys[0][1]}: " if len(keys) == 1 else ""
            return [], [(chunk, f"{fields}{error}")]
    else:
        there = {(one.kind, one.field) for one in found}
        silent = [key for key in keys if key not in there] if there else []
        # Nothing came of them: because there is nothing, or because their queries failed beside others that did not.
        alone = [_ask(source, [key], chunk, deadline_s) for key in silent]
        return [*found, *(one for more, _ in alone for one in more)], [
            one for _, missed in alone for one in missed
        ]
    middle_s = chunk.from_s + length_s / 2
    halves = [
        _ask(source, keys, half, deadline_s)
        for half in (Span(chunk.from_s, middle_s), Span(middle_s, chunk.to_s))
    ]
    return [one for found, _ in halves for one in found], [one for _, missed in halves for one in missed]


def _tables(batches: Sequence[SeriesBatch], chunk: Span) -> list[tuple[Part, pa.Table, int]]:
    """A table per kind and day, with a row per target and time, from all the fields of the kind."""
    kinds: dict[str, dict[str, list[SeriesBatch]]] = {}
    for one in batches:
        kinds.setdefault(one.kind, {}).setdefault(one.field, []).append(one)
    return [found for kind, fields in sorted(kinds.items()) for found in _of_kind(kind, fields, chunk)]


def _of_kind(
    kind: str, fields: Mapping[str, Sequence[SeriesBatch]], chunk: Span
) -> list[tuple[Part, pa.Table, int]]:
    every = [one for found in fields.values() for one in found]
    names = sorted({name for one in every for name in one.names})
    times = sorted({at for one in every for at in one.times_s if chunk.from_s <= at < chunk.to_s})
    row, at = {name: n for n, name in enumerate(names)}, {time: n for n, time in enumerate(times)}
    cells = {field: np.full((len(times), len(names)), np.nan) for field in fields}
    for field, found in fields.items():
        for one in found:
            values = np.array(one.values, dtype=np.float64)  # `None` becomes nan
            for place, time in enumerate(one.times_s):
                if time in at:
                    cells[field][at[time], [row[name] for name in one.names]] = values[:, place]
    known = np.any([np.isfinite(one) for one in cells.values()], axis=0)
    days = np.array([day_of(time).toordinal() for time in times], dtype=np.int64)
    tables = []
    for day in np.unique(days).tolist():
        here = known & (days == day)[:, None]
        when, who = np.nonzero(here)
        if not len(when):
            continue
        stamps = np.round(np.array(times)[when] * MICRO).astype(np.int64)
        columns = {
            "name": pa.array([names[one] for one in who.tolist()], pa.string()).dictionary_encode(),
            "at": pa.array(stamps, pa.int64()).cast(AT),
            **{
                field: pa.array(one[when, who], pa.float64(), from_pandas=True)
                for field, one in cells.items()
            },
            "age_s": pa.array(np.zeros(len(when))),
        }
        count = sum(int(np.isfinite(one[when, who]).sum()) for one in cells.values())
        tables.append((Part("samples", kind, day_of(times[int(when[0])])), pa.table(columns), count))
    return tables
