"""Notices from the metadata service: IMDSv2 over HTTP, from the service to the worker's report and to the node's row."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tests.servers import wait_for

from scrimp.api import CloudNotice, RunState, Services, Unavailable
from scrimp.collectors.host import HostCollector
from scrimp.testing import FakeMetadata
from scrimp.worker import FolderChannel, FolderRegistry, Imds, ImdsWatch, Worker
from scrimp.worker.documents import report_from_json, report_to_json

AT = "2026-11-25T12:02:00Z"
AT_S = datetime.fromisoformat(AT).timestamp()
JOB = "audio/audio-0"


@pytest.fixture
def metadata() -> Iterator[FakeMetadata]:
    with FakeMetadata.serving() as made:
        yield made


def imds(metadata: FakeMetadata) -> Imds:
    return Imds(metadata.url, lambda: AT_S - 118)


def test_nothing_until_noticed_then_action_and_time(metadata: FakeMetadata) -> None:
    one = imds(metadata)
    assert one.look() is None
    metadata.paths["events/recommendations/rebalance"] = json.dumps({"noticeTime": AT})
    assert one.look() == CloudNotice("i-1", "rebalance", None, AT_S - 118)
    metadata.take("terminate", AT)
    assert one.look() == CloudNotice("i-1", "terminate", AT_S, AT_S - 118)
    assert metadata.asked.count("instance-id") == 1


def test_a_token_that_has_run_out_is_replaced(metadata: FakeMetadata) -> None:
    one = imds(metadata)
    assert one.look() is None
    metadata.token = "second"  # noqa: S105 - as above
    metadata.take("terminate", AT)
    assert one.look() is not None


@pytest.mark.parametrize("said", ["", "{", "[]", '{"action": "stop"}', '{"action": "stop", "time": "soon"}'])
def test_what_cannot_be_read_is_no_notice(said: str, metadata: FakeMetadata) -> None:
    metadata.paths["spot/instance-action"] = said
    with pytest.raises(Unavailable, match="cannot be read"):
        imds(metadata).look()


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_service_that_refuses_is_unavailable(status: int, metadata: FakeMetadata) -> None:
    metadata.broken = status
    with pytest.raises(Unavailable, match=f"answers {status}"):
        imds(metadata).look()


def test_what_is_no_http_ends_no_watch() -> None:
    """Something else answers at the address, or breaks off: the watch goes on, and hears what comes later."""
    answers = [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"]
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for said in (*answers, answers[0]):
                link, _ = server.accept()
                with link:
                    link.recv(65536)
                    link.sendall(said)
            asked.set()

        threading.Thread(target=answer, daemon=True).start()
        one = Imds(f"http://127.0.0.1:{server.getsockname()[1]}")
        for _ in answers:
            with pytest.raises(Unavailable, match="cannot be reached"):
                one.look()
        with ImdsWatch(one, 0.01) as watch:
            assert asked.wait(10)
            assert watch.latest() is None


def test_a_machine_without_the_service_has_no_notice() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        Imds("http://127.0.0.1:9").look()
    with ImdsWatch(Imds("http://127.0.0.1:9"), 0.01) as watch:
        assert watch.latest() is None


def test_a_worker_says_what_it_was_told_and_leaves(metadata: FakeMetadata, tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    with (
        ImdsWatch(imds(metadata), 0.01) as watch,
        Worker.join(
            group="audio", job="audio-0", root=tmp_path, report_every_s=1000.0, notices=watch.latest
        ) as worker,
    ):
        assert worker.control().run_state is RunState.RUNNING
        metadata.paths["events/recommendations/rebalance"] = json.dumps({"noticeTime": AT})
        wait_for(lambda: watch.latest() is not None, "the rebalance signal is seen")
        assert worker.control().run_state is RunState.RUNNING, "a raised risk is no reason to leave"
        assert channel.report(JOB).notice.action == "rebalance"
        metadata.take("stop", AT)
        wait_for(lambda: watch.latest().action == "stop", "the notice is seen")
        assert worker.control().run_state is RunState.DRAINING
        report = channel.report(JOB)
        assert report.notice == CloudNotice("i-1", "stop", AT_S, AT_S - 118)
        assert report_from_json(report_to_json(report)) == report
        assert worker.control().run_state is RunState.DRAINING, "and it does not come back"


def test_the_environment_turns_it_on(
    metadata: FakeMetadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIMP_IMDS", metadata.url)
    monkeypatch.setenv("SCRIMP_IMDS_EVERY_S", "0.01")
    metadata.take("terminate", AT)
    with Worker.join(group="audio", job="audio-0", root=tmp_path) as worker:
        wait_for(lambda: worker.control().run_state is RunState.DRAINING, "the notice is seen")


def test_a_report_of_an_older_worker_has_no_notice(tmp_path: Path) -> None:
    with Worker.join(group="audio", job="audio-0", root=tmp_path):
        written = report_to_json(FolderChannel(tmp_path).report(JOB))
    del written["notice"]
    assert report_from_json(written).notice is None
    with pytest.raises(ValueError, match="notice must be an object"):
        report_from_json(written | {"notice": "soon"})


def test_the_node_s_row_says_when_it_is_taken(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    channel = FolderChannel(registry.worker_dir)
    services = Services(lambda: AT_S, lambda _: None, tmp_path, channel=channel, jobs=registry)
    host = HostCollector({"node": "here"}, services)
    told = CloudNotice("i-1", "terminate", AT_S, AT_S - 118)
    with Worker.join(group="audio", job="audio-0", root=registry.worker_dir, notices=lambda: told) as worker:
        worker.control()
        batches = host.collect(AT_S - 100, deadline_s=5).batches
    (fields,) = (one.fields for one in batches if "interruption_notice" in one.fields)
    assert fields["interruption_notice"] == [True]
    assert fields["time_to_interruption"] == [pytest.approx(100)]
    assert not any("interruption_notice" in one.fields for one in host.collect(AT_S, deadline_s=5).batches)


@pytest.mark.parametrize("every", ["often", "0", "-1", "nan", "inf"])
def test_a_pace_that_cannot_be_is_named(every: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIMP_IMDS", "1")
    monkeypatch.setenv("SCRIMP_IMDS_EVERY_S", every)
    with pytest.raises(ValueError, match="SCRIMP_IMDS_EVERY_S is a number of seconds above 0"):
        Worker.join(group="audio", job="audio-0", root=tmp_path)
