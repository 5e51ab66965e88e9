"""What a size that was not measured may cost: a Bayesian average over latency shapes, in logs.

Each particle is a shape of the p-norm family of AdaptDL (Qiao et al., "Pollux", OSDI 2021, section 4.1): flat, then
linear, with a knee and a sharpness, some with a steeper end or a cliff (caches, memory). What the shapes miss is a Gaussian
process with an exponential kernel (Rasmussen & Williams, "Gaussian Processes for Machine Learning", 4.2.1), whose
amplitude is averaged over too: smooth curves need few looks, rough ones get more. Part of the prior on the amplitude
stays in force whatever was seen, so that a dip between two smooth points is never ruled out. The widest amplitude is all but
ruled out before, and is what is left where a curve is like none of the shapes (latency that falls first, and then soars).
The unknown level of a curve is marginalised by a wide constant in the kernel.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
LN2 = float(np.log(2.0))
LEVEL = 25.0
"""Prior variance of the level of a curve in squared logs: e to the power of plus or minus 10 is likely."""
KEPT = 1e-6
"""Shapes that weigh less are dropped from the mixture; all of them together weigh under a percent."""


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior on the residual: amplitudes with their weights, lengths in octaves, and the share kept of the prior.

    `steeper` are exponents added to the slope, `cliffs` steps in logs. `merged`: one Gaussian for all shapes of a component.
    """

    amplitudes: tuple[float, ...] = (0.05, 0.12, 0.3, 1.0)
    weights: tuple[float, ...] = (0.5, 0.35, 0.147, 0.003)
    lengths: tuple[float, ...] = (2.0,)
    white: float = 0.2
    floor: float = 0.2
    knee_step: float = 1.0
    sharpness: tuple[float, ...] = (1.0, 3.0, 10.0)
    steeper: tuple[float, ...] = (0.25, 0.6)
    cliffs: tuple[float, ...] = (0.3, 1.2, 2.5)
    steeper_weight: float = 0.25
    cliff_weight: float = 0.1
    merged: bool = False


MANY_AXES = Prior(
    amplitudes=(0.1, 0.3, 0.8),
    weights=(0.34, 0.33, 0.33),
    lengths=(4.0,),
    white=0.1,
    floor=0.0,
    steeper=(0.5,),
    cliffs=(),
    merged=True,
)
"""For instances x batch x load: other axes move the curve as a whole, so the residual is larger and shorter."""


@dataclass(frozen=True, slots=True)
class Component:
    """One amplitude and length: weights [p], means [p, m] and deviation [m] of the log cost of a batch."""

    weights: Floats
    means: Floats
    deviation: Floats


Belief = Sequence[Component]


@lru_cache(maxsize=32)
def shapes(sizes: tuple[float, ...], prior: Prior) -> tuple[Floats, Floats]:
    """Log shapes [particle, point] over log2 sizes, and their log prior weights; each look of a search asks for the same."""
    octaves = np.array(sizes)
    low, high = float(octaves.min()), float(octaves.max())
    if high == low:
        return np.zeros((1, len(octaves))), np.zeros(1)
    grid = np.meshgrid(
        np.arange(low - 4.0, high + 3.0, prior.knee_step), np.array(prior.sharpness), indexing="ij"
    )
    knees, sharp = grid[0].reshape(-1, 1), grid[1].reshape(-1, 1)
    base = np.logaddexp(0.0, sharp * (octaves[None] - knees) * LN2) / sharp
    edges = np.unique(octaves)
    ends = [
        slope * LN2 * np.maximum(0.0, octaves - start)
        for slope, start in itertools.product(prior.steeper, np.arange(low + 1.0, high, 1.0))
    ]
    cliffs = [
        height * (octaves > edge)
        for height, edge in itertools.product(prior.cliffs, (edges[1:] + edges[:-1]) / 2.0)
    ]
    rows, weights, left = [base], [], 1.0
    for kind, weight in ((ends, prior.steeper_weight), (cliffs, prior.cliff_weight)):
        if kind:
            rows += [base + more[None] for more in kind]
            weights += [np.full(len(base), np.log(weight / (len(kind) * len(base))))] * len(kind)
            left -= weight
    weights.insert(0, np.full(len(base), np.log(left / len(base))))
    return np.vstack(rows), np.concatenate(weights)


