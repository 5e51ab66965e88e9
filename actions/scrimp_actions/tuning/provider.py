"""The provider of `tune_batch_size`: it asks the jobs of an operation for the size that the tuner would have now.

Each act is one step: a size to try on the share of the jobs that may explore, a turn of a duel, or the winner for all.
What comes next is found by the collector `tuning` from what the workers report, so that every step is a decision of a
policy, audited like any other. The first act, and each that comes with other bounds, only notes what the policy
wishes (`tuned_for`), and says so in the plan: what is tried is chosen under these bounds. Without `explore` nothing is
tried, and the best size that is known is taken by all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from scrimp.api import (
    ActionResult,
    Control,
    PlannedAction,
    Probe,
    Reached,
    Refusal,
    Services,
    TargetGone,
    Unavailable,
)
from scrimp_actions.factory import Factory
from scrimp_actions.local.controls import MARGIN_S, split
from scrimp_actions.local.jobs import Job, Jobs
from scrimp_actions.specs import SPECS
from scrimp_actions.tuning.collector import folder, same_work
from scrimp_actions.tuning.goal import Goal, Objective
from scrimp_actions.tuning.notebook import Notebook
from scrimp_actions.tuning.session import Wish, trial_jobs

NAME, WISHED = "tune_batch_size", "tuned_for"


@dataclass(frozen=True, slots=True)
class TuningProvider:
    """Asks by the worker contract."""

    jobs: Jobs
    notebook: Notebook
    name: str = "tuning"

    def handles(self, action: PlannedAction) -> bool:
        """Only `tune_batch_size`."""
        return action.action == NAME

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be asked of whom, and why."""
        operation = split(action.target)[1]
        if WISHED in action.after:
            return f"note for {operation} {action.after[WISHED]}; no size is changed"
        found, size = self._chosen(action), _size(action)
        names = ", ".join(job.name for job in found if job.batch_size != size)
        if not names:
            return f"nothing: {'all have it' if found else f'no job of {operation} takes part'}"
        session = self.notebook.session(operation)
        why = f" ({session.told})" if session is not None and session.told else ""
        return f"ask {names} for batches of {size}{why}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - reads local files only
        """Refuses where nobody takes part, all have the size already, or it was found for another wish.

        An operation is tuned by its own policy only.
        """
        operation = split(action.target)[1]
        if action.args.get("operation") not in (None, operation):
            return Refusal(f"the policy tunes {action.args['operation']}, and the target is {operation}")
        found, wish = self._chosen(action), wish_of(action)
        if not found:
            return Refusal(f"no job of {operation} takes part in the worker contract")
        if WISHED in action.after:
            return action
        if wish is not None and self.notebook.wish(operation) != wish:
            return Refusal(f"the size was found for another wish of {operation} than this one")
        if all(job.batch_size == _size(action) for job in found):
            return Refusal(f"the jobs of {operation} have batches of {_size(action)} already")
        return action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Note what the policy wishes; or write the size into the control documents of those who are asked."""
        operation = split(action.target)[1]
        until_s = self.jobs.services.now() + deadline_s - MARGIN_S
        wish = wish_of(action)
        if WISHED in action.after and wish is not None:
            self.notebook.keep_wish(operation, wish)
            return ActionResult(f"noted what is wished: {wish.asked}", action.after)
        found, size = self._chosen(action), _size(action)
        if not found:
            raise TargetGone(f"no job of {operation} takes part any more")
        found = [job for job in found if job.batch_size != size or (job.control and job.control.key == key)]

        def resized(control: Control) -> Control:
            return replace(control, batch_size=size)

        for job in found:
            self.jobs.change(job.path, key, resized, until_s=until_s)
        names = ", ".join(job.name for job in found)
        told = f"asked {names} for batches of {size}" if found else f"all had batches of {size} already"
        return ActionResult(told, {"batch_size": size})

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - as above
        """Reached if all who are asked were; a part is as good as untouched, since the same key asks only the rest."""
        if WISHED in action.after:
            noted = self.notebook.wish(split(action.target)[1]) == wish_of(action)
            return Probe(Reached.REACHED if noted else Reached.UNTOUCHED, "a wish to note")
        found, size = self._chosen(action), _size(action)
        done = [job for job in found if job.control and (job.control.key == key or job.batch_size == size)]
        if found and len(done) == len(found):
            return Probe(Reached.REACHED, f"{len(done)} jobs were asked")
        return Probe(Reached.UNTOUCHED, f"{len(done)} of {len(found)} jobs were asked")

    def _chosen(self, action: PlannedAction) -> Sequence[Job]:
        """The jobs on trial while something is tried; else all of the operation, on the device that it is tuned on."""
        operation = split(action.target)[1]
        session, wish = self.notebook.session(operation), wish_of(action)
        found = {
            job.path: job
            for job in self.jobs.of_operation(operation)
            if job.control is not None
            and (session is None or job.report is None or same_work(job.report.traits, session.workload))
        }
        trying = (
            session is not None
            and wish is not None
            and wish.explore > 0
            and WISHED not in action.after
            and _size(action) not in (session.incumbent, session.winner)
        )
        chosen = trial_jobs(list(found), wish.explore) if trying and wish is not None else sorted(found)
        return [found[path] for path in chosen]


def wish_of(action: PlannedAction) -> Wish | None:
    """What the parameters of an act ask for; None for an undo, which gives back a size and asks for nothing."""
    args = action.args
    if "to" in args:
        return None
    objective: Objective = "throughput"
    if args.get("objective") in get_args(Objective):
        objective = cast("Objective", args["objective"])
    latency_s, memory = args.get("max_latency"), args.get("max_memory")
    explore = args.get("explore", 0.0)
    assert isinstance(explore, int | float)
    return Wish(
        Goal(
            objective=objective,
            max_latency_s=float(latency_s) if isinstance(latency_s, int | float) else None,
            max_memory_bytes=float(memory) if isinstance(memory, int | float) else None,
        ),
        min(max(float(explore), 0.0), 1.0),
        str(action.after.get(WISHED, "")),
    )


def _size(action: PlannedAction) -> int:
    value = action.after.get("batch_size")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{action.action} without a batch size to come to")
    return max(int(value), 1)


def build(config: Mapping[str, Any], services: Services) -> TuningProvider:
    """The provider; raises `Unavailable` where there is no worker channel."""
    if services.channel is None or services.jobs is None:
        raise Unavailable("tuning needs a worker channel and a registry of jobs")
    return TuningProvider(
        Jobs(services.jobs, services.channel, services), folder(services), str(config.get("name", "tuning"))
    )


FACTORY = Factory((SPECS[NAME],), build)
