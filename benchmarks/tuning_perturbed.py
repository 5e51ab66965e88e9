"""Tables as others might have measured them: the public curves with sizes missing, other quirks, cliffs, dips and plateaus.

Every change keeps the family of its curve, so that the split into halves holds. Each takes speed and latency together,
as a slower batch has both, but for `tails`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tuning_data import LEAST_SIZES, Curve

Floats = np.ndarray
Change = Callable[[Curve, np.random.Generator], Curve | None]


def _with(curve: Curve, batch: Floats, rate: Floats, tail_s: Floats) -> Curve:
    sizes = tuple(int(b) for b in batch)
    return Curve(curve.source, curve.family, curve.name, sizes, tuple(rate.tolist()), tuple(tail_s.tolist()))


def _slowed(curve: Curve, factor: Floats) -> Curve:
    rate, tail_s = np.array(curve.items_per_s), np.array(curve.tail_s)
    return _with(curve, np.array(curve.batch), rate / factor, tail_s * factor)


def _kept(curve: Curve, places: Floats) -> Curve | None:
    if len(places) < LEAST_SIZES:
        return None
    columns = (np.array(values)[places] for values in (curve.batch, curve.items_per_s, curve.tail_s))
    return _with(curve, *columns)


def _half(curve: Curve, rng: np.random.Generator) -> Curve | None:
    """Every other size, drawn."""
    count = len(curve.batch)
    return _kept(curve, np.sort(rng.permutation(count)[: (count + 1) // 2]))


def _large(curve: Curve, rng: np.random.Generator) -> Curve | None:
    """The smallest sizes are missing."""
    return _kept(curve, np.arange(int(rng.integers(1, 4)), len(curve.batch)))


def _quirks(curve: Curve, rng: np.random.Generator) -> Curve:
    """True quirks of 5 % at every size."""
    return _slowed(curve, np.exp(0.05 * rng.standard_normal(len(curve.batch))))


def _walk(curve: Curve, rng: np.random.Generator) -> Curve:
    """A random walk of 8 % an octave."""
    octaves = np.diff(np.log2(curve.batch))
    steps = 0.08 * np.sqrt(octaves) * rng.standard_normal(len(octaves))
    return _slowed(curve, np.exp(np.concatenate([[0.0], np.cumsum(steps)])))


def _cliff(curve: Curve, rng: np.random.Generator) -> Curve:
    """From one size on everything is slower."""
    at = int(rng.integers(1, len(curve.batch)))
    return _slowed(curve, np.where(np.arange(len(curve.batch)) >= at, rng.uniform(1.15, 2.5), 1.0))


def _wall(curve: Curve, rng: np.random.Generator) -> Curve:
    """From one size on memory is swapped: 3 to 20 times slower."""
    at = int(rng.integers(2, len(curve.batch)))
    return _slowed(curve, np.where(np.arange(len(curve.batch)) >= at, rng.uniform(3.0, 20.0), 1.0))


def _dip(curve: Curve, rng: np.random.Generator) -> Curve:
    """One size is slower than its neighbours."""
    factor = np.ones(len(curve.batch))
    factor[int(rng.integers(len(factor)))] = rng.uniform(1.1, 1.8)
    return _slowed(curve, factor)


def _spike(curve: Curve, rng: np.random.Generator) -> Curve:
    """One size is faster than its neighbours."""
    factor = np.ones(len(curve.batch))
    factor[int(rng.integers(len(factor)))] = 1.0 / rng.uniform(1.1, 1.5)
    return _slowed(curve, factor)


def _plateau(curve: Curve, rng: np.random.Generator) -> Curve:
    """Something else is the limit: speed stops at a share of the best, within a percent."""
    rate = np.array(curve.items_per_s)
    most = rate.max() * rng.uniform(0.5, 0.95)
    return _slowed(curve, np.maximum(1.0, rate / most) * np.exp(0.01 * rng.standard_normal(len(rate))))


def _upturn(curve: Curve, rng: np.random.Generator) -> Curve:
    """Large batches get slower and slower."""
    batch = np.array(curve.batch, float)
    return _slowed(curve, 1.0 + rng.uniform(0.2, 3.0) * (batch / batch[-1]) ** rng.uniform(0.5, 3.0))


def _tails(curve: Curve, rng: np.random.Generator) -> Curve:
    """Tail latencies that vary by a fifth; speeds as they are."""
    tail_s = np.array(curve.tail_s) * np.exp(np.abs(0.2 * rng.standard_normal(len(curve.tail_s))))
    return _with(curve, np.array(curve.batch), np.array(curve.items_per_s), tail_s)


CHANGES: dict[str, Change] = {
    "half of the sizes": _half,
    "without the smallest": _large,
    "quirks of 5 %": _quirks,
    "a walk of 8 %": _walk,
    "a cliff": _cliff,
    "a wall": _wall,
    "a dip": _dip,
    "a spike": _spike,
    "a plateau": _plateau,
    "an upturn": _upturn,
    "other tails": _tails,
}


def perturbed(curves: Sequence[Curve], change: str, seed: int) -> list[Curve]:
    """The curves with one kind of change; those that are too short for it are left out."""
    rng = np.random.default_rng([seed, 31, list(CHANGES).index(change)])
    found = (CHANGES[change](curve, rng) for curve in curves)
    return [curve for curve in found if curve is not None]
