"""Workers on a virtual clock: they take leases from a real queue, work, commit, and keep to the worker contract.

Each instance of the simulated cloud that runs carries one worker of the same name. It is a `WorkerChannel` as well, so
that whoever handles interruptions talks to these workers as to real ones: a control document is read between batches.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from scrimp.api import Commit, Control, Lease, Report, RunState, Traits, Unavailable, WorkQueue

TRAITS = Traits(checkpointable=True)


@dataclass(frozen=True, slots=True)
class Work:
    """How a worker works: batches of `batch_items` items at `items_per_s`, committed before `checkpoint_s` are over.

    Before, and not when they are over: a commit that is refused loses all that was worked since the last one, so what is
    at stake has to be less than an interval even then. `slow` is the share of intervals whose batches take four times
    as long; a batch that is longer than an interval is one by itself. Leases last for `lease_s`.
    """

    items_per_s: float = 12.8
    batch_items: int = 64
    checkpoint_s: float = 60.0
    lease_s: float = 300.0
    slow: float = 0.0

    @property
    def batch_s(self) -> float:
        """Seconds that one batch takes."""
        return self.batch_items / self.items_per_s

    def batches(self, batch_s: float) -> int:
        """How many batches of `batch_s` seconds are committed together: those that end before the interval does."""
        return max(1, math.ceil(self.checkpoint_s / batch_s - 1e-9) - 1)


@dataclass(slots=True)
class Redone:
    """Work that is done again because its worker ended: the most of one worker, and all of it.

    `told_batches`: of workers that were told to stop; `untold_s`: seconds of those that were not; `total_s`: of all.
    What one worker loses bit by bit (commits that are refused, then the batches in hand) is added up.
    """

    told_batches: float = 0.0
    untold_s: float = 0.0
    total_s: float = 0.0


@dataclass(slots=True)
class SimulatedWorker:
    """A worker under way: the leases of its present interval, worked off one after the other since `since_s`."""

    job: str
    instance: str
    batch_s: float
    leases: tuple[Lease, ...] = ()
    since_s: float = 0.0
    stopped_s: float = math.inf
    heard_s: float = 0.0
    control: Control = field(default_factory=Control)
    revision: int = 0
    checkpoint: int = 0
    told: bool = False
    cut_off: bool = False
    dead: bool = False
    items: int = 0
    redone_batches: float = 0.0
    redone_s: float = 0.0

    def batches(self, now_s: float) -> float:
        """Batches worked off since the last checkpoint, with the part of the one in hand."""
        worked_s = max(0.0, min(now_s, self.stopped_s) - self.since_s)
        return min(float(len(self.leases)), worked_s / self.batch_s)


class SimulatedWorkers:
    """All workers of the simulated cloud. `advance` brings them to a moment; `live` says whether an instance runs."""

    def __init__(
        self, fleet: str, queue: WorkQueue, work: Work, rng: Random, live: Callable[[str], bool]
    ) -> None:
        self.fleet = fleet
        self.queue = queue
        self.work = work
        self.workers: dict[str, SimulatedWorker] = {}
        self.ended: dict[str, SimulatedWorker] = {}  # gone with their instances, and not forgotten yet
        self.redone = Redone()
        self.refused = 0
        self.told = 0
        self.stop_s: list[float] = []
        self.now_s = 0.0
        self._rng = rng
        self._live = live
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    # ---- the world ----

    def start(self, instance: str, now_s: float, speed: float = 1.0) -> SimulatedWorker:
        """A worker comes up on an instance that runs; `speed` times as fast as the rest."""
        self.now_s = max(self.now_s, now_s)
        worker = SimulatedWorker(f"{self.fleet}/{instance}", instance, self.work.batch_s / speed)
        self.workers[worker.job] = worker
        self._refill(worker, worker.batch_s)
        return worker

    def end(self, instance: str, now_s: float) -> None:
        """The instance is gone, and its worker with it; what it had not committed will be done again."""
        self.now_s = max(self.now_s, now_s)
        worker = self.workers.get(f"{self.fleet}/{instance}")
        if worker is None or worker.dead:
            return
        worker.dead = True
        worker.stopped_s = min(worker.stopped_s, now_s)
        if worker.cut_off:
            self._commit(worker)  # it tried, up to its end
        else:
            worker.heard_s = now_s
        self._count_redone(worker)
        self.ended[worker.job] = self.workers.pop(worker.job)

    def cut_off(self, instance: str) -> None:
        """The worker runs on, and nobody hears of it any more, nor it of anybody."""
        worker = self.workers.get(f"{self.fleet}/{instance}")
        if worker is not None:
            worker.cut_off, worker.heard_s = True, self.now_s

    def next_s(self) -> float | None:
        """When the next worker is due."""
        return self._agenda[0][0] if self._agenda else None

    def advance(self, now_s: float) -> None:
        """Bring all workers to a moment."""
        while self._agenda and self._agenda[0][0] <= now_s:
            at_s, _, act = heapq.heappop(self._agenda)
            self.now_s = max(self.now_s, at_s)
            act()
        self.now_s = max(self.now_s, now_s)

    # ---- the protocol `WorkerChannel` ----

    def jobs(self) -> Sequence[str]:
        """See `WorkerChannel.jobs`."""
        return (*self.workers, *self.ended)

    def control(self, job: str) -> Control | None:
        """See `WorkerChannel.control`."""
        worker = self._of(job)
        return None if worker is None else worker.control

    def write_control(self, job: str, control: Control, *, expected_revision: int) -> bool:
        """See `WorkerChannel.write_control`; what was asked is done at the end of the batch in hand."""
        worker = self._of(job)
        if worker is None or worker.cut_off:
            raise Unavailable(f"{job} cannot be reached")
        if worker.control.revision != expected_revision:
            return False
        worker.control = replace(control, revision=expected_revision + 1)
        if worker.dead:
            return True  # written, and nobody reads it
        between_s = self._between(worker)
        if control.run_state is RunState.DRAINING and not worker.told:
            worker.told = True
            self.told += 1
            drop_s = math.inf if control.drain_by_s is None else control.drain_by_s
            worker.stopped_s = max(self.now_s, min(between_s, drop_s))
            self.stop_s.append(worker.stopped_s - self.now_s)
            between_s = worker.stopped_s
        self._at(between_s, lambda: self._read(worker))
        return True

    def report(self, job: str) -> Report | None:
        """See `WorkerChannel.report`."""
        worker = self._of(job)
        if worker is None:
            return None
        stopped = worker.told and self.now_s >= worker.stopped_s
        return Report(
            at_s=worker.heard_s if worker.cut_off or worker.dead else self.now_s,
            revision=worker.revision,
            run_state=RunState.STOPPED if stopped and not worker.leases else RunState.RUNNING,
            items_done=worker.items,
            items_per_second=0.0 if stopped else self.work.batch_items / worker.batch_s,
            batch_size=self.work.batch_items,
            checkpoint=worker.checkpoint,
            traits=TRAITS,
        )

    def forget(self, job: str) -> None:
        """See `WorkerChannel.forget`."""
        self.ended.pop(job, None)

    def _of(self, job: str) -> SimulatedWorker | None:
        return self.workers.get(job) or self.ended.get(job)

    # ---- the workers ----

    def _at(self, when_s: float, act: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._agenda, (max(when_s, self.now_s), self._sequence, act))

    def _between(self, worker: SimulatedWorker) -> float:
        """When the batch in hand ends."""
        batch = min(math.floor(worker.batches(self.now_s) + 1e-9) + 1, len(worker.leases))
        return min(worker.stopped_s, worker.since_s + batch * worker.batch_s)

    def _read(self, worker: SimulatedWorker) -> None:
        """Between two batches the worker reads what is wanted of it: to save, to leave."""
        if worker.dead or worker.cut_off:
            return
        worker.revision = worker.control.revision
        leaving = worker.told and self.now_s >= worker.stopped_s
        if worker.control.checkpoint_at > worker.checkpoint or leaving:
            self._commit(worker)
            worker.checkpoint = max(worker.checkpoint, worker.control.checkpoint_at)
        if leaving and worker.leases:
            self._count_redone(worker)
            self.queue.give_back(worker.leases, self.now_s)
            worker.leases = ()

    def _commit(self, worker: SimulatedWorker) -> None:
        """Commit the whole batches since the last checkpoint, under the leases that they were worked under."""
        whole = math.floor(worker.batches(self.now_s) + 1e-9)
        done, worker.leases = worker.leases[:whole], worker.leases[whole:]
        worker.since_s += whole * worker.batch_s
        if not done:
            return
        answers = self.queue.commit([(lease, f"{worker.job}/{lease.epoch}") for lease in done], self.now_s)
        worker.items += sum(
            lease.items for lease, answer in zip(done, answers, strict=True) if answer is Commit.DONE
        )
        refused = answers.count(Commit.REFUSED)
        if refused:
            self.refused += refused
            self._note_redone(worker, refused)

    def _refill(self, worker: SimulatedWorker, usual_s: float) -> None:
        """An interval ends at a batch's end: commit, and take the leases of the next one."""
        if worker.dead or worker.told or not self._live(worker.instance):
            return
        self._commit(worker)
        work = self.work
        if not worker.leases:
            worker.batch_s = usual_s * (4.0 if self._rng.random() < work.slow else 1.0)
            worker.leases = self.queue.take(
                worker.job,
                self.now_s,
                leases=work.batches(worker.batch_s),
                items=work.batch_items,
                lease_s=work.lease_s,
            )
            worker.since_s = self.now_s
        left = len(worker.leases) or work.batches(worker.batch_s)
        self._at(worker.since_s + left * worker.batch_s, lambda: self._refill(worker, usual_s))

    def _count_redone(self, worker: SimulatedWorker) -> None:
        self._note_redone(worker, worker.batches(self.now_s))

    def _note_redone(self, worker: SimulatedWorker, batches: float) -> None:
        redone = self.redone
        redone.total_s += batches * worker.batch_s
        worker.redone_batches += batches
        worker.redone_s += batches * worker.batch_s
        if worker.told:
            redone.told_batches = max(redone.told_batches, worker.redone_batches)
        else:
            redone.untold_s = max(redone.untold_s, worker.redone_s)
