"""What a job imports to take part: it reads what is wanted of it, and says what it does.

    with Worker.join(operation="log_mel", batch_size=32, state=lambda: {"next": position}) as worker:
        while position < total and worker.control().run_state is RunState.RUNNING:
            ...one batch of worker.batch_size...
            worker.batch_done(items, seconds)

The launcher sets `SCRIMP_WORKER_DIR` and `SCRIMP_JOB`; without them the worker runs alone, by the same code. Nothing
that is wrong in the folder stops the work: the last good control document stays in force, and reports are left out.
A worker belongs to one thread. SIGTERM asks it to drain: finish the batch, save, leave.
"""

import hashlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from scrimp.api import CloudNotice, Control, Report, RunState, Traits, Unavailable
from scrimp.worker.files import read_document, replace_file
from scrimp.worker.folder import FolderChannel, split_job
from scrimp.worker.imds import EVERY_S, Imds, ImdsWatch
from scrimp.worker.imds import URL as IMDS_URL
from scrimp.worker.meter import Meter, peak_memory
from scrimp.worker.process import identify
from scrimp.worker.registry import JOB, WORKER_DIR

CHECKPOINT_FORM = "checkpoint/1"
PAUSE_POLL_S = 0.05
IMDS, IMDS_EVERY_S = "SCRIMP_IMDS", "SCRIMP_IMDS_EVERY_S"


