"""Steps carried out on real things: a cloud, the worker channel, the work queue. Each may be asked for again.

A worker on an instance joins as `FLEET/INSTANCE`, or `FLEET/INSTANCE.N` where several share it; under that name it takes
work from the queue, too. So the queue can be told to give it nothing more, whether or not the worker answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from scrimp.api import Control, Report, RunState, Unavailable, WorkerChannel, WorkQueue
from scrimp_actions.spot.cloud import Cloud, Launched, LaunchRequest
from scrimp_actions.spot.member import Step, StepKind
from scrimp_actions.spot.members import Entry
from scrimp_actions.spot.runner import Answer

FLEET_TAG = "scrimp:fleet"
MEMBER_TAG = "scrimp:member"
LEAVING = (RunState.DRAINING, RunState.STOPPED)
JOBS_KEPT_S = 1.0

DONE = Answer(done=True)
NOT_DONE = Answer(done=False)


@dataclass(slots=True)
class FleetHands:
    """The hands of a runner. `request` says what to launch for an entry; `launched` hears what each launch came to.

    Without a queue the worker's own word is waited for; without a channel there is nobody to be asked.
    """

    cloud: Cloud
    channel: WorkerChannel | None
    queue: WorkQueue | None
    request: Callable[[Entry, Step], LaunchRequest]
    launched: Callable[[Entry, Launched, float], None] = lambda _entry, _launched, _now_s: None
    deadline_s: float = 30.0
    _jobs: dict[str, list[str]] = field(default_factory=dict)
    _jobs_at_s: float = float("-inf")

    def carry_out(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        """See `Hands.carry_out`."""
        match step.kind:
            case StepKind.LAUNCH:
                return self._launch(step, entry, now_s)
            case StepKind.SWEEP:
                return self._sweep(entry, now_s)
            case StepKind.STOP_WORK:
                return self._stop(step, entry, now_s)
            case StepKind.FINISH_BATCH:
                return DONE if all(map(self._between_batches, self.jobs(entry, now_s))) else None
            case StepKind.CHECKPOINT | StepKind.PREPARE:
                return self._checkpoint(step, entry, now_s)
            case StepKind.RETURN_LEASES:
                self._free(entry, now_s)
            case StepKind.REVOKE_LEASES:
                self._free(entry, now_s, bar=True)
            case StepKind.DEREGISTER:
                for job in self.jobs(entry, now_s):
                    self._change(job, step.key, _stopped)
            case _:
                pass  # a batch is dropped by its worker at the time that it was told; to unprepare there is nothing
        return DONE

    def jobs(self, entry: Entry, now_s: float) -> Sequence[str]:
        """The workers on the member's instance."""
        if self.channel is None:
            return ()
        if not 0.0 <= now_s - self._jobs_at_s < JOBS_KEPT_S or entry.member.instance not in self._jobs:
            found: dict[str, list[str]] = {}
            for job in self.channel.jobs():
                found.setdefault(instance_of(job), []).append(job)
            found.setdefault(entry.member.instance, [])
            self._jobs, self._jobs_at_s = found, now_s
        return self._jobs.get(entry.member.instance, ())

    def _launch(self, step: Step, entry: Entry, now_s: float) -> Answer:
        launched = self.cloud.launch(self.request(entry, step), deadline_s=self.deadline_s)
        self.launched(entry, launched, now_s)
        if not launched.instances:
            return NOT_DONE
        made = launched.instances[0]
        return Answer(done=True, instance=made.id, pool=made.pool, bought=made.purchase.value)

    def _sweep(self, entry: Entry, now_s: float) -> Answer:
        """End all that bears the member's tag, its own instance included, and free what its workers held."""
        found = self.cloud.instances({MEMBER_TAG: entry.name}, deadline_s=self.deadline_s)
        ids = [made.id for made in found if made.alive]
        own = entry.member.instance
        if own and own not in {made.id for made in found}:
            ids.append(own)  # an instance that was taken over bears no tag of ours
        if ids:
            self.cloud.terminate(ids, deadline_s=self.deadline_s)
        self._free(entry, now_s, bar=True)
        return DONE

    def _stop(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        ends = entry.member.ends
        jobs = self.jobs(entry, now_s)
        if self.queue is not None:
            for job in jobs:
                self.queue.bar(job)

        def leave(control: Control, _report: Report | None) -> Control:
            return replace(
                control, run_state=RunState.DRAINING, drain_by_s=None if ends is None else ends.drain_s
            )

        for job in jobs:
            self._change(job, step.key, leave)
        return DONE if self.queue is not None or all(map(self._between_batches, jobs)) else None

    def _between_batches(self, job: str) -> bool:
        """Whether the worker has read what was last asked of it: it reads between batches, so its batch is over."""
        assert self.channel is not None
        control, report = self.channel.control(job), self.channel.report(job)
        if control is None or report is None:
            return True
        return report.run_state is RunState.STOPPED or report.revision >= control.revision

    def _checkpoint(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        def due(control: Control, report: Report | None) -> Control:
            saved = report.checkpoint if report else 0
            return replace(control, checkpoint_at=max(control.checkpoint_at, saved) + 1)

        waiting = False
        for job in self.jobs(entry, now_s):
            assert self.channel is not None
            report = self.channel.report(job)
            if report is None or not report.traits.checkpointable or report.run_state is RunState.STOPPED:
                continue  # one that has left saved its state before
            control = self._change(job, step.key, due)
            waiting = waiting or (control is not None and report.checkpoint < control.checkpoint_at)
        return None if waiting else DONE

    def _free(self, entry: Entry, now_s: float, *, bar: bool = False) -> None:
        if self.queue is None:
            return
        for job in self.jobs(entry, now_s):
            if bar:
                self.queue.bar(job)
            self.queue.release(job, now_s)

    def _change(self, job: str, key: str, how: Callable[[Control, Report | None], Control]) -> Control | None:
        """Change a control document once per key. None where the worker takes no part any more."""
        assert self.channel is not None
        current = self.channel.control(job)
        if current is None or current.key == key:
            return current
        wanted = replace(how(current, self.channel.report(job)), key=key)
        if not self.channel.write_control(job, wanted, expected_revision=current.revision):
            raise Unavailable(f"the control document of {job} was changed meanwhile")
        return replace(wanted, revision=current.revision + 1)


def instance_of(job: str) -> str:
    """The instance that a worker named so runs on."""
    return job.rpartition("/")[2].partition(".")[0]


def _stopped(control: Control, _report: Report | None) -> Control:
    return replace(control, run_state=RunState.STOPPED)
