"""The provider `aws`: the contract on groups that AWS manages, and fleets of its own from launch to rescue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.aws.server import REGION, AwsServer
from tests.aws.setup import IMAGE, auto_scaling_group, event, notice_queue, section, template
from tests.servers import wait_for

from scrimp.api import (
    Direction,
    Health,
    PlannedAction,
    Reached,
    Refusal,
    Refused,
    Report,
    RunState,
    Services,
    Traits,
)
from scrimp.aws import Notice, NoticeBoard, NoticeKind
from scrimp.collectors.aws import AwsCollector, AwsEventsCollector
from scrimp.testing import ManualClock
from scrimp.testing.contract import ProviderContract
from scrimp.worker import FolderChannel
from scrimp_actions.spot.aws.provider import AwsProvider, build
from scrimp_actions.spot.member import State

A, B = f"g5.xlarge:{REGION}a", f"g5.xlarge:{REGION}b"
SETTLE_S = 40.0


class Room:
    """The provider over a fleet `audio` of its own, an Auto Scaling group `web` and an EC2 fleet `night`."""

    def __init__(self, server: AwsServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.channel = FolderChannel(folder / "workers")
        template(server)
        server.world.prices = [
            ("g5.xlarge", f"{REGION}a", 0.5, time.time() - 7200),
            ("g5.xlarge", f"{REGION}b", 0.4, time.time() - 3 * 3600),
        ]
        server.world.products = {"g5.xlarge": 1.0}
        self.provider = self.build()

    def services(self) -> Services:
        return Services(time.time, time.sleep, self.folder, channel=self.channel)

    def build(self, **group: Any) -> AwsProvider:
        own = {"template": "audio", "pools": [A, B], "max_size": 6, "leave_s": 5.0, **group}
        paces = {"look_s": 0.3, "plan_s": 0.1, "poll_s": 0.05}
        config = section(
            self.server, groups={"audio": own}, auto_scaling_groups=["web"], fleets=["night"], **paces
        )
        return build(config, self.services())

    def members(self) -> list[dict[str, Any]]:
        alive = {"Name": "instance-state-name", "Values": ["pending", "running"]}
        tagged = {"Name": "tag:scrimp:fleet", "Values": ["aws"]}
        found = self.server.client("ec2").describe_instances(Filters=[tagged, alive])
        return [one for reservation in found["Reservations"] for one in reservation["Instances"]]

    def options(self) -> list[str]:
        return sorted(one.get("InstanceLifecycle", "on_demand") for one in self.members())

    def working(self) -> list[str]:
        return [
            entry.member.instance
            for entry in self.provider.fleets.manager.members("audio")
            if entry.member.state is State.RUNNING
        ]

    def settle(self, done: Callable[[], bool], what: str) -> None:
        """Drive the provider as the daemon does, until something is so."""
        limit = time.monotonic() + SETTLE_S
        while not done():
            assert time.monotonic() < limit, f"{what} within {SETTLE_S} s"
            due_s = self.provider.carry_on(time.time())
            assert due_s is not None
            time.sleep(min(max(due_s - time.time(), 0.01), 0.1))

    def apply(self, action: PlannedAction, key: str) -> Any:
        live = self.provider.revalidate(action, deadline_s=10)
        assert not isinstance(live, Refusal), live
        return self.provider.apply(live, key=key, deadline_s=10)

    def grown(self, size: int) -> None:
        """A fleet of so many members that work."""
        self.apply(sized(0, size), "grow")
        self.settle(lambda: len(self.working()) == size, f"{size} members work")

    def web(self) -> dict[str, Any]:
        found = self.server.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["web"])
        group: dict[str, Any] = found["AutoScalingGroups"][0]
        return group


def act(
    name: str, target: str, args: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> PlannedAction:
    direction = Direction.REDUCE if name in ("scale_down", "switch_to_spot") else Direction.RESTORE
    return PlannedAction(name, target, args, "capacity", direction, before, after, None)


def sized(before: int, after: int, target: str = "audio", **args: Any) -> PlannedAction:
    name = "scale_up" if after > before else "scale_down"
    return act(name, f"node_group/{target}", args, {"size": before}, {"size": after})


def switch(to: str, target: str = "audio", **args: Any) -> PlannedAction:
    before = {"purchase_option": "on_demand" if to == "spot" else "spot"}
    return act(f"switch_to_{to}", f"node_group/{target}", args, before, {"purchase_option": to})


def more(target: str, count: float) -> PlannedAction:
    return act("request_capacity", f"node_group/{target}", {"count": count}, {}, {})


def fleet(server: AwsServer, size: int, *, kind: str = "") -> None:
    config: dict[str, Any] = {"LaunchTemplateSpecification": {"LaunchTemplateName": "audio", "Version": "1"}}
    if kind:
        config["Overrides"] = [{"InstanceType": kind}]
    server.client("ec2").create_fleet(
        Type="maintain",
        LaunchTemplateConfigs=[config],
        TargetCapacitySpecification={"TotalTargetCapacity": size, "DefaultTargetCapacityType": "on-demand"},
        TagSpecifications=[{"ResourceType": "fleet", "Tags": [{"Key": "Name", "Value": "night"}]}],
    )


@pytest.fixture
def room(aws: AwsServer, tmp_path: Path) -> Room:
    return Room(aws, tmp_path)


class _Contract(ProviderContract):
    """The contract in a room of its own for each test."""

    target: PlannedAction

    @pytest.fixture(autouse=True)
    def _room(self, room: Room) -> None:
        self.room = room
        if self.target.target.endswith("web"):
            auto_scaling_group(room.server, "web", 3)
        if self.target.target.endswith("night"):
            fleet(room.server, 1)

    def provider(self) -> AwsProvider:
        return self.room.provider

    def action(self) -> PlannedAction:
        return self.target


class TestScalingGroupDown(_Contract):
    target = sized(3, 1, "web")


class TestFleetUp(_Contract):
    target = sized(1, 3, "night")


class TestOwnFleetUp(_Contract):
    target = sized(0, 2)


def test_only_what_the_configuration_names_is_touched(room: Room) -> None:
    assert not room.provider.handles(sized(0, 1, "other"))
    assert not room.provider.handles(act("scale_up", "job/audio", {}, {}, {}))
    assert not room.provider.handles(act("rescue", "node/i-0", {}, {}, {}))


def test_a_fleet_comes_up_and_goes_down(aws: AwsServer, room: Room) -> None:
    room.grown(3)
    assert room.options() == ["on_demand"] * 3
    assert room.apply(sized(3, 1), "k2").after == {"size": 1.0}
    room.settle(lambda: len(room.members()) == 1, "two members leave")
    assert len(aws.world.tokens) == 3, (
        "one launch a member, each under a token of its own, however often it was asked for"
    )


def test_answers_that_are_lost_and_a_restart_launch_each_member_once(aws: AwsServer, room: Room) -> None:
    """Answers get lost for a while, the process ends, another one goes on from the book: two members, not more."""
    aws.world.lost["ec2:CreateFleet"] = 6
    room.apply(sized(0, 2), "k1")
    room.settle(lambda: len(room.members()) == 2, "both are launched, though nobody heard of it")
    assert room.working() == []
    room.provider = room.build()
    room.settle(lambda: len(room.working()) == 2, "the new process finds them")
    assert len(room.members()) == 2
    assert aws.world.lost["ec2:CreateFleet"] == 0, "answers were lost"


def test_a_move_to_spot_replaces_first(aws: AwsServer, room: Room) -> None:
    room.grown(2)
    least: list[int] = []
    room.apply(switch("spot"), "k2")

    def moved() -> bool:
        least.append(len(room.working()))
        return room.options() == ["spot", "spot"]

    room.settle(moved, "all members are on spot")
    assert min(least) == 2, "never fewer at work than wanted"
    assert room.provider.revalidate(switch("spot"), deadline_s=5) == Refusal("audio is on spot already")


def test_a_pool_without_capacity_is_passed_over(aws: AwsServer, room: Room) -> None:
    aws.world.refusals = {B: "InsufficientInstanceCapacity"}
    room.provider = room.build(purchase_option="spot")
    room.grown(2)
    assert {one["Placement"]["AvailabilityZone"] for one in room.members()} == {f"{REGION}a"}
    assert room.provider.fleets.manager.pools.cooldowns.out(B, time.time())


def test_a_plan_shows_pool_price_age_and_bound(aws: AwsServer, room: Room) -> None:
    room.grown(1)
    line = room.provider.plan(switch("spot"))
    assert line.startswith(f"move 1 of 1 members to spot: {B} at $0.40/h (for 3.0 h now), expected to last ")
    assert line.endswith("; the price on demand bounds it")
    capped = room.provider.plan(switch("spot", max_price=0.45))
    assert capped.endswith("; at most $0.45/h, which lowers no price and ends instances sooner")
    figures = room.provider.figures(switch("spot"))
    assert (figures["pool"], figures["price_per_hour"]) == (B, 0.4)
    assert figures["price_age_s"] == pytest.approx(3 * 3600, abs=120)


@pytest.mark.parametrize("target", ["audio", "web", "night"])
def test_a_move_of_every_kind_of_group_shows_what_it_rests_on(
    aws: AwsServer, room: Room, target: str
) -> None:
    """Pool, price and its age, expected lifetime, saving, break-even; there, and on the way back."""
    auto_scaling_group(aws, "web", 2, kind="g5.xlarge")
    fleet(aws, 2, kind="g5.xlarge")
    room.grown(1)
    figures = room.provider.figures(switch("spot", target))
    assert (figures["pool"], figures["currency"]) == (A if target == "web" else B, "USD"), (
        "web is in one zone"
    )
    price, hours = (0.5, 2) if target == "web" else (0.4, 3)
    assert figures["price_per_hour"] == price
    assert figures["price_age_s"] == pytest.approx(hours * 3600, abs=120)
    assert figures["saving_per_hour"] == pytest.approx(1.0 - price)
    assert figures["expected_life_s"] == pytest.approx(644 * 3600, rel=0.01), "by the band of the type"
    assert figures["break_even_s"] > 0
    line = room.provider.plan(switch("spot", target))
    for part in (
        f"at ${price:.2f}/h (for {hours}.0 h now)",
        "expected to last 644",
        f"saves ${1 - price:.2f}/h a member",
    ):
        assert part in line
    assert "breaks even after" in line
    back = room.provider.figures(switch("on_demand", target))
    assert (back["pool"], back["price_per_hour"]) == ("g5.xlarge on demand", 1.0)
    assert back["saving_per_hour"] == pytest.approx(price - 1.0)
    assert (back["expected_life_s"], back["break_even_s"]) == (None, None)
    assert f"costs ${1 - price:.2f}/h a member more" in room.provider.plan(switch("on_demand", target))


def test_a_plan_goes_by_what_the_move_goes_by(aws: AwsServer, room: Room) -> None:
    """Of pools that are named an Auto Scaling group takes the types, in its own zones; an EC2 fleet nothing, and no cap."""
    auto_scaling_group(aws, "web", 2)
    fleet(aws, 2, kind="g5.xlarge")
    aws.world.prices.append(("c5.large", f"{REGION}b", 0.1, 0.0))
    aws.world.products["c5.large"] = 0.2
    named = {"pools": f"{B},c5.large:{REGION}b", "max_price": 0.45}
    assert room.provider.figures(switch("spot", "web", **named))["pool"] == A, "its zone"
    assert room.provider.plan(switch("spot", "web", **named)).endswith(
        "; at most $0.45/h, which lowers no price and ends instances sooner"
    )
    assert room.provider.figures(switch("spot", "night", **named))["pool"] == B, "its type"
    assert room.provider.plan(switch("spot", "night", **named)).endswith("; the price on demand bounds it")


def test_a_plan_of_the_way_back_asks_once(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 2, kind="g5.xlarge")
    aws.world.calls.clear()
    assert room.provider.figures(switch("on_demand", "web"))["pool"] == "g5.xlarge on demand"
    assert aws.world.calls.count("ec2:DescribeSpotPriceHistory") == 1


def test_a_move_without_prices_says_so(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 1, kind="g5.xlarge")
    aws.world.prices = []
    assert room.provider.figures(switch("spot", "web")) == {}
    assert "no price is known" in room.provider.plan(switch("spot", "web"))
    aws.world.allowed = frozenset({"autoscaling:DescribeAutoScalingGroups"})
    assert "is not allowed" in room.provider.plan(switch("spot", "web"))


def joined(room: Room, instance: str) -> str:
    """A worker on the instance, at work."""
    job = f"audio/{instance}"
    room.channel.found(job)
    room.channel.write_report(
        job, Report(time.time(), 0, RunState.RUNNING, 0, traits=Traits(checkpointable=False))
    )
    return job


def test_from_the_event_on_the_bus_to_the_worker_s_drain_and_a_replacement(
    aws: AwsServer, room: Room
) -> None:
    """EventBridge → SQS → board → row → `rescue` → the worker is told to stop, and a successor is asked for."""
    room.provider = room.build(purchase_option="spot")
    room.grown(1)
    (instance,) = room.working()
    pool = room.provider.fleets.manager.members("audio")[0].pool
    job = joined(room, instance)
    queue = notice_queue(aws)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    warning = event(instance, "EC2 Spot Instance Interruption Warning", now, instance_action="terminate")
    aws.client("events").put_events(Entries=[warning])
    began_s = time.monotonic()
    events = AwsEventsCollector(section(aws, queue_url=queue, self_test=False), room.services())
    (batch,) = events.collect(time.time(), deadline_s=10).batches
    row = dict(zip(batch.names, batch.fields["time_to_interruption"], strict=True))
    rescue = act("rescue", f"node/{instance}", {"budget": row[instance]}, {}, {})
    assert room.provider.handles(rescue)
    assert "stop its work and ask for a replacement" in room.provider.plan(rescue)
    room.apply(rescue, "k2")
    room.settle(lambda: room.channel.control(job).run_state is RunState.DRAINING, "the worker is told")
    told_s = time.monotonic() - began_s
    room.settle(lambda: len(room.members()) == 2, "a successor is launched")
    control = room.channel.control(job)
    assert control.drain_by_s == pytest.approx(time.time() + 50 - told_s, abs=30)
    assert room.provider.fleets.manager.pools.cooldowns.out(pool, time.time()), "it interrupts: left alone"
    assert isinstance(room.provider.revalidate(rescue, deadline_s=5), Refusal), "it leaves already"


def test_a_rebalance_signal_prepares_and_never_drains(aws: AwsServer, room: Room) -> None:
    room.provider = room.build(purchase_option="spot")
    room.grown(1)
    (instance,) = room.working()
    job = joined(room, instance)
    now_s = time.time()
    NoticeBoard(room.folder).note(
        [Notice(instance, NoticeKind.REBALANCE, "rebalance", now_s, now_s, ("aws_events",))], now_s
    )
    manager = room.provider.fleets.manager
    room.settle(lambda: manager.members("audio")[0].member.state is State.AT_RISK, "it is at risk")
    assert room.channel.control(job).run_state is RunState.RUNNING
    assert len(room.members()) == 1
    since_s, again_s = manager.members("audio")[0].member.since_s, now_s + 600
    NoticeBoard(room.folder).note(
        [Notice(instance, NoticeKind.REBALANCE, "rebalance", again_s, again_s, ("aws_events",))], now_s
    )
    room.settle(
        lambda: manager.members("audio")[0].member.since_s > since_s, "a further signal renews the wait"
    )


def test_a_rebalance_signal_that_comes_late_is_heard(aws: AwsServer, room: Room) -> None:
    """Queues keep no order, and each worker has its own clock: a newer notice of another says nothing of this one."""
    room.provider = room.build(purchase_option="spot")
    room.grown(1)
    (instance,) = room.working()
    now_s, board = time.time(), NoticeBoard(room.folder)
    board.note([Notice("i-other", NoticeKind.REBALANCE, "rebalance", now_s, now_s, ("imds",))], now_s)
    room.provider.carry_on(time.time())
    late_s = now_s - 5.0
    board.note([Notice(instance, NoticeKind.REBALANCE, "rebalance", late_s, late_s, ("aws_events",))], now_s)
    manager = room.provider.fleets.manager
    room.settle(lambda: manager.members("audio")[0].member.state is State.AT_RISK, "it is at risk")


def test_an_instance_that_is_gone_without_a_word_is_replaced(aws: AwsServer, room: Room) -> None:
    room.grown(1)
    (instance,) = room.working()
    aws.client("ec2").terminate_instances(InstanceIds=[instance])
    room.settle(lambda: bool(room.working()) and room.working() != [instance], "another member works")
    assert len(room.members()) == 1


def test_its_members_are_the_collector_s_group(aws: AwsServer, room: Room, tmp_path: Path) -> None:
    room.grown(2)
    collector = AwsCollector(section(aws, groups={"audio": {"max_size": 6}}), room.services())
    batches = collector.collect(time.time(), deadline_s=20).batches
    groups = next(one for one in batches if one.kind == "node_group")
    assert dict(zip(groups.names, groups.fields["size"], strict=True)) == {"audio": 2}
    nodes = next(one for one in batches if one.kind == "node" and "group" in one.fields)
    assert set(nodes.fields["group"]) == {"audio"}


def test_a_mixed_instances_policy_is_made_and_changed(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 1)
    room.apply(switch("spot", "web", pools=f"{A},c5.large:{REGION}a", max_price=0.4), "k1")
    policy = room.web()["MixedInstancesPolicy"]
    shares = policy["InstancesDistribution"]
    assert (shares["OnDemandBaseCapacity"], shares["OnDemandPercentageAboveBaseCapacity"]) == (0, 0)
    assert (shares["SpotAllocationStrategy"], shares["SpotMaxPrice"]) == (
        "price-capacity-optimized",
        "0.40000",
    )
    assert [one["InstanceType"] for one in policy["LaunchTemplate"]["Overrides"]] == ["g5.xlarge", "c5.large"]
    room.apply(switch("on_demand", "web"), "k2")
    policy = room.web()["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert len(policy["LaunchTemplate"]["Overrides"]) == 2, "the types stay"


def test_the_live_size_and_the_bounds_hold_over_the_plan(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 3)
    live = room.provider.revalidate(sized(5, 20, "web"), deadline_s=10)
    assert isinstance(live, PlannedAction)
    assert (live.before, live.after) == ({"size": 3}, {"size": 10})
    assert room.provider.revalidate(sized(5, 3, "web"), deadline_s=10) == Refusal(
        "size of node_group/web is 3 already"
    )
    assert room.provider.revalidate(sized(1, 2, "night"), deadline_s=10) == Refusal(
        "there is no group `night`"
    )
    probe = room.provider.probe(sized(5, 4, "web"), key="never", deadline_s=10)
    assert probe.reached is Reached.OTHER, "neither as before nor as wanted: somebody else was there"


def test_asking_for_capacity_twice_under_a_key_asks_once(aws: AwsServer, room: Room) -> None:
    """The answer is lost after the effect: the note says to which size it was."""
    auto_scaling_group(aws, "web", 3)
    aws.world.lost["autoscaling:SetDesiredCapacity"] = 1
    room.apply(more("web", 2.0), "k1")
    assert room.web()["DesiredCapacity"] == 5
    assert room.provider.probe(more("web", 2.0), key="k1", deadline_s=5).reached is Reached.REACHED
    room.apply(more("web", 100.0), "k2")
    assert room.web()["DesiredCapacity"] == 10, "no more than it may have"
    assert isinstance(room.provider.revalidate(more("web", 1.0), deadline_s=5), Refusal)


def test_a_fleet_of_aws_keeps_its_share_of_spot(aws: AwsServer, room: Room) -> None:
    fleet(aws, 4)
    room.apply(switch("spot", "night"), "k1")
    room.apply(sized(4, 2, "night"), "k2")
    (found,) = aws.client("ec2").describe_fleets()["Fleets"]
    target = found["TargetCapacitySpecification"]
    wanted = {"TotalTargetCapacity": 2, "SpotTargetCapacity": 2, "OnDemandTargetCapacity": 0}
    assert {name: target[name] for name in wanted} == wanted


def test_what_aws_refuses_is_told_once_and_the_fleet_goes_on(aws: AwsServer, room: Room) -> None:
    """A template that is not there is no question of capacity: somebody has to hear of it."""
    room.provider = room.build(template="nowhere", purchase_option="spot")
    room.apply(sized(0, 1), "grow")
    told, clock = [], ManualClock(time.time())

    def tried_again() -> bool:
        clock.advance(0.5)  # the pauses between tries are longer than a test should be
        try:
            room.provider.carry_on(clock.now())
        except Refused as error:
            told.append(str(error))
        return aws.world.calls.count("ec2:CreateFleet") >= 3 and bool(told)

    wait_for(tried_again, "it is tried again, and refused again", SETTLE_S)
    assert len(told) == 1
    assert "ec2:CreateFleet" in told[0]


@pytest.mark.parametrize("code", ["MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow"])
def test_a_limit_that_only_people_can_change_is_told_and_on_demand_is_bought(
    aws: AwsServer, room: Room, code: str
) -> None:
    """No cool-down helps there: of many GPU types a new account may have no spot at all."""
    aws.world.refusals = {A: code, B: code}
    room.provider = room.build(purchase_option="spot")
    room.apply(sized(0, 1), "grow")
    told, clock = [], ManualClock(time.time())

    def bought() -> bool:
        clock.advance(0.5)
        try:
            room.provider.carry_on(clock.now())
        except Refused as error:
            told.append(str(error))
        if aws.world.tokens and "on-demand" in str([form for form, _ in aws.world.tokens.values()][-1]):
            aws.world.refusals = {}
        return room.options() == ["on_demand"]

    wait_for(bought, "it is bought on demand", SETTLE_S)
    assert told == [f"{code}: no"]


def test_a_group_that_is_named_no_more_is_left_alone_and_told_of(aws: AwsServer, room: Room) -> None:
    """Its members cost what they cost, and nobody may think that they are gone."""
    room.grown(2)
    instance = room.working()[0]
    rescue = act("rescue", f"node/{instance}", {}, {}, {})
    assert room.provider.handles(rescue)
    room.provider = build(section(aws), room.services())
    assert not room.provider.handles(rescue)
    (told,) = [one for one in room.provider.examine(deadline_s=10) if one.what == "group audio"]
    assert (told.health, told.detail[:18]) == (Health.WARNING, "2 members run on, ")
    assert len(room.members()) == 2


@pytest.mark.parametrize(
    ("process", "barred"),
    [
        ("Launch", {"scale_up", "request_capacity", "switch_to_spot"}),
        ("Terminate", {"scale_down", "switch_to_spot"}),
        ("AZRebalance", set()),
    ],
)
def test_a_group_whose_processes_are_suspended_is_not_asked_in_vain(
    aws: AwsServer, room: Room, process: str, barred: set[str]
) -> None:
    """AWS would take the new size, and nothing would follow until somebody resumes them."""
    auto_scaling_group(aws, "web", 2)
    aws.client("autoscaling").suspend_processes(AutoScalingGroupName="web", ScalingProcesses=[process])
    asked = (sized(2, 1, "web"), sized(2, 3, "web"), more("web", 1.0), switch("spot", "web"))
    refused = {}
    for one in asked:
        live = room.provider.revalidate(one, deadline_s=5)
        if isinstance(live, Refusal):
            refused[one.action] = live.reason
    assert set(refused) == barred
    assert all(f"`{process}` is suspended" in reason for reason in refused.values())


def test_a_group_without_a_template_is_refused_before_it_is_asked(aws: AwsServer, room: Room) -> None:
    asked = aws.client("autoscaling")
    asked.create_launch_configuration(LaunchConfigurationName="old", ImageId=IMAGE, InstanceType="m5.large")
    asked.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=0,
        MaxSize=3,
        DesiredCapacity=1,
        AvailabilityZones=[f"{REGION}a"],
        LaunchConfigurationName="old",
    )
    live = room.provider.revalidate(switch("spot", "web"), deadline_s=5)
    assert isinstance(live, Refusal)
    assert "no launch template" in live.reason


def test_pools_that_hold_their_share_are_not_among_those_that_aws_chooses_from(
    aws: AwsServer, room: Room
) -> None:
    """AWS takes what is deepest and cheapest of all that it is given, and knows nothing of a floor."""
    room.provider = room.build(purchase_option="spot")
    room.grown(4)
    held = Counter(entry.pool for entry in room.provider.fleets.manager.members("audio"))
    assert held == {A: 2, B: 2}
    asked = [form for form, _ in aws.world.tokens.values()]
    overrides = [sum("InstanceType" in key for key in form if ".Overrides." in key) for form in asked]
    assert 1 in overrides, "the last ones had one pool to choose from"


def test_a_launch_that_is_asked_for_again_is_the_same_request(aws: AwsServer, room: Room) -> None:
    """The answer was lost, and prices have moved since: other pools under its token would be refused."""
    room.provider = room.build(purchase_option="spot")
    aws.world.lost["ec2:CreateFleet"] = 1
    aws.world.prices.append(("g5.xlarge", f"{REGION}a", 0.1, time.time() - 60))
    room.grown(1)
    assert len(room.members()) == 1
    assert aws.world.calls.count("ec2:CreateFleet") == 2
    assert len(aws.world.tokens) == 1


def test_a_fleet_that_was_deleted_is_not_the_one_that_took_its_place(aws: AwsServer, room: Room) -> None:
    """AWS describes it for two days more, under the same name."""
    fleet(aws, 4)
    (old,) = (one["FleetId"] for one in aws.client("ec2").describe_fleets()["Fleets"])
    aws.client("ec2").delete_fleets(FleetIds=[old], TerminateInstances=True)
    assert isinstance(room.provider.revalidate(sized(4, 2, "night"), deadline_s=5), Refusal)
    fleet(aws, 3)
    live = room.provider.revalidate(sized(3, 2, "night"), deadline_s=5)
    assert isinstance(live, PlannedAction)
    assert live.before == {"size": 3}


@pytest.mark.parametrize(
    ("name", "told"),
    [("audio", ""), ("nowhere", "does not exist"), ("marked", "market options")],
)
def test_examining_finds_a_template_that_cannot_be_launched(
    aws: AwsServer, room: Room, name: str, told: str
) -> None:
    data = {"ImageId": IMAGE, "InstanceMarketOptions": {"MarketType": "spot"}}
    aws.client("ec2").create_launch_template(LaunchTemplateName="marked", LaunchTemplateData=data)
    found = room.build(template=name).examine(deadline_s=20)
    bad = [one for one in found if one.what.startswith("template")]
    assert [(one.what, one.health) for one in bad] == ([(f"template {name}", Health.BAD)] if told else [])
    assert all(told in one.detail for one in bad)


def test_examining_finds_groups_that_are_not_there(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 2)
    found = {one.what: one for one in room.provider.examine(deadline_s=20)}
    assert found["credentials"].health is Health.GOOD
    assert (found["group web"].health, found["group web"].detail) == (Health.GOOD, "2 members, on_demand")
    assert found["group night"].health is Health.BAD
    assert found["group audio"].detail == "0 of 0 members, on_demand is wanted"
