"""How large a request should be: bounds on what block peaks will reach, and how sure they are.

A peak per block of ten minutes is nearly independent of the next one, so that the smallest order statistic x_(k) with
P(Bin(n, p) < k) >= c bounds the p quantile of the peaks with confidence c, whatever their distribution (Wilks 1941). With
fewer than ln(1 - c) / ln p peaks no order statistic does: the answer is then "not enough data, at least x", with the
confidence 1 - p^n that there is. What is missing is lent by the peaks of like work (`Peers`): x is the own maximum with that
weight, and with the rest what held for a share of the peers for as long as x is to hold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scrimp.model.usage import Floats

MIB: int = 1 << 20


@dataclass(frozen=True, slots=True)
class SizeRules:
    """What a size promises: to hold for the share `quantile` of block peaks with `confidence`, plus a `margin`.

    Fewer than `cycle_s` of history show no whole cycle of demand, which is never enough. Until there is enough, `hold` is
    the share of the peers that their part is to hold for, `margin_lent` the margin instead, and `alike` how near,
    relatively, a peer's peak counts as alike; whatever peers say, a size is not below the share `regular` of the own peaks.
    `step` is the smallest amount that can be bought, in the unit of the peaks; 0 if any amount can.

    `quantile` and `confidence` are the promise. `hold`, `alike` and `margin_lent` were chosen on GenTD26's containers, to be just
    under 1.7 times their use; what such a choice is worth on containers that it has not seen, `benchmarks/analytics_choice.py`
    shows.
    """

    quantile: float = 0.99
    confidence: float = 0.95
    margin: float = 0.05
    hold: float = 0.84
    margin_lent: float = 0.021
    alike: float = 0.05
    regular: float = 0.95
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
    """The block peaks of like work, each oldest first: replicas, jobs of the same operation; a job may be among its own."""

    peaks: Sequence[Floats]
    _followed: dict[tuple[int, int], tuple[Floats, Floats]] = field(default_factory=dict)
    _reached: dict[int, Floats] = field(default_factory=dict)

    def bound(self, peaks: Floats, ahead: int, rules: SizeRules) -> float:
        """What the share `hold` of the peers stayed within over `ahead` blocks.

        Where peers were seen long enough for it, only what followed on as many blocks with a peak like `peaks` had
        counts (analogues, weighted by a Gaussian of the relative distance); else any run of `ahead` blocks does, or of
        as many as the longest peer has.
        """
        before, after = self._after(len(peaks), ahead)
        if len(after):
            far = np.log(np.maximum(before, 1e-9) / max(float(peaks.max()), 1e-9)) / rules.alike
            return _quantile(after, np.exp(-0.5 * far**2) + 1e-6, rules.hold)
        return float(np.quantile(self._runs(ahead), rules.hold))

    def _after(self, count: int, ahead: int) -> tuple[Floats, Floats]:
        """The peak of each run of `count` blocks, and that of the `ahead` blocks after it."""
        if (count, ahead) not in self._followed:
            long = [one for one in self.peaks if len(one) >= count + ahead]
            pairs = [(_highest(one[:-ahead], count), _highest(one[count:], ahead)) for one in long]
            before, after = (
                (np.concatenate([np.zeros(0), *side]) for side in zip(*pairs, strict=True))
                if pairs
                else (np.zeros(0), np.zeros(0))
            )
            self._followed[count, ahead] = before, after
        return self._followed[count, ahead]

    def _runs(self, ahead: int) -> Floats:
        """The peak of each run of `ahead` blocks."""
        if ahead not in self._reached:
            most = min(ahead, max(len(one) for one in self.peaks))
            self._reached[ahead] = np.concatenate(
                [_highest(one, most) for one in self.peaks if len(one) >= most]
            )
        return self._reached[ahead]


def size_for(
    peaks: Floats,
    span_s: float,
    rules: SizeRules,
    peers: Peers | None = None,
    *,
    ahead_s: float | None = None,
) -> Size | None:
    """The size for what had these block peaks over `span_s`; `None` where there is no peak at all.

    Without enough data, `peers` lend what is missing, for `ahead_s` to come: for as long again as there was, if not said.
    """
    count, needed = len(peaks), rules.peaks_needed()
    if not count:
        return None
    rank = _rank(count, rules.quantile, rules.confidence)
    confidence = rules.confidence if rank is not None else 1 - rules.quantile**count
    value = float(np.sort(peaks)[-1 if rank is None else rank - 1])
    if rank is None and peers is not None:
        ahead = count if ahead_s is None else max(1, math.ceil(ahead_s / rules.block_s))
        lent = confidence * value + (1 - confidence) * peers.bound(peaks, ahead, rules)
        value = max(lent, float(np.quantile(peaks, rules.regular))) * (1 + rules.margin_lent)
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


def _highest(peaks: Floats, count: int) -> Floats:
    """The highest of each `count` blocks in a row; `count` is at most their number."""
    found: Floats = np.lib.stride_tricks.sliding_window_view(peaks, count).max(axis=1)
    return found


def _quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value that at least this share of the weight does not pass."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])
