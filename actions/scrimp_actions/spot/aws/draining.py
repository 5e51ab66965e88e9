"""Instances leave in peace: their workers are asked to drain, waited for, and then the instances are terminated.

A worker on an instance joins as `GROUP/INSTANCE`, or `GROUP/INSTANCE.N` where several share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scrimp.api import RunState, Services, Unavailable
from scrimp_actions.spot.cloud import Cloud

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Farewell:
    """Sees instances off."""

    cloud: Cloud
    services: Services

    def see_off(self, ids: Sequence[str], key: str, drain_by_s: float, *, deadline_s: float) -> None:
        """Drain until `drain_by_s` (epoch seconds) at most, then terminate. `Unavailable` where that is not over yet."""
        until_s = self.services.now() + deadline_s * 0.75
        jobs = self._jobs(ids)
        for job in jobs:
            self._ask(job, key, drain_by_s)
        while jobs := [job for job in jobs if not self._left(job)]:
            now_s = self.services.now()
            if now_s >= drain_by_s:
                break
            if now_s >= until_s:
                raise Unavailable(f"{len(jobs)} workers still drain, for {drain_by_s - now_s:.0f} s at most")
            self.services.sleep(min(POLL_S, max(drain_by_s - now_s, 0.01)))
        self.cloud.terminate(ids, deadline_s=deadline_s * 0.2)

    def _jobs(self, ids: Sequence[str]) -> list[str]:
        channel, wanted = self.services.channel, set(ids)
        return [one for one in channel.jobs() if instance_of(one) in wanted] if channel else []

    def _ask(self, job: str, key: str, drain_by_s: float) -> None:
        channel = self.services.channel
        assert channel is not None
        current = channel.control(job)
        if current is None or current.key == key:
            return
        wanted = replace(current, run_state=RunState.DRAINING, drain_by_s=drain_by_s, key=key)
        if not channel.write_control(job, wanted, expected_revision=current.revision):
            raise Unavailable(f"the control document of {job} was changed meanwhile")

    def _left(self, job: str) -> bool:
        assert self.services.channel is not None
        report = self.services.channel.report(job)
        return report is None or report.run_state is RunState.STOPPED


def instance_of(job: str) -> str:
    """The instance that a worker of this name runs on."""
    return job.rpartition("/")[2].partition(".")[0]
