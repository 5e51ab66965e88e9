"""Groups whose instances AWS launches and ends: Auto Scaling groups, and EC2 fleets that keep their size."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scrimp.api import Permission, Refused, TargetGone
from scrimp.aws import Account, Operation, operations
from scrimp_actions.spot.aws.groups import BUYING, MIXED, RESIZING, GroupState, Places, Terms
from scrimp_actions.spot.cloud import Purchase, split_pool

LIVING = ("submitted", "active", "modifying")
SUSPENDED_BARS = {
    "Launch": ("scale_up", "request_capacity", *BUYING),
    "Terminate": ("scale_down", *BUYING),
}


@dataclass(frozen=True, slots=True)
class ScalingGroup:
    """An Auto Scaling group: AWS launches and ends, scrimp sets what is wanted.

    A change of the on-demand share makes AWS replace members one after the other, new ones first (Auto Scaling API
    reference, `InstancesDistribution`).
    """

    name: str
    account: Account

    def _found(self, deadline_s: float) -> dict[str, Any] | None:
        found = self.account.pages(
            operations.DESCRIBE_GROUPS, deadline_s=deadline_s, AutoScalingGroupNames=[self.name]
        )
        return next(iter(found), None)

    def _needed(self, deadline_s: float) -> dict[str, Any]:
        found = self._found(deadline_s)
        if found is None:
            raise TargetGone(f"there is no Auto Scaling group `{self.name}`")
        return found

    def state(self, *, deadline_s: float) -> GroupState | None:
        """As AWS says."""
        found = self._found(deadline_s)
        if found is None:
            return None
        mixed = found.get("MixedInstancesPolicy", {}).get("InstancesDistribution")
        share = int(mixed.get("OnDemandPercentageAboveBaseCapacity", 100)) if mixed else 100
        base = int(mixed.get("OnDemandBaseCapacity", 0)) if mixed else 0
        purchase = "on_demand" if share == 100 else "spot" if share == base == 0 else MIXED
        return GroupState(
            int(found["DesiredCapacity"]),
            purchase,
            int(found["MinSize"]),
            int(found["MaxSize"]),
            _bars(found),
        )

    def places(self, *, deadline_s: float) -> Places | None:
        """The types of its overrides, else of its launch template."""
        found = self._found(deadline_s / 2)
        if found is None:
            return None
        mixed = found.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        types = [one["InstanceType"] for one in mixed.get("Overrides", ()) if "InstanceType" in one]
        spec = mixed.get("LaunchTemplateSpecification") or found.get("LaunchTemplate")
        if not types and spec:
            types = _template_types(self.account, spec, deadline_s / 2)
        return Places(tuple(dict.fromkeys(types)), tuple(found.get("AvailabilityZones", ())))

    def resize(self, size: int, *, deadline_s: float) -> None:
        """Set the desired capacity."""
        self.account.call(
            operations.SET_DESIRED,
            deadline_s=deadline_s,
            AutoScalingGroupName=self.name,
            DesiredCapacity=size,
            HonorCooldown=False,
        )

    def heeds(self, terms: Terms) -> Terms:
        """Types and price; the zones are its own."""
        return terms

    def buy(self, purchase: Purchase, terms: Terms, *, deadline_s: float) -> str:
        """Set the distribution of the mixed instances policy, which is made where there is none."""
        found = self._needed(deadline_s / 3)
        policy = dict(found.get("MixedInstancesPolicy") or {})
        if not policy:
            spec = found.get("LaunchTemplate")
            if spec is None:
                raise Refused(
                    f"the Auto Scaling group `{self.name}` has no launch template, which spot needs"
                )
            policy = {"LaunchTemplate": {"LaunchTemplateSpecification": spec, "Overrides": []}}
        launch = policy["LaunchTemplate"]
        policy["LaunchTemplate"] = {
            **launch,
            "LaunchTemplateSpecification": _by_id(launch["LaunchTemplateSpecification"]),
        }
        types = list(dict.fromkeys(split_pool(pool)[0] for pool in terms.pools))
        if types:
            overrides = [{"InstanceType": one} for one in types]
            policy["LaunchTemplate"] = {**policy["LaunchTemplate"], "Overrides": overrides}
        distribution = {
            **policy.get("InstancesDistribution", {}),
            "OnDemandBaseCapacity": 0,
            "OnDemandPercentageAboveBaseCapacity": 0 if purchase is Purchase.SPOT else 100,
            "SpotAllocationStrategy": "price-capacity-optimized",
            # An empty text takes an earlier cap away.
            "SpotMaxPrice": f"{terms.max_price.amount:.5f}" if terms.max_price else "",
        }
        policy["InstancesDistribution"] = distribution
        self.account.call(
            operations.UPDATE_GROUP,
            deadline_s=deadline_s * 2 / 3,
            AutoScalingGroupName=self.name,
            MixedInstancesPolicy=policy,
        )
        return f"members of `{self.name}` are replaced by {purchase.value} ones, new ones first"

    def permissions(self, actions: Collection[str], why: str) -> Sequence[Permission]:
        """The group, and what its template needs where its policy changes."""
        arn = (f"arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/{self.name}",)
        found: list[Permission] = []
        if set(actions) & {*RESIZING, *BUYING}:
            found += operations.DESCRIBE_GROUPS.permissions(why)
        if set(actions) & set(RESIZING):
            found += operations.SET_DESIRED.permissions(why, resources=arn)
        if set(actions) & set(BUYING):
            found += operations.UPDATE_GROUP.permissions(why, resources=arn)
            found += [*operations.launch_permissions(why, by_fleet=False), *_shown(why)]
        return found


@dataclass(frozen=True, slots=True)
class MaintainedFleet:
    """An EC2 fleet of type `maintain`, told by its tag `Name`, else its id."""

    name: str
    account: Account

    def _found(self, deadline_s: float) -> Mapping[str, Any] | None:
        for one in self.account.pages(operations.DESCRIBE_FLEETS, deadline_s=deadline_s):
            named = [tag["Value"] for tag in one.get("Tags", ()) if tag["Key"] == "Name"]
            # A deleted one is described for two days more, and may have the name of the one that took its place.
            living = one.get("FleetState", "active") in LIVING
            if living and one.get("Type") == "maintain" and self.name in (one["FleetId"], *named):
                return dict(one)
        return None

    def state(self, *, deadline_s: float) -> GroupState | None:
        """As AWS says; a fleet has no bounds."""
        found = self._found(deadline_s)
        if found is None:
            return None
        total, spot = _targets(found)
        purchase = "spot" if spot == total else "on_demand" if spot == 0 else MIXED
        return GroupState(total, purchase)

    def places(self, *, deadline_s: float) -> Places | None:
        """The types and zones of its overrides."""
        found = self._found(deadline_s / 2)
        if found is None:
            return None
        configs = found.get("LaunchTemplateConfigs", ())
        overrides = [one for config in configs for one in config.get("Overrides", ())]
        types, zones = (
            tuple(dict.fromkeys(one[key] for one in overrides if one.get(key)))
            for key in ("InstanceType", "AvailabilityZone")
        )
        if not types and configs:
            spec = configs[0]["LaunchTemplateSpecification"]
            types = tuple(_template_types(self.account, spec, deadline_s / 2))
        return Places(types, zones)

    def resize(self, size: int, *, deadline_s: float) -> None:
        """Set the target capacity; the share of spot stays."""
        found = self._needed(deadline_s / 3)
        total, spot = _targets(found)
        share = spot / total if total else float(self._default(found) == "spot")
        self._set(found, size, round(size * share), deadline_s * 2 / 3)

    def heeds(self, terms: Terms) -> Terms:  # noqa: ARG002 - a fleet keeps its own pools and prices
        """Nothing of them."""
        return Terms()

    def buy(self, purchase: Purchase, terms: Terms, *, deadline_s: float) -> str:  # noqa: ARG002 - as above
        """Set the whole target to one option."""
        found = self._needed(deadline_s / 3)
        total, _ = _targets(found)
        self._set(found, total, total if purchase is Purchase.SPOT else 0, deadline_s * 2 / 3)
        return f"the target of `{self.name}` is {total}, all {purchase.value}"

    def _needed(self, deadline_s: float) -> Mapping[str, Any]:
        found = self._found(deadline_s)
        if found is None:
            raise TargetGone(f"there is no fleet `{self.name}`")
        return found

    def _default(self, found: Mapping[str, Any]) -> str:
        return str(found["TargetCapacitySpecification"].get("DefaultTargetCapacityType", "on-demand"))

    def _set(self, found: Mapping[str, Any], total: int, spot: int, deadline_s: float) -> None:
        target = {
            "TotalTargetCapacity": total,
            "SpotTargetCapacity": spot,
            "OnDemandTargetCapacity": total - spot,
            "DefaultTargetCapacityType": self._default(found),
        }
        self.account.call(
            operations.MODIFY_FLEET,
            deadline_s=deadline_s,
            FleetId=found["FleetId"],
            TargetCapacitySpecification=target,
            ExcessCapacityTerminationPolicy="termination",
        )

    def permissions(self, actions: Collection[str], why: str) -> Sequence[Permission]:
        """The fleet; its instances are AWS's to launch and end, by the service's own role."""
        if not set(actions) & {*RESIZING, *BUYING}:
            return ()
        arn = ("arn:aws:ec2:*:*:fleet/*",)
        return (
            *operations.DESCRIBE_FLEETS.permissions(why),
            *operations.MODIFY_FLEET.permissions(why, resources=arn),
            *(_shown(why) if set(actions) & set(BUYING) else ()),
        )


def _bars(group: Mapping[str, Any]) -> dict[str, str]:
    """What cannot be done to an Auto Scaling group now: it would be taken, and nothing would follow."""
    found = {}
    if not group.get("LaunchTemplate") and not group.get("MixedInstancesPolicy"):
        found["switch_to_spot"] = "it has no launch template, which spot needs"
    for one in group.get("SuspendedProcesses", ()):
        for action in SUSPENDED_BARS.get(one.get("ProcessName", ""), ()):
            found[action] = f"its process `{one['ProcessName']}` is suspended"
    return found


def _shown(why: str) -> Sequence[Permission]:
    """What plans show of a move needs prices, and the types that a template launches."""
    asked = (operations.DESCRIBE_TEMPLATE_VERSIONS, operations.SPOT_PRICES, operations.GET_PRODUCTS)
    return [
        one for operation in asked for one in operation.permissions(f"{why}, prices in plans", optional=True)
    ]


def _by_id(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A launch template as AWS takes it: it says id and name, and takes one of them."""
    key = "LaunchTemplateId" if "LaunchTemplateId" in spec else "LaunchTemplateName"
    return {name: spec[name] for name in (key, "Version") if name in spec}


