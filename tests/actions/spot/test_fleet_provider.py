"""The provider of managed fleets, over the simulated cloud: sizes, moves, rescues, refusals, and a life after a kill."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import pytest

from scrimp.api import (
    ActionResult,
    Continuing,
    Direction,
    Figuring,
    PlannedAction,
    Provider,
    Reached,
    Refusal,
    Services,
    Unavailable,
)
from scrimp.testing import ManualClock
from scrimp.testing.contract import ProviderContract
from scrimp.worker import open_queue
from scrimp_actions.keys import KeyStore
from scrimp_actions.spot import State, Step, StepKind
from scrimp_actions.spot.cloud import LaunchRequest, Purchase
from scrimp_actions.spot.fleet_provider import FleetProvider
from scrimp_actions.spot.hands import ENGINE_TAG, MEMBER_TAG
from scrimp_actions.spot.members import DAY_S
from scrimp_actions.spot.trace import build_collector, build_provider, shared_key
from scrimp_actions.spot.trace_world import TraceWorld

CONFIG = {
    "name": "trace",
    "size": 4,
    "max_size": 8,
    "items": 100_000,
    "seed": 1,
    "hours": 12.0,
    "look_s": 10.0,
    "plan_s": 10.0,
    # pools that are never lost by themselves: what is tested brings its own losses
    "climate": {"up_mean_s": 1e9, "down_mean_s": 1.0, "share_storm": 0.0},
}


@dataclass
class Town:
    """The world with its provider, on a manual clock."""

    folder: Path
    clock: ManualClock
    provider: FleetProvider
    world: TraceWorld

    @classmethod
    def build(cls, **more: object) -> "Town":
        folder, clock = Path(mkdtemp()), ManualClock()
        services = Services(
            clock.now,
            clock.sleep,
            folder,
            queue=lambda name, items: open_queue(folder / "queues", name, items, durable=False),
        )
        provider = build_provider({**CONFIG, **more}, services)
        return cls(folder, clock, provider, services.shared[shared_key("trace")][0])

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until_s = self.clock.at_s + seconds
        due_s = self.clock.at_s
        while self.clock.at_s < until_s:
            self.clock.at_s = max(self.clock.at_s, min(due_s, self.world.next_s() or until_s, until_s))
            self.world.advance(self.clock.at_s)
            due_s = self.provider.carry_on(self.clock.at_s) or until_s

    def bought(self) -> list[str]:
        return sorted(made.purchase.value for made in self.world.cloud.alive())

    def apply(self, action: PlannedAction, key: str = "k") -> object:
        live = self.provider.revalidate(action, deadline_s=1.0)
        if isinstance(live, Refusal):
            return live
        return self.provider.apply(live, key=key, deadline_s=1.0)


def act(name: str, target: str = "node_group/audio", after=None, **args) -> PlannedAction:
    return PlannedAction(name, target, args, None, Direction.NEUTRAL, {}, after or {}, None)


def test_a_fleet_comes_up_moves_to_spot_and_back() -> None:
    """Each move keeps the fleet at work: never fewer members that work than wanted."""
    town = Town.build()
    town.run(200.0)
    assert town.bought() == ["on_demand"] * 4
    town.apply(act("switch_to_spot"), "k1")
    least = 4
    for _ in range(60):
        town.run(10.0)
        working = [one for one in town.provider.manager.members("audio") if one.member.state is State.RUNNING]
        least = min(least, len(working))
    assert town.bought() == ["spot"] * 4
    pools = {made.pool for made in town.world.cloud.alive()}
    assert len(pools) >= 2  # the diversification floor
    assert least == 4
    town.apply(act("switch_to_on_demand"), "k2")
    town.run(600.0)
    assert town.bought() == ["on_demand"] * 4
    assert town.world.workers.redone.total_s == 0.0  # who was let go ended its batch


def test_sizes_follow_and_keep_to_the_bounds() -> None:
    town = Town.build()
    town.run(100.0)
    town.apply(act("scale_up", after={"size": 6.0}), "k1")
    town.run(100.0)
    assert len(town.bought()) == 6
    town.apply(act("scale_down", after={"size": 2.0}), "k2")
    town.run(600.0)
    assert len(town.bought()) == 2
    assert isinstance(town.apply(act("scale_up", after={"size": 9.0}), "k3"), Refusal)
    assert isinstance(town.apply(act("scale_down", after={"size": 2.0}), "k4"), Refusal)
    town.apply(act("request_capacity", count=1.0), "k5")
    town.run(100.0)
    assert len(town.bought()) == 3


class Killed(KeyStore):
    """Keys of a process that ends when it has done what it was asked for, and before it noted so."""

    def finish(self, key: str, result: ActionResult) -> ActionResult:
        raise Unavailable(f"{key} was done, and that was all")


@pytest.mark.parametrize(("name", "to"), [("scale_up", 3.0), ("scale_down", 5.0)])
def test_a_size_that_was_concluded_before_another_change_is_not_gone_to_the_other_way(
    name: str, to: float
) -> None:
    """An approval comes late: what was to grow the fleet must not shrink it by then."""
    town = Town.build()
    refused = town.apply(act(name, after={"size": to}))
    assert isinstance(refused, Refusal)
    assert "the other way" in refused.reason
    assert town.provider.manager.wishes["audio"].size == 4


def test_a_pool_that_the_fleet_does_not_have_is_refused_by_name() -> None:
    """Nothing is known of it, and a slip in a name would fail at the cloud only."""
    town = Town.build()
    refused = town.apply(act("switch_to_spot", pools="p3.2xlarge:us-east-1a, p3.2xlarge:us-east-9a"))
    assert isinstance(refused, Refusal)
    assert "no pool `p3.2xlarge:us-east-9a`" in refused.reason
    assert not isinstance(town.apply(act("switch_to_spot", pools="p3.2xlarge:us-east-1a")), Refusal)


def test_capacity_that_was_asked_for_before_a_kill_is_not_asked_for_again() -> None:
    """It is the one action that is no wanted state: on top of what there is, the second time it would be more."""
    town = Town.build()
    kept = town.provider
    town.provider = replace(kept, keys=Killed(kept.keys.root))
    with pytest.raises(Unavailable):
        town.apply(act("request_capacity", count=2.0), "k")
    town.provider = kept
    asked = act("request_capacity", count=2.0)
    assert kept.probe(asked, key="k", deadline_s=1.0).reached is Reached.UNTOUCHED
    town.apply(asked, "k")
    assert kept.manager.wishes["audio"].size == 6


def test_a_rescue_replaces_and_hands_over_within_its_time() -> None:
    """The worker gets nothing more at once; its successor works before the instance is gone."""
    town = Town.build(purchase_option="spot")
    town.run(300.0)
    victim = town.world.cloud.alive()[0]
    town.world.cloud.interrupt(victim.id, town.clock.at_s + 120.0)
    rescue = act("rescue", f"node/{victim.id}", budget=120.0)
    assert town.provider.handles(rescue)
    town.apply(rescue)
    assert town.world.queue.take(f"audio/{victim.id}", town.clock.at_s, leases=1, items=1, lease_s=9.0) == ()
    assert isinstance(town.provider.revalidate(rescue, deadline_s=1.0), Refusal)  # it is leaving already
    town.run(118.0)
    entry = town.provider.manager.runner.entries[victim.tags[MEMBER_TAG]]
    assert entry.member.state is State.HANDED_OVER
    assert town.provider.manager.runner.entries[entry.successor].member.state is State.RUNNING
    town.run(200.0)
    assert len(town.bought()) == 4
    assert not town.provider.handles(rescue)
    assert town.world.workers.redone.total_s == 0.0


def test_without_capacity_a_move_is_called_off_and_the_fleet_works_on() -> None:
    town = Town.build(instances=0)
    town.run(100.0)
    town.apply(act("switch_to_spot"))
    town.run(1200.0)
    assert town.bought() == ["on_demand"] * 4
    wish = town.provider.manager.wishes["audio"]
    assert wish.purchase is Purchase.SPOT
    assert wish.back is not None
    assert wish.back.due_s > town.clock.at_s
    assert wish.back.tries == 1, "four members that found nothing are one try"
    assert {place.moves for place in town.provider.manager.runner.slots.values()} == {()}, "nothing has moved"


def test_what_was_wanted_survives_a_restart() -> None:
    """A new provider on the same folder goes on: no second fleet, and the move is finished."""
    town = Town.build()
    town.run(100.0)
    town.apply(act("switch_to_spot"))
    town.run(5.0)
    manager = town.provider.manager
    again = replace(
        town.provider,
        manager=type(manager)(
            manager.specs, manager.means, manager.book, manager.pools, manager.rules, manager.beat
        ),
    )
    town.provider = again
    town.run(600.0)
    assert town.bought() == ["spot"] * 4


def test_orphans_are_swept() -> None:
    """An instance with our tag that no member answers for is ended by looking."""
    town = Town.build()
    town.run(100.0)
    entry = town.provider.manager.members("audio")[0]
    town.world.cloud.launch(
        LaunchRequest(
            "stray", (entry.pool,), 1, Purchase.ON_DEMAND, {**town.provider.manager.tags, MEMBER_TAG: "x"}
        ),
        deadline_s=1.0,
    )
    assert len(town.bought()) == 5
    town.run(200.0)
    assert len(town.bought()) == 4


def test_a_notice_puts_its_pool_off_and_a_rebalance_signal_only_prepares() -> None:
    town = Town.build(purchase_option="spot")
    town.run(100.0)
    manager, now_s = town.provider.manager, town.clock.at_s
    calm, taken = manager.members("audio")[:2]
    manager.at_risk(calm.member.instance, now_s)
    town.run(30.0)
    assert manager.runner.known(calm.member.instance).member.state is State.AT_RISK
    assert not manager.pools.cooldowns.out(calm.pool, town.clock.at_s)
    assert len(town.bought()) == 4
    manager.notice(taken.member.instance, town.clock.at_s, None)
    assert manager.pools.cooldowns.out(taken.pool, town.clock.at_s)
    assert manager.pools.lives()[taken.pool].lost == pytest.approx(1.0), "a life ended there"


def test_a_launch_that_is_asked_for_again_is_the_same_request() -> None:
    """Its answer may have been lost, and a cloud refuses a token that it knows with another request."""
    town = Town.build(purchase_option="spot")
    town.run(100.0)
    manager = town.provider.manager
    entry = manager.members("audio")[0]
    step = Step(StepKind.LAUNCH, "k/launch/1", 1e12)
    first = manager._request(entry, step)
    manager.pools.strike(first.pools[0], town.clock.at_s)
    assert manager._request(entry, step) == first
    again = manager._request(entry, replace(step, key="k/launch/2"))
    assert first.pools[0] not in again.pools, "the next try goes elsewhere"


def test_a_cloud_that_does_not_answer_says_nothing_and_changes_nothing() -> None:
    """A failed look never shrinks the fleet, and no round is planned on what is not known."""
    town = Town.build()
    town.run(100.0)
    manager = town.provider.manager
    answers = manager.watch.cloud.instances

    def silent(_tags, *, deadline_s):
        raise Unavailable("no answer")

    manager.watch.cloud = SimpleNamespace(instances=silent)
    town.run(20.0)
    town.apply(act("scale_down", after={"size": 1.0}), "down")
    town.run(600.0)
    assert len(town.bought()) == 4
    assert manager.unseen == "no answer"
    manager.watch.cloud = SimpleNamespace(instances=answers)
    town.run(600.0)
    assert (len(town.bought()), manager.unseen) == (1, "")


@pytest.mark.parametrize(("cap", "most"), [(4, 1), (1, 1)])
def test_in_a_quiet_market_a_place_moves_once(cap: int, most: int) -> None:
    """A day and a half without a loss: to spot, and that is all, whatever the cap allows."""
    work = {"batch_items": 8192, "checkpoint_s": 7200.0, "lease_s": 14400.0}
    calm = {"look_s": 600.0, "plan_s": 600.0, "work": work}
    town = Town.build(moves_per_day=cap, hours=60.0, items=10**9, **calm)
    town.run(400.0)
    town.apply(act("switch_to_spot"))
    town.run(1.5 * DAY_S)
    moves = [place.moves for place in town.provider.manager.runner.slots.values()]
    assert len(moves) == 4
    assert {len(some) for some in moves} == {most}
    assert town.bought() == ["spot"] * 4


def test_what_another_engine_launched_is_left_alone() -> None:
    """Another state folder, and the same names: not ended as nobody's, and not given for a launch of ours."""
    town = Town.build()
    town.run(100.0)
    mine = {made.id: made.tags for made in town.world.cloud.alive()}
    manager = town.provider.manager
    other = {**next(iter(mine.values())), ENGINE_TAG: "other"}
    pool = manager.members("audio")[0].pool
    town.world.cloud.launch(
        LaunchRequest("other/audio-0.1/launch/1", (pool,), 1, Purchase.ON_DEMAND, other), deadline_s=1.0
    )
    assert {tags[ENGINE_TAG] for tags in mine.values()} == {manager.book.engine}
    town.run(400.0)
    assert len(town.bought()) == 5
    town.apply(act("scale_down", after={"size": 0.0}), "down")
    town.run(600.0)
    assert [made.tags[ENGINE_TAG] for made in town.world.cloud.alive()] == ["other"]
    second = Town.build()
    assert second.provider.manager.book.engine != manager.book.engine


