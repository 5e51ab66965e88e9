"""How long spot lasts on AWS: the band as a prior, lives of our own, and the policy that rests on them."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.aws.server import REGION, AwsServer
from tests.aws.setup import run, section, template
from tests.aws.test_collector import collector, look, rows
from tests.aws.test_provider import Room, switch

from scrimp.aws import Lives, LivesBook, hazard_per_h, read_lives
from scrimp.config import load_config
from scrimp.daemon import compose
from scrimp.daemon.tick import Ticker
from scrimp.model.decision import Verdict
from scrimp.reload import Reloaded
from scrimp.store import open_store
from scrimp.testing import ManualClock

A, B = f"g5.xlarge:{REGION}a", f"g5.xlarge:{REGION}b"
HOUR_S, DAY_S = 3600.0, 86400.0
TICK_S = 300.0
LIBRARY = Path(__file__).resolve().parents[2] / "policies" / "spot.scrimp"
UNKNOWN_BANDS = f"# date: 2026-01\nregion,instance_type,interruption_band\n{REGION},c5.large,0\n"
hazards = st.floats(1e-6, 1.0)


def test_a_band_is_the_share_that_is_lost_within_a_month() -> None:
    """The formula turned round: so many are left after 730 hours; and no figure speaks of more than a month."""
    hazard = hazard_per_h(0.225)
    assert math.exp(-730.0 * hazard) == pytest.approx(1 - 0.225)
    assert Lives().expected_s(0.0, hazard) == pytest.approx(0.225 / hazard * HOUR_S)
    assert Lives().expected_s(0.0, 0.0) == 730.0 * HOUR_S


@given(hazards, st.integers(1, 30), st.floats(0.1, 200.0))
def test_losses_shorten_the_estimate_hours_lengthen_it_and_both_fade(
    prior: float, lost: int, hours: float
) -> None:
    """What was seen outweighs the band where there is enough of it, and is forgotten after weeks."""
    seen = Lives().lived(hours, 0.0)
    for _ in range(lost):
        seen = seen.ended(0.0)
    believed, found = Lives().expected_s(0.0, prior), seen.expected_s(0.0, prior)
    assert believed is not None
    assert found is not None
    assert (found < believed) == (lost / hours > prior)
    more = seen.lived(1.0, 0.0).expected_s(0.0, prior)
    assert more is not None
    assert more > found
    assert seen.expected_s(120 * DAY_S, prior) == pytest.approx(believed, rel=1e-3)


def test_losses_outweigh_the_friendliest_band_within_hours() -> None:
    """Ten lost in ten hours: a band counts for a day of watching, so hours are left and not weeks."""
    seen = Lives(10.0, 10.0)
    found = seen.expected_s(0.0, hazard_per_h(0.025))
    assert found is not None
    assert 3.0 < found / HOUR_S < 4.0


def test_without_a_band_it_is_unknown_until_something_lived() -> None:
    assert Lives().expected_s(0.0, None) is None
    assert Lives(hours=10.0).expected_s(0.0, None) == pytest.approx(20 * HOUR_S, rel=0.02)
    refused = Lives(out_until_s=60.0)
    assert (refused.expected_s(59.0, None), refused.expected_s(60.0, None)) == (0.0, None)


def test_rows_say_what_their_lifetime_rests_on(aws: AwsServer, tmp_path: Path) -> None:
    clock = ManualClock(time.time())
    pools = [("g5.xlarge", "a"), ("g5.xlarge", "b"), ("unheard.large", "a"), ("unheard.large", "b")]
    aws.world.prices = [(kind, f"{REGION}{zone}", 0.4, 0.0) for kind, zone in pools]
    one = collector(aws, tmp_path, clock, spot={"instance_types": ["g5.xlarge", "unheard.large"]})
    for provider in ("day", "night"):
        seen = {A: Lives(3.0, 4.0, clock.now()), f"unheard.large:{REGION}a": Lives(0.0, 5.0, clock.now())}
        LivesBook(tmp_path, provider).write(seen)
    found = {
        name: (row["expected_lifetime"], row["labels"].get("expected_lifetime_from"))
        for name, row in rows(look(one, clock), "spot_market").items()
    }
    hazard = hazard_per_h(0.225)
    assert found[A] == (pytest.approx(Lives(6.0, 8.0).expected_s(0.0, hazard)), "observed")
    assert found[B] == (pytest.approx(Lives().expected_s(0.0, hazard)), "prior")
    assert found[f"unheard.large:{REGION}a"][1] == "observed"
    assert found[f"unheard.large:{REGION}b"] == (None, None)
    (tmp_path / "aws" / "lives" / "day.json").write_text("{")
    assert "cannot be read" in look(one, clock).failed["spot_market.expected_lifetime"]


def test_what_a_fleet_sees_of_its_lives_is_kept(aws: AwsServer, tmp_path: Path) -> None:
    """One that is taken without a notice counts once, one that leaves never; and a restart knows it."""
    room = Room(aws, tmp_path)
    room.apply(switch("spot"), "spot")
    room.grown(2)
    room.settle(lambda: any(one.hours > 0 for one in read_lives(tmp_path).values()), "lives are seen")
    (victim, other) = room.working()
    pool = next(
        one.pool for one in room.provider.fleets.manager.members("audio") if one.member.instance == victim
    )
    before = room.provider.fleets.manager.pools.expected_up_s(pool, time.time())
    aws.client("ec2").terminate_instances(InstanceIds=[victim])
    room.settle(lambda: other in room.working() and victim not in room.working(), "its end is seen")
    room.settle(lambda: len(room.working()) == 2, "another takes its place")
    seen = read_lives(tmp_path)
    assert sum(one.lost for one in seen.values()) == pytest.approx(1.0, rel=1e-3)
    assert seen[pool].out_until_s > time.time()
    later_s = time.time() + 2 * HOUR_S
    again = room.build().fleets.manager.pools
    assert again.lives()[pool].lost == pytest.approx(1.0, rel=1e-3)
    assert 0 < again.expected_up_s(pool, later_s) < before / 10


def document(clock: ManualClock) -> str:
    """What workers and the queue say."""
    at = datetime.fromtimestamp(clock.now(), UTC).isoformat()
    job = {"name": "w", "group": "audio", "items_per_second": 10, "time_to_deadline": DAY_S}
    group = {"name": "audio", "queue_depth": 36000}
    return json.dumps({"scrimp": "snapshot/1", "at": at, "kinds": {"job": [job], "node_group": [group]}})


@pytest.mark.parametrize(
    ("bands", "lost", "goes"),
    [
        pytest.param(None, 0.0, True, id="the band alone"),
        pytest.param(None, 30.0, False, id="many lost in one of the two pools"),
        pytest.param(UNKNOWN_BANDS, 0.0, False, id="no band and nothing seen"),
    ],
)
def test_a_group_goes_to_spot_when_it_is_cheap_and_calm(
    bands: str | None, lost: float, goes: bool, aws: AwsServer, tmp_path: Path
) -> None:
    """The library's policy as it stands, the collectors and the provider as `scrimp.yaml` names them."""
    clock = ManualClock(time.time())
    template(aws)
    run(aws, 2, kind="g5.xlarge", scrimp__member="audio-0.1")
    aws.world.prices = [("g5.xlarge", f"{REGION}{zone}", 0.4, 0.0) for zone in "ab"]
    aws.world.products = {"g5.xlarge": 1.006}
    aws.world.scores = {f"use1-az{place}": 9 for place in range(1, 7)}
    spot: dict[str, Any] = {
        "instance_types": ["g5.xlarge", "g6.xlarge", "g4dn.xlarge"],
        "score_target": 3,
    }
    if bands is not None:
        (tmp_path / "bands.csv").write_text(bands)
        spot["interruption_bands"] = str(tmp_path / "bands.csv")
    groups = {"audio": {"template": "audio", "pools": [A, B]}}
    found = {
        "interval": "5m",
        "collectors": {
            "aws": section(aws, spot=spot, groups={"audio": {}}),
            "snapshot": {"path": str(tmp_path / "seen.json"), "kinds": ["job", "node_group"]},
        },
        "providers": {"aws": section(aws, groups=groups)},
    }
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "spot.scrimp").write_text(LIBRARY.read_text())
    (tmp_path / "scrimp.yaml").write_text(yaml.safe_dump(found))
    config, diagnostics = load_config(tmp_path, {})
    assert config is not None, diagnostics
    parts = compose(config, clock.now, clock.sleep)
    assert not parts.findings
    if lost:
        LivesBook(config.store, "aws").write({A: Lives(lost, 1.0, clock.now())})
    loaded = parts.folder.reload()
    assert isinstance(loaded, Reloaded), loaded
    acted: list[str] = []
    with open_store(config.store, clock.now) as store:
        ticker = Ticker(parts.world(), parts.providers, store, clock.sleep, parts.tick_settings())
        for _ in range(4):
            (tmp_path / "seen.json").write_text(document(clock))
            ticked = ticker.tick(loaded.policy_set, None, clock.now())
            acted += [one.policy for one in ticked.plan.proposed if one.verdict is Verdict.ACT]
            clock.advance(TICK_S)
    assert (acted == ["spot_when_cheap_and_calm"]) is goes
    assert goes or not acted
