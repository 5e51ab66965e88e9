"""A rehearsal on a virtual clock: workers with leases, injected interruptions, a controller that is killed at random.

It drives the interruption machine against the simulated cloud and counts what must not happen: lost samples, double
commits, steps after their time, instances left over. The benchmark and the demonstration run it.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from scrimp_actions.spot.interruption import advance, request, wake_s
from scrimp_actions.spot.leases import Lease, MemoryQueue
from scrimp_actions.spot.member import (
    Clock,
    Done,
    Event,
    Failed,
    Gone,
    Member,
    Notice,
    Rebalance,
    Rules,
    Running,
    Silent,
    State,
    Step,
    StepKind,
)
from scrimp_actions.spot.trace_cloud import NoCapacityError, TraceCloud

_BUDGETED = (
    StepKind.STOP_WORK,
    StepKind.FINISH_BATCH,
    StepKind.CHECKPOINT,
    StepKind.RETURN_LEASES,
    StepKind.DEREGISTER,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a rehearsal and its mischief. `workers` are kept up; each works in batches of `batch_samples`.

    `life_s` is the mean time to the injected interruption of an instance. Shares (0..1): `silent` interruptions are
    workers cut off from the controller while they run on; `kills` are events at which the controller dies, for up to
    `down_s`; `slow` intervals have batches of four times the time; `failing` steps fail.
    """

    interruptions: int
    workers: int = 100
    batch_s: float = 5.0
    batch_samples: int = 64
    checkpoint_s: float = 60.0
    life_s: float = 500.0
    heartbeat_s: float = 30.0
    silent: float = 0.02
    kills: float = 0.002
    down_s: float = 60.0
    slow: float = 0.05
    failing: float = 0.01


@dataclass(slots=True)
class Tally:
    """What happened. Redone work of one worker: in batches where it was told to stop, else in seconds; the most seen."""

    interruptions: int = 0
    told: int = 0
    kills: int = 0
    refused_commits: int = 0
    steps: int = 0
    late_steps: int = 0
    over_budget: int = 0
    samples: int = 0
    samples_lost: int = 0
    committed_twice: int = 0
    left_over: int = 0
    stuck: int = 0
    redone_told_batches: float = 0.0
    redone_untold_s: float = 0.0
    took_s: float = 0.0


@dataclass(slots=True)
class _Worker:
    """A worker on one instance: the leases of its present checkpoint interval, worked off one after the other."""

    instance: str
    batch_s: float
    leases: tuple[Lease, ...] = ()
    since_s: float = 0.0
    stopped_s: float = math.inf
    told: bool = False
    cut_off: bool = False
    counted: bool = False

    def done(self, now_s: float) -> float:
        """Batches worked off since the last checkpoint, with the part of the one in hand."""
        worked_s = max(0.0, min(now_s, self.stopped_s) - self.since_s)
        return min(float(len(self.leases)), worked_s / self.batch_s)


def rehearse(cloud: TraceCloud, rules: Rules, plan: Plan, rng: Random) -> Tally:
    """Run the plan to its last interruption, let the work that is out be finished, and count."""
    return _Drill(cloud, rules, plan, rng).run()


