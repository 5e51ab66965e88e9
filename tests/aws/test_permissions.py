"""What `scrimp permissions` prints is what is called, no less and no more; `scrimp doctor` says what is out of reach."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.aws.server import MORE_ACTIONS, REGION, AwsServer
from tests.aws.setup import auto_scaling_group, event, notice_queue, run, section, template
from tests.aws.test_provider import act, fleet, more, sized, switch
from tests.cli.command import Shell
from tests.servers import wait_for

from scrimp.api import OutsideError, PlannedAction, Refusal, Services
from scrimp.aws import Account, operations
from scrimp.aws.operations import Operation
from scrimp.collectors.aws import AwsCollector, AwsEventsCollector
from scrimp.worker import FolderChannel
from scrimp_actions.spot.aws.provider import AwsProvider, build
from scrimp_actions.spot.member import State

POLICY = """\
scrimp 1

policy {name} {{
  "Do it."
  owner    "platform"
  mode     enforce
  target   node_group
  when     size > 3
  do       {action}
  {undo}
  cooldown 1h per target
}}
"""
ACTIONS = {
    "scale_down": "scale_down(by = 50%)",
    "scale_up": "scale_up(by = 1)",
    "switch_to_spot": "switch_to_spot()",
    "switch_to_on_demand": "switch_to_on_demand()",
    "request_capacity": "request_capacity(count = 1)",
}
TELLING = {"alert": 'alert(message = "look")'}
GROUPS = {
    "audio": {
        "template": "audio",
        "pools": [f"g5.xlarge:{REGION}a", f"m5.large:{REGION}b"],
        "max_size": 9,
        "leave_s": 1.0,
    }
}


class Site:
    """A folder with `scrimp.yaml` and policies, and what it names at the server."""

    def __init__(self, server: AwsServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        template(server)
        auto_scaling_group(server, "web", 2)
        fleet(server, 2)
        self.queue = notice_queue(server)
        self.collector = section(
            server,
            spot={"instance_types": ["g5.xlarge", "m5.large", "c5.large"], "score_target": 3},
            groups={"audio": {"max_size": 9}},
            metrics=[
                {
                    "kind": "node",
                    "field": "cpu_utilization",
                    "namespace": "AWS/EC2",
                    "metric": "CPUUtilization",
                    "dimension": "InstanceId",
                    "scale": 0.01,
                }
            ],
            costs=[{"name": "all"}],
        )
        self.events = section(server, queue_url=self.queue)
        paces = {"look_s": 0.2, "plan_s": 0.1, "poll_s": 0.05}
        self.provider = section(server, groups=GROUPS, auto_scaling_groups=["web"], fleets=["night"], **paces)
        self.configure()

    def configure(self, **more: Any) -> None:
        config = {
            "collectors": {"aws": self.collector, "aws_events": self.events},
            "providers": {"aws": self.provider},
            **more,
        }
        (self.folder / "scrimp.yaml").write_text(yaml.safe_dump(config))

    def policies(self, *actions: str, undo: str = "") -> None:
        found = self.folder / "policies"
        found.mkdir(exist_ok=True)
        for old in found.glob("*.scrimp"):
            old.unlink()
        for name in actions:
            text = POLICY.format(name=f"p_{name}", action={**ACTIONS, **TELLING}[name], undo=undo)
            (found / f"{name}.scrimp").write_text(text)

    def services(self) -> Services:
        state = self.folder / ".scrimp"
        return Services(time.time, time.sleep, state, channel=FolderChannel(state / "workers"))


@pytest.fixture
def site(aws: AwsServer, tmp_path: Path) -> Site:
    return Site(aws, tmp_path)


def allowed(scrimp: Shell) -> frozenset[str]:
    ran = scrimp("permissions", "--output", "json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert document["Version"] == "2012-10-17"
    return frozenset(action for one in document["Statement"] for action in one["Action"])


def statements(scrimp: Shell) -> list[dict[str, Any]]:
    """The statements that are printed: their resources and conditions count, too."""
    return list(json.loads(scrimp("permissions", "--output", "json").out)["Statement"])


def settle(provider: AwsProvider, done: Callable[[], bool], what: str) -> None:
    """Drive the provider as the daemon does, until something is so."""

    def carried_on() -> bool:
        provider.carry_on(time.time())
        return done()

    wait_for(carried_on, what, 40)


def carry_out(provider: AwsProvider, action: PlannedAction, key: str) -> None:
    """The whole way of an action, as the engine goes it."""
    assert provider.plan(action)
    provider.figures(action)
    live = provider.revalidate(action, deadline_s=20)
    assert not isinstance(live, Refusal), live
    provider.apply(live, key=key, deadline_s=60)
    provider.probe(live, key=f"other-{key}", deadline_s=20)


def run_everything(site: Site) -> None:
    """All that the collectors read, and every action on every group."""
    services = site.services()
    site.server.client("events").put_events(
        Entries=[
            event(
                "i-1",
                "EC2 Spot Instance Interruption Warning",
                "2026-11-25T12:00:00Z",
                instance_action="stop",
            )
        ]
    )
    events = AwsEventsCollector(site.events, services)
    events.examine(deadline_s=15)
    events.collect(time.time(), deadline_s=10)
    provider = build(site.provider, services)
    provider.examine(deadline_s=20)
    manager = provider.fleets.manager

    def bought(option: str, count: int) -> bool:
        states = [(one.bought, one.member.state) for one in manager.members("audio")]
        return states == [(option, State.RUNNING)] * count

    carry_out(provider, sized(0, 2), "up")
    settle(provider, lambda: bought("on_demand", 2), "two members work")
    carry_out(provider, switch("spot"), "spot")
    settle(provider, lambda: bought("spot", 2), "both are on spot")
    carry_out(provider, sized(2, 1), "down")
    settle(provider, lambda: bought("spot", 1) and len(manager.entries()) == 1, "one has left")
    (last,) = manager.members("audio")
    carry_out(provider, act("rescue", f"node/{last.member.instance}", {}, {}, {}), "rescue")
    settle(provider, lambda: len(manager.entries()) == 2, "a successor is asked for")
    steps = [
        sized(2, 3, "web"),
        more("web", 1.0),
        sized(4, 1, "web"),
        switch("spot", "web"),
        switch("on_demand", "web"),
        sized(2, 3, "night"),
        switch("spot", "night"),
    ]
    for at, action in enumerate(steps):
        carry_out(provider, action, f"k{at}")
    collector = AwsCollector(site.collector, services)
    collector.examine(deadline_s=10)
    found = collector.collect(time.time(), deadline_s=20)
    assert not any("not allowed" in cause for cause in found.failed.values()), found.failed


def needed(calls: list[str]) -> set[str]:
    """The IAM actions of recorded calls, by the server's own table."""
    return {action for call in calls for action in MORE_ACTIONS.get(call, (call,))}


