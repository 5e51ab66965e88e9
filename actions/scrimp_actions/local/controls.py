"""Batch size, pausing and checkpoints: by the worker contract where the job takes part; pausing else by signal."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scrimp.api import (
    ActionResult,
    Control,
    PlannedAction,
    Probe,
    Reached,
    Refusal,
    RunState,
    TargetGone,
    Unavailable,
)
from scrimp_actions.local.jobs import Job, Jobs

MARGIN_S = 0.1  # kept of a deadline, to answer in time
REDUCE_BATCH, PAUSE = "reduce_batch_size", "pause_non_critical"


def split(target: str) -> tuple[str, str]:
    """Kind and name of `kind/name`."""
    kind, _, name = target.partition("/")
    return kind, name


def no_part(target: str) -> Refusal:
    """The refusal for a job that has not joined."""
    return Refusal(f"{target} does not take part in the worker contract")


@dataclass(frozen=True, slots=True)
class Batches:
    """`reduce_batch_size`, `increase_batch_size` on a job, or on all jobs of an operation."""

    jobs: Jobs

    def targets(self, action: PlannedAction) -> Sequence[Job]:
        """The jobs that are meant and take part."""
        kind, name = split(action.target)
        if kind == "operation":
            found = self.jobs.of_operation(name)
        else:
            job = self.jobs.named(name)
            found = [job] if job else []
        return [job for job in found if job.control is not None]

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        names = ", ".join(job.name for job in self.targets(action)) or "no job that takes part"
        return f"ask {names} for batches of {_size(action)}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - reads local files only
        """Refuses where nobody takes part, or all are there already, or the wish turned into its opposite."""
        found = self.targets(action)
        if not found:
            return no_part(action.target)
        sizes = [job.batch_size for job in found if job.batch_size is not None]
        if sizes:
            now = max(sizes) if action.action == REDUCE_BATCH else min(sizes)
            wanted = _size(action)
            if (now <= wanted) if action.action == REDUCE_BATCH else (now >= wanted):
                return Refusal(f"batch size of {action.target} is {now} already")
            return replace(action, before={"batch_size": now}, change=abs(now - wanted))
        return action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Write the wish into each control document; a worker follows at its next batch."""
        until_s = self.jobs.services.now() + deadline_s - MARGIN_S
        found = self.targets(action)
        if not found:
            raise TargetGone(no_part(action.target).reason)
        wanted = _size(action)
        smaller = action.action == REDUCE_BATCH

        def resized(control: Control, own: int | None) -> Control:
            current = control.batch_size or own
            if current is not None and ((current <= wanted) if smaller else (current >= wanted)):
                return control  # of several jobs, one may be there already: never the other way
            return replace(control, batch_size=wanted)

        for job in found:
            own = job.report.batch_size if job.report else None
            self.jobs.change(job.path, key, lambda control, own=own: resized(control, own), until_s=until_s)  # type: ignore[misc]
        names = ", ".join(job.name for job in found)
        return ActionResult(f"asked {names} for batches of {wanted}", {"batch_size": wanted})

    def probe(self, action: PlannedAction, *, key: str) -> Probe:
        """Reached if all have it. A part of them is as good as untouched: the same key asks only the rest."""
        found = self.targets(action)
        done = [
            job
            for job in found
            if job.control and (job.control.key == key or job.batch_size == _size(action))
        ]
        if found and len(done) == len(found):
            return Probe(Reached.REACHED, f"{len(done)} jobs were asked")
        return Probe(Reached.UNTOUCHED, f"{len(done)} of {len(found)} jobs were asked")


def _size(action: PlannedAction) -> int:
    value = action.after.get("batch_size")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{action.action} without a batch size to come to")
    return max(int(value), 1)


