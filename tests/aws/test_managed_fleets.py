"""Fleets on AWS against the server: a fleet comes up, loses a member in order, and is back at its size."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.aws.server import REGION, AwsServer
from tests.aws.setup import section, template

from scrimp.api import Direction, PlannedAction, Report, RunState, Services
from scrimp.worker import FolderChannel, open_queue
from scrimp_actions.spot import State
from scrimp_actions.spot.aws.managed_fleets import build

A, B = f"g5.xlarge:{REGION}a", f"g5.xlarge:{REGION}b"


def members(server: AwsServer) -> list[dict[str, Any]]:
    found = server.client("ec2").describe_instances(
        Filters=[
            {"Name": "tag:scrimp:fleet", "Values": ["night"]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
    )
    return [one for reservation in found["Reservations"] for one in reservation["Instances"]]


def test_a_noticed_member_is_replaced_and_the_fleet_keeps_its_size(aws: AwsServer, tmp_path: Path) -> None:
    """Launched in two pools, each under its member's tag; the rescued one gets no more work, hands over, and is ended."""
    template(aws)
    channel = FolderChannel(tmp_path / "workers")
    services = Services(
        time.time,
        time.sleep,
        tmp_path,
        channel=channel,
        queue=lambda name, items: open_queue(tmp_path / "queues", name, items),
    )
    fleet = {"template": "audio", "pools": [A, B], "size": 2, "purchase_option": "spot"}
    config = section(aws, name="night", fleets={"night": fleet}, queue="work", look_s=0.1, plan_s=0.1)
    provider = build(config, services)
    queue = open_queue(tmp_path / "queues", "work", 100)

    def until(come: Any, limit_s: float = 60.0) -> None:
        end_s = time.time() + limit_s
        while not come():
            assert time.time() < end_s, "it does not come true"
            provider.carry_on(time.time())
            time.sleep(0.02)

    def running() -> list[str]:
        entries = provider.manager.members("night")
        return [one.member.instance for one in entries if one.member.state is State.RUNNING]

    until(lambda: len(running()) == 2)
    assert {one["InstanceLifecycle"] for one in members(aws)} == {"spot"}
    assert len({one["Placement"]["AvailabilityZone"] for one in members(aws)}) == 2
    victim = running()[0]
    job = f"night/{victim}"
    channel.found(job)
    channel.write_report(job, Report(time.time(), 0, RunState.RUNNING, 0))
    held = queue.take(job, time.time(), leases=1, items=10, lease_s=60.0)
    assert len(held) == 1

    rescue = PlannedAction(
        "rescue", f"node/{victim}", {"budget": 120.0}, None, Direction.RESTORE, {}, {}, None
    )
    assert provider.handles(rescue)
    provider.apply(rescue, key="k", deadline_s=10.0)
    provider.manager.notice(victim, time.time(), None)  # the same notice, by another way
    until(lambda: queue.take(job, time.time(), leases=1, items=1, lease_s=0.01) == ())
    control = channel.control(job)
    assert control is not None
    assert control.run_state is RunState.DRAINING
    until(lambda: len(set(running()) - {victim}) == 2)  # the replacement, while the old one drains
    channel.write_report(job, Report(time.time(), control.revision + 9, RunState.STOPPED, 0))
    until(lambda: queue.counts().leased == 0)  # handed over
    aws.client("ec2").terminate_instances(InstanceIds=[victim])  # as the cloud does at its time
    until(lambda: victim not in {one.member.instance for one in provider.manager.entries()})
    assert len(members(aws)) == 2
    lost = sum(one.lost for one in provider.manager.pools.lives().values())
    assert lost == pytest.approx(1.0, rel=1e-3), "noticed twice and then gone is one life that ended"
    called = {one for one in aws.world.calls if one.startswith(("ec2:Run", "ec2:Create"))}
    assert called <= {"ec2:CreateFleet", "ec2:CreateLaunchTemplate"}
    allowed = {one.action for one in provider.permissions({"rescue"})}
    assert {"ec2:CreateFleet", "ec2:TerminateInstances", "ec2:DescribeInstances"} <= allowed
    queue.close()