def believe(axes: Floats, seen: NDArray[np.intp], value: Floats, variance: Floats, prior: Prior) -> Belief:
    """The belief about every point of `axes` [m, d] (the first axis has the shape) after `value` at `seen`."""
    family, log_prior = shapes(tuple(axes[:, 0].tolist()), prior)
    apart = np.abs(axes[seen][:, None] - axes[None])
    found: list[tuple[int, Floats, Floats, Floats, Floats]] = []
    for lengths in itertools.product(prior.lengths, repeat=axes.shape[1]):
        near = np.exp(-(apart / np.array(lengths)).sum(axis=-1))
        for place, (amplitude, share) in enumerate(zip(prior.amplitudes, prior.weights, strict=True)):
            own = (amplitude * prior.white) ** 2
            kernel = amplitude**2 * near + LEVEL
            kernel[np.arange(len(seen)), seen] += own  # a size's own quirk is real: it stays with the size
            among = kernel[:, seen] + np.diag(variance + 1e-9)
            inverse = np.linalg.inv(among)
            rest = value[None] - family[:, seen]
            fit = -0.5 * ((rest @ inverse) * rest).sum(axis=1) + log_prior + np.log(share)
            fit = fit - 0.5 * np.linalg.slogdet(among)[1]
            gain = inverse @ kernel
            left = amplitude**2 + LEVEL + own - (kernel * gain).sum(axis=0)
            found.append((place, fit, rest, gain, np.sqrt(np.maximum(left, 1e-12))))
    return _mix(found, family, prior)


def _mix(
    found: list[tuple[int, Floats, Floats, Floats, Floats]], family: Floats, prior: Prior
) -> list[Component]:
    """Weigh the components by their evidence, less the share of the prior that is always kept."""
    top = max(float(fit.max()) for _, fit, *_ in found)
    mass = np.array([np.exp(fit - top).sum() for _, fit, *_ in found])
    share = mass / mass.sum()
    if prior.floor:
        each = np.array([prior.weights[place] for place, *_ in found])
        share = (1.0 - prior.floor) * share + prior.floor * each / each.sum()
    parts = []
    for weight, (_, fit, rest, gain, deviation) in zip(share, found, strict=True):
        within = np.exp(fit - fit.max())
        within /= within.sum()
        keep = within * weight > KEPT
        if keep.any():
            part = within[keep] / within[keep].sum()
            found_here = Component(part * weight, family[keep] + rest[keep] @ gain, deviation)
            parts.append(_merged(found_here) if prior.merged else found_here)
    return parts


def _merged(part: Component) -> Component:
    """One Gaussian with the mean and deviation of all shapes of a component."""
    mean, deviation = moments([part])
    return Component(np.array([part.weights.sum()]), mean[None], deviation)


def moments(belief: Belief) -> tuple[Floats, Floats]:
    """Mean and deviation [m] of the whole mixture."""
    total = sum(float(part.weights.sum()) for part in belief)
    mean = np.asarray(sum(part.weights @ part.means for part in belief) / total)
    second = sum(part.weights @ part.means**2 + part.weights.sum() * part.deviation**2 for part in belief)
    return mean, np.sqrt(np.maximum(np.asarray(second / total) - mean**2, 1e-12))


def chance_below(belief: Belief, limit: Floats) -> Floats:
    """The probability [m] that the log cost of a batch is below `limit` [m]."""
    return np.asarray(sum(part.weights @ ndtr((limit - part.means) / part.deviation) for part in belief))


def expected_gain(belief: Belief, size: Floats, best: float, limit: Floats) -> Floats:
    """Expected share [m] by which a point beats `best` (log cost of an item) while its batch costs below `limit`.

    Expected improvement (Jones, Schonlau & Welch, 1998) of a log-normal, cut off where the bound would break:
    E[(best / cost - 1)+ ; log cost of the batch <= limit]. `size` [m] is the log of the items in flight.
    """
    total = np.zeros(len(size))
    least = np.maximum(0.0, best + size - limit)
    for part in belief:
        mean, s = best + size - part.means, part.deviation
        rise = np.exp(np.minimum(mean + s * s / 2.0, 50.0)) * ndtr((mean + s * s - least) / s)
        total += part.weights @ (rise - ndtr((mean - least) / s))
    return total
