"""How long a spot instance is expected to be left: the band of the Spot Advisor, drawn towards lives that were seen.

A band is the share s of a type's instances that was taken back within a month of 730 h. Taken as a constant hazard it is
h0 = -ln(1 - s) / 730 per hour. It says nothing of zones or of today, so it counts for no more than `WATCHED_H` = 24
instance-hours: with n instances lost in T instance-hours the hazard is (24 h0 + n) / (24 + T), the mean of a Gamma posterior
(Gelman et al., Bayesian Data Analysis, section 2.6). Without a band it is (n + 1/2) / T, by Jeffreys' prior; without hours
too it is unknown. n and T fade with age. What is expected is the mean of min(life, month), (1 - exp(-730 h)) / h, for no band
speaks of more than a month.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scrimp.api import Unavailable

HOUR_S = 3600.0
MONTH_H = 730.0
WATCHED_H = 24.0
HALF_LIFE_S = 2 * 86400.0  # the age at which what was seen counts half, as in the market's survival estimate


def hazard_per_h(monthly_share: float) -> float:
    """The constant hazard under which `monthly_share` (0 up to, not including, 1) of the instances are lost in a month."""
    return -math.log1p(-monthly_share) / MONTH_H


@dataclass(frozen=True, slots=True)
class Lives:
    """What was seen in one pool: instances `lost` in `hours` of life, both faded to `at_s`; nothing to be had to `out_until_s`."""

    lost: float = 0.0
    hours: float = 0.0
    at_s: float = 0.0
    out_until_s: float = 0.0

    def at(self, now_s: float) -> "Lives":
        """The same, faded to `now_s`."""
        keep = 0.5 ** (max(now_s - self.at_s, 0.0) / HALF_LIFE_S)
        return replace(self, lost=self.lost * keep, hours=self.hours * keep, at_s=max(now_s, self.at_s))

    def lived(self, hours: float, now_s: float) -> "Lives":
        """After so many more instance-hours."""
        faded = self.at(now_s)
        return replace(faded, hours=faded.hours + hours)

    def ended(self, now_s: float) -> "Lives":
        """After one more instance was taken."""
        faded = self.at(now_s)
        return replace(faded, lost=faded.lost + 1.0)

    def observed(self, now_s: float) -> bool:
        """Whether anything was seen that the estimate rests on."""
        return self.hours > 0 or self.lost > 0 or now_s < self.out_until_s

    def expected_s(self, now_s: float, prior_per_h: float | None) -> float | None:
        """Seconds for which an instance launched now is expected to be left; 0 where none is to be had, None if unknown."""
        if now_s < self.out_until_s:
            return 0.0
        seen = self.at(now_s)
        if prior_per_h is not None:
            hazard = (WATCHED_H * prior_per_h + seen.lost) / (WATCHED_H + seen.hours)
        elif seen.hours > 0:
            hazard = (seen.lost + 0.5) / seen.hours
        else:
            return None
        month = MONTH_H * hazard
        return HOUR_S * (MONTH_H if month == 0 else -math.expm1(-month) / hazard)


class LivesBook:
    """What one provider saw, by pool, in a file of the state folder: written by the provider, read by the collector."""

    def __init__(self, state_dir: Path, provider: str) -> None:
        self._path = state_dir / "aws" / "lives" / f"{provider}.json"
        self._written: Mapping[str, Lives] = {}

    def write(self, lives: Mapping[str, Lives]) -> None:
        """Replace the file where anything changed. Raises `Unavailable`."""
        if lives == self._written:
            return
        part = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({name: asdict(one) for name, one in lives.items()}), "utf-8")
            part.replace(self._path)
        except OSError as error:
            raise Unavailable(f"cannot note the lives of instances: {error.strerror}") from error
        self._written = dict(lives)


def read_lives(state_dir: Path) -> dict[str, Lives]:
    """What all providers saw, by pool; of two that saw the same pool both count. Raises `Unavailable`."""
    found: dict[str, Lives] = {}
    try:
        for path in sorted((state_dir / "aws" / "lives").glob("*.json")):
            for pool, raw in json.loads(path.read_text("utf-8")).items():
                one = Lives(**raw)
                found[pool] = _together(found[pool], one) if pool in found else one
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Unavailable(f"the lives of instances cannot be read: {error}") from error
    return found


def _together(one: Lives, other: Lives) -> Lives:
    at_s = max(one.at_s, other.at_s)
    a, b = one.at(at_s), other.at(at_s)
    return Lives(a.lost + b.lost, a.hours + b.hours, at_s, max(a.out_until_s, b.out_until_s))