def test_plans_show_the_figures() -> None:
    """Pool, price and its age, expected life, saving, break-even: for people and for programs."""
    town = Town.build()
    town.run(100.0)
    action = act("switch_to_spot")
    line = town.provider.plan(action)
    for part in (
        "move 4 of 4 members to spot",
        "p3.2xlarge:us-east-1",
        "/h (for",
        "expected to last",
        "saves",
        "breaks even after",
    ):
        assert part in line
    figures = town.provider.figures(action)
    assert set(figures) >= {
        "pool",
        "price_per_hour",
        "price_age_s",
        "expected_life_s",
        "saving_per_hour",
        "break_even_s",
    }
    victim = town.world.cloud.alive()[0]
    rescue = town.provider.plan(act("rescue", f"node/{victim.id}"))
    assert "stop its work" in rescue
    assert "checkpoint by 95 s" in rescue
    assert isinstance(town.provider, Continuing)
    assert isinstance(town.provider, Figuring)


def test_the_collector_sees_what_the_world_is() -> None:
    """Rows for markets, nodes, the fleet and its jobs; a notice shows on its node."""
    town = Town.build(purchase_option="spot")
    services = Services(
        town.clock.now,
        town.clock.sleep,
        town.folder,
        shared={shared_key("trace"): (town.world, town.provider.manager)},
    )
    collector = build_collector({"name": "trace"}, services)
    town.run(300.0)
    victim = town.world.cloud.alive()[0]
    town.world.cloud.interrupt(victim.id, town.clock.at_s + 120.0)
    town.run(10.0)
    batches = {batch.kind: batch for batch in collector.collect(town.clock.at_s, deadline_s=1.0).batches}
    assert len(batches["spot_market"].names) == 4
    nodes = batches["node"]
    row = list(nodes.names).index(victim.id)
    assert nodes.fields["interruption_notice"][row] is True
    left_s = nodes.fields["time_to_interruption"][row]
    assert isinstance(left_s, float)
    assert 100.0 < left_s < 120.0
    assert batches["node_group"].fields["purchase_option"] == ["spot"]
    assert len(batches["job"].names) == 4
    covered = set(collector.covers())
    assert {(kind, field) for kind, batch in batches.items() for field in batch.fields} <= covered


def test_a_collector_without_its_world_says_so() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="no provider of type `trace`"):
        build_collector({"name": "trace"}, Services(clock.now, clock.sleep, Path(mkdtemp())))


class TestContract(ProviderContract):
    """What every provider keeps to."""

    def provider(self) -> Provider:
        town = Town.build()
        town.run(100.0)
        return town.provider

    def action(self) -> PlannedAction:
        return act("switch_to_spot")
