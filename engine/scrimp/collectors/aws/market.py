"""The spot market as rows: each watched type in each zone, with price, discount, how often it is taken back, its score.

Placement scores: AWS rates a whole request, not one type, so all watched types are asked for at once and every row of
a zone has that zone's score. Fewer than three types always score low (GetSpotPlacementScores), so they are not asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scrimp.api import KindBatch, Refused, Value
from scrimp.aws import Account, ListPrice, Lives, SpotPrice, hazard_per_h, operations

MARKET_FIELDS = (
    *("instance_type", "zone", "price_per_hour", "on_demand_price", "discount"),
    *("interruption_rate", "capacity_score", "expected_lifetime"),
)
LEAST_SCORED = 3


@dataclass(frozen=True, slots=True)
class Market:
    """What is known at one moment; a part that is not known is empty."""

    spot: Mapping[tuple[str, str], SpotPrice]
    on_demand: Mapping[str, ListPrice]
    rates: Mapping[str, float]
    scores: Mapping[str, int]  # by zone id
    zone_ids: Mapping[str, str]
    lives: Mapping[str, Lives]  # by row

    def lifetime(self, instance_type: str, zone: str, now_s: float) -> tuple[float | None, str]:
        """Seconds for which an instance is expected to be left, and what that rests on: `prior`, `observed`, or nothing."""
        rate = self.rates.get(instance_type)
        seen = self.lives.get(f"{instance_type}:{zone}", Lives())
        found = seen.expected_s(now_s, None if rate is None else hazard_per_h(rate))
        return found, "" if found is None else "observed" if seen.observed(now_s) else "prior"

    def offer(self, types: Sequence[str], zones: Sequence[str], now_s: float) -> dict[str, Value]:
        """The lowest prices of these types, in these zones or in any, on demand and on spot, and the age of the latter."""
        listed = [self.on_demand[kind].per_hour for kind in types if kind in self.on_demand]
        spot = [
            one for (kind, zone), one in self.spot.items() if kind in types and (not zones or zone in zones)
        ]
        best = min(spot, key=lambda one: one.per_hour, default=None)
        return {
            "on_demand_price": min(listed) if types and len(listed) == len(types) else None,
            "spot_price": None if best is None else best.per_hour,
            "spot_price_age": None if best is None else max(now_s - best.since_s, 0.0),
        }

    def price(self, instance_type: str, zone: str, *, spot: bool) -> float | None:
        """What an instance costs per hour."""
        if spot:
            found = self.spot.get((instance_type, zone))
            return found.per_hour if found else None
        listed = self.on_demand.get(instance_type)
        return listed.per_hour if listed else None


def placement_scores(
    account: Account, types: Sequence[str], target: int, *, deadline_s: float
) -> dict[str, int]:
    """Scores from 1 to 10 by zone id, for `target` instances of any of the types in one zone. Not a promise."""
    if len(types) < LEAST_SCORED:
        raise Refused(f"a placement score needs {LEAST_SCORED} instance types, and {len(types)} are watched")
    arguments: dict[str, Any] = {
        "InstanceTypes": sorted(types),
        "TargetCapacity": target,
        "SingleAvailabilityZone": True,
        "RegionNames": [account.settings.region],
    }
    return {
        one["AvailabilityZoneId"]: int(one["Score"])
        for one in account.pages(operations.PLACEMENT_SCORES, deadline_s=deadline_s, **arguments)
    }


def market_batch(market: Market, now_s: float) -> KindBatch:
    """Rows of `spot_market`. The labels say since when the price holds, and where the others are from."""
    rows = sorted(market.spot.values(), key=lambda one: (one.instance_type, one.zone))
    listed = [market.on_demand.get(one.instance_type) for one in rows]
    scored = [market.scores.get(market.zone_ids.get(one.zone, "")) for one in rows]
    lasting = [market.lifetime(one.instance_type, one.zone, now_s) for one in rows]
    fields: dict[str, list[Value]] = {
        "instance_type": [one.instance_type for one in rows],
        "zone": [one.zone for one in rows],
        "price_per_hour": [one.per_hour for one in rows],
        "on_demand_price": [one.per_hour if one else None for one in listed],
        "discount": [
            1.0 - one.per_hour / full.per_hour if full else None
            for one, full in zip(rows, listed, strict=True)
        ],
        "interruption_rate": [market.rates.get(one.instance_type) for one in rows],
        "capacity_score": list(scored),
        "expected_lifetime": [found for found, _ in lasting],
    }
    labels = [
        {"price_since": f"{datetime.fromtimestamp(one.since_s, UTC):%Y-%m-%dT%H:%M:%SZ}"}
        | ({"on_demand_source": full.source} if full else {})
        | ({"zone_id": market.zone_ids[one.zone]} if one.zone in market.zone_ids else {})
        | ({"expected_lifetime_from": origin} if origin else {})
        for one, full, (_, origin) in zip(rows, listed, lasting, strict=True)
    ]
    return KindBatch(
        "spot_market", [f"{one.instance_type}:{one.zone}" for one in rows], fields, labels, now_s
    )
