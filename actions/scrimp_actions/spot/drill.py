"""A rehearsal on a virtual clock: workers with leases, injected interruptions, a controller that is killed at random.

The runner, its book, its hands and its watch are the real ones, and so is the work queue; only the cloud, the workers and
the clock are simulated. What must not happen is counted: lost samples, double commits, steps after their time, instances
left over. Killed means killed: the runner stops between any two of its steps and is thrown away with all that it had in
memory; a new one reads the book.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from scrimp.api import Throttled, Unavailable, WorkQueue
from scrimp_actions.spot.cloud import LaunchRequest, Purchase
from scrimp_actions.spot.hands import FLEET_TAG, MEMBER_TAG, FleetHands, instance_of
from scrimp_actions.spot.member import Notice, Rebalance, Rules, Running, State, Step, StepKind
from scrimp_actions.spot.members import Changes, Entry, MemberBook
from scrimp_actions.spot.runner import Answer, Heard, Pace, Runner
from scrimp_actions.spot.simulated import SimulatedWorkers, Work
from scrimp_actions.spot.trace_cloud import TraceCloud
from scrimp_actions.spot.watch import Patience, Watch

FLEET = "drill"
WORKING = (State.RUNNING, State.AT_RISK)
_BUDGETED = (
    StepKind.STOP_WORK,
    StepKind.FINISH_BATCH,
    StepKind.CHECKPOINT,
    StepKind.RETURN_LEASES,
    StepKind.DEREGISTER,
)
SETTLE_S = 3600.0
"""Every way has an end: leases, the launch, the sweep's pauses. An hour is more than all of them."""

QUIET_S = 180.0
"""After the last interruption, this long without a change ends the rehearsal: nothing is under way any more.

It is longer than an instance that nobody knows is left alone, and a look.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a rehearsal and its mischief. `workers` are kept up and work as `work` says.

    `life_s` is the mean time to the injected interruption of an instance. Shares (0..1): `silent` interruptions are
    workers cut off from the controller while they run on; `strays` come each with an instance that no member knows, as
    after a launch whose answer came when its member had been swept; `kills` are moments (see `runner.CRASH_POINTS`) at which the
    controller dies, for up to `down_s`; `failing` steps fail. `look_s`: between two looks at the cloud; `poll_s`:
    between two looks at a step that is begun.
    """

    interruptions: int
    workers: int = 100
    work: Work = field(default_factory=lambda: Work(slow=0.05))
    life_s: float = 200.0
    heartbeat_s: float = 30.0
    silent: float = 0.02
    strays: float = 0.01
    kills: float = 0.001
    down_s: float = 60.0
    failing: float = 0.01
    look_s: float = 20.0
    poll_s: float = 2.0


@dataclass(slots=True)
class Tally:
    """What happened. Redone work of one worker: in batches where it was told to stop, else in seconds; the most seen.

    `unrevoked`: members that were lost, and whose leases were held still, or whose worker was given more, when their
    time had come to be swept. `strays` are instances that came up and that nobody answered for; `forgotten`: workers that
    take part still, and whose instance is no member's.
    """

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
    unrevoked: int = 0
    strays: int = 0
    forgotten: int = 0
    redone_told_batches: float = 0.0
    redone_untold_s: float = 0.0
    took_s: float = 0.0


