"""Fleets kept as they are wanted: looks at the cloud, plans rounds, and drives the runner. What the provider talks to.

Everything wanted is on the disk before a call returns; what follows from it happens in `carry_on`, which the daemon
drives. One lock: calls of provider threads and of the daemon's thread follow each other.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field, replace

from scrimp.api import Money, OutsideError, Refused, WorkerChannel, WorkQueue
from scrimp_actions.spot.cloud import Cloud, Instance, Launched, LaunchRequest, PoolPrice, Purchase
from scrimp_actions.spot.fleets import FleetSpec, Round, Wish, plan_round
from scrimp_actions.spot.hands import ENGINE_TAG, FLEET_TAG, MEMBER_TAG, FleetHands
from scrimp_actions.spot.member import Dismiss, Gone, Notice, Rebalance, Rules, State, Step
from scrimp_actions.spot.members import Changes, Entry, MemberBook
from scrimp_actions.spot.poolbook import PoolBook
from scrimp_actions.spot.runner import Pace, Runner
from scrimp_actions.spot.watch import Patience, Seen, Watch

POOLS_NOTE = "pools"
STAYS = (State.REQUESTED, State.PENDING, State.RUNNING, State.AT_RISK)
PRICE_DEADLINE_S = 10.0
WAIT_FOR_EVER = 1 << 30  # attempts


@dataclass(frozen=True, slots=True)
class Beat:
    """How often, in seconds, the cloud is looked at and rounds are planned."""

    look_s: float = 15.0
    plan_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a manager works with. `scope` is the value of the tag by which permissions know its instances."""

    cloud: Cloud
    channel: WorkerChannel | None
    queue: WorkQueue | None
    scope: str
    currency: str = "USD"
    deadline_s: float = 30.0