def test_a_recorded_run_makes_no_call_that_is_not_printed_and_prints_none_that_is_not_made(
    aws: AwsServer, site: Site, scrimp: Shell
) -> None:
    """The server allows what was printed and refuses all else, as IAM would; and all that was printed is used."""
    site.policies(*ACTIONS)
    printed = allowed(scrimp)
    assert aws.world.calls == [], "printing asks nobody"
    aws.world.policy = statements(scrimp)
    aws.world.prices = [("g5.xlarge", f"{REGION}a", 0.3, 0.0)]
    run_everything(site)
    used = needed(aws.world.calls)
    assert used <= printed
    assert printed == used


def test_what_is_printed_allows_nothing_to_be_done_to_others(
    aws: AwsServer, site: Site, scrimp: Shell
) -> None:
    """Instances of others, other groups and queues, events of other sources, and tags on what is there already."""
    site.policies(*ACTIONS)
    aws.world.policy = statements(scrimp)
    auto_scaling_group(aws, "other", 2)
    (foreign,) = run(aws, 1, scrimp__fleet="elsewhere")
    (own,) = run(aws, 1, scrimp__fleet="aws")
    account = build(site.provider, site.services()).fleets.manager.means.cloud.account  # type: ignore[attr-defined]
    with pytest.raises(OutsideError, match="not allowed"):
        account.call(operations.TERMINATE, deadline_s=5, InstanceIds=[own, foreign])
    account.call(operations.TERMINATE, deadline_s=5, InstanceIds=[own])
    groups = Account(account.settings, (operations.SET_DESIRED, operations.RECEIVE, operations.PUT_EVENTS))
    with pytest.raises(OutsideError, match="not allowed"):
        groups.call(operations.SET_DESIRED, deadline_s=5, AutoScalingGroupName="other", DesiredCapacity=0)
    with pytest.raises(OutsideError, match="not allowed"):
        groups.call(operations.RECEIVE, deadline_s=5, QueueUrl=f"{site.queue}-other")
    entry = {"Source": "app", "DetailType": "x", "Detail": "{}", "EventBusName": "default"}
    with pytest.raises(OutsideError, match="not allowed"):
        groups.call(operations.PUT_EVENTS, deadline_s=5, Entries=[entry])
    tagging = [one for one in aws.world.policy if "ec2:CreateTags" in one["Action"]]
    assert [one["Condition"] for one in tagging] == [
        {"StringEquals": {"ec2:CreateAction": by}} for by in ("CreateFleet", "RunInstances")
    ]


