"""The provider for what runs on this machine: local job groups and the jobs in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scrimp.api import ActionResult, OutsideError, PlannedAction, Probe, Reached, Refusal, Services
from scrimp_actions.factory import Factory
from scrimp_actions.keys import KeyStore
from scrimp_actions.local.controls import Batches, Checkpoints, Runs, split
from scrimp_actions.local.jobs import Jobs
from scrimp_actions.local.sizes import Sizes
from scrimp_actions.specs import SPECS

TERM_GRACE_S = 5.0
SETTLE_S = 0.3


class Part(Protocol):
    """One family of actions."""

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against what is there now."""

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it."""

    def probe(self, action: PlannedAction, *, key: str) -> Probe:
        """Did it happen?"""


@dataclass(frozen=True, slots=True)
class LocalProvider:
    """Sends each action to its part. A key that is done gives its first result again."""

    jobs: Jobs
    keys: KeyStore
    parts: Mapping[tuple[str, str], Part]  # by kind and action
    name: str = "local"

    def _part(self, action: PlannedAction) -> Part:
        return self.parts[split(action.target)[0], action.action]

    def handles(self, action: PlannedAction) -> bool:
        """Whether the target is a group of this machine, or a job or operation that runs here.

        Where that cannot be read it says yes, so that the action fails with the cause.
        """
        kind, name = split(action.target)
        if (kind, action.action) not in self.parts:
            return False
        try:
            if kind == "node_group":
                return any(group.name == name for group in self.jobs.registry.groups())
            found = self.jobs.all()
        except OutsideError:
            return True
        return any((job.operation if kind == "operation" else job.name) == name for job in found)

    def plan(self, action: PlannedAction) -> str:
        """One line on what exactly would be done."""
        return self._part(action).plan(action)

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:
        """The action against what is there now, or a refusal."""
        return self._part(action).revalidate(action, deadline_s=deadline_s)

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it, once per key."""
        done = self.keys.done(key)
        if done is not None:
            return done
        return self.keys.finish(key, self._part(action).apply(action, key=key, deadline_s=deadline_s))

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - reads local files only
        """Did it happen?"""
        done = self.keys.done(key)
        if done is not None:
            return Probe(Reached.REACHED, done.detail)
        return self._part(action).probe(action, key=key)


def build(config: Mapping[str, Any], services: Services) -> LocalProvider:
    """From the section of `scrimp.yaml`: `term_grace_s` between SIGTERM and SIGKILL, `settle_s` to watch a start."""
    if services.jobs is None or services.channel is None:
        raise ValueError("the local provider needs the job registry and the worker channel")
    jobs = Jobs(services.jobs, services.channel, services)
    keys = KeyStore(services.state_dir / "done" / "local")
    sizes = Sizes(
        jobs, keys, float(config.get("term_grace_s", TERM_GRACE_S)), float(config.get("settle_s", SETTLE_S))
    )
    batches, runs, checkpoints = Batches(jobs), Runs(jobs), Checkpoints(jobs)
    parts: dict[tuple[str, str], Part] = {("job", "checkpoint"): checkpoints}
    parts |= {("node_group", action): sizes for action in ("scale_down", "scale_up")}
    for action in ("reduce_batch_size", "increase_batch_size"):
        parts |= {(kind, action): batches for kind in ("job", "operation")}
    parts |= {("job", action): runs for action in ("pause_non_critical", "resume_paused")}
    return LocalProvider(jobs, keys, parts)


NAMES = (
    *("scale_down", "scale_up", "reduce_batch_size", "increase_batch_size"),
    *("pause_non_critical", "resume_paused", "checkpoint"),
)
FACTORY = Factory(tuple(SPECS[name] for name in NAMES), build)
