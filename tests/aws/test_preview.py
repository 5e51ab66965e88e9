"""What only looks changes nothing: no file is made, and nothing is taken off the queue that an engine waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.aws.server import REGION, AwsServer
from tests.aws.setup import event
from tests.aws.test_events import left
from tests.aws.test_permissions import Site
from tests.cli.command import Shell

from scrimp.api import Health
from scrimp.aws import NoticeBoard
from scrimp.collectors.aws import AwsEventsCollector
from scrimp.worker import open_queue
from scrimp_actions.spot.aws.provider import build
from scrimp_actions.spot.fleet_config import open_book
from scrimp_actions.spot.members import Changes

WARNING = "EC2 Spot Instance Interruption Warning"


@pytest.fixture
def site(aws: AwsServer, tmp_path: Path) -> Site:
    return Site(aws, tmp_path)


def files(folder: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def noticed(server: AwsServer) -> None:
    """A notice on the queue."""
    put = event("i-1", WARNING, "2026-11-25T12:00:00Z", instance_action="terminate")
    server.client("events").put_events(Entries=[put])


@pytest.mark.parametrize("line", [("plan",), ("permissions",), ("why", "p_switch_to_spot", "node_group/web")])
def test_a_look_writes_no_file_and_takes_no_notice(
    aws: AwsServer, site: Site, scrimp: Shell, line: tuple[str, ...]
) -> None:
    """A plan in a pull request must not take the notices of the engine that runs elsewhere."""
    site.policies("switch_to_spot", "scale_down")
    site.provider["queue"] = "audio"
    site.configure()
    noticed(aws)
    before = files(site.folder)
    ran = scrimp(*line)
    assert ran.code == 0, ran.err
    assert files(site.folder) == before
    assert left(aws, site.queue) == 1
    assert "sqs:ReceiveMessage" not in aws.world.calls


def test_a_plan_sees_what_an_engine_wrote_and_leaves_it_so(aws: AwsServer, site: Site, scrimp: Shell) -> None:
    """The members and the queue are read as they are, from a copy."""
    site.policies("switch_to_spot")
    services = site.services()
    book = open_book(services, "aws")
    wish = {"size": 4, "purchase": "on_demand", "max_price": None, "pools": [], "wait": False, "back": None}
    book.write(Changes(notes={"fleet/audio": wish}))
    book.close()
    open_queue(services.state_dir / "queues", "audio", 70).close()
    site.provider["queue"] = "audio"
    site.configure()
    aws.world.prices = [("g5.xlarge", f"{REGION}a", 0.3, 0.0)]
    before = files(site.folder)
    assert scrimp("plan", "--output", "json").code == 0
    assert files(site.folder) == before


def test_a_doctor_leaves_the_notices_to_the_engine(aws: AwsServer, site: Site, scrimp: Shell) -> None:
    """It looks for its own test notice only, and makes nothing of the fleets."""
    site.policies("scale_down")
    noticed(aws)
    ran = scrimp("doctor", "--output", "json")
    checks = {(one["part"], one["what"]): one for one in json.loads(ran.out)["checks"]}
    assert checks["collector aws_events", "notice path"]["health"] == "good", ran.out
    assert left(aws, site.queue) == 1
    assert NoticeBoard(site.folder / ".scrimp").read().notices == ()
    assert {path.name for path in (site.folder / ".scrimp").rglob("*") if path.is_file()} == {
        "notices.json",
        "notices.lock",
    }


def test_a_doctor_after_an_engine_that_has_just_ended_finds_the_way_good(aws: AwsServer, site: Site) -> None:
    """It heard the queue a moment ago, and takes the test notice off no more."""
    services = site.services()
    NoticeBoard(services.state_dir).note((), services.now())
    noticed(aws)
    found = AwsEventsCollector(site.events, services).examine(deadline_s=6.0)
    assert {one.what: one.health for one in found}["notice path"] is Health.GOOD, found
    assert left(aws, site.queue) == 1


def test_an_engine_keeps_its_books(site: Site) -> None:
    """The other side of it: what is built to act writes."""
    provider = build(site.provider, site.services())
    assert provider.fleets.manager.specs
    assert (site.folder / ".scrimp" / "fleets" / "aws.db").exists()
