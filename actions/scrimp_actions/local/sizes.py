"""`scale_down` and `scale_up` of a local job group: real processes, started detached and drained before they end.

A start is written down before it happens, and found again by the process's environment after a crash in between.
A member that leaves is asked (worker contract), told (SIGTERM) when its drain time is over, and killed after that.
"""

import os
import signal
import subprocess
from dataclasses import dataclass, field, replace

from scrimp.api import (
    ActionResult,
    Control,
    JobGroup,
    JobRegistry,
    Member,
    Money,
    PlannedAction,
    Probe,
    ProcessId,
    Reached,
    Refusal,
    Refused,
    RunState,
    TargetGone,
    Unavailable,
)
from scrimp_actions.keys import KeyStore
from scrimp_actions.local.controls import MARGIN_S, split
from scrimp_actions.local.jobs import POLL_S, Jobs
from scrimp_actions.local.sizing import bounded, dismissed, free_indexes

DOWN = "scale_down"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Starts and dismisses members. `term_grace_s` lies between SIGTERM and SIGKILL, `settle_s` is how long a start is watched."""

    jobs: Jobs
    keys: KeyStore
    term_grace_s: float
    settle_s: float
    _children: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def registry(self) -> JobRegistry:
        """The groups of this machine."""
        return self.jobs.registry

    def group(self, action: PlannedAction) -> JobGroup | None:
        """The group that is meant."""
        name = split(action.target)[1]
        return next((group for group in self.registry.groups() if group.name == name), None)

    def staying(self, group: JobGroup) -> list[Member]:
        """Members that run and are not leaving: the size."""
        found = self.registry.members(group.name)
        return [
            member
            for member in found
            if not member.leaving and member.process and self.registry.alive(member.process)
        ]

    def plan(self, action: PlannedAction) -> str:
        """One line on what would be done."""
        group = self.group(action)
        if group is None:
            return f"nothing: there is no job group `{split(action.target)[1]}`"
        now, wanted = self.staying(group), bounded(group, _size(action))
        if action.action == DOWN:
            names = ", ".join(member.name for member in self._choice(group, now, len(now) - wanted))
            return f"drain {names or 'nobody'}, by signal after {self._drain_s(action, group):.0f} s"
        more = free_indexes((m.index for m in self.registry.members(group.name)), max(wanted - len(now), 0))
        return f"start {', '.join(f'{group.name}-{index}' for index in more) or 'nobody'}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - reads local files only
        """The same change from the size that is there now; refused where none is left of it."""
        group = self.group(action)
        if group is None:
            return Refusal(f"there is no job group `{split(action.target)[1]}`")
        now, wanted = len(self.staying(group)), bounded(group, _size(action))
        down = action.action == DOWN
        if (now <= wanted) if down else (now >= wanted):
            return Refusal(f"size of {action.target} is {now} already")
        planned = abs(float(action.before.get("size") or 0) - _size(action))
        saving = action.saving_per_hour
        if saving is not None and planned:
            saving = Money(saving.amount * abs(now - wanted) / planned, saving.currency)
        return replace(
            action,
            before={"size": now},
            after={"size": wanted},
            change=abs(now - wanted),
            saving_per_hour=saving,
        )

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Come to the size that is wanted. `Unavailable` if members are still at work when the deadline arrives."""
        until_s = self.jobs.services.now() + deadline_s - MARGIN_S
        group = self.group(action)
        if group is None:
            raise TargetGone(f"there is no job group `{split(action.target)[1]}`")
        if action.action == DOWN:
            return self._shrink(action, group, key, until_s)
        return self._grow(action, group, key, until_s)

    def probe(self, action: PlannedAction, *, key: str) -> Probe:
        """By size. A part under our key is as good as untouched: the same key does only the rest."""
        group = self.group(action)
        if group is None:
            return Probe(Reached.OTHER, f"there is no job group `{split(action.target)[1]}`")
        members = self.registry.members(group.name)
        now = len(self.staying(group))
        leaving = [m for m in members if m.leaving and m.process and self.registry.alive(m.process)]
        ours = any(member.key == key for member in members)
        if now == _size(action) and not leaving:
            return Probe(Reached.REACHED, f"size is {now}")
        if ours or now == action.before.get("size"):
            return Probe(Reached.UNTOUCHED, f"size is {now}, {len(leaving)} leaving")
        return Probe(Reached.OTHER, f"size is {now}, and not by this intent")

    # ---- growing ----------------------------------------------------------------------------------------

    def _grow(self, action: PlannedAction, group: JobGroup, key: str, until_s: float) -> ActionResult:
        started: list[Member] = []
        left_s = max(until_s - self.jobs.services.now(), 0.0)
        with self.registry.editing(group.name, deadline_s=left_s):
            members = self._settled(group)
            wanted = bounded(group, _size(action))
            missing = wanted - sum(not member.leaving for member in members)
            for index in free_indexes((member.index for member in members), max(missing, 0)):
                begun = Member(group.name, index, key=key)
                self.registry.set_members(group.name, [*members, begun])
                try:
                    self._reset_control(begun, key, until_s)
                    process = self._start(group, begun)
                except BaseException:
                    self.registry.set_members(group.name, members)
                    raise
                members = [*members, replace(begun, process=process)]
                started.append(members[-1])
                self.registry.set_members(group.name, members)
        self._watch(started, until_s)
        size = len(self.staying(group))
        names = ", ".join(member.name for member in started)
        return ActionResult(f"started {names}" if names else f"size was {size} already", {"size": size})

    def _settled(self, group: JobGroup) -> list[Member]:
        """The members that run, with those that a crash left half-written: found again, or forgotten."""
        self._reap()
        found: list[Member] = []
        for member in self.registry.members(group.name):
            process = member.process or self.registry.find(member.job)
            if process is not None and self.registry.alive(process):
                found.append(replace(member, process=process))
        self.registry.set_members(group.name, found)
        return found

    def _reset_control(self, member: Member, key: str, until_s: float) -> None:
        """An earlier process of this name may have been told to leave: the new one is not."""
        if self.jobs.channel.control(member.job) is not None:
            self.jobs.change(member.job, f"{key} start {member.index}", lambda _: Control(), until_s=until_s)

    def _start(self, group: JobGroup, member: Member) -> ProcessId:
        marks = {"SCRIMP_WORKER_DIR": str(self.registry.worker_dir), "SCRIMP_JOB": member.job}
        try:
            self.registry.log_dir.mkdir(parents=True, exist_ok=True)
            with (self.registry.log_dir / f"{member.name}.log").open("ab") as log:
                child = subprocess.Popen(
                    group.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=group.directory,
                    env={**os.environ, **group.environment, **marks},
                    start_new_session=True,  # outlives the daemon, and is one process group
                )
        except OSError as error:
            raise Refused(f"cannot start {member.name}: {error.strerror}") from error
        self._children[child.pid] = child
        process = self.registry.identify(child.pid)
        if process is None:
            raise Refused(f"{member.name} ended at once; its log is {member.name}.log")
        return process

    def _watch(self, started: list[Member], until_s: float) -> None:
        """A command that fails at once is no success."""
        if not started:
            return
        until_s = min(until_s, self.jobs.services.now() + self.settle_s)
        self.jobs.wait(lambda: any(self._gone(member) for member in started), until_s=until_s)
        ended = [member for member in started if self._gone(member) and self._code(member) != 0]
        if ended:
            names = ", ".join(f"{member.name} (exit code {self._code(member)})" for member in ended)
            raise Refused(f"{names} ended at once; the log is {ended[0].name}.log")

    def _gone(self, member: Member) -> bool:
        return member.process is None or not self.registry.alive(member.process)

    def _code(self, member: Member) -> int | None:
        child = self._children.get(member.process.pid) if member.process else None
        return child.poll() if child else None

    def _reap(self) -> None:
        for pid in [pid for pid, child in self._children.items() if child.poll() is not None]:
            del self._children[pid]

    # ---- shrinking --------------------------------------------------------------------------------------

    def _shrink(self, action: PlannedAction, group: JobGroup, key: str, until_s: float) -> ActionResult:
        services = self.jobs.services
        note = self.keys.begin(key, {"drain_by_s": services.now() + self._drain_s(action, group)})
        drain_by_s = float(note["drain_by_s"])
        with self.registry.editing(group.name, deadline_s=max(until_s - services.now(), 0.0)):
            members = self._settled(group)
            staying = [member for member in members if not member.leaving]
            chosen = self._choice(group, staying, len(staying) - bounded(group, _size(action)))
            names = {member.name for member in chosen}
            members = [replace(m, leaving=True, key=key) if m.name in names else m for m in members]
            self.registry.set_members(group.name, members)
        leaving = [member for member in members if member.leaving and member.key == key]
        told = [member for member in leaving if not self._ask(group, member, key, drain_by_s, until_s)]
        self._see_off(leaving, told, drain_by_s, until_s)
        with self.registry.editing(group.name, deadline_s=max(until_s - services.now(), MARGIN_S)):
            self._settled(group)
        size = len(self.staying(group))
        gone = ", ".join(member.name for member in leaving)
        return ActionResult(f"drained {gone}" if gone else f"size was {size} already", {"size": size})

    def _choice(self, group: JobGroup, members: list[Member], count: int) -> list[Member]:
        critical: dict[str, bool] = {}
        for member in members:
            job = self.jobs.of_member(group, member)
            critical[member.name] = job.critical if job else False
        return dismissed(members, count, critical)

    def _ask(self, group: JobGroup, member: Member, key: str, drain_by_s: float, until_s: float) -> bool:
        """Ask by contract; without it SIGTERM is the asking. False if it was told by signal."""
        job = self.jobs.of_member(group, member)
        if job is not None and job.control is not None:

            def leave(control: Control) -> Control:
                return replace(control, run_state=RunState.DRAINING, drain_by_s=drain_by_s)

            self.jobs.change(member.job, key, leave, until_s=until_s)
            return True
        self._tell(member)
        return False

    def _tell(self, member: Member) -> None:
        if member.process is not None:
            self.registry.signal(member.process, signal.SIGTERM)
            self.registry.signal(
                member.process, signal.SIGCONT, whole_group=True
            )  # a stopped one could not hear it

    def _see_off(self, leaving: list[Member], told: list[Member], drain_by_s: float, until_s: float) -> None:
        """Wait until all are gone: told at the end of the drain time, killed `term_grace_s` later."""
        services = self.jobs.services
        signalled = {member.name for member in told}
        while left := [member for member in leaving if not self._gone(member)]:
            now_s = services.now()
            if now_s >= until_s:
                names = ", ".join(member.name for member in left)
                raise Unavailable(
                    f"{names} still at work, with {max(drain_by_s - now_s, 0):.0f} s left to drain"
                )
            for member in left:
                if now_s >= drain_by_s and member.name not in signalled:
                    signalled.add(member.name)
                    self._tell(member)
                if now_s >= drain_by_s + self.term_grace_s and member.process is not None:
                    self.registry.signal(member.process, signal.SIGKILL, whole_group=True)
            self._reap()
            services.sleep(POLL_S)

    def _drain_s(self, action: PlannedAction, group: JobGroup) -> float:
        asked = action.args.get("drain")
        return float(asked) if isinstance(asked, float | int) else group.drain_s


def _size(action: PlannedAction) -> int:
    value = action.after.get("size")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{action.action} without a size to come to")
    return int(value)
