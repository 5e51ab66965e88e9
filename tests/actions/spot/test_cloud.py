"""The nouns that clouds are spoken to in."""

import pytest

from scrimp_actions.spot.cloud import (
    Instance,
    InstanceState,
    LaunchRequest,
    Purchase,
    pool_name,
    split_pool,
)


def test_a_pool_names_its_type_and_zone() -> None:
    assert split_pool(pool_name("p3.2xlarge", "us-east-1a")) == ("p3.2xlarge", "us-east-1a")
    assert split_pool("p3.2xlarge") == ("p3.2xlarge", "")


@pytest.mark.parametrize("state", InstanceState)
def test_what_is_on_its_way_out_is_not_alive(state: InstanceState) -> None:
    made = Instance("i-1", "a:b", state, Purchase.SPOT, 0.0)
    assert made.alive is (state in (InstanceState.PENDING, InstanceState.RUNNING))


@pytest.mark.parametrize(("token", "pools", "count"), [("", ("a",), 1), ("t", (), 1), ("t", ("a",), 0)])
def test_a_request_that_asks_for_nothing_cannot_be_made(
    token: str, pools: tuple[str, ...], count: int
) -> None:
    with pytest.raises(ValueError, match="a launch request has"):
        LaunchRequest(token, pools, count)
