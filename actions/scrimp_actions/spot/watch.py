"""What the cloud and the workers say of a fleet, put into events; what bears its tag without being a member's is ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scrimp.api import RunState, WorkerChannel
from scrimp_actions.spot.cloud import Cloud, Instance, InstanceState
from scrimp_actions.spot.hands import MEMBER_TAG, instance_of
from scrimp_actions.spot.member import Gone, Running, Silent, State, StepKind
from scrimp_actions.spot.members import Entry


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, before something is believed that is only missing.

    `heartbeat_s`: a worker without a report, more than its longest batch; `absent_s`: an instance of ours that the cloud
    does not list any more (one that it lists as ended is believed at once); `orphan_s`: an instance of an unknown
    member, from its launch.
    """

    heartbeat_s: float = 120.0
    absent_s: float = 300.0
    orphan_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look brought: events, and ids of instances that nobody answered for and that were ended."""

    events: tuple[Gone | Running | Silent, ...]
    orphans: tuple[str, ...]
    instances: tuple[Instance, ...]


@dataclass(slots=True)
class Watch:
    """Looks at the instances of one engine: those that bear all of `tags`. `end` ends for good. Raises what the cloud raises; then nothing is known."""

    cloud: Cloud
    channel: WorkerChannel | None
    end: Callable[[Sequence[str], float], None]
    tags: Mapping[str, str]
    patience: Patience = field(default_factory=Patience)
    deadline_s: float = 30.0
    _absent_since_s: dict[str, float] = field(default_factory=dict)

    def look(self, entries: Mapping[str, Entry], now_s: float) -> Seen:
        """One look. `entries` are the members by name. Instances that nobody answers for are ended with it."""
        found = self.cloud.instances(self.tags, deadline_s=self.deadline_s)
        listed = {made.id: made for made in found}
        events: list[Gone | Running | Silent] = []
        absent: dict[str, float] = {}
        for entry in entries.values():
            instance = entry.member.instance
            made = listed.get(instance)
            if not instance or entry.member.state in (State.GONE, State.LOST):
                continue
            if made is None:
                if not entry.member.times_asked(StepKind.LAUNCH):
                    continue  # taken over as it ran: it bears no tag of ours
                absent[instance] = self._absent_since_s.get(instance, now_s)
                if now_s - absent[instance] >= self.patience.absent_s:
                    events.append(Gone(now_s, instance))
            elif not made.alive:
                events.append(Gone(now_s, instance))
            elif made.state is InstanceState.RUNNING and entry.member.state is State.PENDING:
                events.append(Running(now_s, instance))
        self._absent_since_s = absent
        events += self._silent(entries, now_s)
        orphans = [made.id for made in found if made.alive and self._orphan(made, entries, now_s)]
        if orphans:
            self.end(orphans, now_s)
        return Seen(tuple(events), tuple(orphans), tuple(found))

    def _orphan(self, made: Instance, entries: Mapping[str, Entry], now_s: float) -> bool:
        entry = entries.get(made.tags.get(MEMBER_TAG, ""))
        if now_s - made.launched_s < self.patience.orphan_s:
            return False  # its launch may not have been answered yet
        return entry is None or (bool(entry.member.instance) and entry.member.instance != made.id)

    def _silent(self, entries: Mapping[str, Entry], now_s: float) -> list[Silent]:
        if self.channel is None:
            return []
        working = {
            entry.member.instance
            for entry in entries.values()
            if entry.member.state in (State.RUNNING, State.AT_RISK)
        }
        silent = []
        for job in self.channel.jobs():
            instance = instance_of(job)
            if instance not in working:
                continue
            report = self.channel.report(job)
            if report is None or report.run_state is RunState.STOPPED:
                continue
            if now_s - report.at_s > self.patience.heartbeat_s:
                silent.append(Silent(now_s, instance))
        return silent