def test_policies_that_only_resize_may_buy_nothing_else(site: Site, scrimp: Shell) -> None:
    """A fleet of its own keeps itself, so it launches; Auto Scaling groups only change their size."""
    site.policies("scale_down")
    printed = allowed(scrimp)
    assert {"ec2:TerminateInstances", "ec2:CreateFleet", "autoscaling:SetDesiredCapacity"} <= printed
    assert "autoscaling:UpdateAutoScalingGroup" not in printed
    del site.provider["groups"]
    site.configure()
    assert not allowed(scrimp) & {"ec2:TerminateInstances", "ec2:CreateFleet", "ec2:RunInstances"}


def test_without_policies_that_act_all_is_reading(site: Site, scrimp: Shell) -> None:
    site.policies("alert")
    del site.provider["groups"]
    site.configure()
    reading = {"Describe", "Get", "Receive"}
    acting = {one for one in allowed(scrimp) if not one.split(":")[1].startswith(tuple(reading))}
    assert acting == {"events:PutEvents", "sqs:DeleteMessage"}, "the self-test, and what was noted"


def test_an_undo_is_among_the_actions(site: Site, scrimp: Shell) -> None:
    site.policies("switch_to_spot", undo="undo when size < 2")
    assert scrimp("permissions").out.startswith("for the actions switch_to_on_demand, switch_to_spot\n")


def test_subnets_and_a_role_of_the_template(site: Site, scrimp: Shell) -> None:
    role = "arn:aws:iam::111122223333:role/worker"
    site.provider |= {"subnets": ["subnet-1"], "pass_role": role}
    site.configure()
    site.policies("scale_up")
    document = json.loads(scrimp("permissions", "--output", "json").out)
    (passing,) = (one for one in document["Statement"] if "iam:PassRole" in one["Action"])
    assert passing["Resource"] == role
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    assert any("ec2:DescribeSubnets" in one["Action"] for one in document["Statement"])


