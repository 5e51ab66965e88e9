"""Instances, Auto Scaling groups, fleets and groups of scrimp's own, as AWS answered, laid into rows. Pure.

A member's group is its Auto Scaling group (the tag that AWS puts on), else that of the tag `scrimp:member`, else its fleet.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrimp.api import KindBatch, Value
from scrimp.aws import MEMBER_TAG

OFFER_FIELDS = ("on_demand_price", "spot_price", "spot_price_age")
NODE_FIELDS = (
    *("group", "instance_type", "zone", "purchase_option", "state", "age", "price_per_hour"),
    *OFFER_FIELDS,
)
GROUP_FIELDS = (
    *("size", "min_size", "max_size", "instance_type", "purchase_option"),
    *("price_per_hour", "cost_rate"),
    *OFFER_FIELDS,
)
STATES = {
    "pending": "pending",
    "running": "running",
    "stopping": "draining",
    "shutting-down": "draining",
    "stopped": "stopped",
}
ASG_TAG, FLEET_TAG = "aws:autoscaling:groupName", "aws:ec2:fleet-id"
MIXED = "mixed"
MEMBER = re.compile(r"(.+)-\d+\.\d+")  # fleet, slot and generation

PriceOf = Callable[["Node"], float | None]
OfferOf = Callable[[Sequence[str], Sequence[str]], Mapping[str, Value]]
"""What one of these types would cost in one of these zones (none: in any): the fields of `OFFER_FIELDS`."""


@dataclass(frozen=True, slots=True)
class Node:
    """One instance. `zone_id` is the same for all accounts, where zone names differ between them.

    The `group` of one that belongs to none is empty; it is None where that is not known.
    """

    id: str
    group: str | None
    instance_type: str
    zone: str
    zone_id: str
    spot: bool
    state: str
    launched_s: float
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it is a member of its group's size, and costs money."""
        return self.state in ("pending", "running")


def own_group(tags: Mapping[str, str]) -> str:
    """The group that scrimp launched an instance for; empty where it did not."""
    found = MEMBER.fullmatch(tags.get(MEMBER_TAG, ""))
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Group:
    """One node group. `size` of None: as many as there are members. `types` and `zones` are those that it may launch.

    Without types it is what its members are, without zones it is any.
    """

    name: str
    backing: str
    size: int | None = None
    min_size: int | None = None
    max_size: int | None = None
    instance_type: str | None = None
    purchase_option: str | None = None
    types: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


def nodes(
    reservations: Sequence[dict[str, Any]], zone_ids: Mapping[str, str], fleets: Mapping[str, str] | None
) -> list[Node]:
    """The instances that are not gone; `fleets` names the fleets by their ids, and is None where they could not be read."""
    found = []
    for reservation in reservations:
        for one in reservation["Instances"]:
            state = STATES.get(one["State"]["Name"])
            if state is None:
                continue
            tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
            place = one.get("Placement", {})
            zone = place.get("AvailabilityZone", "")
            found.append(
                Node(
                    one["InstanceId"],
                    tags.get(ASG_TAG) or own_group(tags) or _fleet(tags, fleets),
                    one["InstanceType"],
                    zone,
                    place.get("AvailabilityZoneId") or zone_ids.get(zone, ""),
                    one.get("InstanceLifecycle") == "spot",
                    state,
                    one["LaunchTime"].timestamp(),
                    tags,
                )
            )
    return found


def _fleet(tags: Mapping[str, str], fleets: Mapping[str, str] | None) -> str | None:
    """The fleet that an instance belongs to. Those of instant fleets, such as Karpenter launches, belong to none."""
    if FLEET_TAG not in tags:
        return ""
    return None if fleets is None else fleets.get(tags[FLEET_TAG], "")


def auto_scaling_groups(
    described: Sequence[dict[str, Any]], template_types: Mapping[tuple[str, str], str]
) -> list[Group]:
    """The Auto Scaling groups; `template_types` has the type of each launch template (id or name, version) in use."""
    found = []
    for one in described:
        mixed = one.get("MixedInstancesPolicy")
        types = _types(one, template_types)
        found.append(
            Group(
                one["AutoScalingGroupName"],
                "auto scaling group",
                int(one["DesiredCapacity"]),
                int(one["MinSize"]),
                int(one["MaxSize"]),
                types[0] if len(types) == 1 else None,
                _purchase(mixed.get("InstancesDistribution", {})) if mixed else "on_demand",
                tuple(types),
                tuple(one.get("AvailabilityZones", ())),
            )
        )
    return found