@dataclass(slots=True)
class Worker:
    """One running job. Build it with `join`, and use it as a context manager."""

    channel: FolderChannel | None
    job: str
    traits: Traits
    own_batch_size: int
    state: Callable[[], Any] | None
    meter: Meter
    report_every_s: float
    now: Callable[[], float]
    sleep: Callable[[float], None]
    _control: Control = field(default_factory=Control)
    _seen: tuple[int, int, int] | None = None
    notices: Callable[[], CloudNotice | None] = lambda: None
    _watch: ImdsWatch | None = None
    _notice: CloudNotice | None = None
    _told_to_leave: bool = False
    _items: int = 0
    _progress: float | None = None
    _waiting: int | None = None
    _checkpoint: int = 0
    _checkpointed_at_s: float | None = None
    _reported_at_s: float = float("-inf")
    _core_began_s: float = 0.0  # CPU time of this process when the batch in hand began
    _before: Any = None
    _reporting: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def join(  # noqa: PLR0913 - keyword-only, each one independent and optional
        cls,
        *,
        group: str | None = None,
        job: str | None = None,
        critical: bool | None = None,
        operation: str | None = None,
        batch_size: int = 1,
        checkpointable: bool | None = None,
        memory_limit: int | None = None,
        deadline_at_s: float | None = None,
        device: str | None = None,
        precision: str | None = None,
        state: Callable[[], Any] | None = None,
        root: Path | None = None,
        window_s: float = 10.0,
        report_every_s: float = 0.25,
        notices: Callable[[], CloudNotice | None] | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Take part as `group/job`, or as the launcher said where these are left out.

        `notices` gives what the cloud said last of the machine; without it, and with `SCRIMP_IMDS` set (`1`, or the
        address), the instance metadata are looked at every 4 s, or every `SCRIMP_IMDS_EVERY_S`. A worker whose machine
        is taken drains by itself. `state` gives what a checkpoint saves (JSON); with it the worker saves whenever it is asked to, paused too, and
        on leaving. `memory_limit` is in bytes, `device` what batches run on, such as "cpu", `precision` how, such as "fp16". Raises `ValueError` for names and settings that cannot be, and `Unavailable` if the
        folder cannot be written: a job that could not be controlled should not start as if it could.
        """
        named = os.environ.get(JOB, "")
        folder = root or (Path(os.environ[WORKER_DIR]) if os.environ.get(WORKER_DIR) else None)
        if group and job:
            named = f"{group}/{job}"
        channel = FolderChannel(folder) if folder is not None and named else None
        if channel is not None:
            split_job(named)
        able = checkpointable if checkpointable is not None else (state is not None) or None
        traits = Traits(
            identify(os.getpid()), operation, critical, able, memory_limit, deadline_at_s, device, precision
        )
        worker = cls(
            channel, named, traits, batch_size, state, Meter(window_s), report_every_s, now=now, sleep=sleep
        )
        worker.meter.forget(now())
        if notices is not None:
            worker.notices = notices
        elif os.environ.get(IMDS):
            asked = os.environ[IMDS]
            imds = Imds(asked if asked.startswith("http") else IMDS_URL, now)
            worker._watch = ImdsWatch(imds, _every_s(), worker._pass_on)
            worker.notices = worker._watch.latest
        if channel is not None:
            worker._control = channel.found(named)
            last = channel.report(named)
            worker._checkpoint = last.checkpoint if last else 0
        return worker

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_term)
        if self._watch is not None:
            self._watch.start()
        self.report_now(self._control.run_state)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if self._watch is not None:
            self._watch.stop()
        if error is not None:
            return  # the last report stays as it is, and says to the registry that nobody took leave
        if self.state is not None:
            self.checkpoint(self.state())
        self.report_now(RunState.STOPPED)

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        self._told_to_leave = True

    @property
    def taking_part(self) -> bool:
        """Whether anybody can ask something of this worker."""
        return self.channel is not None

    @property
    def batch_size(self) -> int:
        """The batch size that is wanted: the control document's, else the worker's own."""
        return self._control.batch_size or self.own_batch_size

    @property
    def checkpoint_due(self) -> bool:
        """Whether somebody waits for a checkpoint."""
        return self._control.checkpoint_at > self._checkpoint

    def control(self) -> Control:
        """What is wanted now. Call it before each batch: one `stat` where nothing changed. Blocks while paused.

        Comes back RUNNING, or DRAINING when it is time to leave (asked by document, by SIGTERM or by the cloud).
        """
        while True:
            self._refresh()
            self._take_notice()
            if self.checkpoint_due and self.state is not None:
                self.checkpoint(self.state())
            wanted = self._control.run_state
            if self._told_to_leave or wanted in (RunState.DRAINING, RunState.STOPPED):
                return replace(self._control, run_state=RunState.DRAINING)
            resume_by_s = self._control.resume_by_s
            if wanted is RunState.RUNNING or (resume_by_s is not None and self.now() >= resume_by_s):
                self._maybe_report(RunState.RUNNING)
                self._core_began_s = time.process_time()
                return replace(self._control, run_state=RunState.RUNNING)
            self._maybe_report(RunState.PAUSED)
            wait_s = PAUSE_POLL_S if resume_by_s is None else min(PAUSE_POLL_S, resume_by_s - self.now())
            self.sleep(max(wait_s, 0.001))

    def batch_done(
        self,
        items: int,
        seconds: float,
        *,
        work: float | None = None,
        memory_bytes: int | None = None,
        joules: float = 0.0,
        progress: float | None = None,
        waiting: int | None = None,
    ) -> None:
        """One batch is done: `items` in `seconds`; `progress` is 0 to 1 of the job, `waiting` the items left.

        `work` is what the items came to, where they differ in size: seconds of audio, say. Then sizes of batches are
        compared by it, and a batch of short clips does not seem fast. `memory_bytes` is the batch's peak, where that is
        not the process's own but a GPU's. `joules` is the energy that it took: sizes are tuned for energy only where it is told.
        """
        self._items += items
        self._progress = progress if progress is not None else self._progress
        self._waiting = waiting if waiting is not None else self._waiting
        core_s = time.process_time() - self._core_began_s
        amount = float(items) if work is None else work
        memory = peak_memory() if memory_bytes is None else memory_bytes
        self.meter.add(self.now(), items, amount, seconds, core_s, memory, joules)
        self._core_began_s += core_s
        self._maybe_report(RunState.RUNNING)

    def batch_failed(self) -> None:
        """A batch failed, and the job goes on: it ran out of memory, say."""
        self.meter.failed()
        self._core_began_s = time.process_time()
        self._maybe_report(RunState.RUNNING)

    def checkpoint(self, state: Any) -> None:
        """Save `state` (JSON) in one durable step; the one before stays as a spare. Raises `OSError`, `TypeError`."""
        due = self._control.checkpoint_at
        if self.channel is not None:
            text = json.dumps(state)
            digest = hashlib.sha256(text.encode()).hexdigest()
            folder = self.channel.folder(self.job)
            path, spare, part = (
                folder / name for name in ("checkpoint.json", "checkpoint.old.json", ".old.part")
            )
            with suppress(FileNotFoundError):  # the first one has none before it
                part.unlink(missing_ok=True)
                os.link(path, part)
                part.replace(spare)
            document = {"scrimp": CHECKPOINT_FORM, "at_s": self.now(), "state": text, "sha256": digest}
            replace_file(path, json.dumps(document), durable=True)
        self._checkpoint = max(self._checkpoint, due)
        self._checkpointed_at_s = self.now()
        self._maybe_report(RunState.RUNNING, at_once=True)

    def restore(self) -> Any:
        """The state of the last checkpoint, or of the one before where that is damaged; `None` if there is none."""
        if self.channel is None:
            return None
        folder = self.channel.folder(self.job)
        for name in ("checkpoint.json", "checkpoint.old.json"):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                found = read_document(folder / name, CHECKPOINT_FORM)
                if found and hashlib.sha256(found["state"].encode()).hexdigest() == found["sha256"]:
                    self._checkpointed_at_s = float(found["at_s"])
                    return json.loads(found["state"])
        return None

    def report_now(self, run_state: RunState) -> None:
        """Say what this worker does. A report that cannot be written is left out: its age tells."""
        if self.channel is None:
            return
        now_s = self.now()
        rate, mean_s, p95_s, memory = self.meter.figures(now_s)
        # Held from before the notice is read: one that comes in between must not be written over.
        with self._reporting:
            report = Report(
                at_s=now_s,
                revision=self._control.revision,
                run_state=run_state,
                items_done=self._items,
                items_per_second=rate,
                batch_size=self.batch_size,
                latency_s=mean_s,
                memory_bytes=memory or None,
                checkpoint=self._checkpoint,
                checkpointed_at_s=self._checkpointed_at_s,
                progress=self._progress,
                latency_p95_s=p95_s,
                waiting=self._waiting,
                stint=self.meter.stint,
                notice=self.notices() or self._notice,
                traits=self.traits,
            )
            self._reported_at_s = now_s
            with suppress(OSError):
                self.channel.write_report(self.job, report)

    def _pass_on(self, notice: CloudNotice) -> None:
        """From the watch's thread, for the batch in hand may be long: the last report again, with the notice."""
        if self.channel is None:
            return
        with self._reporting, suppress(OSError):
            last = self.channel.report(self.job)
            if last is not None and last.run_state is not RunState.STOPPED:
                self.channel.write_report(self.job, replace(last, notice=notice))

    def _maybe_report(self, run_state: RunState, *, at_once: bool = False) -> None:
        elapsed_s = self.now() - self._reported_at_s
        if at_once or elapsed_s >= self.report_every_s or elapsed_s < 0:
            self.report_now(run_state)

    def _take_notice(self) -> None:
        """Pass on at once what the cloud said; leave where it takes the machine. A raised risk is no reason to leave."""
        notice = self.notices()
        if notice is None or notice == self._notice:
            return
        self._notice = notice
        self._told_to_leave = self._told_to_leave or notice.action_at_s is not None
        self._maybe_report(RunState.DRAINING if self._told_to_leave else RunState.RUNNING, at_once=True)

    def _refresh(self) -> None:
        """Read the control document if it changed. One that is missing or damaged is put right with the last good one."""
        if self.channel is None:
            return
        try:
            stat = (self.channel.folder(self.job) / "control.json").stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except OSError:
            seen = None
        if seen is not None and seen == self._seen:
            return
        before = self._control
        with suppress(Unavailable):
            self._control = self.channel.found(self.job, over=before)
            self._seen = seen
        if self._control.batch_size != before.batch_size:
            self.meter.forget(self.now())
        if self._control.revision != before.revision:
            self._maybe_report(
                RunState.PAUSED if self._control.run_state is RunState.PAUSED else RunState.RUNNING,
                at_once=True,
            )


def _every_s() -> float:
    """How often the metadata are looked at, in seconds. Raises `ValueError`."""
    said = os.environ.get(IMDS_EVERY_S) or str(EVERY_S)
    try:
        every_s = float(said)
    except ValueError:
        every_s = 0.0
    if not 0.0 < every_s < math.inf:
        raise ValueError(f"{IMDS_EVERY_S} is a number of seconds above 0, not `{said}`")
    return every_s
