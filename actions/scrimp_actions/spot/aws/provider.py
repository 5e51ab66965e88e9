"""The provider `aws`: the groups that its section of `scrimp.yaml` names, and no other.

Members of its own fleets are launched and seen off by `FleetProvider`; Auto Scaling groups and EC2 fleets are AWS's to
keep, and are told what is wanted. What is not named is never touched, and is not in the permissions either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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
    Unavailable,
    Value,
)
from scrimp.aws import (
    Account,
    AwsSettings,
    Denied,
    LivesBook,
    NoticeBoard,
    NoticeKind,
    OnDemandPrices,
    interruption_rates,
    operations,
)
from scrimp_actions.factory import Factory
from scrimp_actions.keys import KeyStore
from scrimp_actions.specs import SPECS
from scrimp_actions.spot.aws import managed
from scrimp_actions.spot.aws.figures import Moves
from scrimp_actions.spot.aws.groups import BUYING, RESIZING, Group
from scrimp_actions.spot.aws.managed import MaintainedFleet, ScalingGroup
from scrimp_actions.spot.aws.managed_fleets import build as build_fleets
from scrimp_actions.spot.aws.parts import Capacity, Purchases, Sizes, price_bound, terms
from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.fleet_config import machine_from
from scrimp_actions.spot.fleet_provider import RESCUE, FleetProvider
from scrimp_actions.spot.hands import ENGINE_TAG, FLEET_TAG


class Part(Protocol):
    """One action on one group that AWS manages."""

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against what is there now."""

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it."""

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        """Did it happen?"""


@dataclass(slots=True)
class AwsProvider:
    """Sends each action to its fleet or part. A key that is done gives its first result again."""

    name: str
    account: Account
    fleets: FleetProvider
    groups: Mapping[str, Group]
    parts: Mapping[tuple[str, str], Part]  # by target and action
    keys: KeyStore
    board: NoticeBoard
    lives: LivesBook
    # Rebalance signals that were passed on: instance, and when.
    _warned: frozenset[tuple[str, float]] = frozenset()

    def handles(self, action: PlannedAction) -> bool:
        """Whether the target is a group that the configuration names, or an instance of one of its own fleets."""
        return (action.target, action.action) in self.parts or self.fleets.handles(action)

    def plan(self, action: PlannedAction) -> str:
        """One line on what exactly would be done."""
        part = self.parts.get((action.target, action.action))
        if part is not None:
            return part.plan(action)
        line = self.fleets.plan(action)
        return f"{line}; {price_bound(terms(action))}" if action.action == "switch_to_spot" else line

    def figures(self, action: PlannedAction) -> Mapping[str, Value]:
        """What a move rests on: a pool, its price and age, how long it should last, what it saves, when it has paid."""
        part = self.parts.get((action.target, action.action))
        if part is None:
            return self.fleets.figures(action)
        return part.figures(action) if isinstance(part, Purchases) else {}

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against what is there now, or a refusal."""
        return (self.parts.get((action.target, action.action)) or self.fleets).revalidate(
            action, deadline_s=deadline_s
        )

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it, once per key."""
        part = self.parts.get((action.target, action.action))
        if part is None:
            return self.fleets.apply(action, key=key, deadline_s=deadline_s)
        done = self.keys.done(key)
        if done is not None:
            return done
        return self.keys.finish(key, part.apply(action, key=key, deadline_s=deadline_s))

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:
        """Did it happen?"""
        part = self.parts.get((action.target, action.action))
        if part is None:
            return self.fleets.probe(action, key=key, deadline_s=deadline_s)
        done = self.keys.done(key)
        if done is not None:
            return Probe(Reached.REACHED, done.detail)
        return part.probe(action, key=key, deadline_s=deadline_s)

    def carry_on(self, now_s: float) -> float | None:
        """Go on with the fleets; without any there is nothing to go on with, and nobody is asked anything."""
        if not self.fleets.manager.specs:
            return None
        with suppress(Unavailable):  # a board that cannot be read says nothing; the look at the cloud goes on
            notices = self.board.read().notices
            warned = frozenset(
                (one.instance, one.action_at_s) for one in notices if one.kind is NoticeKind.REBALANCE
            )
            for instance, _ in sorted(warned - self._warned):
                self.fleets.manager.at_risk(instance, now_s)
            self._warned = warned
        try:
            return self.fleets.carry_on(now_s)
        finally:
            with suppress(Unavailable):  # the collector goes on with what was written before
                self.lives.write(self.fleets.manager.pools.lives())

    def permissions(self, actions: Collection[str]) -> Sequence[Permission]:
        """What these actions need, on the groups that are configured."""
        why = f"provider {self.name}"
        found = [one for group in self.groups.values() for one in group.permissions(actions, why)]
        if self.fleets.manager.specs:
            # A fleet keeps itself: a member that is lost is launched anew, whatever the policies do.
            found += self.fleets.permissions(actions)
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
        manager = self.fleets.manager
        for name in manager.specs:
            wish, there = manager.wishes[name], len(manager.members(name))
            detail = f"{there} of {wish.size} members, {wish.purchase} is wanted"
            found.append(Checkup(f"group {name}", Health.GOOD, detail))
            found += self._template(name, manager.specs[name].template, deadline_s / 2)
        for name, count in Counter(one.fleet for one in manager.unnamed()).items():
            detail = f"{count} members run on, though scrimp.yaml does not name it any more"
            found.append(Checkup(f"group {name}", Health.WARNING, detail))
        if manager.specs:
            found += self._strangers(deadline_s / 2)
        return found

    def _template(self, fleet: str, template: str, deadline_s: float) -> Sequence[Checkup]:
        """What is wrong with the launch template of a fleet, which is else found out at the first launch."""
        what = f"template {template}"
        key = "LaunchTemplateId" if template.startswith("lt-") else "LaunchTemplateName"
        try:
            found = self.account.call(
                operations.DESCRIBE_TEMPLATE_VERSIONS,
                deadline_s=deadline_s,
                Versions=["$Default"],
                **{key: template},
            )["LaunchTemplateVersions"]
        except Denied as error:
            return (Checkup(what, Health.WARNING, f"of {fleet}: {error}"),)
        except OutsideError as error:
            return (Checkup(what, Health.BAD, f"of {fleet}: {error}"),)
        if any(one["LaunchTemplateData"].get("InstanceMarketOptions") for one in found):
            detail = f"of {fleet}: it has market options of its own, which CreateFleet refuses"
            return (Checkup(what, Health.BAD, detail),)
        return ()

    def _strangers(self, deadline_s: float) -> Sequence[Checkup]:
        """Instances of our groups that another engine launched, or one whose state folder was lost."""
        manager = self.fleets.manager
        made = manager.means.cloud.instances({FLEET_TAG: manager.means.scope}, deadline_s=deadline_s)
        engine = manager.tags[ENGINE_TAG]
        strange = sorted(one.id for one in made if not one.ended and one.tags.get(ENGINE_TAG) != engine)
        if not strange:
            return ()
        detail = f"{len(strange)} of another state folder are left alone, such as {strange[0]}"
        return (Checkup("instances", Health.WARNING, detail),)


def build(config: Mapping[str, Any], services: Services) -> AwsProvider:
    """From the section of `scrimp.yaml`: `region`, `groups`, `auto_scaling_groups`, `fleets`; see AWS.md."""
    name = str(config.get("name", "aws"))
    used = (*managed.USED, operations.IDENTITY)
    account = Account(AwsSettings.from_config(config), used)
    keys = KeyStore(services.state_dir / "done" / name)
    groups: dict[str, Group] = {
        one: ScalingGroup(one, account) for one in config.get("auto_scaling_groups", ())
    }
    groups |= {one: MaintainedFleet(one, account) for one in config.get("fleets", ())}
    bands = config.get("interruption_bands")
    moves = Moves(
        account,
        OnDemandPrices(account),
        interruption_rates(account.settings.region, Path(bands) if bands else None),
        machine_from(config),
        services.state_dir,
    )
    parts: dict[tuple[str, str], Part] = {}
    for group, one in groups.items():
        target = f"node_group/{group}"
        for action in ("scale_down", "scale_up"):
            parts[target, action] = Sizes(one, group)
        parts[target, "request_capacity"] = Capacity(one, group, keys)
        for action, purchase in (
            ("switch_to_spot", Purchase.SPOT),
            ("switch_to_on_demand", Purchase.ON_DEMAND),
        ):
            parts[target, action] = Purchases(one, group, purchase, moves, services.now)
    # A fleet begins with `size` members, or with as few as it may have.
    own = {
        one: {"size": raw.get("min_size", 0), **raw, "template": raw["template"]}
        for one, raw in config.get("groups", {}).items()
    }
    fleets = build_fleets({**config, "name": name, "fleets": own}, services)
    folder = services.state_dir
    return AwsProvider(
        name, account, fleets, groups, parts, keys, NoticeBoard(folder), LivesBook(folder, name)
    )


FACTORY = Factory(tuple(SPECS[name] for name in (*RESIZING, *BUYING, RESCUE)), build)