@dataclass(slots=True)
class _Drill:
    """The rehearsal under way. `store` is the controller's disk, `members` its memory, the rest is the world."""

    cloud: TraceCloud
    rules: Rules
    plan: Plan
    rng: Random
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    tally: Tally = field(default_factory=Tally)
    store: dict[str, str] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    workers: dict[str, _Worker] = field(default_factory=dict)
    successors: dict[str, str] = field(default_factory=dict)
    agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    letters: list[Event] = field(default_factory=list)
    down_until_s: float = -math.inf
    now_s: float = 0.0
    sequence: int = 0

    def run(self) -> Tally:
        """The loop: the next event of the cloud or of the agenda, until all is done or nothing moves any more."""
        plan, tally = self.plan, self.tally
        for k in range(plan.workers):
            self.begin(f"m{k}")
        limit_s = math.inf
        while self.agenda and self.agenda[0][0] < limit_s:
            if tally.interruptions >= plan.interruptions and limit_s == math.inf:
                self.queue.close()
                # Every way has an end: leases, the launch, the sweep's pauses. An hour is more than all of them.
                limit_s = self.now_s + 3600.0
            at_s = self.agenda[0][0]
            due_s = self.cloud.next_s()
            if due_s is not None and due_s <= at_s:
                self.now_s = max(self.now_s, due_s)
                for event in self.cloud.advance(due_s):
                    self.heard(event)
                continue
            _, _, act = heapq.heappop(self.agenda)
            self.now_s = at_s
            for event in self.cloud.advance(at_s):
                self.heard(event)
            act()
        self.count()
        return tally

    def count(self) -> None:
        """The sums at the end."""
        tally, samples = self.tally, self.plan.batch_samples
        commits = self.queue.commits
        tally.samples = samples * len(commits)
        tally.samples_lost = samples * commits.count(0)
        tally.committed_twice = samples * sum(1 for times in commits if times > 1)
        living = {name for name, text in self.store.items() if text}
        tally.left_over = sum(1 for made in self.cloud.alive() if made.tag not in living)
        ends = (State.RUNNING, State.AT_RISK)
        tally.stuck = sum(
            1 for name in living if Member.from_json(json.loads(self.store[name])).state not in ends
        )
        tally.took_s = self.now_s

    def at(self, when_s: float, act: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self.sequence += 1
        heapq.heappush(self.agenda, (max(when_s, self.now_s), self.sequence, act))

    # The controller.

    def begin(self, name: str) -> None:
        """A new member; the same name again is the same member."""
        if name not in self.store:
            member, steps = request(name, self.now_s, self.rules)
            self.keep(member)
            self.send(steps)

    def keep(self, member: Member) -> None:
        """Write a member down before anything is done about it; one that is cleaned up needs no memory."""
        if member.state is State.CLEANED:
            self.members.pop(member.name, None)
            self.store[member.name] = ""
            return
        self.members[member.name] = member
        self.store[member.name] = json.dumps(member.to_json())
        self.set_alarm(member)

    def set_alarm(self, member: Member) -> None:
        """Wake the member when it needs the time."""
        due_s = wake_s(member, self.rules)
        if due_s is not None:
            self.at(due_s, lambda: self.handle(member.name, Clock(self.now_s)))

    def handle(self, name: str, event: Event) -> None:
        """One event of one member: advance, write down, perhaps die on the way, send the steps."""
        member = self.members.get(name)
        if member is None or self.now_s < self.down_until_s:
            return
        following, steps = advance(member, event, self.rules)
        dies = self.rng.random() < self.plan.kills
        if dies and self.rng.random() < 0.5:
            self.letters.append(event)  # died before the writing: not acknowledged, so it comes again
            self.die()
            return
        if following != member:
            ends = following.ends
            if (
                following.state is State.HANDED_OVER
                and ends is not None
                and member.state is not following.state
            ):
                self.tally.over_budget += following.now_s > ends.taken_s and self.down_until_s < ends.stop_s
            self.keep(following)
        if dies:
            self.die()
            return
        self.send(steps)

    def die(self) -> None:
        """The controller is gone, with all that it had in memory."""
        self.tally.kills += 1
        self.down_until_s = self.now_s + self.rng.random() * self.plan.down_s
        self.members = {}
        self.at(self.down_until_s, self.restart)

    def restart(self) -> None:
        """Read back every member, hand out its open steps again, and take in what came or was missed meanwhile."""
        self.members = {name: Member.from_json(json.loads(text)) for name, text in self.store.items() if text}
        letters, self.letters = self.letters, []
        for name, member in list(self.members.items()):
            self.send(member.open)
            self.set_alarm(member)
            if member.instance and not self.cloud.is_alive(member.instance):
                letters.append(Gone(self.now_s, member.instance))
            elif member.instance and member.state is State.PENDING:
                letters.append(Running(self.now_s, member.instance))
            self.members[name] = member
        for event in letters:
            self.deliver(event)

    def deliver(self, event: Event) -> None:
        """An event from outside reaches the controller, or waits for it."""
        if self.now_s < self.down_until_s:
            if isinstance(event, (Notice, Rebalance, Silent)):
                self.letters.append(event)
            return
        if isinstance(event, (Done, Failed)):
            self.handle(event.key.split("/", maxsplit=1)[0], replace(event, at_s=self.now_s))
        elif isinstance(event, (Notice, Rebalance, Running, Gone, Silent)) and event.instance in self.owners:
            self.handle(self.owners[event.instance], replace(event, at_s=self.now_s))

    def send(self, steps: tuple[Step, ...]) -> None:
        """Steps are carried out a moment later; those of a dead controller are not."""
        for step in steps:
            self.at(self.now_s + self.rng.uniform(0.02, 0.8), lambda step=step: self.carry_out(step))  # type: ignore[misc]

    # The world.

    def heard(self, event: Event) -> None:
        """The cloud says something; it happens to the worker whether or not the controller hears it."""
        if isinstance(event, Running):
            worker = self.workers[event.instance] = _Worker(event.instance, self.plan.batch_s)
            self.at(self.now_s + self.rng.expovariate(1.0 / self.plan.life_s), lambda: self.interrupt(worker))
            self.refill(worker)
        elif isinstance(event, Gone) and event.instance in self.workers:
            worker = self.workers[event.instance]
            worker.stopped_s = min(worker.stopped_s, self.now_s)
        self.deliver(event)

    def interrupt(self, worker: _Worker) -> None:
        """Inject an interruption: through the cloud, or by cutting the worker off."""
        if self.tally.interruptions >= self.plan.interruptions or not self.cloud.is_alive(worker.instance):
            return
        if self.rng.random() < self.plan.silent:
            worker.cut_off = True
            self.at(
                self.now_s + self.plan.heartbeat_s, lambda: self.deliver(Silent(self.now_s, worker.instance))
            )
        else:
            self.cloud.interrupt(worker.instance, self.now_s + self.cloud.faults.lead_s)
        self.tally.interruptions += 1

    def carry_out(self, step: Step) -> None:
        """One step; carried out again under its key it does nothing more. Given up after its time."""
        name = step.key.split("/", maxsplit=1)[0]
        member = self.members.get(name)
        if member is None or self.now_s < self.down_until_s or self.now_s >= step.by_s:
            return
        self.tally.steps += 1
        if step.kind in _BUDGETED and member.ends is not None:
            self.tally.late_steps += self.now_s > member.ends.taken_s
        if step.kind is not StepKind.LAUNCH and self.rng.random() < self.plan.failing:
            self.deliver(Failed(self.now_s, step.key))
            return
        instance = member.instance
        if step.kind is StepKind.LAUNCH:
            try:
                pool = self.rng.choice(sorted(self.cloud.traces))
                instance = self.cloud.launch(pool, step.key, name, on_demand=step.on_demand).name
            except NoCapacityError:
                self.deliver(Failed(self.now_s, step.key))
                return
            self.owners[instance] = name
        elif step.kind is StepKind.REPLACE:
            self.begin(self.successors.setdefault(name, f"m{self.plan.workers + len(self.successors)}"))
        elif step.kind is StepKind.SWEEP:
            self.sweep(name, instance)
        elif step.kind is StepKind.REVOKE_LEASES:
            self.free(instance)
        elif not self.on_worker(step, member):
            return  # the worker does not answer; the step's time ends it
        self.deliver(Done(self.now_s, step.key, instance))
        if step.kind is StepKind.LAUNCH and instance in self.workers:
            self.deliver(Running(self.now_s, instance))  # it runs since an earlier try, whose answer was lost

    def on_worker(self, step: Step, member: Member) -> bool:
        """What a step does on the worker; whether it answers now."""
        worker = self.workers.get(member.instance)
        if worker is None or worker.cut_off or not self.cloud.is_alive(member.instance):
            return False
        if step.kind is StepKind.STOP_WORK and not worker.told and member.ends is not None:
            # The worker is told until when: it ends its batch, or drops it then, and checkpoints by itself.
            self.tally.told += 1
            worker.told = True
            batch = math.floor(worker.done(self.now_s)) + 1
            end_s = worker.since_s + min(batch, len(worker.leases)) * worker.batch_s
            worker.stopped_s = min(worker.stopped_s, end_s, member.ends.drain_s)
            self.at(worker.stopped_s, lambda: self.commit(worker))
        elif step.kind is StepKind.FINISH_BATCH:
            self.at(worker.stopped_s, lambda: self.deliver(Done(self.now_s, step.key)))
            return False
        elif step.kind is StepKind.CHECKPOINT:
            self.commit(worker)
        elif step.kind is StepKind.RETURN_LEASES:
            self.free(member.instance)
        return True

    def sweep(self, name: str, instance: str) -> None:
        """End what bears the member's tag. A worker that was cut off tries to commit first: it must not succeed."""
        for made in self.cloud.alive(name):
            self.cloud.terminate(made.name)
            worker = self.workers.get(made.name)
            if worker is not None and worker.cut_off:
                self.commit(worker)
            self.free(made.name)
            self.workers.pop(made.name, None)
        self.free(instance)
        self.workers.pop(instance, None)

    def free(self, instance: str) -> None:
        """Give the leases of an instance back, and count what was worked on and will be done again."""
        self.queue.give_back(instance, self.now_s)
        worker = self.workers.get(instance)
        if worker is None or worker.counted:
            return
        worker.counted = True
        batches = worker.done(self.now_s)
        tally = self.tally
        if worker.told:
            tally.redone_told_batches = max(tally.redone_told_batches, batches)
        else:
            tally.redone_untold_s = max(tally.redone_untold_s, batches * worker.batch_s)

    def commit(self, worker: _Worker) -> None:
        """Commit the whole batches since the last checkpoint, under the leases that they were worked under."""
        if not self.cloud.is_alive(worker.instance) and not worker.cut_off:
            return
        whole = math.floor(worker.done(self.now_s) + 1e-9)
        batches, worker.leases = worker.leases[:whole], worker.leases[whole:]
        worker.since_s += whole * worker.batch_s
        self.tally.refused_commits += len(batches) - self.queue.commit(batches, self.now_s)

    def refill(self, worker: _Worker) -> None:
        """A checkpoint interval ends at a batch's end: commit, and take the leases of the next one."""
        if not self.cloud.is_alive(worker.instance) or worker.told:
            return
        self.commit(worker)
        plan = self.plan
        worker.batch_s = plan.batch_s * (4.0 if self.rng.random() < plan.slow else 1.0)
        count = max(1, int(plan.checkpoint_s // worker.batch_s))
        worker.leases = self.queue.take(worker.instance, count, self.now_s, self.rules.lease_s)
        worker.since_s = self.now_s
        pause_s = max(1, len(worker.leases)) * worker.batch_s
        self.at(self.now_s + pause_s, lambda: self.refill(worker))
