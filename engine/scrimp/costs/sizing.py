"""How large a request should be: bounds on what block peaks will reach, and how sure they are.

A peak per block of ten minutes is nearly independent of the next one, so that the smallest order statistic x_(k) with
P(Bin(n, p) < k) >= c bounds the p quantile of the peaks with confidence c, whatever their distribution (Wilks 1941). With
fewer than ln(1 - c) / ln p peaks no order statistic does: the answer is then "not enough data, at least x", with the
confidence 1 - p^n that there is. What is missing is lent by the peaks of like work: x is the own maximum with that weight,
and the peers' p quantile with the rest.
"""

import math
from dataclasses import dataclass

import numpy as np

from scrimp.model.usage import Floats

MIB: int = 1 << 20


@dataclass(frozen=True, slots=True)
class SizeRules:
    """What a size promises: to hold for the share `quantile` of block peaks with `confidence`, plus a `margin`.

    Fewer than `cycle_s` of history show no whole cycle of demand, which is never enough. `step` is the smallest amount that
    can be bought, in the unit of the peaks; 0 if any amount can.
    """

    quantile: float = 0.99
    confidence: float = 0.95
    margin: float = 0.05
    block_s: float = 600.0
    cycle_s: float = 7 * 86_400.0
    step: float = 0.0

    def peaks_needed(self) -> int:
        """The fewest peaks with which the promise can be made."""
        return math.ceil(math.log(1 - self.confidence) / math.log(self.quantile))


@dataclass(frozen=True, slots=True)
class Size:
    """A proposed size. Not `enough` data: it is a lower bound, "at least `value`", with the stated `confidence`."""

    value: float
    confidence: float
    enough: bool
    peaks: int
    peaks_needed: int


def block_peaks(times_s: Floats, values: Floats, block_s: float) -> Floats:
    """The highest known value of each block, oldest first; blocks without one are left out."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(0)
    blocks = ((times_s[known] - times_s[known].min()) // block_s).astype(np.int64)
    order = np.argsort(blocks, kind="stable")
    starts = np.flatnonzero(np.diff(blocks[order], prepend=-1))
    peaks: Floats = np.maximum.reduceat(values[known][order], starts)
    return peaks


def size_for(peaks: Floats, span_s: float, rules: SizeRules, peers: Floats | None = None) -> Size | None:
    """The size for what had these block peaks over `span_s`; `None` where there is no peak at all.

    `peers` are block peaks of like work (replicas, jobs of the same operation), its own among them.
    """
    count, needed = len(peaks), rules.peaks_needed()
    if not count:
        return None
    ordered = np.sort(peaks)
    rank = _rank(count, rules.quantile, rules.confidence)
    if rank is not None:
        value, confidence = float(ordered[rank - 1]), rules.confidence
    else:
        value, confidence = float(ordered[-1]), 1 - rules.quantile**count
        if peers is not None and len(peers) > count:
            value = confidence * value + (1 - confidence) * float(np.quantile(peers, rules.quantile))
    value *= 1 + rules.margin
    if rules.step > 0:
        value = math.ceil(value / rules.step - 1e-9) * rules.step
    enough = rank is not None and span_s >= rules.cycle_s
    return Size(value, confidence, enough, count, needed)


def after_oom(size: float, peak: float, *, factor: float = 1.2, least: float = 100 * MIB) -> float:
    """The size, in bytes, after a job ran out of memory at `peak`: growth by a factor, but above the peak by `least`."""
    return max(size * factor, peak + least)


def _rank(count: int, quantile: float, confidence: float) -> int | None:
    """The smallest k with P(Bin(count, quantile) < k) >= confidence, or `None` if there is none up to `count`."""
    drawn = np.arange(1, count + 1)
    # ln of P(Bin = k) from that of k - 1, so that nothing underflows on the way.
    steps = np.log((count - drawn + 1) / drawn) + math.log(quantile / (1 - quantile))
    logs = count * math.log1p(-quantile) + np.concatenate(([0.0], np.cumsum(steps)))
    below = np.cumsum(np.exp(logs))  # P(Bin < k) stands at k - 1
    rank = int(np.searchsorted(below, confidence)) + 1
    return rank if rank <= count else None
