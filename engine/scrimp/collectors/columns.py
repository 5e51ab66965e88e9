"""Values as they come from a source, laid into typed columns; what has the wrong type, or cannot be, is unknown."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scrimp.api import FieldSpec, Value
from scrimp.model.snapshot import Column, Floats, number_column, text_column, truth_column
from scrimp.model.types import Base

NONE = type(None)
NUMBERS = {float, int, np.float64, np.float32, np.int64, np.int32}
TRUTHS = {bool, np.bool_}
TEXTS = {str, np.str_}
_SLACK = 1e-6  # relative: a mean of full GPUs may come out a little above 100 %


def column(
    spec: FieldSpec, values: Sequence[Value], age_s: float | Floats = 0.0, *, interval_s: float = float("nan")
) -> tuple[Column, list[int]]:
    """A column of `spec.type` with ages in seconds, and the rows whose value has another type or lies outside of the
    field's bounds (they are unknown).

    `None`, `nan` and the infinities are unknown too, and are no mistake.
    """
    accepted = accepted_types(spec)
    wrong: list[int] = []
    if not set(map(type, values)) <= accepted:
        wrong = [row for row, value in enumerate(values) if type(value) not in accepted]
        bad = set(wrong)
        values = [None if row in bad else value for row, value in enumerate(values)]
    found = _typed(spec, values, age_s, interval_s)
    if spec.type.base is Base.NUMBER:
        wrong += np.flatnonzero(np.isfinite(found.values) & ~found.valid).tolist()
    return found, wrong


def accepted_types(spec: FieldSpec) -> set[type]:
    """The Python types of a field's values: a truth is no number, and a number no truth."""
    base = spec.type.base
    if base is Base.BOOL:
        return TRUTHS | {NONE}
    return (NUMBERS if base is Base.NUMBER else TEXTS) | {NONE}


def _typed(spec: FieldSpec, values: Sequence[Value], age_s: float | Floats, interval_s: float) -> Column:
    if spec.type.base is Base.BOOL:
        return truth_column([None if v is None else bool(v) for v in values], age_s, interval_s=interval_s)
    if spec.type.base is not Base.NUMBER:
        return text_column([None if v is None else str(v) for v in values], age_s, interval_s=interval_s)
    array = _floats(values)
    found = number_column(array, age_s, interval_s=interval_s)
    low, high = bounds(spec)
    with np.errstate(invalid="ignore"):
        inside = (found.values >= low) & (found.values <= high)
    return replace(found, valid=np.isfinite(found.values) & inside)


def bounds(spec: FieldSpec) -> tuple[float, float]:
    """Between which numbers a field's values can be, but for rounding; what lies outside was misread."""
    low = -math.inf if spec.minimum is None else spec.minimum - _SLACK * abs(spec.minimum)
    high = math.inf if spec.maximum is None else spec.maximum + _SLACK * abs(spec.maximum)
    return low, high


def _floats(values: Sequence[Value]) -> Floats:
    try:
        return np.array(values, dtype=np.float64)  # `None` becomes nan
    except OverflowError:  # an integer beyond a float's range
        return np.array([_float(value) for value in values], dtype=np.float64)


def _float(value: Value) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("nan")


def unknown_column(spec: FieldSpec, rows: int, reason: str, interval_s: float = float("nan")) -> Column:
    """A column of which nothing is known, because of `reason`."""
    return replace(_typed(spec, [None] * rows, float("nan"), interval_s), reason=reason)


def label_columns(labels: Sequence[dict[str, str]]) -> dict[str, Column]:
    """A string column per label key; a row without the key is unknown there."""
    keys = dict.fromkeys(key for row in labels for key in row)
    return {key: text_column([row.get(key) for row in labels]) for key in keys}