def rehearse(
    cloud: TraceCloud,
    queue: WorkQueue,
    book: Callable[[], MemberBook],
    rules: Rules,
    plan: Plan,
    rng: Random,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> Tally:
    """Run the plan to its last interruption, let what is out be settled, and count.

    `book` opens the controller's disk. Once `enough` says so, no more interruptions are injected.
    """
    drill = _Drill(cloud, queue, book, rules, plan, rng, enough)
    drill.run()
    return drill.count()


class _Killed(BaseException):
    """The controller dies here. No `Exception`: nothing may catch it on the way."""


class _Drill:
    """The rehearsal under way: the world, and the controller that comes and goes in it."""

    def __init__(
        self,
        cloud: TraceCloud,
        queue: WorkQueue,
        book: Callable[[], MemberBook],
        rules: Rules,
        plan: Plan,
        rng: Random,
        enough: Callable[[], bool],
    ) -> None:
        self.enough = enough
        self.cloud, self.queue, self.plan, self.rules, self.rng = cloud, queue, plan, rules, rng
        self.open_book = book
        self.tally = Tally()
        self.workers = SimulatedWorkers(FLEET, queue, plan.work, rng, cloud.is_alive)
        cloud.on_end = self.workers.end
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.sequence = 0
        self.now_s = 0.0
        self.letters: list[Heard] = []  # heard and not yet taken in: they come again
        self.handed_over: set[str] = set()
        self.unknown: set[str] = set()
        self.runner: Runner | None = None
        self.hands = _Hands(self)
        patience = Patience(heartbeat_s=plan.heartbeat_s)
        self.watch = Watch(cloud, self.workers, self.hands.hands.end, {FLEET_TAG: FLEET}, patience)
        self.next_look_s = 0.0
        self.up_s = self.wrote_s = 0.0

    def run(self) -> None:
        """The loop: the next moment at which anybody has something to do, until all is done."""
        plan, limit_s = self.plan, math.inf
        longest_s = (
            plan.interruptions * plan.life_s + 10 * SETTLE_S
        )  # where nobody works, nobody is interrupted
        self.rise()
        assert self.runner is not None
        self.runner.begin(FLEET, range(plan.workers), 0.0, on_demand=False)
        while self.now_s < min(limit_s, longest_s):
            if limit_s == math.inf and (self.tally.interruptions >= plan.interruptions or self.enough()):
                limit_s = self.now_s + SETTLE_S
            if limit_s < math.inf and self.settled():
                break
            self.now_s = max(self.now_s, self.next_s(limit_s))
            for event in self.cloud.advance(self.now_s):
                self.happens(event)
            self.workers.advance(self.now_s)
            while self.agenda and self.agenda[0][0] <= self.now_s:
                heapq.heappop(self.agenda)[2]()
            self.control()
        self.tally.took_s = self.now_s

    def settled(self) -> bool:
        """Whether all members work, and nothing was written for a while."""
        if self.runner is None or self.now_s < self.wrote_s + QUIET_S:
            return False
        return all(entry.member.state in WORKING for entry in self.runner.entries.values())

    def next_s(self, limit_s: float) -> float:
        """When something is due next."""
        times = [limit_s, self.next_look_s if self.runner else self.up_s]
        times += [at_s for at_s in (self.cloud.next_s(), self.workers.next_s()) if at_s is not None]
        times += [self.agenda[0][0]] if self.agenda else []
        if self.runner is not None:
            due_s = self.now_s if self.letters else self.runner.next_s(self.now_s)
            times += [due_s] if due_s is not None else []
        return min(times)

    # ---- the world ----

    def happens(self, event: Heard) -> None:
        """The cloud says something; it happens to the worker whether or not the controller hears it."""
        if isinstance(event, Running):
            self.workers.start(event.instance, event.at_s)
            life_s = self.rng.expovariate(1.0 / self.plan.life_s)
            self.at(self.now_s + life_s, lambda: self.interrupt(event.instance))
        if isinstance(event, (Notice, Rebalance)) or self.runner is not None:
            self.letters.append(event)  # what is only a change of state is seen by looking, too

    def interrupt(self, instance: str) -> None:
        """Inject an interruption: through the cloud, or by cutting the worker off."""
        enough = self.tally.interruptions >= self.plan.interruptions or self.enough()
        if enough or instance in self.unknown or not self.cloud.is_alive(instance):
            return
        if self.rng.random() < self.plan.silent:
            self.workers.cut_off(instance)
        else:
            self.cloud.interrupt(instance, self.now_s + self.cloud.faults.lead_s)
        self.tally.interruptions += 1
        if self.rng.random() < self.plan.strays:
            self.stray()

    def stray(self) -> None:
        """An instance with our tags, of a member that is not there: nobody asked for it that is still alive."""
        self.tally.strays += 1
        pool = self.rng.choice(sorted(self.cloud.traces))
        tags = {FLEET_TAG: FLEET, MEMBER_TAG: f"{FLEET}-{self.rng.randrange(self.plan.workers)}.0"}
        asked = LaunchRequest(f"stray/{self.tally.strays}", (pool,), 1, Purchase.ON_DEMAND, tags)
        before = {made.id for made in self.cloud.alive()}
        with suppress(Unavailable):
            self.cloud.launch(asked, deadline_s=1.0)
        self.unknown |= {made.id for made in self.cloud.alive()} - before

    def at(self, when_s: float, act: Callable[[], None]) -> None:
        """Put something on the agenda."""
        self.sequence += 1
        heapq.heappush(self.agenda, (max(when_s, self.now_s), self.sequence, act))

    # ---- the controller ----

    def control(self) -> None:
        """What the controller does at this moment, if it is up; and if it dies of it, what becomes of that."""
        if self.runner is None:
            if self.now_s < self.up_s:
                return
            self.rise()
        assert self.runner is not None
        due_s = self.runner.next_s(self.now_s)
        idle = not self.letters and (due_s is None or due_s > self.now_s)
        if idle and self.now_s < self.next_look_s:
            return
        try:
            if self.now_s >= self.next_look_s:
                self.look(self.runner)
            self.runner.hear(self.letters)
            self.runner.carry_on(self.now_s)
            self.letters = []
        except _Killed:
            self.tally.kills += 1
            self.runner.book.close()
            self.runner = None
            self.up_s = self.now_s + self.rng.random() * self.plan.down_s

    def rise(self) -> None:
        """A controller with nothing in its head but what the book says."""
        self.hands = _Hands(self)
        self.watch.end = self.hands.hands.end
        self.runner = Runner(
            self.open_book(),
            self.hands,
            lambda _entry: self.rules,
            checkpoint=self.maybe_die,
            wrote=self.wrote,
            pace=Pace(poll_s=self.plan.poll_s),
        )
        self.next_look_s = self.now_s

    def look(self, runner: Runner) -> None:
        """Look at the cloud and the workers; what nobody answers for is ended by that."""
        self.next_look_s = self.now_s + self.plan.look_s
        seen = self.watch.look(runner.entries, self.now_s)
        self.letters += seen.events

    def wrote(self, changes: Changes) -> None:
        """A hand-over after its time, unless the controller was down when it should have begun."""
        self.wrote_s = self.now_s
        for entry in changes.entries:
            member, ends = entry.member, entry.member.ends
            if member.state is State.HANDED_OVER and ends is not None and entry.name not in self.handed_over:
                self.handed_over.add(entry.name)
                self.tally.over_budget += member.since_s > ends.taken_s and self.up_s < ends.stop_s

    def maybe_die(self, _point: str) -> None:
        """A moment at which the controller may die."""
        if self.rng.random() < self.plan.kills:
            raise _Killed

    # ---- the count ----

    def count(self) -> Tally:
        """The sums at the end, from the book, the queue and the cloud."""
        tally, counts = self.tally, self.queue.counts()
        expected = 0
        for one in self.queue.committed():
            tally.samples += one.stop - one.first
            tally.committed_twice += max(0, expected - one.first)
            expected = max(expected, one.stop)
        accounted = tally.samples + counts.waiting + counts.leased + counts.dead
        tally.samples_lost = abs(counts.items - accounted)
        tally.refused_commits = self.workers.refused
        tally.told = self.workers.told
        tally.redone_told_batches = self.workers.redone.told_batches
        tally.redone_untold_s = self.workers.redone.untold_s
        book = self.open_book()
        living = {entry.name: entry.member for entry in book.entries()}
        book.close()
        tally.left_over = sum(1 for made in self.cloud.alive() if made.tags[MEMBER_TAG] not in living)
        instances = {member.instance for member in living.values()}
        tally.forgotten = sum(instance_of(job) not in instances for job in self.workers.jobs())
        tally.stuck = abs(self.plan.workers - sum(1 for member in living.values() if member.state in WORKING))
        return tally


class _Hands:
    """The real hands, a moment later than asked, with failures, and with the simulated workers' instances in step."""

    def __init__(self, drill: _Drill) -> None:
        self.drill = drill
        self.hands = FleetHands(drill.cloud, drill.workers, drill.queue, self.request)
        self.due_s: dict[str, float] = {}

    def request(self, entry: Entry, step: Step) -> LaunchRequest:
        """Any pool will do."""
        pools = sorted(self.drill.cloud.traces)
        purchase = Purchase.ON_DEMAND if step.on_demand else Purchase.SPOT
        first = self.drill.rng.choice(pools)
        tags = {FLEET_TAG: FLEET, MEMBER_TAG: entry.name}
        return LaunchRequest(step.key, (first,), 1, purchase, tags)

    def carry_out(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        """See `Hands.carry_out`."""
        drill = self.drill
        if step.key not in self.due_s:
            pause_s = drill.rng.uniform(0.02, 0.8)
            self.due_s[step.key] = now_s + pause_s
            raise Throttled("a moment", pause_s)
        if now_s < self.due_s[step.key]:
            return None
        drill.tally.steps += 1
        ends = entry.member.ends
        if step.kind in _BUDGETED and ends is not None:
            drill.tally.late_steps += now_s > ends.taken_s
        if step.kind is not StepKind.LAUNCH and drill.rng.random() < drill.plan.failing:
            return Answer(done=False)
        if step.kind is StepKind.SWEEP:
            self.check_revoked(entry)
        answer = self.hands.carry_out(step, entry, now_s)
        if answer is not None:
            self.due_s.pop(step.key, None)
        return answer

    def check_revoked(self, entry: Entry) -> None:
        """Before the sweep frees what is held: it must be free already, for the cloud may keep a sweep waiting for long."""
        drill, now_s, member = self.drill, self.drill.now_s, entry.member
        if member.ends is not None and member.since_s >= member.ends.hand_over_s:
            return  # it went the way out, or the controller was down meanwhile, and the sweep is what is left
        for job in self.hands.jobs(entry.member.instance, now_s):
            held = drill.queue.release(job, now_s)
            more = drill.queue.take(job, now_s, leases=1, items=1, lease_s=1.0)
            drill.queue.give_back(more, now_s)
            drill.tally.unrevoked += bool(held or more)
