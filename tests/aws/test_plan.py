"""`scrimp plan` of moves on AWS: the saving of the whole group in its own field, and what it rests on, for every kind of group."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from moto.ec2.models import ec2_backends
from tests.aws.server import ACCOUNT, REGION, AwsServer
from tests.aws.setup import auto_scaling_group, run
from tests.aws.test_permissions import Site
from tests.aws.test_provider import fleet
from tests.cli.command import Shell

POLICY = """\
scrimp 1

policy {name} {{
  "Do it."
  owner    "platform"
  mode     enforce
  target   node_group where size > 0
  when     size > 0
  do       {name}()
  cooldown 1h per target
}}
"""
FIGURES = {
    *("pool", "price_per_hour", "currency", "price_age_s"),
    *("expected_life_s", "saving_per_hour", "break_even_s"),
}


def mark(server: AwsServer) -> None:
    """Tag the fleet's instances as AWS does, and moto does not."""
    ec2 = server.client("ec2")
    live = [one for one in ec2.describe_fleets()["Fleets"] if one["FleetState"] != "deleted_terminating"]
    (name,) = (one["FleetId"] for one in live)
    members = ec2.describe_fleet_instances(FleetId=name)["ActiveInstances"]
    for one in members:
        ec2_backends[ACCOUNT][REGION].tags[one["InstanceId"]]["aws:ec2:fleet-id"] = name


@pytest.fixture
def site(aws: AwsServer, tmp_path: Path) -> Site:
    """A group of scrimp's own, an Auto Scaling group and an EC2 fleet, each of two members that cost $1.00."""
    made = Site(aws, tmp_path)
    aws.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    aws.client("ec2").delete_fleets(
        FleetIds=[one["FleetId"] for one in aws.client("ec2").describe_fleets()["Fleets"]],
        TerminateInstances=True,
    )
    aws.client("ec2").delete_launch_template(LaunchTemplateName="web-template")
    auto_scaling_group(aws, "web", 2, kind="g5.xlarge")
    fleet(aws, 2, kind="g5.xlarge")
    mark(aws)
    run(aws, 2, kind="g5.xlarge", scrimp__member="audio-0.1")
    aws.world.products = {"g5.xlarge": 1.0}
    aws.world.prices = [("g5.xlarge", f"{REGION}a", 0.4, time.time() - 2 * 3600)]
    return made


def planned(site: Site, scrimp: Shell, name: str) -> tuple[dict[str, dict[str, object]], str]:
    """The action on each target, and the plan as text."""
    folder = site.folder / "policies"
    folder.mkdir()
    (folder / "one.scrimp").write_text(POLICY.format(name=name))
    ran = scrimp("plan", "--output", "json")
    assert ran.code == 0, ran.err
    decisions = json.loads(ran.out)["decisions"]
    return {one["target"]: one["actions"][0] for one in decisions}, " ".join(scrimp("plan").out.split())


def test_a_plan_says_what_a_move_to_spot_saves(site: Site, scrimp: Shell) -> None:
    found, text = planned(site, scrimp, "switch_to_spot")
    assert set(found) == {"node_group/audio", "node_group/web", "node_group/night"}
    for target, action in found.items():
        saving = action["saving_per_hour"]
        assert saving == {"amount": pytest.approx(2 * (1.0 - 0.4)), "currency": "USD"}, target
        assert action["price_age_s"] == pytest.approx(7200, abs=120)
        assert set(action["figures"]) == FIGURES, target  # type: ignore[call-overload]
        assert action["figures"]["price_per_hour"] == 0.4  # type: ignore[index]
    assert text.count("saves $1.20/h, at a price of 2h") == 3
    assert text.count("breaks even after") == 3
    assert "saving unknown" not in text


def test_a_plan_says_what_the_way_back_costs(aws: AwsServer, site: Site, scrimp: Shell) -> None:
    """Of members on spot; those of a group that pays in full already stay."""
    aws.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="web",
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateName": "web-template",
                    "Version": "$Default",
                }
            },
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
        },
    )
    found, text = planned(site, scrimp, "switch_to_on_demand")
    action = found["node_group/web"]
    assert action["saving_per_hour"] == {"amount": 0.0, "currency": "USD"}, "its members are on demand still"
    figures = action["figures"]
    assert figures["saving_per_hour"] == pytest.approx(-0.6)  # type: ignore[index]
    assert "g5.xlarge on demand at $1.00/h, not taken back, costs $0.60/h a member more" in text
