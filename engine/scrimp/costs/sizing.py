"""How large a request should be: bounds on what block peaks will reach, and how sure they are.

A peak per block of ten minutes is nearly independent of the next one, so that the smallest order statistic x_(k) with
P(Bin(n, p) < k) >= c bounds the p quantile of the peaks with confidence c, whatever their distribution (Wilks 1941). With
fewer than ln(1 - c) / ln p peaks no order statistic does: the answer is then "not enough data, at least x", with the
confidence 1 - p^n that there is. x is the highest peak so far or, if that is more, what the peers, like work, are bound to
reach while the size is to hold (`Peers`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scrimp.model.usage import Floats, Integers

MIB: int = 1 << 20


@dataclass(frozen=True, slots=True)
class SizeRules:
    """What a size promises: to hold for the share `quantile` of block peaks with `confidence`, plus a `margin`.

    Fewer than `cycle_s` of history show no whole cycle of demand, which is never enough. Until there is enough, `hold` is
    the chance that peers give a size to last as long as it is to hold, `alike` how near, relatively, the level of a peer is
    to count as alike, and `run` the blocks in a row whose highest peak is nearly independent of the next such run's.
    `step` is the smallest amount that can be bought, in the unit of the peaks; 0 if any amount can.

    `quantile` and `confidence` are the promise. `hold` and `alike` were chosen on GenTD26's containers, for sizes of 1.66
    times their use: more containers stay below their size than `hold` says, for no size is below a peak that was seen. What
    such a choice is worth on containers that it has not seen, `benchmarks/analytics_choice.py` shows.
    """

    quantile: float = 0.99
    confidence: float = 0.95
    margin: float = 0.05
    hold: float = 0.67
    alike: float = 0.1
    run: int = 6
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


@dataclass(slots=True)
class Peers:
    """The block peaks of like work, each oldest first: replicas, jobs of the same operation; a job may be among its own.

    One history of half a day says next to nothing on the peak of its next half, those of all that are alike say much: so
    extremes are pooled over alike sites in hydrology, each weighted by its nearness to the one asked for (Burn 1990, region
    of influence; Hosking and Wallis 1997, ch. 6).
    """

    peaks: Sequence[Floats]
    _levels: Floats = field(init=False)
    _runs: dict[int, tuple[Floats, Integers]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Without peers of which nothing is known."""
        self.peaks = [one for one in self.peaks if len(one)]
        self._levels = np.array([_level(one) for one in self.peaks])

    def bound(self, peaks: Floats, ahead: int, rules: SizeRules) -> float:
        """What work with a level like that of `peaks` stays within over `ahead` blocks, with the chance `hold`.

        There must be a peer. The highest of r independent runs of blocks is within x with the chance F(x)^r, where F is the
        distribution of one run's (Coles 2001, ch. 3), so that peers need not have been seen for as long as a size is to
        hold. F is that of the peers' runs, weighted by a Gaussian of the relative distance of their levels. All peers together, alike or not,
        count as much as one run: with few alike, a size allows for what work can turn into.
        """
        run = max(1, min(rules.run, ahead, max(len(one) for one in self.peaks)))
        reached, peer = self._highest_of(run)
        far = np.log(self._levels / _level(peaks)) / rules.alike
        weights = np.exp(-0.5 * far**2)[peer] + rules.run / len(peer)
        return _quantile(reached, weights, rules.hold ** (run / ahead))

    def _highest_of(self, run: int) -> tuple[Floats, Integers]:
        """The highest of every `run` peaks in a row, ascending, and the number of the peer that each is of."""
        if run not in self._runs:
            found = [
                (np.lib.stride_tricks.sliding_window_view(one, run).max(axis=1), number)
                for number, one in enumerate(self.peaks)
                if len(one) >= run
            ]
            reached = np.concatenate([some for some, _ in found])
            peer = np.concatenate([np.full(len(some), number) for some, number in found])
            order = np.argsort(reached)
            self._runs[run] = reached[order], peer[order]
        return self._runs[run]


def size_for(
    peaks: Floats,
    span_s: float,
    rules: SizeRules,
    peers: Peers | None = None,
    *,
    ahead_s: float | None = None,
) -> Size | None:
    """The size for what had these block peaks over `span_s`; `None` where there is no peak at all.

    Without enough data it is one for `ahead_s` to come: for as long again as there was, if not said. A single peer may be
    that very work, and lends nothing.
    """
    count, needed = len(peaks), rules.peaks_needed()
    if not count:
        return None
    rank = _rank(count, rules.quantile, rules.confidence)
    confidence = rules.confidence if rank is not None else 1 - rules.quantile**count
    value = float(np.sort(peaks)[-1 if rank is None else rank - 1])
    if rank is None and peers is not None and len(peers.peaks) > 1:
        ahead = count if ahead_s is None else max(1, math.ceil(ahead_s / rules.block_s))
        value = max(value, peers.bound(peaks, ahead, rules))
    else:
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


def _level(peaks: Floats) -> float:
    """What is usual: the median, above 0 so that levels can be compared by their ratio."""
    return max(float(np.median(peaks)), 1e-9)


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest of ascending values that at least this share of the weight does not pass."""
    reached = np.cumsum(weights)
    return float(values[min(int(np.searchsorted(reached, share * reached[-1])), len(values) - 1)])
