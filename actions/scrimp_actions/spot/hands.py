"""Steps carried out on real things: a cloud, the worker channel, the work queue. Each may be asked for again.

A worker on an instance joins as `FLEET/INSTANCE`, or `FLEET/INSTANCE.N` where several share it; under that name it takes
work from the queue, too. So the queue can be told to give it nothing more, whether or not the worker answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scrimp.api import Control, Report, RunState, Unavailable, WorkerChannel, WorkQueue
from scrimp_actions.spot.cloud import Cloud, Launched, LaunchRequest
from scrimp_actions.spot.member import Step, StepKind
from scrimp_actions.spot.members import Entry
from scrimp_actions.spot.runner import Answer

FLEET_TAG = "scrimp:fleet"
MEMBER_TAG = "scrimp:member"
ENGINE_TAG = "scrimp:engine"
LEAVING = (RunState.DRAINING, RunState.STOPPED)
JOBS_KEPT_S = 1.0

DONE = Answer(done=True)
NOT_DONE = Answer(done=False)


@dataclass(slots=True)
class FleetHands:
    """The hands of a runner. `request` says what to launch for an entry; `launched` hears what each launch came to.

    `tags` are borne by all instances of the engine: no other is touched.

    Without a queue the worker's own word is waited for; without a channel there is nobody to be asked.
    """

    cloud: Cloud
    channel: WorkerChannel | None
    queue: WorkQueue | None
    request: Callable[[Entry, Step], LaunchRequest]
    launched: Callable[[Entry, Launched, float], None] = lambda _entry, _launched, _now_s: None
    deadline_s: float = 30.0
    tags: Mapping[str, str] = field(default_factory=dict)
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
                self._see_off(step, entry, now_s)
                return (
                    DONE if all(map(self._between_batches, self.jobs(entry.member.instance, now_s))) else None
                )
            case StepKind.CHECKPOINT:
                self._see_off(step, entry, now_s)
                return self._checkpoint(step, entry, now_s)
            case StepKind.PREPARE:
                return self._checkpoint(step, entry, now_s)
            case StepKind.RETURN_LEASES | StepKind.REVOKE_LEASES:
                self._free(entry.member.instance, now_s)
            case StepKind.DEREGISTER:
                for job in self.jobs(entry.member.instance, now_s):
                    self._change(job, step.key, _stopped)
            case _:
                pass  # a batch is dropped by its worker at the time that it was told; to unprepare there is nothing
        return DONE

    def end(self, instances: Sequence[str], now_s: float, *, ended: Sequence[str] = ()) -> None:
        """End instances for good; free what their workers held, and forget these, as of those that have `ended` already.

        Raises what the cloud raises.
        """
        for instance in (*instances, *ended):
            self._free(
                instance, now_s
            )  # first: the cloud may not answer, and others can do the work meanwhile
        if instances:
            self.cloud.terminate(instances, deadline_s=self.deadline_s)
        for instance in (*instances, *ended):
            for job in self.jobs(instance, now_s):
                assert self.channel is not None
                self.channel.forget(job)

    def jobs(self, instance: str, now_s: float) -> Sequence[str]:
        """The workers on an instance."""
        if self.channel is None or not instance:
            return ()
        if not 0.0 <= now_s - self._jobs_at_s < JOBS_KEPT_S or instance not in self._jobs:
            found: dict[str, list[str]] = {}
            for job in self.channel.jobs():
                found.setdefault(instance_of(job), []).append(job)
            found.setdefault(instance, [])
            self._jobs, self._jobs_at_s = found, now_s
        return self._jobs.get(instance, ())

    def _launch(self, step: Step, entry: Entry, now_s: float) -> Answer:
        launched = self.cloud.launch(self.request(entry, step), deadline_s=self.deadline_s)
        self.launched(entry, launched, now_s)
        if not launched.instances:
            return NOT_DONE
        made = launched.instances[0]
        return Answer(done=True, instance=made.id, pool=made.pool, bought=made.purchase.value)

    def _sweep(self, entry: Entry, now_s: float) -> Answer:
        """End all that bears the member's tag, its own instance included; free what its workers held, and forget them."""
        found = self.cloud.instances({**self.tags, MEMBER_TAG: entry.name}, deadline_s=self.deadline_s)
        left = {made.id for made in found if not made.ended}
        own = entry.member.instance
        if own and not entry.member.times_asked(StepKind.LAUNCH):
            left.add(own)  # one that was taken over as it ran bears no tag of ours
        # One of ours that is not listed has ended: to end it again may be refused, for it has lost its tag as well.
        self.end(sorted(left), now_s, ended=[own] if own and own not in left else [])
        return DONE

    def _stop(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        self._see_off(step, entry, now_s)
        if self.queue is not None:
            return DONE
        return DONE if all(map(self._between_batches, self.jobs(entry.member.instance, now_s))) else None

    def _see_off(self, step: Step, entry: Entry, now_s: float) -> None:
        """Give the workers nothing more, and tell them to leave; once each.

        Each step on the way out begins with it: where the time of the first was over before it was carried out, what
        follows would else wait for workers that know of nothing, and take their leases while they go on.
        """
        ends = entry.member.ends

        def leave(control: Control, _report: Report | None) -> Control:
            return replace(
                control, run_state=RunState.DRAINING, drain_by_s=None if ends is None else ends.drain_s
            )

        for job in self.jobs(entry.member.instance, now_s):
            assert self.channel is not None
            current = self.channel.control(job)
            if current is not None and current.run_state in LEAVING:
                continue  # told, and barred before that
            if self.queue is not None:
                self.queue.bar(job)
            self._change(job, f"{step.key}/leave", leave)

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
        for job in self.jobs(entry.member.instance, now_s):
            assert self.channel is not None
            report = self.channel.report(job)
            if report is None or not report.traits.checkpointable or report.run_state is RunState.STOPPED:
                continue  # one that has left saved its state before
            control = self._change(job, step.key, due)
            waiting = waiting or (control is not None and report.checkpoint < control.checkpoint_at)
        return None if waiting else DONE

    def _free(self, instance: str, now_s: float) -> None:
        """Free what its workers hold. Barred first: else they would take more, and lose that with the machine."""
        if self.queue is None:
            return
        for job in self.jobs(instance, now_s):
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