@dataclass(slots=True)
class Manager:
    """The fleets of one scope. `rules` are the limits of interruptions; `pools` what is known of the market.

    `crew` asks workers and cloud side by side, see `Runner`; without it every call waits for its answers.
    """

    specs: Mapping[str, FleetSpec]
    means: Means
    book: MemberBook
    pools: PoolBook
    rules: Rules
    beat: Beat = field(default_factory=Beat)
    patience: Patience = field(default_factory=Patience)
    pace: Pace = field(default_factory=Pace)
    crew: tuple[Executor, Executor] | None = None
    wishes: dict[str, Wish] = field(default_factory=dict)
    instances: tuple[Instance, ...] = ()
    runner: Runner = field(init=False)
    watch: Watch = field(init=False)
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _look_s: float = float("-inf")
    _plan_s: float = float("-inf")
    _unseen: str = ""
    _engine: str = ""
    _trouble: str = ""
    _told: str = ""
    _asked: dict[str, str] = field(default_factory=dict)
    _requests: dict[str, tuple[str, LaunchRequest]] = field(default_factory=dict)
    _looking: Future[tuple[Seen, Sequence[PoolPrice]]] | None = None

    def __post_init__(self) -> None:
        """Go on from what the book says."""
        means = self.means
        self._engine = self.book.engine
        hands = FleetHands(
            means.cloud,
            means.channel,
            means.queue,
            self._request,
            launched=self._launched,
            deadline_s=means.deadline_s,
            tags=self.tags,
        )
        self.runner = Runner(
            self.book, hands, self._rules, pace=self.pace, crew=self.crew, refused=self._refused
        )
        self.watch = Watch(means.cloud, means.channel, hands.end, self.tags, self.patience, means.deadline_s)
        for name, spec in self.specs.items():
            noted = self.book.note(f"fleet/{name}")
            self.wishes[name] = Wish.from_json(noted) if noted is not None else Wish(spec.size, spec.purchase)
        noted = self.book.note(POOLS_NOTE)
        if noted is not None:
            self.pools.restore(noted)

    # ---- what is asked ----

    def want(self, fleet: str, wish: Wish) -> None:
        """From now on this is wanted of the fleet; on the disk when it returns."""
        with self._turn:
            self.book.write(Changes(notes={f"fleet/{fleet}": wish.to_json()}))
            self.wishes[fleet] = wish
            self._plan_s = float("-inf")

    def notice(self, instance: str, now_s: float, action_s: float | None) -> Entry | None:
        """The cloud takes this instance; None if it is no member of ours. Its steps have begun when it returns."""
        with self._turn:
            entry = self.runner.known(instance)
            if entry is None:
                return None
            if entry.pool:
                self._struck(entry, now_s)
            self.runner.begin_on(entry.name, Notice(now_s, instance, action_s), now_s)
            return self.runner.known(instance) or entry

    def at_risk(self, instance: str, now_s: float) -> None:
        """A rebalance signal: prepares, and never drains."""
        with self._turn:
            self.runner.hear([Rebalance(now_s, instance)])

    # ---- the clock ----

    def carry_on(self, now_s: float) -> float:
        """Look if it is time, plan if it is time, and go on with all that is under way. When to be called next."""
        with self._turn:
            if self._looking is None and now_s >= self._look_s + self.beat.look_s:
                self._look_s = now_s
                self._looking = self._begin_look(now_s)
            if self._looking is not None and self._looking.done():
                looked, self._looking = self._looking, None
                self._saw(looked, now_s)
            self.runner.carry_on(now_s)
            if now_s >= self._plan_s + self.beat.plan_s and not self._unseen:
                self._plan(now_s)
                self.runner.carry_on(now_s)
            due_s = self.runner.next_s(now_s)
            times = [self._look_s + self.beat.look_s]
            if not self._unseen:  # no round is planned on what is not known
                times.append(self._plan_s + self.beat.plan_s)
            return min([*times, due_s] if due_s is not None else times)

    def members(self, fleet: str) -> list[Entry]:
        """The members of a fleet that are not on their way out for good."""
        with self._turn:
            return [entry for entry in self.runner.fleet(fleet) if not entry.member.dismissed]

    def unnamed(self) -> list[Entry]:
        """Members with an instance, of fleets that are not configured any more: they go on, and cost what they cost."""
        with self._turn:
            entries = self.runner.entries.values()
            return [one for one in entries if one.fleet not in self.specs and one.member.instance]

    def entries(self) -> list[Entry]:
        """All members of all fleets."""
        with self._turn:
            return list(self.runner.entries.values())

    def learn_prices(self, pools: Sequence[str], now_s: float) -> None:
        """Ask for prices where none is known, as in a preview, which looks at nothing else. Without an answer it stays so."""
        with self._turn:
            if any(self.pools.price(pool) is None for pool in pools):
                with suppress(OutsideError):
                    self.pools.observe(self.means.cloud.offers(pools, deadline_s=PRICE_DEADLINE_S), now_s)

    @property
    def tags(self) -> dict[str, str]:
        """What all instances of this engine bear."""
        return {FLEET_TAG: self.means.scope, ENGINE_TAG: self._engine}

    def trouble(self) -> str:
        """Why something was refused that does not pass by itself, such as for a quota or a missing template; told once."""
        with self._turn:
            if self._trouble == self._told:
                return ""
            self._told = self._trouble
            return self._trouble

    def _refused(self, error: BaseException) -> None:
        self._trouble = str(error) or type(error).__name__

    @property
    def unseen(self) -> str:
        """Why the last look failed; empty where it did not."""
        return self._unseen

    def _begin_look(self, now_s: float) -> Future[tuple[Seen, Sequence[PoolPrice]]]:
        """One look: by the crew where there is one, for a cloud may take its time to answer."""
        entries = dict(self.runner.entries)

        def look() -> tuple[Seen, Sequence[PoolPrice]]:
            cloud, deadline_s = self.means.cloud, self.means.deadline_s
            seen = self.watch.look(entries, now_s)
            names = sorted({pool for spec in self.specs.values() for pool in spec.pools})
            return seen, cloud.offers(names, deadline_s=deadline_s)

        if self.crew is not None:
            return self.crew[1].submit(look)
        looked: Future[tuple[Seen, Sequence[PoolPrice]]] = Future()
        try:
            looked.set_result(look())
        except OutsideError as error:
            looked.set_exception(error)
        return looked

    def _saw(self, looked: Future[tuple[Seen, Sequence[PoolPrice]]], now_s: float) -> None:
        """What a look brought. Where it failed nothing is known, and nothing is concluded but from what was heard."""
        error = looked.exception()
        if error is not None:
            self._unseen = str(error) or type(error).__name__
            return
        seen, prices = looked.result()
        self._unseen = ""
        self.instances = seen.instances
        for event in seen.events:
            entry = self.runner.known(event.instance)
            if isinstance(event, Gone) and entry is not None and _taken(entry):
                self._struck(entry, now_s)
        spot = [made for made in seen.instances if made.alive and made.purchase is Purchase.SPOT]
        self.pools.saw(Counter(made.pool for made in spot), now_s)
        self.pools.observe(prices, now_s)
        self.book.write(Changes(notes={POOLS_NOTE: self.pools.state()}))
        self.runner.hear(seen.events)

    def _struck(self, entry: Entry, now_s: float) -> None:
        """The entry's pool takes it. A life ends once: at the notice, or when it is gone without one."""
        self.pools.strike(entry.pool, now_s)
        if entry.bought == Purchase.SPOT.value and entry.member.state in STAYS:
            self.pools.lost(entry.pool, now_s)

    def _plan(self, now_s: float) -> None:
        self._plan_s = now_s
        self._asked = {name: pool for name, pool in self._asked.items() if name in self.runner.entries}
        self._requests = {name: made for name, made in self._requests.items() if name in self.runner.entries}
        for name, spec in self.specs.items():
            wish = self.wishes[name]
            pools = wish.pools or spec.pools
            best_s = max((self.pools.expected_up_s(pool, now_s) for pool in pools), default=0.0)
            found = plan_round(
                spec, wish, self.runner.fleet(name), self.runner.slots, now_s, expected_up_s=best_s
            )
            self._follow(spec, wish, found, now_s)

    def _follow(self, spec: FleetSpec, wish: Wish, found: Round, now_s: float) -> None:
        if found.wish != wish:
            self.book.write(Changes(notes={f"fleet/{spec.name}": found.wish.to_json()}))
            self.wishes[spec.name] = found.wish
        full = found.wish.purchase is Purchase.ON_DEMAND
        for name in found.give_up:
            self.runner.disown(name)
        if found.begin:
            self.runner.begin(spec.name, found.begin, now_s, on_demand=full)
        if found.move:
            self.runner.succeed(found.move, now_s, on_demand=full)
        for name in found.dismiss:
            self.runner.tell(name, Dismiss(now_s, now_s + spec.leave_s))

    # ---- what the runner asks back ----

    def _rules(self, entry: Entry) -> Rules:
        wish = self.wishes.get(entry.fleet)
        return replace(self.rules, spot_attempts=WAIT_FOR_EVER) if wish and wish.wait else self.rules

    def _request(self, entry: Entry, step: Step) -> LaunchRequest:
        """The same for the same step: a cloud that has seen its token before refuses it with another request."""
        with self._turn:  # asked by the crew
            made = self._requests.get(entry.name)
            if made is None or made[0] != step.key:
                made = self._requests[entry.name] = (step.key, self._made(entry, step))
            return made[1]

    def _made(self, entry: Entry, step: Step) -> LaunchRequest:
        if entry.fleet not in self.specs:
            raise Refused(f"`{entry.fleet}` is not among the fleets of scrimp.yaml any more")
        spec, wish = self.specs[entry.fleet], self.wishes[entry.fleet]
        full = step.on_demand or wish.purchase is Purchase.ON_DEMAND
        names = wish.pools or spec.pools
        # On demand is not taken, so nothing is spread there; the cloud takes the cheapest that it has.
        order = self.pools.ranked if full else self.pools.asked
        pools = order(
            names,
            self._held(entry),
            wish.size,
            entry.member.now_s,
            least_pools=spec.least_pools,
            most_share=spec.most_share,
        )
        self._asked[entry.name] = pools[0]
        return LaunchRequest(
            f"{self._engine}/{step.key}",
            tuple(pools),
            1,
            Purchase.ON_DEMAND if full else Purchase.SPOT,
            {**self.tags, MEMBER_TAG: entry.name},
            None if wish.max_price is None or full else Money(wish.max_price, self.means.currency),
            spec.template,
        )

    def _held(self, asking: Entry) -> dict[str, int]:
        """How many other members of the fleet each pool holds, or is being asked for: a crowd must not see an empty pool."""
        held: dict[str, int] = {}
        for entry in self.runner.fleet(asking.fleet):
            pool = entry.pool or self._asked.get(entry.name, "")
            if pool and entry.name != asking.name and entry.bought != Purchase.ON_DEMAND.value:
                held[pool] = held.get(pool, 0) + 1
        return held

    def _launched(self, _entry: Entry, launched: Launched, now_s: float) -> None:
        with self._turn:
            if launched.instances:
                self._trouble = self._told = ""
            for error in launched.errors:
                if error.capacity:
                    self.pools.strike(error.pool, now_s)
                if error.limit and not launched.instances:
                    self._trouble = f"{error.code}: {error.message}"


def _taken(entry: Entry) -> bool:
    """Whether a member that is gone was taken, and did not leave."""
    return bool(entry.pool) and not entry.member.dismissed and entry.member.state is not State.HANDED_OVER
