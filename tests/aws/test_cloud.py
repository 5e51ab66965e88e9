"""AWS as a `Cloud`: launched once per token, refused per pool, found by tag, ended in peace."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.aws.server import REGION, AwsServer, serving
from tests.aws.setup import run, template

from scrimp.api import Money, Refused, Throttled, Unavailable
from scrimp.aws import Account, AwsSettings, operations
from scrimp_actions.spot.aws.cloud import USED, AwsCloud, client_token
from scrimp_actions.spot.cloud import InstanceState, LaunchRequest, Purchase

A, B = f"g5.xlarge:{REGION}a", f"g5.xlarge:{REGION}b"


@pytest.fixture
def cloud(aws: AwsServer) -> AwsCloud:
    template(aws)
    return AwsCloud(Account(AwsSettings(REGION, endpoint_url=aws.url), USED), time.time)


def request(count: int = 2, **more) -> LaunchRequest:
    return replace(
        LaunchRequest("k-1", (A, B), count, tags={"scrimp:fleet": "audio"}, template="audio"), **more
    )


def named(token: str) -> dict[str, str]:
    return {"token": token}


def alive(cloud: AwsCloud, **tags: str) -> set[str]:
    wanted = tags or {"scrimp:fleet": "audio"}
    return {one.id for one in cloud.instances(wanted, deadline_s=10) if one.alive}


def test_spot_is_launched_where_there_is_some_and_tagged_in_the_same_call(
    aws: AwsServer, cloud: AwsCloud
) -> None:
    aws.world.capacity = {A: 1}
    made = cloud.launch(request(3), deadline_s=20)
    assert sorted(one.pool for one in made.instances) == [A, B, B]
    assert {one.purchase for one in made.instances} == {Purchase.SPOT}
    assert [(one.pool, one.code, one.capacity) for one in made.errors] == [
        (A, "InsufficientInstanceCapacity", True)
    ]
    assert alive(cloud) == {one.id for one in made.instances}
    assert alive(cloud, **{"scrimp:key": "k-1", "scrimp:fleet": "audio"}) == alive(cloud)
    assert "ec2:CreateTags" not in aws.world.calls, "a tag that comes later is one that a crash can forget"


def test_the_same_token_launches_nothing_more(aws: AwsServer, cloud: AwsCloud) -> None:
    first = cloud.launch(request(), deadline_s=20)
    assert {one.id for one in cloud.launch(request(), deadline_s=20).instances} == {
        one.id for one in first.instances
    }
    assert len(alive(cloud)) == 2
    # With other parameters AWS refuses the token; what it once came to is found by its tag.
    other = cloud.launch(request(pools=(B,)), deadline_s=20)
    assert {one.id for one in other.instances} == alive(cloud)


@pytest.mark.parametrize("lost", [1, 2, 100])
def test_a_launch_whose_answer_is_lost_happens_once(lost: int, aws: AwsServer, cloud: AwsCloud) -> None:
    aws.world.lost["ec2:CreateFleet"] = lost
    if lost == 100:
        with pytest.raises(Unavailable):
            cloud.launch(request(), deadline_s=20)
        aws.world.lost.clear()
    made = cloud.launch(request(), deadline_s=20)
    assert alive(cloud) == {one.id for one in made.instances}
    assert len(made.instances) == 2


def test_nothing_is_launched_where_nothing_is_to_be_had(aws: AwsServer, cloud: AwsCloud) -> None:
    aws.world.refusals = {A: "UnfulfillableCapacity", B: "MaxSpotInstanceCountExceeded"}
    made = cloud.launch(request(), deadline_s=20)
    assert made.instances == ()
    assert [one.code for one in made.errors if one.capacity] == [
        "UnfulfillableCapacity",
        "MaxSpotInstanceCountExceeded",
    ]


def test_a_cause_that_is_not_capacity_is_a_refusal(aws: AwsServer, cloud: AwsCloud) -> None:
    aws.world.refusals = {A: "InvalidAMIID.NotFound", B: "UnauthorizedOperation"}
    with pytest.raises(Refused, match=r"InvalidAMIID\.NotFound"):
        cloud.launch(request(), deadline_s=20)


def test_on_demand_and_a_highest_price(aws: AwsServer, cloud: AwsCloud) -> None:
    made = cloud.launch(request(1, purchase=Purchase.ON_DEMAND, **named("k-2")), deadline_s=20)
    assert {one.purchase for one in cloud.instances({"scrimp:key": "k-2"}, deadline_s=5)} == {
        Purchase.ON_DEMAND
    }
    assert made.instances[0].purchase is Purchase.ON_DEMAND
    cloud.launch(request(1, max_price=Money(0.5, "USD"), **named("k-3")), deadline_s=20)
    form, _ = aws.world.tokens["k-3"]
    assert form["LaunchTemplateConfigs.1.Overrides.1.MaxPrice"] == ["0.50000"]
    assert form["SpotOptions.AllocationStrategy"] == ["price-capacity-optimized"]
    assert not any("MaxPrice" in key for key in aws.world.tokens["k-2"][0])


def test_a_fleet_is_asked_of_as_many_pools_as_aws_takes(aws: AwsServer, cloud: AwsCloud) -> None:
    """The best ones: more would have the whole request refused."""
    pools = tuple(f"m{at}.large:{REGION}a" for at in range(310))
    aws.world.capacity = dict.fromkeys(pools, 0)
    assert not cloud.launch(request(1, pools=pools, **named("k-4")), deadline_s=20).instances
    form, _ = aws.world.tokens["k-4"]
    asked = [key for key in form if key.endswith(".InstanceType")]
    assert len(asked) == 300
    assert form["LaunchTemplateConfigs.1.Overrides.1.InstanceType"] == ["m0.large"]


def test_a_network_of_ones_own(aws: AwsServer, cloud: AwsCloud) -> None:
    found = aws.client("ec2").describe_subnets()["Subnets"]
    subnet = next(one["SubnetId"] for one in found if one["AvailabilityZone"] == f"{REGION}b")
    own = replace(cloud, subnets=(subnet,))
    aws.world.capacity = {B: 1}
    made = own.launch(request(2, pools=(B,)), deadline_s=20)
    assert [one.pool for one in made.instances] == [B]
    assert [one.pool for one in made.errors] == [B]
    with pytest.raises(Refused, match=f"none of the subnets is in {REGION}a"):
        own.launch(request(1, **named("k-9")), deadline_s=20)


def test_ending_is_idempotent_and_one_unknown_does_not_keep_the_others(
    aws: AwsServer, cloud: AwsCloud
) -> None:
    made = [one.id for one in cloud.launch(request(3), deadline_s=20).instances]
    cloud.terminate([made[0], "i-0123456789abcdef0", made[1]], deadline_s=20)
    assert alive(cloud) == {made[2]}
    cloud.terminate(made, deadline_s=20)
    cloud.terminate((), deadline_s=1)
    found = cloud.instances({"scrimp:fleet": "audio"}, deadline_s=10)
    assert {one.state for one in found} == {InstanceState.TERMINATED}


def test_offers_have_both_prices_and_since_when(aws: AwsServer, cloud: AwsCloud) -> None:
    since_s = time.time() - 7200
    aws.world.prices = [("g5.xlarge", f"{REGION}a", 0.3, since_s)]
    aws.world.products = {"g5.xlarge": 1.0}
    first, second = cloud.offers([A, B], deadline_s=10)
    assert (first.spot, first.on_demand) == (Money(0.3, "USD"), Money(1.0, "USD"))
    assert first.at_s == pytest.approx(since_s, abs=1)
    assert (second.spot, second.on_demand, second.at_s) == (None, Money(1.0, "USD"), None)


def test_all_instances_are_seen_however_many_pages_they_take(aws: AwsServer, cloud: AwsCloud) -> None:
    ids = [one for _ in range(7) for one in run(aws, 1)]
    found = cloud.account.pages(operations.DESCRIBE_INSTANCES, deadline_s=30, MaxResults=5)
    assert {one["InstanceId"] for part in found for one in part["Instances"]} == set(ids)
    assert aws.world.calls.count("ec2:DescribeInstances") == 2


@pytest.mark.parametrize("page", ["<html>Bad Gateway</html>", "", "{"])
def test_a_proxy_in_the_way_is_unavailable(page: str, aws: AwsServer) -> None:
    """What answers is not AWS: neither a traceback nor an empty list."""

    def proxy(_environ, start):
        start("502 Bad Gateway", [("Content-Type", "text/html")])
        return [page.encode()]

    with serving(proxy) as url:
        far = AwsCloud(Account(AwsSettings(REGION, endpoint_url=url), USED), time.time)
        with pytest.raises(Unavailable):
            far.instances({"a": "b"}, deadline_s=3)


def test_a_storm_of_throttling_is_told_as_such(aws: AwsServer, cloud: AwsCloud) -> None:
    aws.world.throttled["ec2:CreateFleet"] = 100
    with pytest.raises(Throttled):
        cloud.launch(request(), deadline_s=10)
    assert 2 <= aws.world.calls.count("ec2:CreateFleet") <= 4, "a few tries, then the caller decides"


def test_keys_that_are_no_client_tokens_are_hashed() -> None:
    assert client_token("short-key") == "short-key"
    long = client_token("k" * 65)
    assert len(long) == 64
    assert long != client_token("k" * 66)
    assert client_token("schlüssel") != "schlüssel"