def templates_of(described: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """The launch templates (id or name, version) whose instance type is what a group has."""
    wanted = set()
    for one in described:
        mixed = one.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        if not any("InstanceType" in override for override in mixed.get("Overrides", ())):
            key = template_key(mixed.get("LaunchTemplateSpecification") or one.get("LaunchTemplate") or {})
            if key[0]:
                wanted.add(key)
    return wanted


def template_key(spec: Mapping[str, Any]) -> tuple[str, str]:
    """Id (or name) and version of a template as a group names it."""
    return spec.get("LaunchTemplateId") or spec.get("LaunchTemplateName", ""), spec.get("Version", "$Default")


def _types(group: Mapping[str, Any], template_types: Mapping[tuple[str, str], str]) -> list[str]:
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    types = [one["InstanceType"] for one in mixed.get("Overrides", ()) if "InstanceType" in one]
    if not types:
        key = template_key(mixed.get("LaunchTemplateSpecification") or group.get("LaunchTemplate") or {})
        types = [template_types[key]] if key in template_types else []
    return list(dict.fromkeys(types))


def _purchase(distribution: Mapping[str, Any]) -> str:
    """What new capacity is bought as. Defaults as AWS has them: no base, all on demand above it."""
    base = int(distribution.get("OnDemandBaseCapacity", 0))
    share = int(distribution.get("OnDemandPercentageAboveBaseCapacity", 100))
    if share == 100:
        return "on_demand"
    return "spot" if share == 0 and base == 0 else MIXED


def ec2_fleets(described: list[dict[str, Any]]) -> tuple[list[Group], dict[str, str]]:
    """The fleets that keep their size, and the names of them by id: the tag `Name`, else the id."""
    found, names = [], {}
    for one in described:
        if one.get("Type") != "maintain" or not str(one.get("FleetState", "active")).startswith(
            ("active", "submitted", "modifying")
        ):
            continue
        name = next((tag["Value"] for tag in one.get("Tags", ()) if tag["Key"] == "Name"), one["FleetId"])
        names[one["FleetId"]] = name
        target = one["TargetCapacitySpecification"]
        total = int(target["TotalTargetCapacity"])
        spot = int(target.get("SpotTargetCapacity") or 0)
        on_demand = int(target.get("OnDemandTargetCapacity") or 0)
        if target.get("DefaultTargetCapacityType") == "spot":
            spot = total - on_demand
        else:
            on_demand = total - spot
        option = MIXED if spot and on_demand else "spot" if spot else "on_demand"
        launched = [
            override.get("InstanceType", "")
            for config in one.get("LaunchTemplateConfigs", ())
            for override in config.get("Overrides", ())
        ]
        types = tuple(dict.fromkeys(kind for kind in launched if kind))
        found.append(Group(name, "fleet", total, purchase_option=option, types=types))
    return found, names


def own_groups(
    members: Sequence[Node], configured: Mapping[str, Mapping[str, Any]], taken: Sequence[Group]
) -> list[Group]:
    """Groups of instances that scrimp launched itself, and those that are configured and may be empty."""
    others = {group.name for group in taken}
    seen = {own_group(one.tags) for one in members if ASG_TAG not in one.tags} - {""}
    found = []
    for name in dict.fromkeys([*configured, *sorted(seen)]):
        if name in others:
            continue
        known = configured.get(name, {})
        found.append(Group(name, "launch template", None, known.get("min_size"), known.get("max_size")))
    return found


def node_batch(members: Sequence[Node], price: PriceOf, offer: OfferOf, now_s: float) -> KindBatch:
    """Rows of `node`."""
    offers = [offer((one.instance_type,), ()) for one in members]
    fields: dict[str, list[Value]] = {
        "group": [one.group for one in members],
        "instance_type": [one.instance_type for one in members],
        "zone": [one.zone for one in members],
        "purchase_option": ["spot" if one.spot else "on_demand" for one in members],
        "state": [one.state for one in members],
        "age": [max(now_s - one.launched_s, 0.0) for one in members],
        "price_per_hour": [price(one) for one in members],
        **{name: [found[name] for found in offers] for name in OFFER_FIELDS},
    }
    labels = [dict(one.tags) | ({"zone_id": one.zone_id} if one.zone_id else {}) for one in members]
    return KindBatch("node", [one.id for one in members], fields, labels, now_s)


def group_batch(
    groups: Sequence[Group],
    members: Sequence[Node] | None,
    price: PriceOf,
    offer: OfferOf,
    now_s: float,
) -> KindBatch:
    """Rows of `node_group`; without `members` (they could not be read) what rests on them is unknown."""
    rows = [_row(group, _of(group, members), price, offer) for group in groups]
    fields: dict[str, list[Value]] = {name: [row[name] for row in rows] for name in GROUP_FIELDS}
    labels = [{"backing": group.backing} for group in groups]
    return KindBatch("node_group", [group.name for group in groups], fields, labels, now_s)


def _of(group: Group, members: Sequence[Node] | None) -> list[Node] | None:
    return None if members is None else [one for one in members if one.group == group.name and one.counts]


def _row(group: Group, members: list[Node] | None, price: PriceOf, offer: OfferOf) -> Mapping[str, Value]:
    """A group's fields. One member's price is the mean of the members'; of an empty group it is unknown."""
    types = Counter(one.instance_type for one in members or ())
    options = {"spot" if one.spot else "on_demand" for one in members or ()}
    seen = MIXED if len(options) > 1 else next(iter(options), None)
    prices = [price(one) for one in members or ()]
    known = [one for one in prices if one is not None]
    whole = len(known) == len(prices) and members is not None
    return {
        "size": group.size if group.size is not None else None if members is None else len(members),
        "min_size": group.min_size,
        "max_size": group.max_size,
        "instance_type": group.instance_type or (next(iter(types)) if len(types) == 1 else None),
        "purchase_option": seen if group.purchase_option is None else group.purchase_option,
        "price_per_hour": sum(known) / len(known) if whole and known else None,
        "cost_rate": sum(known) if whole else None,
        **offer(group.types or tuple(types), group.zones),
    }