def _template_types(account: Account, spec: Mapping[str, Any], deadline_s: float) -> list[str]:
    """The instance type of a launch template."""
    wanted = _by_id(spec)
    version = wanted.pop("Version", "$Default")
    versions = account.pages(
        operations.DESCRIBE_TEMPLATE_VERSIONS, deadline_s=deadline_s, Versions=[version], **wanted
    )
    data = [one["LaunchTemplateData"] for one in versions]
    return [one["InstanceType"] for one in data if "InstanceType" in one]


def _targets(fleet: Mapping[str, Any]) -> tuple[int, int]:
    """Total and spot target."""
    target = fleet["TargetCapacitySpecification"]
    total, spot = int(target["TotalTargetCapacity"]), int(target.get("SpotTargetCapacity") or 0)
    if target.get("DefaultTargetCapacityType") == "spot":
        spot = total - int(target.get("OnDemandTargetCapacity") or 0)
    return total, spot


USED: tuple[Operation, ...] = (
    *(operations.DESCRIBE_GROUPS, operations.SET_DESIRED, operations.UPDATE_GROUP),
    *(operations.DESCRIBE_FLEETS, operations.MODIFY_FLEET, operations.DESCRIBE_TEMPLATE_VERSIONS),
    *(operations.SPOT_PRICES, operations.GET_PRODUCTS),
)
