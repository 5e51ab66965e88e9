"""Jobs of this machine as actions find them: members of groups, and workers that joined on their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scrimp.api import (
    Control,
    JobGroup,
    JobRegistry,
    Member,
    ProcessId,
    Refused,
    Report,
    RunState,
    Services,
    TargetGone,
    Unavailable,
    WorkerChannel,
)

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Job:
    """A job that runs now. `control` is there if it takes part in the worker contract."""

    name: str  # of its row
    path: str  # in the channel
    process: ProcessId | None
    critical: bool
    operation: str | None
    control: Control | None
    report: Report | None

    @property
    def batch_size(self) -> int | None:
        """The batch size that is wanted of it, or else that it says it has."""
        wanted = self.control.batch_size if self.control else None
        return wanted or (self.report.batch_size if self.report else None)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Finds jobs, and changes their control documents."""

    registry: JobRegistry
    channel: WorkerChannel
    services: Services

    def named(self, name: str) -> Job | None:
        """The running job whose row has this name; `Refused` if two have it."""
        found = [job for job in self.all() if job.name == name]
        if len(found) > 1:
            raise Refused(f"{len(found)} jobs are named `{name}`: {', '.join(job.path for job in found)}")
        return found[0] if found else None

    def of_operation(self, operation: str) -> Sequence[Job]:
        """The running jobs that do this kind of work."""
        return [job for job in self.all() if job.operation == operation]

    def all(self) -> list[Job]:
        """Every job that runs, by name."""
        found = {
            member.job: self.of_member(group, member)
            for group in self.registry.groups()
            for member in self.registry.members(group.name)
        }
        for path in self.channel.jobs():
            if path not in found:
                found[path] = self._look(path, None, critical=False, operation=None)
        return sorted((job for job in found.values() if job is not None), key=lambda job: job.path)

    def of_member(self, group: JobGroup, member: Member) -> Job | None:
        """A member as a job; `None` if it does not run."""
        if member.process is None or not self.registry.alive(member.process):
            return None
        return self._look(member.job, member.process, critical=group.critical, operation=group.operation)

    def _look(
        self, path: str, process: ProcessId | None, *, critical: bool, operation: str | None
    ) -> Job | None:
        report = self.channel.report(path)
        control = self.channel.control(path)
        traits = report.traits if report else None
        joined = report is not None and report.run_state is not RunState.STOPPED
        if traits and traits.process and process and traits.process != process:
            joined = False  # the report of an earlier process of this name
        if process is None:
            own = traits.process if traits else None
            if not joined or (own is not None and not self.registry.alive(own)):
                return None
            process = own
        use = traits if joined else None
        return Job(
            name=path.rpartition("/")[2],
            path=path,
            process=process,
            critical=use.critical if use and use.critical is not None else critical,
            operation=(use.operation if use else None) or operation,
            control=control if joined else None,
            report=report if joined else None,
        )

    def change(self, path: str, key: str, how: Callable[[Control], Control], *, until_s: float) -> Control:
        """Change a control document by compare-and-set, once per key. Gives what stands there then."""
        while True:
            current = self.channel.control(path)
            if current is None:
                raise TargetGone(f"{path} does not take part any more")
            if current.key == key:
                return current
            wanted = replace(how(current), key=key)
            if self.channel.write_control(path, wanted, expected_revision=current.revision):
                return replace(wanted, revision=current.revision + 1)
            if self.services.now() >= until_s:
                raise Unavailable(f"the control document of {path} keeps changing")
            self.services.sleep(POLL_S)

    def wait(self, until: Callable[[], bool], *, until_s: float) -> bool:
        """Whether it came true by then."""
        while not until():
            if self.services.now() >= until_s:
                return False
            self.services.sleep(POLL_S)
        return True