def test_only_the_group_s_own_instances_may_be_ended(site: Site, scrimp: Shell) -> None:
    site.policies("scale_down")
    document = json.loads(scrimp("permissions", "--output", "json").out)
    (ending,) = (one for one in document["Statement"] if "ec2:TerminateInstances" in one["Action"])
    assert ending["Condition"] == {"StringEquals": {"aws:ResourceTag/scrimp:fleet": "aws"}}
    (web,) = (one for one in document["Statement"] if "autoscaling:SetDesiredCapacity" in one["Action"])
    assert web["Resource"] == "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/web"


def test_the_text_says_who_needs_what(site: Site, scrimp: Shell) -> None:
    site.policies("scale_down")
    ran = scrimp("permissions")
    assert ran.code == 0
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == "for the actions scale_down"
    at = lines.index("aws ec2:DescribeInstances *")
    assert lines[at + 1] == "collector aws, provider aws"
    assert "collector aws (without it something stays unknown)" in lines


def test_a_call_that_was_not_declared_does_not_leave(site: Site) -> None:
    collector = AwsCollector(site.collector, site.services())
    with pytest.raises(AssertionError, match="was not declared"):
        collector.account.call(operations.TERMINATE, deadline_s=1, InstanceIds=["i-1"])


def test_the_table_of_calls_is_of_the_services_models(aws: AwsServer) -> None:
    """Names and methods as botocore has them, and where an answer has pages, the list that they are of."""
    from botocore import xform_name  # noqa: PLC0415 - slow to import

    table = [one for one in vars(operations).values() if isinstance(one, Operation)]
    assert len(table) > 15
    for operation in table:
        model = aws.client(operation.service).meta.service_model.operation_model(operation.name)
        assert xform_name(operation.name) == operation.method
        if operation.items:
            assert model.output_shape.members[operation.items].type_name == "list", operation
            paged = {"NextToken", "NextPageToken"} & set(model.output_shape.members)
            assert paged or operation is operations.DESCRIBE_ZONES, "one that has no pages is one page"


def test_the_doctor_finds_all_well_and_what_is_not(aws: AwsServer, site: Site, scrimp: Shell) -> None:
    site.policies("scale_down")
    ran = scrimp("doctor", "--output", "json")
    found = json.loads(ran.out)
    checks = {(one["part"], one["what"]): one for one in found["checks"]}
    assert (ran.code, found["healthy"]) == (0, True), ran.out
    assert checks["collector aws_events", "notice path"]["health"] == "good"
    assert checks["provider aws", "group audio"]["detail"] == "0 of 0 members, on_demand is wanted"
    assert checks["provider local", "built"]["health"] == "good"
    assert checks["policies", "policies"]["detail"].startswith("1 in")
    aws.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    ran = scrimp("doctor")
    assert ran.code == 1
    assert "there is none of this name" in ran.out
    assert "1 thing to put right" in ran.out


def test_the_doctor_with_nobody_to_talk_to(aws: AwsServer, site: Site, scrimp: Shell) -> None:
    site.policies("scale_down")
    aws.world.expired = True
    ran = scrimp("doctor", "--output", "json", "--deadline", "5")
    assert ran.code == 1
    bad = {(one["part"], one["what"]) for one in json.loads(ran.out)["checks"] if one["health"] == "bad"}
    assert bad == {
        ("collector aws", "collect"),
        ("collector aws_events", "collect"),
        ("collector aws", "examine"),
        ("collector aws_events", "examine"),
        ("provider aws", "examine"),
    }


def test_the_doctor_without_anything(scrimp: Shell) -> None:
    ran = scrimp("doctor")
    assert ran.code == 1
    assert "there is no `policies`" in ran.out
    assert "none is configured" in ran.out


def test_an_error_outside_is_never_a_traceback(aws: AwsServer, site: Site) -> None:
    provider = build(site.provider, site.services())
    aws.world.allowed = frozenset()
    with pytest.raises(
        OutsideError, match="autoscaling:SetDesiredCapacity is not allowed: see `scrimp permissions`"
    ):
        provider.apply(sized(2, 3, "web"), key="k", deadline_s=5)
