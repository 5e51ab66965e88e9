"""`Cloud` spoken to AWS: instant fleets, many pools as overrides of one launch template, tags in the same call.

CreateFleet of type `instant` answers at once with what was launched and, per pool, why not (EC2 Fleet API reference,
`CreateFleetError`). A client token makes it idempotent: the same parameters give the first answer again, others are
refused with IdempotentParameterMismatch (Ensuring idempotency in EC2 API requests); a token has at most 64 characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrimp.api import Money, Refused, TargetGone
from scrimp.aws import CURRENCY, KEY_TAG, Account, OnDemandPrices, operations, spot_prices
from scrimp_actions.spot.cloud import (
    Instance,
    InstanceState,
    Launched,
    LaunchError,
    LaunchRequest,
    PoolPrice,
    Purchase,
    pool_name,
    split_pool,
)

TOKEN_LENGTH = 64
MOST_POOLS = 300  # of one fleet (Quotas for EC2 Fleet): those that are worth most are asked
# The account may have no more of it (of many types of GPUs it may have none until its quota is raised), or the cap on the
# price is too low.
LIMITS = frozenset(
    (
        *("MaxSpotInstanceCountExceeded", "MaxFleetCountExceeded", "VcpuLimitExceeded"),
        *("InstanceLimitExceeded", "SpotMaxPriceTooLow"),
    )
)
# The pool has none to give, or none at this price, or the account may have no more of it: try another, later this one.
CAPACITY = LIMITS | frozenset(
    (
        *("InsufficientInstanceCapacity", "UnfulfillableCapacity", "InsufficientHostCapacity"),
        *("InsufficientCapacity", "InsufficientFreeAddressesInSubnet"),
        *("ReservationCapacityExceeded", "Unsupported"),  # the latter: the type is not offered in this zone
    )
)
STATES = {
    "pending": InstanceState.PENDING,
    "running": InstanceState.RUNNING,
    "stopping": InstanceState.STOPPING,
    "stopped": InstanceState.STOPPED,
    "shutting-down": InstanceState.TERMINATING,
    "terminated": InstanceState.TERMINATED,
}
USED = (
    *(operations.CREATE_FLEET, operations.DESCRIBE_INSTANCES, operations.TERMINATE, operations.SPOT_PRICES),
    *(operations.GET_PRODUCTS, operations.DESCRIBE_SUBNETS),
)


@dataclass(slots=True)
class AwsCloud:
    """One account and region. `subnets` are those to launch in; without them it is the default network."""

    account: Account
    now: Callable[[], float]
    subnets: Sequence[str] = ()
    _prices: OnDemandPrices = field(init=False)
    _subnet_of: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prices on demand are kept between calls."""
        self._prices = OnDemandPrices(self.account)

    def launch(self, request: LaunchRequest, *, deadline_s: float) -> Launched:
        """One instant fleet. Raises `Refused` where nothing could be launched for another cause than capacity."""
        token = client_token(request.token)
        asked = self._asked(request, token, deadline_s / 4)
        try:
            answer = self.account.call(operations.CREATE_FLEET, deadline_s=deadline_s * 3 / 4, **asked)
        except Refused as error:
            if "IdempotentParameterMismatch" not in str(error):
                raise
            # The token was used with other pools before; what came of that bears it as a tag.
            found = self.instances({KEY_TAG: token}, deadline_s=deadline_s / 4)
            return Launched(tuple(one for one in found if one.alive))
        tags = {**request.tags, KEY_TAG: token}
        instances = tuple(self._made(answer, tags))
        errors = tuple(self._error(one) for one in answer.get("Errors", ()))
        if not instances and errors and not any(one.capacity for one in errors):
            raise Refused(f"{operations.CREATE_FLEET.action}: {errors[0].code}: {errors[0].message}")
        return Launched(instances, errors)

    def instances(self, tags: Mapping[str, str], *, deadline_s: float) -> list[Instance]:
        """All that bear these tags; AWS remembers an ended one for about an hour."""
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        found = self.account.pages(
            operations.DESCRIBE_INSTANCES, deadline_s=deadline_s, Filters=filters, MaxResults=1000
        )
        return [_instance(one) for reservation in found for one in reservation["Instances"]]

    def terminate(self, ids: Sequence[str], *, deadline_s: float) -> None:
        """End them. One that AWS does not know fails the whole call, so it is then asked for in halves."""
        if not ids:
            return
        try:
            self.account.call(operations.TERMINATE, deadline_s=deadline_s, InstanceIds=list(ids))
        except TargetGone:
            half = len(ids) // 2
            if half:
                self.terminate(ids[:half], deadline_s=deadline_s / 2)
                self.terminate(ids[half:], deadline_s=deadline_s / 2)

    def offers(self, pools: Sequence[str], *, deadline_s: float) -> list[PoolPrice]:
        """Spot prices in force, and prices on demand."""
        types = {split_pool(pool)[0] for pool in pools}
        now_s = self.now()
        spot = spot_prices(self.account, types, now_s, deadline_s=deadline_s / 2)
        listed, _ = self._prices.of(types, now_s, deadline_s=deadline_s / 2)
        found = []
        for pool in pools:
            kind, zone = split_pool(pool)
            price = spot.get((kind, zone))
            full = listed.get(kind)
            found.append(
                PoolPrice(
                    pool,
                    Money(price.per_hour, CURRENCY) if price else None,
                    Money(full.per_hour, CURRENCY) if full else None,
                    price.since_s if price else None,
                )
            )
        return found

    def _asked(self, request: LaunchRequest, token: str, deadline_s: float) -> dict[str, Any]:
        """The parameters: the same for the same request, so that a second try is the first one again."""
        spot = request.purchase is Purchase.SPOT
        overrides = []
        for pool in request.pools[:MOST_POOLS]:
            kind, zone = split_pool(pool)
            override: dict[str, Any] = {"InstanceType": kind}
            if zone:
                subnet = self._subnet(zone, deadline_s)
                override |= {"SubnetId": subnet} if subnet else {"AvailabilityZone": zone}
            if spot and request.max_price is not None:
                override["MaxPrice"] = f"{request.max_price.amount:.5f}"
            overrides.append(override)
        key = "LaunchTemplateId" if request.template.startswith("lt-") else "LaunchTemplateName"
        spec = {key: request.template, "Version": "$Default"}
        tags = [{"Key": name, "Value": value} for name, value in {**request.tags, KEY_TAG: token}.items()]
        options = {"SpotOptions": {"AllocationStrategy": "price-capacity-optimized"}} if spot else {}
        return {
            "Type": "instant",
            "ClientToken": token,
            "LaunchTemplateConfigs": [{"LaunchTemplateSpecification": spec, "Overrides": overrides}],
            "TargetCapacitySpecification": {
                "TotalTargetCapacity": request.count,
                "DefaultTargetCapacityType": "spot" if spot else "on-demand",
            },
            "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
            **(options if spot else {"OnDemandOptions": {"AllocationStrategy": "lowest-price"}}),
        }

    def _subnet(self, zone: str, deadline_s: float) -> str | None:
        """The first of our subnets in a zone; None where none are configured. `Refused` where the zone has none."""
        if not self.subnets:
            return None
        if not self._subnet_of:
            found = self.account.pages(
                operations.DESCRIBE_SUBNETS, deadline_s=deadline_s, SubnetIds=list(self.subnets)
            )
            by_id = {one["SubnetId"]: one["AvailabilityZone"] for one in found}
            for subnet in self.subnets:
                self._subnet_of.setdefault(by_id[subnet], subnet)
        if zone not in self._subnet_of:
            raise Refused(f"none of the subnets is in {zone}")
        return self._subnet_of[zone]

    def _made(self, answer: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[Instance]:
        for one in answer.get("Instances", ()):
            zone = one.get("AvailabilityZone") or self._zone(one)
            purchase = Purchase.SPOT if one.get("Lifecycle") == "spot" else Purchase.ON_DEMAND
            pool = pool_name(one["InstanceType"], zone)
            for instance in one["InstanceIds"]:
                yield Instance(instance, pool, InstanceState.PENDING, purchase, self.now(), tags)

    def _zone(self, one: Mapping[str, Any]) -> str:
        """The zone of a part of the answer, by the override that it belongs to."""
        override = one.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
        named = [zone for zone, subnet in self._subnet_of.items() if subnet == override.get("SubnetId")]
        return str(override.get("AvailabilityZone") or (named[0] if named else ""))

    def _error(self, one: Mapping[str, Any]) -> LaunchError:
        override = one.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
        code = one.get("ErrorCode", "")
        pool = pool_name(override.get("InstanceType", ""), self._zone(one))
        return LaunchError(pool, code, one.get("ErrorMessage", ""), code in CAPACITY, code in LIMITS)


def client_token(key: str) -> str:
    """A key as a client token: itself where AWS takes it, else its hash."""
    if len(key) <= TOKEN_LENGTH and key.isascii() and key.isprintable():
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _instance(one: Mapping[str, Any]) -> Instance:
    purchase = Purchase.SPOT if one.get("InstanceLifecycle") == "spot" else Purchase.ON_DEMAND
    return Instance(
        one["InstanceId"],
        pool_name(one["InstanceType"], one.get("Placement", {}).get("AvailabilityZone", "")),
        STATES[one["State"]["Name"]],
        purchase,
        one["LaunchTime"].timestamp(),
        {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())},
    )
