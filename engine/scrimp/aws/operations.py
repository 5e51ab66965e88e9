"""Every call to AWS that scrimp can make, each with the IAM actions that it needs. No other call can be made.

The table is what `scrimp permissions` prints and what `Account` lets through, so that the two cannot differ. IAM
actions that differ from the call's own name are those of the Service Authorization Reference for EC2 and EC2 Fleet
(an instant fleet launches with the caller's own rights: RunInstances, CreateTags, and PassRole where the template names
an instance profile).
"""

from dataclasses import dataclass

from scrimp.api import Permission


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: boto3's service, the API's name, the client's method.

    `iam` is its IAM action where that has another name; what launching takes besides is `launch_permissions`. `items` names
    the list in a paged answer. `free` calls need no permission.
    """

    service: str
    name: str
    method: str
    items: str = ""
    iam: str = ""
    free: bool = False

    @property
    def action(self) -> str:
        """The IAM action of the call itself."""
        return self.iam or f"{self.service}:{self.name}"

    def permissions(
        self,
        why: str,
        *,
        resources: tuple[str, ...] = ("*",),
        conditions: dict[str, dict[str, str]] | None = None,
        optional: bool = False,
    ) -> tuple[Permission, ...]:
        """What has to be allowed for it, on `resources`."""
        if self.free:
            return ()
        return (Permission("aws", self.action, resources, conditions or {}, why, optional),)


def launch_permissions(why: str, *, by_fleet: bool) -> tuple[Permission, ...]:
    """What launching takes with the caller's own rights: to run instances, and to tag those that it runs, and no others.

    Without that bound whoever may tag could give any instance the tag that lets it be ended. An instant fleet tags in the
    name of CreateFleet or of RunInstances (EC2 User Guide, "Grant permission to tag EC2 resources during creation").
    """
    creating = ("CreateFleet", "RunInstances") if by_fleet else ("RunInstances",)
    instances = ("arn:aws:ec2:*:*:instance/*",)
    return (
        Permission("aws", "ec2:RunInstances", ("*",), {}, why),
        *(
            Permission("aws", "ec2:CreateTags", instances, {"StringEquals": {"ec2:CreateAction": by}}, why)
            for by in creating
        ),
    )


def _ec2(name: str, method: str, items: str = "") -> Operation:
    return Operation("ec2", name, method, items)


DESCRIBE_INSTANCES = _ec2("DescribeInstances", "describe_instances", "Reservations")
DESCRIBE_ZONES = _ec2("DescribeAvailabilityZones", "describe_availability_zones", "AvailabilityZones")
DESCRIBE_SUBNETS = _ec2("DescribeSubnets", "describe_subnets", "Subnets")
DESCRIBE_TEMPLATE_VERSIONS = _ec2(
    "DescribeLaunchTemplateVersions", "describe_launch_template_versions", "LaunchTemplateVersions"
)
DESCRIBE_FLEETS = _ec2("DescribeFleets", "describe_fleets", "Fleets")
SPOT_PRICES = _ec2("DescribeSpotPriceHistory", "describe_spot_price_history", "SpotPriceHistory")
PLACEMENT_SCORES = _ec2("GetSpotPlacementScores", "get_spot_placement_scores", "SpotPlacementScores")
CREATE_FLEET = _ec2("CreateFleet", "create_fleet")
MODIFY_FLEET = _ec2("ModifyFleet", "modify_fleet")
TERMINATE = _ec2("TerminateInstances", "terminate_instances")
DESCRIBE_GROUPS = Operation(
    "autoscaling", "DescribeAutoScalingGroups", "describe_auto_scaling_groups", items="AutoScalingGroups"
)
SET_DESIRED = Operation("autoscaling", "SetDesiredCapacity", "set_desired_capacity")
UPDATE_GROUP = Operation(
    "autoscaling",
    "UpdateAutoScalingGroup",
    "update_auto_scaling_group",
)
GET_PRODUCTS = Operation("pricing", "GetProducts", "get_products", items="PriceList")
GET_METRICS = Operation("cloudwatch", "GetMetricData", "get_metric_data", items="MetricDataResults")
GET_COST = Operation("ce", "GetCostAndUsage", "get_cost_and_usage", items="ResultsByTime")
RECEIVE = Operation("sqs", "ReceiveMessage", "receive_message")
DELETE = Operation("sqs", "DeleteMessageBatch", "delete_message_batch", iam="sqs:DeleteMessage")
QUEUE_ATTRIBUTES = Operation("sqs", "GetQueueAttributes", "get_queue_attributes")
PUT_EVENTS = Operation("events", "PutEvents", "put_events")
IDENTITY = Operation("sts", "GetCallerIdentity", "get_caller_identity", free=True)
