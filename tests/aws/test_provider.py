"""The provider `aws`: the contract on every kind of group, and what happens when AWS has no capacity or no answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.aws.server import REGION, AwsServer
from tests.aws.setup import auto_scaling_group, section, template

from scrimp.api import (
    Direction,
    Health,
    PlannedAction,
    Reached,
    Refusal,
    Report,
    RunState,
    Services,
    Unavailable,
)
from scrimp.testing.contract import ProviderContract
from scrimp.worker import FolderChannel
from scrimp_actions.spot.aws.provider import AwsProvider, build

A, B = f"g5.xlarge:{REGION}a", f"g5.xlarge:{REGION}b"


class Room:
    """The provider over an own group `audio`, an Auto Scaling group `web` and a fleet `night`."""

    def __init__(self, server: AwsServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.channel = FolderChannel(folder / "workers")
        template(server)
        self.provider = self.build()

    def build(self, **group: Any) -> AwsProvider:
        own = {"template": "audio", "pools": [A, B], "max_size": 6, **group}
        config = section(self.server, groups={"audio": own}, auto_scaling_groups=["web"], fleets=["night"])
        return build(config, Services(time.time, time.sleep, self.folder, channel=self.channel))

    def members(self) -> list[dict[str, Any]]:
        found = self.server.client("ec2").describe_instances(
            Filters=[
                {"Name": "tag:scrimp:fleet", "Values": ["audio"]},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
        return [one for reservation in found["Reservations"] for one in reservation["Instances"]]

    def options(self) -> list[str]:
        return sorted(one.get("InstanceLifecycle", "on_demand") for one in self.members())

    def size(self, before: int, after: int, key: str, **args: Any):
        return self.provider.apply(sized(before, after, **args), key=key, deadline_s=60)

    def web(self) -> dict[str, Any]:
        found = self.server.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["web"])
        group: dict[str, Any] = found["AutoScalingGroups"][0]
        return group


def sized(before: int, after: int, target: str = "audio", **args: Any) -> PlannedAction:
    name = "scale_up" if after > before else "scale_down"
    direction = Direction.RESTORE if after > before else Direction.REDUCE
    return PlannedAction(
        name, f"node_group/{target}", args, "capacity", direction, {"size": before}, {"size": after}, None
    )


def switch(to: str, target: str = "audio", **args: Any) -> PlannedAction:
    before = {"purchase_option": "on_demand" if to == "spot" else "spot"}
    return PlannedAction(
        f"switch_to_{to}",
        f"node_group/{target}",
        args,
        "purchase_option",
        Direction.REDUCE,
        before,
        {"purchase_option": to},
        None,
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
        self.prepare()

    def prepare(self) -> None:
        """What is there before."""

    def provider(self) -> AwsProvider:
        return self.room.provider

    def action(self) -> PlannedAction:
        return self.target


class TestOwnGroupUp(_Contract):
    target = sized(0, 2)


class TestOwnGroupDown(_Contract):
    target = sized(2, 1)

    def prepare(self) -> None:
        self.room.size(0, 2, "before")


class TestOwnGroupToSpot(_Contract):
    target = switch("spot")

    def prepare(self) -> None:
        self.room.size(0, 2, "before")


class TestCapacity(_Contract):
    target = PlannedAction(
        "request_capacity", "node_group/audio", {"count": 2.0}, "capacity", Direction.RESTORE, {}, {}, None
    )


class TestScalingGroupDown(_Contract):
    target = sized(3, 1, "web")

    def prepare(self) -> None:
        auto_scaling_group(self.room.server, "web", 3)


class TestScalingGroupToSpot(_Contract):
    target = switch("spot", "web")

    def prepare(self) -> None:
        auto_scaling_group(self.room.server, "web", 1)


class TestFleetUp(_Contract):
    target = sized(1, 3, "night")

    def prepare(self) -> None:
        fleet(self.room.server, 1)


def fleet(server: AwsServer, size: int) -> None:
    config = {"LaunchTemplateSpecification": {"LaunchTemplateName": "audio", "Version": "1"}}
    server.client("ec2").create_fleet(
        Type="maintain",
        LaunchTemplateConfigs=[config],
        TargetCapacitySpecification={"TotalTargetCapacity": size, "DefaultTargetCapacityType": "on-demand"},
        TagSpecifications=[{"ResourceType": "fleet", "Tags": [{"Key": "Name", "Value": "night"}]}],
    )


def test_only_what_the_configuration_names_is_touched(room: Room) -> None:
    assert not room.provider.handles(sized(0, 1, "other"))
    assert not room.provider.handles(
        PlannedAction("scale_up", "job/audio", {}, None, Direction.RESTORE, {}, {}, None)
    )


def test_a_lost_answer_and_a_restart_launch_once(aws: AwsServer, room: Room) -> None:
    """The answer of the launch is lost for good; the intent is probed and carried out again by another process."""
    aws.world.lost["ec2:CreateFleet"] = 100
    with pytest.raises(Unavailable):
        room.size(0, 3, "k1")
    assert len(room.members()) == 3
    aws.world.lost.clear()
    again = room.build()
    assert again.probe(sized(0, 3), key="k1", deadline_s=10).reached is Reached.REACHED
    assert again.apply(sized(0, 3), key="k1", deadline_s=60).after == {"size": 3}
    assert len(room.members()) == 3


def test_an_answer_lost_in_the_middle_of_a_launch_in_parts(aws: AwsServer, room: Room) -> None:
    """Pool A gives one of three; the second try's answer is lost: the third call under the key completes, and no more."""
    aws.world.capacity = {A: 1, B: 1}
    aws.world.lost["ec2:CreateFleet"] = 0
    first = room.size(0, 3, "k1")
    assert first.after == {"size": 2}
    assert "3 were wanted" in first.detail
    assert len(room.members()) == 2
    assert room.size(0, 3, "k1") == first
    assert len(room.members()) == 2


