"""The provider of managed fleets: sizes, moves between spot and on demand, and the rescue of members, over any cloud.

`apply` writes down what is wanted and returns; `carry_on` does it. A rescue has begun when `apply` returns: its worker is
given no more work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from scrimp.api import (
    ActionResult,
    Permission,
    PlannedAction,
    Probe,
    Reached,
    Refusal,
    Refused,
    Services,
    TargetGone,
    Value,
)
from scrimp_actions.keys import KeyStore
from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.fleets import FleetSpec, Wish, at_once
from scrimp_actions.spot.manager import STAYS, Manager
from scrimp_actions.spot.poolbook import Move, span

GROUP_ACTIONS = ("scale_down", "scale_up", "request_capacity", "switch_to_spot", "switch_to_on_demand")
RESCUE = "rescue"


@dataclass(frozen=True, slots=True)
class FleetProvider:
    """Acts on `node_group/FLEET` and, for a rescue, on `node/INSTANCE`. `needs` are the permissions of its cloud."""

    name: str
    manager: Manager
    keys: KeyStore
    services: Services
    needs: Callable[[Collection[str]], Sequence[Permission]] = lambda _actions: ()

    def permissions(self, actions: Collection[str]) -> Sequence[Permission]:
        """What its cloud has to allow for these actions, where that says so."""
        return self.needs(actions)

    def handles(self, action: PlannedAction) -> bool:
        """Whether the target is a fleet of ours, or an instance of one."""
        kind, _, target = action.target.partition("/")
        if kind == "node":
            entry = self.manager.runner.known(target)
            # One of a fleet that is not named any more goes on as it is: nothing would say what takes its place.
            return action.action == RESCUE and entry is not None and entry.fleet in self.manager.specs
        return kind == "node_group" and action.action in GROUP_ACTIONS and target in self.manager.specs

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done, with the figures that it rests on."""
        if action.action == RESCUE:
            return self._plan_rescue(action)
        spec, wish = self._fleet(action)
        if action.action == "switch_to_spot":
            move = self._move(spec, _turned(action, wish, self.services.now()))
            members = f"move {self._wrong(spec, Purchase.SPOT)} of {wish.size} members to spot"
            return f"{members}: {move.text()}" if move else f"{members}; no price is known yet"
        if action.action == "switch_to_on_demand":
            back = self._back(spec, _turned(action, wish, self.services.now()))
            members = f"move {self._wrong(spec, Purchase.ON_DEMAND)} of {wish.size} members to on demand"
            return f"{members}: {back.text()}" if back else f"{members}; no price is known yet"
        where = "; where is the fleet's own choice, not that of `pools`" if action.args.get("pools") else ""
        return f"come from {wish.size} to {_turned(action, wish, 0.0).size} members{where}"

    def figures(self, action: PlannedAction) -> Mapping[str, Value]:
        """See `Figuring`: the best pool's price and its age, expected life, saving, break-even."""
        if action.action == RESCUE:
            entry = self.manager.runner.known(action.target.partition("/")[2])
            if entry is None:
                return {}
            spec, wish = self.manager.specs[entry.fleet], self.manager.wishes[entry.fleet]
        else:
            spec, wish = self._fleet(action)
            wish = _turned(action, wish, self.services.now())
        move = self._move(spec, wish)
        if action.action == "switch_to_on_demand":
            move = self._back(spec, wish)
        return {} if move is None else move.figures()

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - asks what is known
        """Refuses what is there already, and a rescue of what is leaving or gone."""
        if action.action == RESCUE:
            entry = self.manager.runner.known(action.target.partition("/")[2])
            if entry is None:
                return Refusal(f"{action.target} is no member of a fleet any more")
            if entry.member.state not in STAYS:
                return Refusal(f"{action.target} is {entry.member.state} already")
            return action
        spec, wish = self._fleet(action)
        return _refusal(action, spec, wish, _turned(action, wish, self.services.now())) or action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:  # noqa: ARG002 - nothing is waited for
        """Write down what is wanted, or begin the rescue; once per key."""
        done = self.keys.done(key)
        if done is not None:
            return done
        now_s = self.services.now()
        if action.action == RESCUE:
            return self.keys.finish(key, self._rescue(action, now_s))
        spec, before = self._fleet(action)
        wish = _turned(action, before, now_s)
        if action.action == "request_capacity":
            # What is wanted may be on the disk, and the key not yet done: a second time must not ask for more on top.
            wish = replace(wish, size=int(self.keys.begin(key, {"size": wish.size})["size"]))
        self.manager.want(spec.name, wish)
        if action.action.startswith("switch"):
            after: dict[str, Value] = {"purchase_option": wish.purchase.value}
            detail = f"{spec.name} moves to {wish.purchase}"
        else:
            after, detail = {"size": float(wish.size)}, f"{spec.name} comes to {wish.size} members"
        return self.keys.finish(key, ActionResult(detail, after))

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - reads local files
        """By the key; what was begun under it and not noted may be begun again."""
        done = self.keys.done(key)
        if done is not None:
            return Probe(Reached.REACHED, done.detail)
        return Probe(Reached.UNTOUCHED, "not done under this intent")

    def carry_on(self, now_s: float) -> float | None:
        """See `Continuing`. Raises `Refused` once for what a step was refused for; all else has been gone on with then."""
        due_s = self.manager.carry_on(now_s)
        trouble = self.manager.trouble()
        if trouble:
            raise Refused(trouble)
        return due_s

    def _fleet(self, action: PlannedAction) -> tuple[FleetSpec, Wish]:
        name = action.target.partition("/")[2]
        return self.manager.specs[name], self.manager.wishes[name]

    def _move(self, spec: FleetSpec, wish: Wish) -> Move | None:
        """The figures of the pool that a member would be asked for in first."""
        now_s, pools = self.services.now(), self.manager.pools
        names = wish.pools or spec.pools
        self.manager.learn_prices(names, now_s)
        ranked = pools.ranked(
            names, {}, wish.size, now_s, least_pools=spec.least_pools, most_share=spec.most_share
        )
        return pools.move(ranked[0], now_s) if ranked else None

    def _back(self, spec: FleetSpec, wish: Wish) -> Move | None:
        """The figures of on demand against the pool that is best now."""
        move = self._move(spec, wish)
        return None if move is None else self.manager.pools.back(move.pool)

    def _wrong(self, spec: FleetSpec, purchase: Purchase) -> int:
        return sum(
            1 for entry in self.manager.members(spec.name) if entry.bought and entry.bought != purchase.value
        )

    def _plan_rescue(self, action: PlannedAction) -> str:
        entry = self.manager.runner.known(action.target.partition("/")[2])
        if entry is None:
            return f"nothing: {action.target} is no member of a fleet"
        budget = self.manager.rules.budget
        spec, wish = self.manager.specs[entry.fleet], self.manager.wishes[entry.fleet]
        move = self._move(spec, wish)
        where = f" ({move.text()})" if move else ""
        return (
            f"stop its work and ask for a replacement{where} within {span(budget.stop_s)} of the notice, end its batch "
            f"by {span(budget.drain_s)}, checkpoint by {span(budget.checkpoint_s)}, hand over by "
            f"{span(budget.hand_over_s)}, then clean up"
        )

    def _rescue(self, action: PlannedAction, now_s: float) -> ActionResult:
        budget_s = action.args.get("budget")
        action_s = now_s + float(budget_s) if isinstance(budget_s, float | int) else None
        entry = self.manager.notice(action.target.partition("/")[2], now_s, action_s)
        if entry is None:
            raise TargetGone(f"{action.target} is no member of a fleet any more")
        return ActionResult(f"{entry.name} is {entry.member.state}", {"state": "draining"})


