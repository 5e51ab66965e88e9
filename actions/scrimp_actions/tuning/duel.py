"""Two settings measured in turns, so that a machine that is busier now than before does not decide between them.

The turns go A B, B A, A B, …: each pair has both, and a steady drift cancels over two pairs. The verdict is Student's t
on the pairs' log ratios (paired comparison; Montgomery, "Design and Analysis of Experiments", section 2.5).
"""

from dataclasses import dataclass, replace
from enum import Enum
from math import exp, log, sqrt

from scipy.special import stdtrit

from scrimp_actions.tuning.history import Setting


class Verdict(Enum):
    """How a duel stands. `OPEN`: more turns are needed; `UNCLEAR`: they did not help, the spread is too wide."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class DuelRules:
    """The rival has to win by `margin` (a share) with `confidence`, one-sided, after so many pairs."""

    margin: float = 0.03
    confidence: float = 0.975
    least_pairs: int = 3
    most_pairs: int = 6


@dataclass(frozen=True, slots=True)
class Duel:
    """`rates` are the logs of items per second (or per core-second), in the order of the turns."""

    base: Setting
    rival: Setting
    rates: tuple[float, ...] = ()

    @property
    def turn(self) -> Setting:
        """Whose look comes next."""
        return self.base if _base_turn(len(self.rates)) else self.rival

    def seen(self, items_per_s: float) -> "Duel":
        """The duel with the look of this turn."""
        return replace(self, rates=(*self.rates, log(items_per_s)))

    @property
    def pairs(self) -> list[float]:
        """Log ratios, rival over base, one per finished pair of turns."""
        found = []
        for first in range(0, len(self.rates) - 1, 2):
            difference = self.rates[first + 1] - self.rates[first]
            found.append(difference if _base_turn(first) else -difference)
        return found

    @property
    def gain(self) -> float | None:
        """By which share the rival does more than the base; None before the first pair."""
        pairs = self.pairs
        return exp(sum(pairs) / len(pairs)) - 1.0 if pairs else None


def _base_turn(turn: int) -> bool:
    """A B B A A B B A …"""
    return turn % 4 in (0, 3)


def judge(duel: Duel, rules: DuelRules) -> Verdict:
    """How it stands."""
    pairs = duel.pairs
    count = len(pairs)
    if count < rules.least_pairs:
        return Verdict.OPEN
    mean = sum(pairs) / count
    spread = sqrt(sum((one - mean) ** 2 for one in pairs) / (count - 1))
    error = float(stdtrit(count - 1, rules.confidence)) * spread / sqrt(count)
    bar = log(1.0 + rules.margin)
    if mean > bar and mean - error > 0.0:
        return Verdict.WON
    if mean + error < bar or (mean <= 0.0 and count >= rules.most_pairs):
        return Verdict.LOST
    return Verdict.UNCLEAR if count >= rules.most_pairs else Verdict.OPEN