def test_a_pool_that_refuses_is_left_alone_for_longer_each_time(aws: AwsServer, room: Room) -> None:
    provider = room.build(purchase_option="spot")
    aws.world.refusals = {A: "InsufficientInstanceCapacity"}
    provider.apply(sized(0, 1), key="k1", deadline_s=60)
    aws.world.refusals = {}
    provider.apply(sized(1, 3), key="k2", deadline_s=60)
    asked = aws.world.tokens["k2#1"][0]
    assert [value[0] for key, value in asked.items() if key.endswith("AvailabilityZone")] == [f"{REGION}b"]
    assert {one["Placement"]["AvailabilityZone"] for one in room.members()} == {f"{REGION}b"}
    assert room.options() == ["spot"] * 3


def test_no_capacity_anywhere_is_unavailable_and_spot_falls_back_where_it_may(
    aws: AwsServer, room: Room
) -> None:
    aws.world.refusals = {A: "InsufficientInstanceCapacity", B: "UnfulfillableCapacity"}
    with pytest.raises(Unavailable, match="no capacity"):
        room.size(0, 2, "k1")
    assert room.members() == []


def test_moving_to_spot_replaces_first_and_keeps_what_cannot_be_moved(aws: AwsServer, room: Room) -> None:
    room.size(0, 3, "k0")
    aws.world.capacity = {A: 1, B: 1}
    result = room.provider.apply(switch("spot"), key="k1", deadline_s=60)
    assert room.options() == ["on_demand", "spot", "spot"], "nobody left without a replacement"
    assert "2 of 3 members moved to spot" in result.detail
    assert room.provider.apply(switch("spot"), key="k1", deadline_s=60) == result
    assert len(room.members()) == 3


def test_waiting_for_spot_is_not_done_until_all_are_moved(aws: AwsServer, room: Room) -> None:
    room.size(0, 2, "k0")
    aws.world.capacity = {A: 1, B: 0}
    with pytest.raises(Unavailable, match="1 of 2 moved"):
        room.provider.apply(switch("spot", fallback="wait"), key="k1", deadline_s=60)
    assert room.options() == ["on_demand", "spot"]
    assert room.provider.probe(switch("spot"), key="k1", deadline_s=10).reached is Reached.UNTOUCHED
    aws.world.refusals = {A: "UnfulfillableCapacity", B: "UnfulfillableCapacity"}
    with pytest.raises(Unavailable, match="nothing was moved"):
        room.provider.apply(switch("spot", fallback="wait"), key="k2", deadline_s=60)
    assert room.options() == ["on_demand", "spot"], "no capacity takes nothing away"


def test_back_on_demand(aws: AwsServer, room: Room) -> None:
    provider = room.build(purchase_option="spot")
    provider.apply(sized(0, 2), key="k0", deadline_s=60)
    assert room.options() == ["spot", "spot"]
    assert provider.revalidate(switch("spot"), deadline_s=10) == Refusal("audio is spot already")
    provider.apply(switch("on_demand"), key="k1", deadline_s=60)
    assert room.options() == ["on_demand", "on_demand"]