def _refusal(action: PlannedAction, spec: FleetSpec, wish: Wish, wanted: Wish) -> Refusal | None:
    """Why the fleet does not come to what an action wants of it; the fleet may have changed since that was concluded."""
    if wanted.size == wish.size and wanted.purchase is wish.purchase:
        already = (
            f"is on {wish.purchase}" if action.action.startswith("switch") else f"has {wish.size} members"
        )
        return Refusal(f"{spec.name} {already} already")
    more = wanted.size > wish.size
    if action.action == ("scale_down" if more else "scale_up"):
        return Refusal(f"{spec.name} has {wish.size} members by now: to {wanted.size} is the other way")
    upper = spec.max_size
    if wanted.size < spec.min_size or (upper is not None and wanted.size > upper):
        return Refusal(f"{spec.name} has between {spec.min_size} and {upper} members")
    strange = [pool for pool in wanted.pools if pool not in spec.pools]
    if strange:
        return Refusal(f"{spec.name} has no pool `{strange[0]}`; it has {', '.join(spec.pools)}")
    return None


def _turned(action: PlannedAction, wish: Wish, now_s: float) -> Wish:
    """The wish after an action."""
    args = action.args
    match action.action:
        case "scale_down" | "scale_up":
            size = action.after.get("size", args.get("to"))
            return replace(wish, size=int(size)) if isinstance(size, float | int) else wish
        case "request_capacity":
            count = args.get("count", 1.0)
            return replace(wish, size=wish.size + int(count)) if isinstance(count, float | int) else wish
        case "switch_to_spot":
            price = args.get("max_price")
            turned = replace(
                wish,
                purchase=Purchase.SPOT,
                max_price=float(price) if isinstance(price, float | int) else None,
                pools=_pools(args.get("pools")),
                wait=args.get("fallback") == "wait",
            )
            return at_once(turned, now_s) if wish.purchase is not Purchase.SPOT else turned
        case _:
            return replace(wish, purchase=Purchase.ON_DEMAND, pools=_pools(args.get("pools")), back=None)


def _pools(value: Value) -> tuple[str, ...]:
    return tuple(name.strip() for name in str(value).split(",") if name.strip()) if value else ()
