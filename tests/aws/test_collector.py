"""The collector `aws` against moto and the layer: what is read, what is unknown and why."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto.ec2.models import ec2_backends
from tests.aws.server import ACCOUNT, REGION, AwsServer
from tests.aws.setup import auto_scaling_group, run, section, services, template

from scrimp.api import Collected, KindBatch, Refused, Unavailable
from scrimp.aws import AwsSettings, Notice, NoticeBoard, NoticeKind
from scrimp.collectors.aws import AwsCollector
from scrimp.collectors.aws.kept import KeptFigures
from scrimp.collectors.aws.measures import Cost
from scrimp.testing import ManualClock

DAY_S = 86400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(time.time())


def collector(server: AwsServer, tmp_path: Path, clock: ManualClock, **config: Any) -> AwsCollector:
    return AwsCollector(section(server, **config), services(tmp_path, clock))


def rows(collected: Collected, kind: str) -> dict[str, dict[str, Any]]:
    """All that was brought of a kind, by name; labels under `labels`."""
    found: dict[str, dict[str, Any]] = {}
    for batch in collected.batches:
        if batch.kind == kind:
            for at, name in enumerate(batch.names):
                row = found.setdefault(name, {})
                row |= {key: values[at] for key, values in batch.fields.items()}
                if batch.labels:
                    row["labels"] = dict(batch.labels[at])
    return found


def look(one: AwsCollector, clock: ManualClock) -> Collected:
    return one.collect(clock.now(), deadline_s=20)


def test_instances_are_nodes_with_their_price(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    now_s = clock.now()
    aws.world.prices = [
        ("m5.large", f"{REGION}a", 0.05, now_s - DAY_S),
        ("m5.large", f"{REGION}a", 0.04, now_s - 60),
    ]
    aws.world.products = {"c5.large": 0.085}
    (spot,) = run(aws, 1, spot=True, scrimp__member="audio-0.1")
    (listed,) = run(aws, 1, kind="c5.large", team="speech")
    (tabled,) = run(aws, 1, kind="m5.xlarge")
    (unlisted,) = run(aws, 1, kind="mac1.metal")
    aws.client("ec2").stop_instances(InstanceIds=[tabled])
    found = rows(look(collector(aws, tmp_path, clock), clock), "node")
    assert found[spot]["purchase_option"] == "spot"
    assert found[spot]["price_per_hour"] == pytest.approx(0.04)
    assert (found[spot]["group"], found[spot]["zone"]) == ("audio", f"{REGION}a")
    assert found[spot]["labels"]["zone_id"] == "use1-az6", "names differ between accounts, ids do not"
    assert found[listed]["price_per_hour"] == pytest.approx(0.085)
    assert found[listed]["labels"]["team"] == "speech"
    assert (found[tabled]["state"], found[tabled]["price_per_hour"]) == ("stopped", 0.0)
    assert found[unlisted]["price_per_hour"] is None, "neither the API nor the table has it"
    assert 0 <= found[spot]["age"] < 60


def test_groups_of_every_kind(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    aws.world.products = {"m5.large": 0.096}
    auto_scaling_group(aws, "plain", 2)
    auto_scaling_group(aws, "spot", 1, on_demand_share=0)
    auto_scaling_group(aws, "part", 0, on_demand_share=30)
    run(aws, 3, scrimp__member="own-1.1")
    run(aws, 1, spot=True, scrimp__member="own-1.1")
    configured = {"own": {"min_size": 1, "max_size": 9}, "empty": {"max_size": 4}}
    aws.world.prices = [("m5.large", f"{REGION}a", 0.04, 0.0)]
    found = rows(look(collector(aws, tmp_path, clock, groups=configured), clock), "node_group")
    plain = {
        name: found["plain"][name]
        for name in ("size", "min_size", "max_size", "instance_type", "purchase_option")
    }
    assert plain == {
        "size": 2,
        "min_size": 0,
        "max_size": 10,
        "instance_type": "m5.large",
        "purchase_option": "on_demand",
    }
    assert found["plain"]["cost_rate"] == pytest.approx(2 * 0.096)
    assert found["spot"]["purchase_option"] == "spot"
    assert found["part"]["purchase_option"] == "mixed"
    assert found["part"]["price_per_hour"] is None, "nobody is there to cost anything"
    own = found["own"]
    assert (own["size"], own["min_size"], own["max_size"], own["purchase_option"]) == (4, 1, 9, "mixed")
    assert own["cost_rate"] == pytest.approx(3 * 0.096 + 0.04)
    assert own["price_per_hour"] == pytest.approx(own["cost_rate"] / 4)
    assert (found["empty"]["size"], found["empty"]["max_size"]) == (0, 4)


def test_a_template_that_is_gone_leaves_the_type_of_its_group_unknown_and_nothing_else(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    """AWS lets it be deleted under a group; what was asked is asked again after a while only."""
    auto_scaling_group(aws, "plain", 2)
    auto_scaling_group(aws, "bare", 0)
    aws.client("ec2").delete_launch_template(LaunchTemplateName="bare-template")
    one = collector(aws, tmp_path, clock)
    for _ in range(2):
        found = look(one, clock)
        groups = rows(found, "node_group")
        assert found.failed == {}
        assert (groups["plain"]["size"], groups["plain"]["instance_type"]) == (2, "m5.large")
        assert (groups["bare"]["size"], groups["bare"]["instance_type"]) == (0, None)
        clock.advance(120)
    assert aws.world.calls.count("ec2:DescribeLaunchTemplateVersions") == 2
    clock.advance(600)
    look(one, clock)
    assert aws.world.calls.count("ec2:DescribeLaunchTemplateVersions") == 4


@pytest.mark.parametrize("readable", [True, False])
def test_an_instance_of_no_group_is_known_to_be_of_none(
    aws: AwsServer, tmp_path: Path, clock: ManualClock, readable: bool
) -> None:
    """Else `count(node where node.group == …)` is unknown as soon as a neighbour's machine is noticed.

    One that a fleet launched is of that fleet, which is known where fleets could be read.
    """
    (alone,) = run(aws, 1)
    (launched,) = run(aws, 1)
    fleet = aws.client("ec2").create_fleet(
        Type="maintain",
        LaunchTemplateConfigs=[
            {"LaunchTemplateSpecification": {"LaunchTemplateId": template(aws), "Version": "1"}}
        ],
        TargetCapacitySpecification={"TotalTargetCapacity": 0, "DefaultTargetCapacityType": "spot"},
        TagSpecifications=[{"ResourceType": "fleet", "Tags": [{"Key": "Name", "Value": "night"}]}],
    )["FleetId"]
    ec2_backends[ACCOUNT][REGION].tags[launched]["aws:ec2:fleet-id"] = fleet
    aws.world.throttled["ec2:DescribeFleets"] = 0 if readable else 100
    found = rows(look(collector(aws, tmp_path, clock), clock), "node")
    assert found[alone]["group"] == ""
    assert found[launched]["group"] == ("night" if readable else None)


def test_a_fleet_that_keeps_its_size_is_a_group(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    config = {"LaunchTemplateSpecification": {"LaunchTemplateId": template(aws), "Version": "1"}}
    aws.client("ec2").create_fleet(
        Type="maintain",
        LaunchTemplateConfigs=[config],
        TargetCapacitySpecification={
            "TotalTargetCapacity": 3,
            "OnDemandTargetCapacity": 1,
            "DefaultTargetCapacityType": "spot",
        },
        TagSpecifications=[{"ResourceType": "fleet", "Tags": [{"Key": "Name", "Value": "night"}]}],
    )
    found = rows(look(collector(aws, tmp_path, clock), clock), "node_group")
    assert (found["night"]["size"], found["night"]["purchase_option"]) == (3, "mixed")


def test_the_market_has_prices_in_force_with_their_age(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    """1,500 pools, so that the answer takes two pages; of each the last change before now counts."""
    now_s = clock.now()
    old = [(f"m{at}.large", f"{REGION}{zone}", 9.0, now_s - 5 * DAY_S) for at in range(500) for zone in "abc"]
    new = [(kind, zone, 0.03, now_s - 3 * 3600) for kind, zone, _, _ in old]
    future = [(kind, zone, 7.0, now_s + 3600) for kind, zone, _, _ in old]
    aws.world.prices = [*old, *new, *future, ("g5.xlarge", f"{REGION}b", 0.4, now_s - DAY_S)]
    aws.world.scores = {"use1-az1": 7}
    aws.world.products = {"g5.xlarge": 1.0}
    types = ["g5.xlarge", *(f"m{at}.large" for at in range(500))]
    found = look(
        collector(aws, tmp_path, clock, pricing_api=False, spot={"instance_types": types, "score_target": 5}),
        clock,
    )
    market = rows(found, "spot_market")
    assert len(market) == 1501
    assert aws.world.calls.count("ec2:DescribeSpotPriceHistory") == 2
    assert {row["price_per_hour"] for name, row in market.items() if name.startswith("m")} == {0.03}
    gpu = market[f"g5.xlarge:{REGION}b"]
    assert gpu["on_demand_price"] == pytest.approx(1.006)
    assert gpu["discount"] == pytest.approx(1 - 0.4 / 1.006)
    assert gpu["labels"]["on_demand_source"] == "table of 2026-07-20"
    assert gpu["labels"]["price_since"] == f"{datetime.fromtimestamp(now_s - DAY_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert gpu["capacity_score"] == 7, "us-east-1b is use1-az1 in this account"
    assert gpu["interruption_rate"] in (0.025, 0.075, 0.125, 0.175, 0.225)
    assert market[f"m1.large:{REGION}a"]["capacity_score"] is None


def test_listed_prices_are_asked_for_once_a_day(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    run(aws, 1)
    aws.world.products = {"m5.large": 0.5}
    one = collector(aws, tmp_path, clock)
    for _ in range(3):
        found = rows(look(one, clock), "node")
        clock.advance(60)
    assert aws.world.calls.count("pricing:GetProducts") == 1
    clock.advance(DAY_S)
    aws.world.products = {"m5.large": 0.6}
    found = rows(look(one, clock), "node")
    assert next(iter(found.values()))["price_per_hour"] == pytest.approx(0.6)


def test_a_score_that_may_not_be_asked_is_unknown_and_not_asked_again(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    kinds = ["g5.xlarge", "g4dn.xlarge", "g6.xlarge"]
    one = collector(aws, tmp_path, clock, spot={"instance_types": kinds, "score_target": 5})
    wanted = {action for permission in one.permissions(()) for action in [permission.action]}
    aws.world.allowed = frozenset(wanted - {"ec2:GetSpotPlacementScores"})
    aws.world.prices = [("g5.xlarge", f"{REGION}b", 0.4, 0.0)]
    for _ in range(3):
        found = look(one, clock)
        clock.advance(60)
        assert "ec2:GetSpotPlacementScores is not allowed" in found.failed["spot_market.capacity_score"]
        assert rows(found, "spot_market")[f"g5.xlarge:{REGION}b"]["price_per_hour"] == pytest.approx(0.4)
    assert aws.world.calls.count("ec2:GetSpotPlacementScores") == 1


def test_scores_of_zones_that_have_no_names_are_unknown_with_the_cause(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    """They are told by zone id; the names come from another call, and the prices do without."""
    kinds = ["g5.xlarge", "g4dn.xlarge", "g6.xlarge"]
    aws.world.scores = {"use1-az1": 7}
    aws.world.prices = [("g5.xlarge", f"{REGION}b", 0.4, 0.0)]
    aws.world.throttled["ec2:DescribeAvailabilityZones"] = 100
    found = look(collector(aws, tmp_path, clock, spot={"instance_types": kinds, "score_target": 5}), clock)
    assert "ec2:DescribeAvailabilityZones" in found.failed["spot_market.capacity_score"]
    assert rows(found, "spot_market")[f"g5.xlarge:{REGION}b"]["price_per_hour"] == pytest.approx(0.4)


def test_what_is_throttled_is_tried_again_and_a_storm_makes_its_part_unknown(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    auto_scaling_group(aws, "plain", 2)
    one = collector(aws, tmp_path, clock)
    aws.world.throttled["ec2:DescribeInstances"] = 2
    assert "node" not in look(one, clock).failed
    aws.world.throttled["ec2:DescribeInstances"] = 100
    found = look(one, clock)
    assert found.failed["node"] == "ec2:DescribeInstances: RequestLimitExceeded"
    assert rows(found, "node_group")["plain"]["size"] == 2, "what was answered is known"
    assert rows(found, "node_group")["plain"]["cost_rate"] is None
    assert "node_group.cost_rate" in found.failed


def test_expired_credentials_fail_the_whole_and_new_ones_heal_it(
    aws: AwsServer, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = collector(aws, tmp_path, clock)
    aws.world.expired = True
    with pytest.raises(Refused, match="credentials have expired"):
        look(one, clock)
    aws.world.expired = False
    assert not look(one, clock).failed


def test_an_endpoint_that_is_not_there_is_unavailable(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    one = AwsCollector({"region": REGION, "endpoint_url": "http://127.0.0.1:9"}, services(tmp_path, clock))
    with pytest.raises(Unavailable):
        one.collect(clock.now(), deadline_s=3)


def test_metrics_are_mapped_to_fields(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    (node,) = run(aws, 1, scrimp__member="audio-0.1")
    watch = aws.client("cloudwatch")
    stamp = datetime.fromtimestamp(clock.now() - 90, UTC)
    for namespace, name, dimension, row, value in (
        ("AWS/EC2", "CPUUtilization", "InstanceId", node, 42.0),
        ("AWS/SQS", "Waiting", "QueueName", "work", 1234.0),
    ):
        dimensions = [{"Name": dimension, "Value": row}]
        data = [{"MetricName": name, "Dimensions": dimensions, "Timestamp": stamp, "Value": value}]
        watch.put_metric_data(Namespace=namespace, MetricData=data)
    metrics = [
        {
            "kind": "node",
            "field": "cpu_utilization",
            "namespace": "AWS/EC2",
            "metric": "CPUUtilization",
            "dimension": "InstanceId",
            "scale": 0.01,
        },
        {
            "kind": "node_group",
            "field": "queue_depth",
            "namespace": "AWS/SQS",
            "metric": "Waiting",
            "dimensions": {"QueueName": "work"},
            "name": "audio",
        },
    ]
    found = look(collector(aws, tmp_path, clock, metrics=metrics), clock)
    assert rows(found, "node")[node]["cpu_utilization"] == pytest.approx(0.42)
    assert rows(found, "node_group")["audio"]["queue_depth"] == pytest.approx(1234.0)
    batch = next(one for one in found.batches if "cpu_utilization" in one.fields)
    assert isinstance(batch, KindBatch)
    assert 0 <= clock.now() - batch.sampled_at_s[0] <= 120  # type: ignore[index]


def test_costs_come_from_cost_explorer_and_are_kept(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    import httpx  # noqa: PLC0415 - one test's need

    total = {"UnblendedCost": {"Amount": "123.5", "Unit": "USD"}}
    result = {"ResultsByTime": [{"TimePeriod": {"Start": "2026-11-01", "End": "2026-11-26"}, "Total": total}]}
    httpx.post(f"{aws.url}/moto-api/static/ce/cost-and-usage-results", json={"results": [result]})
    one = collector(aws, tmp_path, clock, costs=[{"name": "audio", "tags": {"team": "speech"}}])
    for _ in range(2):
        assert rows(look(one, clock), "budget")["audio"]["spent"] == pytest.approx(123.5)
        clock.advance(60)
    assert aws.world.calls.count("ce:GetCostAndUsage") == 1
    clock.advance(DAY_S)
    assert "no figure" in look(one, clock).failed["budget.spent"]


def priced(server: AwsServer, *amounts: float) -> None:
    """What Cost Explorer answers, one after the other."""
    import httpx  # noqa: PLC0415 - one test's need

    time_period = {"Start": "2026-11-01", "End": "2026-11-26"}
    results = [
        {
            "ResultsByTime": [
                {"TimePeriod": time_period, "Total": {"UnblendedCost": {"Amount": str(one), "Unit": "USD"}}}
            ]
        }
        for one in amounts
    ]
    httpx.post(f"{server.url}/moto-api/static/ce/cost-and-usage-results", json={"results": results})


@pytest.mark.parametrize("damaged", [False, True])
def test_what_cost_explorer_said_outlives_the_process(
    aws: AwsServer, tmp_path: Path, clock: ManualClock, damaged: bool
) -> None:
    """Each question costs a cent, and `run --once` is a process of its own every minute. A damaged file costs one more."""
    priced(aws, 123.5, 200.0)
    costs = [{"name": "audio"}, {"name": "audio", "field": "forecast", "period": "day"}]
    look(collector(aws, tmp_path, clock, costs=costs), clock)
    assert aws.world.calls.count("ce:GetCostAndUsage") == 2
    clock.advance(60)
    (kept,) = (tmp_path / "aws").glob("costs-*.json")
    if damaged:
        kept.write_text('{"a": 1}')
    again = rows(look(collector(aws, tmp_path, clock, costs=costs), clock), "budget")["audio"]
    assert aws.world.calls.count("ce:GetCostAndUsage") == (4 if damaged else 2)
    assert damaged or {again["spent"], again["forecast"]} == {123.5, 200.0}


def test_a_preview_of_costs_writes_nothing(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    priced(aws, 123.5)
    config = section(aws, costs=[{"name": "audio"}])
    one = AwsCollector(config, services(tmp_path, clock, preview=True))
    assert rows(look(one, clock), "budget")["audio"]["spent"] == 123.5
    assert list(tmp_path.iterdir()) == []


def test_what_was_kept_of_another_account_is_not_taken_for_this_one() -> None:
    """Who changes the profile changes whose bill it is."""
    cost, settings = Cost.from_config({"name": "audio"}), AwsSettings(REGION)
    keys = {cost.key(one, 0.0) for one in (settings, replace(settings, profile="other"))}
    assert len(keys) == 2


def test_an_old_figure_is_not_written_as_new_while_its_question_is_open(tmp_path: Path) -> None:
    """Two are due at once; one is answered, and written down with the other, which then fails."""
    path = tmp_path / "costs.json"
    kept = KeptFigures(path, 100.0, 10.0, writes=True)
    kept.get("a", 0.0, lambda: 1.0)
    kept.get("b", 0.0, lambda: 2.0)

    def fails() -> float:
        assert kept.get("a", 150.0, lambda: 3.0) == 3.0
        raise Unavailable("no answer")

    with pytest.raises(Unavailable):
        kept.get("b", 150.0, fails)
    assert json.loads(path.read_text()) == {"a": [150.0, 3.0]}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": [0, null]}', "[" * 100_000])
def test_a_file_of_figures_that_cannot_be_read_costs_a_question(tmp_path: Path, text: str) -> None:
    path = tmp_path / "costs.json"
    path.write_text(text)
    assert KeptFigures(path, 100.0, 10.0, writes=True).get("a", 1.0, lambda: 2.0) == 2.0


def test_a_file_of_figures_that_cannot_be_written_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.mkdir()
    assert KeptFigures(path, 100.0, 10.0, writes=True).get("a", 1.0, lambda: 2.0) == 2.0
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_month_is_asked_for_at_once(aws: AwsServer, tmp_path: Path) -> None:
    """What was spent in the one before says nothing of it."""
    clock = ManualClock(datetime(2026, 11, 30, 23, 0, tzinfo=UTC).timestamp())
    priced(aws, 900.0, 1.0)
    one = collector(aws, tmp_path, clock, costs=[{"name": "audio"}])
    assert rows(look(one, clock), "budget")["audio"]["spent"] == 900.0
    clock.advance(2 * 3600)
    assert rows(look(one, clock), "budget")["audio"]["spent"] == 1.0


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"metrics": [{"kind": "node", "field": "x", "namespace": "n", "metric": "m"}]}, "needs `dimension`"),
        ({"costs": [{"name": "a", "period": "year"}]}, "`month` or `day`"),
        ({"spot": {"interruption_bands": "/nowhere.csv"}}, "cannot read the interruption bands"),
    ],
)
def test_a_section_that_cannot_be_is_told_so(
    config: dict[str, Any], told: str, aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(ValueError, match=told):
        collector(aws, tmp_path, clock, **config)


def test_prices_of_another_currency_are_not_made_up(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(ValueError, match="AWS prices are in USD"):
        AwsCollector(section(aws), services(tmp_path, clock, currency="EUR"))


def test_interruption_bands_of_a_user(aws: AwsServer, tmp_path: Path, clock: ManualClock) -> None:
    table = tmp_path / "bands.csv"
    table.write_text(f"# date: 2026-11\nregion,instance_type,interruption_band\n{REGION},g5.xlarge,4\n")
    aws.world.prices = [("g5.xlarge", f"{REGION}b", 0.4, 0.0)]
    spot = {"instance_types": ["g5.xlarge"], "interruption_bands": str(table)}
    found = rows(look(collector(aws, tmp_path, clock, spot=spot), clock), "spot_market")
    assert found[f"g5.xlarge:{REGION}b"]["interruption_rate"] == pytest.approx(0.225)


def test_what_a_group_and_a_node_would_cost_elsewhere(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    """The lowest price of what a group may launch, in its zones; what it saves to move there is in plans by that."""
    now_s = clock.now()
    aws.world.prices = [
        ("m5.large", f"{REGION}a", 0.05, now_s - 600),
        ("c5.large", f"{REGION}a", 0.04, now_s - 7200),
        ("c5.large", f"{REGION}b", 0.01, now_s - 60),
    ]
    aws.world.products = {"m5.large": 0.096, "c5.large": 0.085}
    auto_scaling_group(aws, "web", 0, on_demand_share=100)
    (node,) = run(aws, 1, kind="m5.large", scrimp__member="audio-0.1")
    (odd,) = run(aws, 1, kind="mac1.metal", scrimp__member="audio-1.1")
    found = look(collector(aws, tmp_path, clock), clock)
    groups, nodes = rows(found, "node_group"), rows(found, "node")
    assert (groups["web"]["on_demand_price"], groups["web"]["spot_price"]) == (0.085, 0.04), "of its own zone"
    assert groups["web"]["spot_price_age"] == pytest.approx(7200, abs=1)
    assert (groups["audio"]["on_demand_price"], groups["audio"]["spot_price"]) == (None, 0.05), (
        "of one of its types the price on demand is unknown"
    )
    assert (nodes[node]["on_demand_price"], nodes[node]["spot_price"]) == (0.096, 0.05)
    assert (nodes[odd]["on_demand_price"], nodes[odd]["spot_price"]) == (None, None)


def test_ticks_in_between_have_the_last_look_with_the_notices_of_now(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    """A storm wakes the engine again and again: AWS is not asked each time, and no rescue waits for its answers."""
    one, other = run(aws, 2, spot=True)
    made = collector(aws, tmp_path, clock)
    made.collect(clock.now(), deadline_s=20)
    asked = len(aws.world.calls)
    at_s = clock.now()
    gone = Notice("i-gone", NoticeKind.INTERRUPTION, "terminate", at_s - 100, at_s - 220, ("aws_events",))
    NoticeBoard(tmp_path).note([gone], at_s)
    clock.advance(10)
    NoticeBoard(tmp_path).note(
        [Notice(one, NoticeKind.INTERRUPTION, "terminate", at_s + 120, at_s, ("aws_events",))], clock.now()
    )
    found = made.collect(clock.now(), deadline_s=20)
    assert len(aws.world.calls) == asked
    assert rows(found, "node")[one]["interruption_notice"] is True
    assert rows(found, "node")[other]["interruption_notice"] is False
    (nodes,) = (batch for batch in found.batches if batch.kind == "node" and "state" in batch.fields)
    assert nodes.sampled_at_s == at_s, "it is as old as it is"
    clock.advance(25)
    made.collect(clock.now(), deadline_s=20)
    assert len(aws.world.calls) > asked, "half of the interval is over"


def test_a_notice_of_an_instance_that_was_not_there_is_a_new_look(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    """It was launched since: without its row no policy could rescue it."""
    made = collector(aws, tmp_path, clock)
    made.collect(clock.now(), deadline_s=20)
    (late,) = run(aws, 1, spot=True)
    clock.advance(1)
    NoticeBoard(tmp_path).note(
        [Notice(late, NoticeKind.INTERRUPTION, "stop", clock.now() + 120, clock.now(), ("imds",))],
        clock.now(),
    )
    assert rows(made.collect(clock.now(), deadline_s=20), "node")[late]["state"] is not None


def test_what_failed_is_asked_again_at_the_next_tick(
    aws: AwsServer, tmp_path: Path, clock: ManualClock
) -> None:
    run(aws, 1, spot=True)
    made = collector(aws, tmp_path, clock)
    aws.world.throttled["ec2:DescribeSpotPriceHistory"] = 99
    assert "spot_market" in made.collect(clock.now(), deadline_s=6).failed
    aws.world.throttled.clear()
    clock.advance(1)
    assert made.collect(clock.now(), deadline_s=20).failed == {}
