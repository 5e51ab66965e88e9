"""The provider `aws`: the groups that its section of `scrimp.yaml` names, and no other.

What is not named there is never touched, and is not in the permissions either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scrimp.api import (
    ActionResult,
    Checkup,
    Health,
    OutsideError,
    Permission,
    PlannedAction,
    Probe,
    Reached,
    Refusal,
    Services,
)
from scrimp.aws import Account, AwsSettings, operations
from scrimp_actions.factory import Factory
from scrimp_actions.keys import KeyStore
from scrimp_actions.specs import SPECS
from scrimp_actions.spot.aws import cloud as aws_cloud
from scrimp_actions.spot.aws import managed
from scrimp_actions.spot.aws.draining import Farewell
from scrimp_actions.spot.aws.groups import BUYING, RESIZING, Group, Terms
from scrimp_actions.spot.aws.managed import MaintainedFleet, ScalingGroup
from scrimp_actions.spot.aws.own import OwnGroup
from scrimp_actions.spot.aws.parts import Capacity, Purchases, Sizes
from scrimp_actions.spot.aws.pools import Launcher, PoolMemory
from scrimp_actions.spot.cloud import Purchase

PRICE_DEADLINE_S = 10.0


class Part(Protocol):
    """One action on one group."""

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against what is there now."""

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it."""

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        """Did it happen?"""


@dataclass(frozen=True, slots=True)
class AwsProvider:
    """Sends each action to its part. A key that is done gives its first result again."""

    name: str
    account: Account
    groups: Mapping[str, Group]
    parts: Mapping[tuple[str, str], Part]  # by target and action
    keys: KeyStore

    def _part(self, action: PlannedAction) -> Part:
        return self.parts[action.target, action.action]

    def handles(self, action: PlannedAction) -> bool:
        """Whether the target is a group that the configuration names."""
        return (action.target, action.action) in self.parts

    def plan(self, action: PlannedAction) -> str:
        """One line on what exactly would be done."""
        return self._part(action).plan(action)

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against what is there now, or a refusal."""
        return self._part(action).revalidate(action, deadline_s=deadline_s)

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it, once per key."""
        done = self.keys.done(key)
        if done is not None:
            return done
        return self.keys.finish(key, self._part(action).apply(action, key=key, deadline_s=deadline_s))

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        """Did it happen?"""
        done = self.keys.done(key)
        if done is not None:
            return Probe(Reached.REACHED, done.detail)
        return self._part(action).probe(action, key=key, deadline_s=deadline_s)

    def permissions(self, actions: Collection[str]) -> Sequence[Permission]:
        """What these actions need, on the groups that are configured."""
        why = f"provider {self.name}"
        found = [one for group in self.groups.values() for one in group.permissions(actions, why)]
        if set(actions) & set(BUYING):  # what `plan` shows
            for operation in (operations.SPOT_PRICES, operations.GET_PRODUCTS):
                found += operation.permissions(f"{why}, prices in plans", optional=True)
        if any(one.action == "ec2:CreateFleet" for one in found):
            found += operations.DESCRIBE_SUBNETS.permissions(why)
        return found

    def examine(self, *, deadline_s: float) -> Sequence[Checkup]:
        """Whether the credentials are good, and each group is there."""
        answer = self.account.call(operations.IDENTITY, deadline_s=deadline_s / 2)
        found = [Checkup("credentials", Health.GOOD, f"{answer['Arn']} in {self.account.settings.region}")]
        for name, group in self.groups.items():
            try:
                state = group.state(deadline_s=deadline_s / 2)
            except OutsideError as error:
                found.append(Checkup(f"group {name}", Health.BAD, str(error)))
                continue
            if state is None:
                found.append(Checkup(f"group {name}", Health.BAD, "there is none of this name"))
            else:
                found.append(Checkup(f"group {name}", Health.GOOD, f"{state.size} members, {state.purchase}"))
        return found


def build(config: Mapping[str, Any], services: Services) -> AwsProvider:
    """From the section of `scrimp.yaml`: `region`, `groups`, `auto_scaling_groups`, `fleets`; see the README."""
    name = str(config.get("name", "aws"))
    used = (*aws_cloud.USED, *managed.USED, operations.IDENTITY)
    account = Account(AwsSettings.from_config(config), used)
    keys = KeyStore(services.state_dir / "done" / name)
    groups: dict[str, Group] = {}
    clouds: dict[str, aws_cloud.AwsCloud] = {}
    memory = PoolMemory(services.state_dir / name / "pools.json")
    for group, raw in config.get("groups", {}).items():
        cloud = clouds[group] = aws_cloud.AwsCloud(account, services.now, tuple(raw.get("subnets", ())))
        groups[group] = OwnGroup(
            name=group,
            cloud=cloud,
            launcher=Launcher(cloud, keys, memory, services.now),
            farewell=Farewell(cloud, services),
            keys=keys,
            services=services,
            template=str(raw["template"]),
            pools=tuple(raw["pools"]),
            min_size=int(raw.get("min_size", 0)),
            max_size=int(raw["max_size"]) if "max_size" in raw else None,
            purchase=Purchase(raw.get("purchase_option", "on_demand")),
            pass_role=str(raw.get("pass_role", "")),
        )
    for group in config.get("auto_scaling_groups", ()):
        groups[group] = ScalingGroup(group, account)
    for group in config.get("fleets", ()):
        groups[group] = MaintainedFleet(group, account)
    parts: dict[tuple[str, str], Part] = {}
    for group, one in groups.items():
        target = f"node_group/{group}"
        price_line = PriceLine(clouds[group], one, services) if isinstance(one, OwnGroup) else _no_prices
        for action in ("scale_down", "scale_up"):
            parts[target, action] = Sizes(one, group, keys)
        parts[target, "request_capacity"] = Capacity(one, group, keys)
        parts[target, "switch_to_spot"] = Purchases(one, group, Purchase.SPOT, price_line)
        parts[target, "switch_to_on_demand"] = Purchases(one, group, Purchase.ON_DEMAND, price_line)
    return AwsProvider(name, account, groups, parts, keys)


def _no_prices(_terms: Terms) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class PriceLine:
    """The cheapest pool of a group, with its price and the price's age, as part of a line."""

    cloud: aws_cloud.AwsCloud
    group: OwnGroup
    services: Services

    def __call__(self, terms: Terms) -> str:
        """Empty where prices cannot be had: a plan is shown all the same."""
        try:
            offers = self.cloud.offers(terms.pools or self.group.pools, deadline_s=PRICE_DEADLINE_S)
        except OutsideError:
            return ""
        known = [one for one in offers if one.spot is not None and one.at_s is not None]
        if not known:
            return ""
        best = min(known, key=lambda one: (one.spot, one.pool))
        hours = (self.services.now() - (best.at_s or 0.0)) / 3600.0
        full = f", {best.on_demand}/h on demand" if best.on_demand else ""
        return f" in {best.pool} at {best.spot}/h (for {hours:.1f} h now{full})"


FACTORY = Factory(tuple(SPECS[name] for name in (*RESIZING, *BUYING)), build)
