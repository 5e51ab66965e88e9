"""The collector `imds`: from the metadata service over a worker's report to the board, the row, and the engine's ear."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from tests.aws.test_collector import rows

from scrimp.api import CloudNotice, RunState, Services
from scrimp.aws import Notice, NoticeBoard, NoticeKind
from scrimp.collectors.aws import ImdsCollector
from scrimp.testing import FakeMetadata, ManualClock
from scrimp.worker import FolderChannel, Worker

AT = "2026-11-25T12:02:00Z"
AT_S = datetime.fromisoformat(AT).timestamp()
NOW_S = AT_S - 118
TOLD = CloudNotice("i-1", "terminate", AT_S, NOW_S)


@pytest.fixture
def metadata() -> Iterator[FakeMetadata]:
    with FakeMetadata.serving() as made:
        yield made


class Fleet:
    """Workers in a folder, and the collector beside them."""

    def __init__(self, folder: Path, *, preview: bool = False) -> None:
        self.folder = folder
        self.channel = FolderChannel(folder / "workers")
        clock = ManualClock(NOW_S)
        services = Services(clock.now, clock.sleep, folder, channel=self.channel, preview=preview)
        self.collector = ImdsCollector({"every_s": 0.02}, services)

    def told(self, job: str, notice: CloudNotice | None) -> None:
        with Worker.join(
            group=job.partition("/")[0],
            job=job.partition("/")[2],
            root=self.folder / "workers",
            notices=lambda: notice,
        ) as worker:
            worker.control()

    def rows(self) -> dict[str, dict[str, object]]:
        return rows(self.collector.collect(NOW_S, deadline_s=5.0), "node")


def test_what_a_worker_was_told_is_a_row_of_its_instance(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.told("audio/i-1", TOLD)
    fleet.told("audio/i-2", None)
    fleet.told("audio/i-3.1", CloudNotice("", "rebalance", None, NOW_S))
    found = fleet.rows()
    assert set(found) == {"i-1", "i-3"}, "nothing is said of who was told nothing: that is no all-clear"
    assert found["i-1"]["interruption_notice"] is True
    assert found["i-1"]["time_to_interruption"] == pytest.approx(118)
    assert found["i-3"] == {
        "interruption_notice": None,
        "time_to_interruption": None,
        "rebalance_recommended": True,
    }


def test_both_channels_make_one_notice(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    board = NoticeBoard(tmp_path)
    board.note([Notice("i-1", NoticeKind.INTERRUPTION, "terminate", AT_S + 1, NOW_S, ("aws_events",))], NOW_S)
    fleet.told("audio/i-1", TOLD)
    assert fleet.collector.hear(NOW_S) == [], "the queue had said it already"
    (one,) = board.read().notices
    assert one.channels == ("aws_events", "imds")
    fleet.told("audio/i-1", replace(TOLD, action_at_s=AT_S + 7200))
    assert len(fleet.collector.hear(NOW_S)) == 1, "an instance that was stopped and runs again"


def test_what_was_heard_is_written_once(tmp_path: Path) -> None:
    """A report says so for two minutes, and is looked at each second: not each look is a write."""
    fleet = Fleet(tmp_path)
    fleet.told("audio/i-1", TOLD)
    written = tmp_path / "aws" / "notices.json"
    assert len(fleet.collector.hear(NOW_S)) == 1
    written.unlink()
    assert fleet.collector.hear(NOW_S + 1) == []
    assert not written.exists()


def test_a_preview_notes_nothing(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, preview=True)
    fleet.told("audio/i-1", TOLD)
    assert set(fleet.rows()) == {"i-1"}
    assert not (tmp_path / "aws").exists()


def test_a_tick_that_hears_a_notice_first_is_followed_by_another(tmp_path: Path) -> None:
    """Other collectors of that tick have read the board before the notice stood on it."""
    fleet, reasons = Fleet(tmp_path), list[str]()
    fleet.collector.watch(reasons.append)()
    fleet.told("audio/i-1", TOLD)
    fleet.rows()
    fleet.rows()
    assert reasons == ["interruption of i-1"]


def test_the_metadata_wake_the_engine_while_a_batch_is_in_hand(
    metadata: FakeMetadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replacement is asked for at once, however long the batch is that the worker finishes first."""
    monkeypatch.setenv("SCRIMP_IMDS", metadata.url)
    monkeypatch.setenv("SCRIMP_IMDS_EVERY_S", "0.01")
    fleet, woken = Fleet(tmp_path), threading.Event()
    reasons: list[str] = []

    def wake(reason: str) -> None:
        reasons.append(reason)
        woken.set()

    stop = fleet.collector.watch(wake)
    try:
        with Worker.join(group="audio", job="i-1", root=tmp_path / "workers") as worker:
            assert worker.control().run_state is RunState.RUNNING
            metadata.take("terminate", AT)
            assert woken.wait(20), "the worker is in its batch: it calls nothing"
            worker.batch_done(1, 1.0)
            assert fleet.channel.report("audio/i-1").notice is not None  # type: ignore[union-attr]
            assert worker.control().run_state is RunState.DRAINING
    finally:
        stop()
    assert reasons == ["interruption of i-1"]


def test_a_notice_that_comes_while_a_report_is_made_is_not_written_over(tmp_path: Path) -> None:
    """The report was about to say that there is none; the next one may be a long batch away."""
    fleet, threads = Fleet(tmp_path), list[threading.Thread]()

    def notices() -> None:
        """None yet: it comes just now, in the watch's thread."""
        if reporting.is_set():
            threads.append(threading.Thread(target=worker._pass_on, args=(TOLD,)))
            threads[-1].start()
            threads[-1].join(0.2)

    reporting = threading.Event()
    with Worker.join(group="audio", job="i-1", root=tmp_path / "workers", notices=notices) as worker:
        worker.control()
        reporting.set()
        worker.report_now(RunState.RUNNING)
        reporting.clear()
        for thread in threads:
            thread.join()
        assert fleet.channel.report("audio/i-1").notice == TOLD  # type: ignore[union-attr]


def test_boards_on_one_folder_lose_nothing_to_each_other(tmp_path: Path) -> None:
    """The queue's thread and the reports' note at the same time, each on a board of its own."""

    def write(channel: str) -> None:
        board = NoticeBoard(tmp_path)
        for at in range(40):
            board.note([Notice(f"{channel}-{at}", NoticeKind.REBALANCE, "", NOW_S, NOW_S, (channel,))], NOW_S)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(NoticeBoard(tmp_path).read().notices) == 120


def test_a_section_without_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no worker channel"):
        ImdsCollector({}, Services(time.time, time.sleep, tmp_path))


def test_no_worker_is_no_news(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    assert fleet.rows() == {}
    assert fleet.collector.hear(NOW_S) == []