@dataclass(frozen=True, slots=True)
class Runs:
    """`pause_non_critical` and `resume_paused`."""

    jobs: Jobs

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        name = split(action.target)[1]
        job = self.jobs.named(name)
        if job is None:
            return f"nothing: {name} does not run"
        pausing = action.action == PAUSE
        if job.control is not None:
            return f"ask {name} to {'pause after its batch' if pausing else 'go on'}"
        return f"send {'SIGSTOP' if pausing else 'SIGCONT'} to the process group of {name}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - reads local files only
        """Refuses for a job that is gone, turned critical, or cannot keep a `resume_by`."""
        job = self.jobs.named(split(action.target)[1])
        if job is None:
            return Refusal(f"{action.target} does not run")
        if action.action == PAUSE and job.critical:
            return Refusal(f"{action.target} is critical")
        if job.control is None and action.args.get("resume_by") is not None:
            return Refusal(
                f"`resume_by` needs a worker that wakes by itself, and {no_part(action.target).reason}"
            )
        if job.control and job.control.run_state in (RunState.DRAINING, RunState.STOPPED):
            return Refusal(f"{action.target} is leaving")
        return action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Ask, and wait for the worker to say so as long as the deadline allows; or signal."""
        services = self.jobs.services
        until_s = services.now() + deadline_s - MARGIN_S
        job = self.jobs.named(split(action.target)[1])
        if job is None:
            raise TargetGone(f"{action.target} does not run")
        state = RunState.PAUSED if action.action == PAUSE else RunState.RUNNING
        if job.control is None:
            return self._signal(job, state)
        after_s = action.args.get("resume_by")
        resume_by_s = (
            services.now() + after_s
            if state is RunState.PAUSED and isinstance(after_s, float | int)
            else None
        )

        def turned(control: Control) -> Control:
            if control.run_state in (RunState.DRAINING, RunState.STOPPED):
                return control  # leaving wins
            return replace(control, run_state=state, resume_by_s=resume_by_s)

        control = self.jobs.change(job.path, key, turned, until_s=until_s)

        def heard() -> bool:
            report = self.jobs.channel.report(job.path)
            return report is not None and report.revision >= control.revision and report.run_state is state

        if self.jobs.wait(heard, until_s=until_s):
            return ActionResult(f"{job.name} is {state.value}", {"state": state.value})
        report = self.jobs.channel.report(job.path)
        said = report.run_state.value if report else None
        return ActionResult(f"{job.name} was asked, and has not yet finished its batch", {"state": said})

    def _signal(self, job: Job, state: RunState) -> ActionResult:
        number = signal.SIGSTOP if state is RunState.PAUSED else signal.SIGCONT
        if job.process is None or not self.jobs.registry.signal(job.process, number, whole_group=True):
            raise TargetGone(f"{job.name} does not run any more")
        return ActionResult(f"sent {number.name} to the process group of {job.name}", {"state": state.value})

    def probe(self, action: PlannedAction, *, key: str) -> Probe:
        """By the control document's key. A signal leaves no trace, and sending it again is harmless."""
        job = self.jobs.named(split(action.target)[1])
        if job is None:
            return Probe(Reached.OTHER, f"{action.target} does not run")
        if job.control is not None and job.control.key == key:
            return Probe(Reached.REACHED, f"{job.name} was asked")
        return Probe(Reached.UNTOUCHED, f"{job.name} was not asked, or by a signal that may be repeated")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """`checkpoint`: done when the worker reports it."""

    jobs: Jobs

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        return f"ask {split(action.target)[1]} to save its state, and wait for it"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - reads local files only
        """Refuses where the job does not take part, or said that it cannot save."""
        job = self.jobs.named(split(action.target)[1])
        if job is None:
            return Refusal(f"{action.target} does not run")
        if job.control is None or job.report is None:
            return no_part(action.target)
        if job.report.traits.checkpointable is not True:
            return Refusal(f"{action.target} does not say that it can save its state")
        return action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Ask once per key, and wait. `Unavailable` if the worker has not saved by `timeout` or the deadline."""
        services = self.jobs.services
        timeout_s = action.args.get("timeout")
        least_s = min(deadline_s - MARGIN_S, timeout_s if isinstance(timeout_s, float | int) else deadline_s)
        until_s = services.now() + least_s
        job = self.jobs.named(split(action.target)[1])
        if job is None or job.control is None:
            raise TargetGone(no_part(action.target).reason)

        def due(control: Control) -> Control:
            reported = job.report.checkpoint if job.report else 0
            return replace(control, checkpoint_at=max(control.checkpoint_at, reported) + 1)

        control = self.jobs.change(job.path, key, due, until_s=until_s)
        if not self.jobs.wait(self._saved(job, control.checkpoint_at), until_s=until_s):
            raise Unavailable(f"{job.name} has not saved its state within {least_s:.0f} s")
        return ActionResult(f"{job.name} saved its state")

    def _saved(self, job: Job, number: int) -> Callable[[], bool]:
        def saved() -> bool:
            report = self.jobs.channel.report(job.path)
            return report is not None and report.checkpoint >= number

        return saved

    def probe(self, action: PlannedAction, *, key: str) -> Probe:
        """Reached if asked under this key and saved since; else asking again is harmless."""
        job = self.jobs.named(split(action.target)[1])
        if job and job.control and job.control.key == key and self._saved(job, job.control.checkpoint_at)():
            return Probe(Reached.REACHED, f"{job.name} saved its state")
        return Probe(Reached.UNTOUCHED, "not saved under this intent")
