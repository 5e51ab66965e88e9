"""The collector `imds`: what the instance metadata told workers of their machines, as their reports pass it on.

A worker with `SCRIMP_IMDS` looks at the metadata of its instance, drains by itself, and reports (`scrimp.worker.Imds`); this
collector reads the reports, notes on the board what is new, and wakes the engine, so that a replacement is asked for. What came
by the queue as well is one notice.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from scrimp.api import CloudNotice, Collected, OutsideError, Services, WorkerChannel
from scrimp.aws import Notice, NoticeBoard, NoticeKind
from scrimp.collectors.aws.notices import NOTICE_FIELDS, notice_batch

EVERY_S = 1.0


class ImdsCollector:
    """Notices of the machines that workers run on."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        """`config`: `every_s`, between two looks at the reports. Raises `ValueError` where there are no workers to hear."""
        if services.channel is None:
            raise ValueError("there is no worker channel")
        self.name = str(config.get("name", "imds"))
        self.interval_s = float(config.get("interval_s", 60.0))
        self._every_s = float(config.get("every_s", EVERY_S))
        self._channel: WorkerChannel = services.channel
        self._now = services.now
        self._preview = services.preview
        self._board = NoticeBoard(services.state_dir)
        self._heard: dict[str, CloudNotice] = {}
        self._wake: Callable[[str], None] = lambda _: None

    def covers(self) -> Sequence[tuple[str, str]]:
        """What notices say of nodes."""
        return tuple(("node", field) for field in NOTICE_FIELDS)

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:  # noqa: ARG002 - reads local files
        """What is noted, and what workers say now."""
        board = self._board.read()
        if self._preview:
            for job, told in self._said().items():
                board, _ = board.noted(_notice(job, told, self.name))
        else:
            self.hear(now_s)
            board = self._board.read()
        return Collected([notice_batch(board, now_s)])

    def watch(self, wake: Callable[[str], None]) -> Callable[[], None]:
        """Look in a thread until the answer is called; wake for what is new."""
        stop = threading.Event()
        self._wake = wake

        def look() -> None:
            while not stop.wait(self._every_s):
                with suppress(
                    OutsideError
                ):  # asked again in a moment; the queue and the heartbeat do without it
                    self.hear(self._now())

        threading.Thread(target=look, name=f"watch {self.name}", daemon=True).start()
        return stop.set

    def hear(self, now_s: float) -> list[Notice]:
        """Note what workers say that they had not said before. Gives what no other channel had said either.

        The engine is woken for that also when it is a tick that hears it: other collectors of that tick may have read the
        board before.
        """
        said = self._said()
        if not said:
            return []
        new = self._board.note(
            (_notice(job, told, self.name) for job, told in said.items()), now_s, heard=False
        )
        self._heard |= said
        for notice in new:
            self._wake(f"{notice.kind} of {notice.instance}")
        return new

    def _said(self) -> dict[str, CloudNotice]:
        """By job, the notices in reports that were not heard yet."""
        reports = ((job, self._channel.report(job)) for job in self._channel.jobs())
        told = {job: one.notice for job, one in reports if one is not None and one.notice is not None}
        self._heard = {job: one for job, one in self._heard.items() if job in told}
        return {job: one for job, one in told.items() if self._heard.get(job) != one}


def _notice(job: str, told: CloudNotice, channel: str) -> Notice:
    """A worker that could not read its instance's name has it in its own: `FLEET/INSTANCE`, `FLEET/INSTANCE.N`."""
    instance = told.instance or job.rpartition("/")[2].partition(".")[0]
    if told.action_at_s is None:
        at_s, kind = told.noticed_at_s, NoticeKind.REBALANCE
    else:
        at_s, kind = told.action_at_s, NoticeKind.INTERRUPTION
    return Notice(instance, kind, told.action, at_s, told.noticed_at_s, (channel,))
