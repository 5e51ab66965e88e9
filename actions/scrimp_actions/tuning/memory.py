"""How much memory a size that was not measured will take, so that a probe is never a crash."""

from collections.abc import Mapping, Sequence

import numpy as np

from scrimp_actions.tuning.history import Point, Setting
from scrimp_actions.tuning.models import Floats

BEYOND = 1.1
"""Growth beyond the largest measured size is taken this much steeper than the steepest piece that was measured."""


def memory_forecast(batches: Sequence[int], peaks: Sequence[float], at: Sequence[int]) -> Floats:
    """Upper line of memory peaks at the sizes `at`, plus three deviations: m0 + m1 b (bytes).

    With one size seen, all of it is taken to grow with the batch, which is never too low while m0 >= 0. Beyond the largest size
    that was seen, the line goes on from its peak with the steepest slope between any two neighbours, so that a
    curve that bends upwards is not cut short.
    """
    x, y, where = np.array(batches, float), np.array(peaks, float), np.array(at, float)
    sizes = np.unique(x)
    tops = np.array([y[x == size].max() for size in sizes])
    if len(sizes) < 2:
        return np.asarray(tops[0] * np.maximum(1.0, where / sizes[0]))
    slope = max(0.0, float(np.polyfit(x, y, 1)[0]))
    rest = y - slope * x
    level, above = float(rest.mean()), float(rest.max() - rest.mean()) + 3.0 * float(rest.std())
    line = level + slope * where + above
    steepest = BEYOND * max(0.0, float((np.diff(tops) / np.diff(sizes)).max()))
    on = tops[-1] + steepest * (where - sizes[-1]) + 3.0 * float(rest.std())
    return np.asarray(np.where(where > sizes[-1], np.maximum(line, on), line))


def peaks_along(candidates: Sequence[Setting], points: Mapping[Setting, Point]) -> Floats | None:
    """Memory (bytes) per candidate: the peak where one was measured, else the forecast; None: no peak was measured.

    Copies of a model each hold their own: the forecast is for batch x copies.
    """
    known = {s: p.memory_bytes for s, p in points.items() if p.memory_bytes}
    if not known:
        return None
    held = [s.batch * s.instances for s in known]
    forecast = memory_forecast(held, list(known.values()), [s.batch * s.instances for s in candidates])
    measured = np.array([known.get(setting, 0.0) for setting in candidates])
    return np.where(measured > 0.0, measured, forecast)
