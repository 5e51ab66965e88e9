"""Groups that scrimp launches itself: instances told by a tag, made from a launch template in pools of the user's choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from scrimp.api import Permission, Services, Unavailable
from scrimp.aws import GROUP_TAG, operations
from scrimp_actions.keys import KeyStore
from scrimp_actions.spot.aws.draining import Farewell
from scrimp_actions.spot.aws.groups import BUYING, MIXED, RESIZING, GroupState, Terms
from scrimp_actions.spot.aws.pools import Launcher, Wish, causes
from scrimp_actions.spot.cloud import Cloud, Instance, InstanceState, Purchase

START_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """Instances that scrimp launches itself, told by their tag; a launch template says what they are."""

    name: str
    cloud: Cloud
    launcher: Launcher
    farewell: Farewell
    keys: KeyStore
    services: Services
    template: str
    pools: tuple[str, ...]
    min_size: int = 0
    max_size: int | None = None
    purchase: Purchase = Purchase.ON_DEMAND  # of the first member; then what the others have
    pass_role: str = ""

    def members(self, deadline_s: float) -> list[Instance]:
        """Those that are alive, the oldest first."""
        found = self.cloud.instances({GROUP_TAG: self.name}, deadline_s=deadline_s)
        return sorted((one for one in found if one.alive), key=lambda one: (one.launched_s, one.id))

    def state(self, *, deadline_s: float) -> GroupState | None:
        """A configured group is always there, be it empty."""
        return self._state(self.members(deadline_s))

    def _state(self, members: Sequence[Instance]) -> GroupState:
        options = {one.purchase.value for one in members} or {self.purchase.value}
        purchase = next(iter(options)) if len(options) == 1 else MIXED
        return GroupState(len(members), purchase, self.min_size, self.max_size)

    def resize(self, size: int, key: str, terms: Terms, *, deadline_s: float) -> int:
        """Launch what is missing, or see off the dearest and newest."""
        now = self.members(deadline_s / 6)
        note = self.keys.begin(
            f"{key}#size", {"from": len(now), "leaving": [one.id for one in _leaving(now, size)]}
        )
        before, leaving = int(note["from"]), list(note["leaving"])
        if leaving:
            drain = self.keys.begin(f"{key}#drain", {"by_s": self.services.now() + terms.drain_s})
            self.farewell.see_off(leaving, key, float(drain["by_s"]), deadline_s=deadline_s * 2 / 3)
            return size
        if size <= before:
            return before
        purchase = Purchase.SPOT if self._state(now).purchase == Purchase.SPOT else self.purchase
        wish = self._wish(size - before, purchase, terms)
        made, errors = self.launcher.launch(key, wish, deadline_s=deadline_s * 2 / 3)
        if not made:
            raise Unavailable(f"no capacity: {causes(errors)}")
        return before + len(made)

    def buy(self, purchase: Purchase, key: str, terms: Terms, *, deadline_s: float) -> str:
        """Replacements first; each member leaves only when one that was launched for it runs."""
        until_s = self.services.now() + deadline_s * 0.7
        moving = [one.id for one in self.members(deadline_s / 6) if one.purchase is not purchase]
        leaving = list(self.keys.begin(f"{key}#move", {"ids": moving})["ids"])
        if not leaving:
            return f"all members are {purchase.value} already"
        wish = replace(self._wish(len(leaving), purchase, terms), fallback=False)
        made, errors = self.launcher.launch(key, wish, deadline_s=deadline_s / 3)
        if not made:
            raise Unavailable(f"no capacity, nothing was moved: {causes(errors)}")
        self._await_running(made, until_s)
        drain = self.keys.begin(f"{key}#drain", {"by_s": self.services.now() + terms.drain_s})
        gone = leaving[: len(made)]
        self.farewell.see_off(
            gone, key, float(drain["by_s"]), deadline_s=max(until_s - self.services.now(), 5.0)
        )
        if len(made) < len(leaving) and terms.fallback == "wait":
            raise Unavailable(f"{len(made)} of {len(leaving)} moved, the others wait: {causes(errors)}")
        pools = ", ".join(sorted({one.pool for one in made}))
        left = "" if len(made) == len(leaving) else f"; no capacity for the others: {causes(errors)}"
        return f"{len(made)} of {len(leaving)} members moved to {purchase.value} in {pools}{left}"

    def _wish(self, count: int, purchase: Purchase, terms: Terms) -> Wish:
        pools = terms.pools or self.pools
        tags = ((GROUP_TAG, self.name),)
        fallback = terms.fallback == "on_demand" and purchase is Purchase.SPOT
        return Wish(count, pools, purchase, self.template, tags, terms.max_price, fallback)

    def _await_running(self, made: Sequence[Instance], until_s: float) -> None:
        wanted = {one.id for one in made}
        while True:
            left_s = until_s - self.services.now()
            found = self.cloud.instances({GROUP_TAG: self.name}, deadline_s=max(left_s, 1.0))
            known = {one.id: one.state for one in found}
            # One that was taken again at once is not waited for: the next tick sees a group that is too small.
            starting = [
                one for one in wanted if known.get(one, InstanceState.PENDING) is InstanceState.PENDING
            ]
            if not starting:
                return
            if left_s <= START_POLL_S:
                raise Unavailable(f"{len(starting)} replacements are starting")
            self.services.sleep(START_POLL_S)

    def permissions(self, actions: Collection[str], why: str) -> Sequence[Permission]:
        """Launching, and the ending of what bears the group's tag and nothing else."""
        if not set(actions) & {*RESIZING, *BUYING}:
            return ()
        tagged = {"StringEquals": {f"aws:ResourceTag/{GROUP_TAG}": self.name}}
        found = [
            *operations.DESCRIBE_INSTANCES.permissions(why),
            *operations.TERMINATE.permissions(
                why, resources=("arn:aws:ec2:*:*:instance/*",), conditions=tagged
            ),
        ]
        if set(actions) - {"scale_down"}:
            found += operations.CREATE_FLEET.permissions(why)
        if self.pass_role:
            to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
            found.append(Permission("aws", "iam:PassRole", (self.pass_role,), to_ec2, why))
        return found


def _leaving(members: Sequence[Instance], size: int) -> list[Instance]:
    """Who leaves for a smaller size: on demand before spot, the newest first."""
    order = sorted(members, key=lambda one: (one.purchase is Purchase.SPOT, -one.launched_s, one.id))
    return order[: max(len(members) - size, 0)]