def test_a_worker_drains_before_its_instance_ends(room: Room) -> None:
    room.size(0, 1, "k0")
    (member,) = room.members()
    job = f"audio/{member['InstanceId']}"
    room.channel.found(job)
    room.channel.write_report(job, Report(time.time(), 0, RunState.RUNNING, 0))
    with pytest.raises(Unavailable, match="1 workers still drain"):
        room.provider.apply(sized(1, 0, drain=60.0), key="k1", deadline_s=1)
    assert room.channel.control(job).run_state is RunState.DRAINING
    assert len(room.members()) == 1
    room.channel.write_report(job, Report(time.time(), 1, RunState.STOPPED, 5))
    assert room.size(1, 0, "k1", drain=60.0).after == {"size": 0}
    assert room.members() == []


def test_one_that_does_not_drain_ends_when_its_time_is_over(room: Room) -> None:
    room.size(0, 1, "k0")
    (member,) = room.members()
    job = f"audio/{member['InstanceId']}"
    room.channel.found(job)
    room.channel.write_report(job, Report(time.time(), 0, RunState.RUNNING, 0))
    room.size(1, 0, "k1", drain=0.2)
    assert room.members() == []


def test_bounds_and_the_live_size_hold_over_the_plan(room: Room) -> None:
    room.size(0, 2, "k0")
    live = room.provider.revalidate(sized(0, 9), deadline_s=10)
    assert isinstance(live, PlannedAction)
    assert (live.before, live.after) == ({"size": 2}, {"size": 6})
    assert room.provider.revalidate(sized(4, 3), deadline_s=10) == Refusal(
        "size of node_group/audio is 2 already"
    )
    assert isinstance(room.provider.revalidate(sized(0, 1, "web"), deadline_s=10), Refusal), (
        "there is no such group"
    )


def test_a_mixed_instances_policy_is_made_and_changed(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 1)
    wanted = switch("spot", "web", pools=f"{A},c5.large:{REGION}a", max_price=0.4)
    room.provider.apply(wanted, key="k1", deadline_s=20)
    policy = room.web()["MixedInstancesPolicy"]
    shares = policy["InstancesDistribution"]
    assert (shares["OnDemandBaseCapacity"], shares["OnDemandPercentageAboveBaseCapacity"]) == (0, 0)
    assert (shares["SpotAllocationStrategy"], shares["SpotMaxPrice"]) == (
        "price-capacity-optimized",
        "0.40000",
    )
    assert [one["InstanceType"] for one in policy["LaunchTemplate"]["Overrides"]] == ["g5.xlarge", "c5.large"]
    room.provider.apply(switch("on_demand", "web"), key="k2", deadline_s=20)
    policy = room.web()["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert len(policy["LaunchTemplate"]["Overrides"]) == 2, "the types stay"


def test_a_fleet_keeps_its_share_of_spot(aws: AwsServer, room: Room) -> None:
    fleet(aws, 4)
    room.provider.apply(switch("spot", "night"), key="k1", deadline_s=20)
    room.provider.apply(sized(4, 2, "night"), key="k2", deadline_s=20)
    (found,) = aws.client("ec2").describe_fleets()["Fleets"]
    target = found["TargetCapacitySpecification"]
    assert (
        target["TotalTargetCapacity"],
        target["SpotTargetCapacity"],
        target["OnDemandTargetCapacity"],
    ) == (2, 2, 0)


def test_a_plan_shows_pool_price_age_and_bound(aws: AwsServer, room: Room) -> None:
    aws.world.prices = [
        ("g5.xlarge", f"{REGION}a", 0.5, time.time() - 7200),
        ("g5.xlarge", f"{REGION}b", 0.4, time.time() - 3 * 3600),
    ]
    aws.world.products = {"g5.xlarge": 1.0}
    line = room.provider.plan(switch("spot"))
    assert line == (
        f"move `audio` to spot in {B} at $0.40/h (for 3.0 h now, $1.00/h on demand), at most the price on demand"
    )
    aws.world.expired = True
    assert room.provider.plan(switch("spot")) == "move `audio` to spot, at most the price on demand"


def test_examining_finds_groups_that_are_not_there(aws: AwsServer, room: Room) -> None:
    auto_scaling_group(aws, "web", 2)
    found = {one.what: one for one in room.provider.examine(deadline_s=20)}
    assert found["credentials"].health is Health.GOOD
    assert (found["group web"].health, found["group web"].detail) == (Health.GOOD, "2 members, on_demand")
    assert found["group night"].health is Health.BAD
