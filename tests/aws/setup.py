"""What tests set up at the server: templates, groups, instances, queues."""

from __future__ import annotations

import json
from pathlib import Path
from secrets import token_hex
from typing import Any

from tests.aws.server import REGION, AwsServer

from scrimp.api import Services
from scrimp.testing import ManualClock

IMAGE = "ami-12c6146b"


def services(folder: Path, clock: ManualClock, **more: Any) -> Services:
    return Services(clock.now, clock.sleep, folder, **more)


def section(server: AwsServer, **more: Any) -> dict[str, Any]:
    return {"region": REGION, "endpoint_url": server.url, **more}


def template(server: AwsServer, name: str = "audio", kind: str = "m5.large") -> str:
    data = {"ImageId": IMAGE, "InstanceType": kind}
    made = server.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def run(
    server: AwsServer, count: int, *, kind: str = "m5.large", spot: bool = False, **tags: str
) -> list[str]:
    named = [{"Key": key.replace("__", ":"), "Value": value} for key, value in tags.items()]
    market = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
    made = server.client("ec2").run_instances(
        ImageId=IMAGE,
        InstanceType=kind,
        MinCount=count,
        MaxCount=count,
        Placement={"AvailabilityZone": f"{REGION}a"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": named}] if named else [],
        **market,
    )
    return [one["InstanceId"] for one in made["Instances"]]


def auto_scaling_group(
    server: AwsServer, name: str, size: int, *, on_demand_share: int | None = None, kind: str = "m5.large"
) -> None:
    """A group from a template of `kind`; with a share it has a mixed instances policy of two types."""
    spec = {"LaunchTemplateId": template(server, f"{name}-template", kind), "Version": "$Default"}
    if on_demand_share is None:
        launch: dict[str, Any] = {"LaunchTemplate": spec}
    else:
        overrides = [{"InstanceType": kind}, {"InstanceType": "c5.large"}]
        distribution = {
            "OnDemandBaseCapacity": 0,
            "OnDemandPercentageAboveBaseCapacity": on_demand_share,
            "SpotAllocationStrategy": "price-capacity-optimized",
        }
        mixed = {
            "LaunchTemplate": {"LaunchTemplateSpecification": spec, "Overrides": overrides},
            "InstancesDistribution": distribution,
        }
        launch = {"MixedInstancesPolicy": mixed}
    server.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=10,
        DesiredCapacity=size,
        AvailabilityZones=[f"{REGION}a"],
        **launch,
    )


def notice_queue(server: AwsServer) -> str:
    """A queue that EventBridge feeds with notices and test events, as the documentation has it.

    Its name is new each time: a listener of the test before may still be at its last long poll.
    """
    sqs, events = server.client("sqs"), server.client("events")
    url = sqs.create_queue(QueueName=f"notices-{token_hex(4)}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["aws.ec2", "scrimp"]})
    events.put_rule(Name="notices", EventPattern=pattern)
    events.put_targets(Rule="notices", Targets=[{"Id": "queue", "Arn": arn}])
    return str(url)


def event(instance: str, kind: str, time: str, **detail: str) -> dict[str, str]:
    """An entry of PutEvents, as AWS would send it."""
    said = {"instance-id": instance, **{key.replace("_", "-"): value for key, value in detail.items()}}
    return {"Source": "aws.ec2", "DetailType": kind, "Detail": json.dumps(said), "Time": time}
