"""Carries members through their lives: hears events, advances the machine, writes the member down, carries out its steps.

Nothing is done before it is written: a round is "take in all that was heard → one write → carry out what is open". A
runner that is killed anywhere loses only what it had not heard yet; the next one finds the open steps in the book and
carries them out again under the same keys. The caller owns the clock: `carry_on(now_s)` is called when something was
heard, and at the latest at the time that the last call gave.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Protocol

from scrimp.api import OutsideError, Throttled, Unavailable
from scrimp_actions.spot.interruption import advance, request, wake_s
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
from scrimp_actions.spot.members import Changes, Entry, MemberBook, Slot, member_name

Heard = Notice | Rebalance | Running | Gone | Silent
Checkpoint = Callable[[str], None]
CRASH_POINTS = ("runner.advanced", "runner.written", "runner.asked", "runner.done")
ROUNDS = 64
"""How often one call goes round: a chain of steps that are done at once is followed to its end."""

OFF_THE_WORKER = (StepKind.LAUNCH, StepKind.SWEEP)
"""Steps that ask the cloud and may take seconds; the others must not wait behind them."""


class Hands(Protocol):
    """Carries out steps. Any may be asked for again under its key, and must then do nothing more."""

    def carry_out(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        """What it came to; None where it is begun and not finished: ask again. Raises `OutsideError`."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step came to. A launch names its instance, the pool that it is in, and how it was bought."""

    done: bool
    instance: str = ""
    pool: str = ""
    bought: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the runner looks, in seconds: at steps that are begun, and again after an error outside."""

    poll_s: float = 0.25
    retry_s: float = 1.0


def _nothing(_point: str) -> None:
    """No checkpoint."""


@dataclass(slots=True)
class Runner:
    """One runner for all members of one book. `rules` gives the limits of an entry.

    `crew` carries out steps side by side: that of the workers, and that of the cloud; without it they are carried out
    in the call, which a simulation wants. `wrote` is told of each write, after it is on the disk; `refused` of errors that
    another try under the same key cannot help.
    """

    book: MemberBook
    hands: Hands
    rules: Callable[[Entry], Rules]
    pace: Pace = field(default_factory=Pace)
    crew: tuple[Executor, Executor] | None = None
    checkpoint: Checkpoint = _nothing
    wrote: Callable[[Changes], None] = lambda _changes: None
    refused: Callable[[BaseException], None] = lambda _error: None
    entries: dict[str, Entry] = field(default_factory=dict)
    slots: dict[tuple[str, int], Slot] = field(default_factory=dict)
    _of_instance: dict[str, str] = field(default_factory=dict)
    _alarms: list[tuple[float, str]] = field(default_factory=list)
    _asking: dict[str, None] = field(default_factory=dict)
    _again_s: dict[str, float] = field(default_factory=dict)
    _flying: dict[str, tuple[str, Future[Answer | None]]] = field(default_factory=dict)
    _events: list[tuple[str, Event]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read back what an earlier runner left."""
        self.slots = self.book.slots()
        for entry in self.book.entries():
            self._keep(entry)

    # ---- what is asked from outside ----

    def hear(self, events: Iterable[Heard]) -> None:
        """Something happened to instances; taken in by the next `carry_on`. Of unknown instances nothing is kept."""
        for event in events:
            name = self._of_instance.get(event.instance)
            if name is not None:
                self._events.append((name, event))

    def tell(self, name: str, event: Event) -> None:
        """An event for a member by its name."""
        self._events.append((name, event))

    def known(self, instance: str) -> Entry | None:
        """The member that has this instance."""
        name = self._of_instance.get(instance)
        return None if name is None else self.entries.get(name)

    def fleet(self, name: str) -> list[Entry]:
        """The members of a fleet."""
        return [entry for entry in self.entries.values() if entry.fleet == name]

    def begin(self, fleet: str, slots: Sequence[int], now_s: float, *, on_demand: bool) -> list[Entry]:
        """New members in these places, written down; each place gets its next generation."""
        made, places = [], {}
        for number in slots:
            entry, place = self._next(fleet, number, now_s, on_demand=on_demand)
            made.append(entry)
            places[fleet, number] = place
        self._write(made, (), places)
        return made

    def adopt(
        self, fleet: str, slot: int, instance: str, pool: str, now_s: float, *, on_demand: bool
    ) -> Entry:
        """Take over an instance that runs already."""
        entry, place = self._next(fleet, slot, now_s, on_demand=on_demand)
        member = Member(
            entry.name, State.RUNNING, since_s=now_s, now_s=now_s, instance=instance, on_demand=on_demand
        )
        bought = "on_demand" if on_demand else "spot"
        entry = replace(entry, member=member, pool=pool, bought=bought)
        self._write([entry], (), {(fleet, slot): place})
        return entry

    def succeed(self, names: Sequence[str], now_s: float, *, on_demand: bool) -> list[Entry]:
        """Ask for successors of members that go on working until theirs run: a move, noted in the place's history."""
        made, changed, places = [], [], {}
        for name in names:
            entry = self.entries[name]
            if entry.successor:
                continue
            heir, place = self._next(entry.fleet, entry.slot, now_s, on_demand=on_demand)
            made.append(heir)
            changed.append(replace(entry, successor=heir.name))
            places[entry.fleet, entry.slot] = place.moved(now_s)
        self._write([*made, *changed], (), places)
        return made

    def disown(self, name: str) -> None:
        """The member's successor did not come to be: it may ask for another, and its place has not moved."""
        entry = self.entries[name]
        place = (entry.fleet, entry.slot)
        self._write([replace(entry, successor="")], (), {place: self.slots[place].called_off()})

    # ---- the round ----

    def carry_on(self, now_s: float) -> float | None:
        """Take in what was heard, write, carry out; until nothing more follows. When to be called again at the latest."""
        self._land(now_s)
        self._ring(now_s)
        for _ in range(ROUNDS):
            events, self._events = self._events, []
            self._advance(events, now_s)
            self._ask(now_s)
            self._land(now_s)
            self._ring(now_s)
            if not self._events:
                break
        return self.next_s(now_s)

    def begin_on(self, name: str, event: Event, now_s: float) -> None:
        """Take in one event of one member and begin its steps, and nothing else: the rest is for `carry_on`.

        In a storm each of hundreds of notices is answered so, and must not go through all the others' steps.
        """
        self._advance([(name, event)], now_s)
        self._ask(now_s, [name])

    def next_s(self, now_s: float) -> float | None:
        """When there is something to do next, as far as is known now."""
        times = [self._alarms[0][0]] if self._alarms else []
        times += self._again_s.values()
        if self._flying or self._events:
            times.append(now_s + self.pace.poll_s)
        return min(times, default=None)

    def _ring(self, now_s: float) -> None:
        """Clock events of members whose time has come."""
        while self._alarms and self._alarms[0][0] <= now_s:
            due_s, name = heapq.heappop(self._alarms)
            entry = self.entries.get(name)
            if entry is not None and wake_s(entry.member, self.rules(entry)) == due_s:
                self._events.append((name, Clock(now_s)))

    def _advance(self, events: Sequence[tuple[str, Event]], now_s: float) -> None:
        """All events into their members, then one write."""
        changed: dict[str, Entry] = {}
        for name, event in events:
            entry = changed.get(name, self.entries.get(name))
            if entry is None:
                continue
            member, _ = advance(entry.member, replace(event, at_s=now_s), self.rules(entry))
            if member != entry.member:
                changed[name] = replace(entry, member=member)
        if changed:
            self.checkpoint("runner.advanced")
            kept = [entry for entry in changed.values() if entry.member.state is not State.CLEANED]
            ended = [name for name, entry in changed.items() if entry.member.state is State.CLEANED]
            self._write(kept, ended, {})
            self.checkpoint("runner.written")

    def _ask(self, now_s: float, names: Iterable[str] | None = None) -> None:
        """Carry out what is open and not under way; of all members, or of those named."""
        for name in list(self._asking) if names is None else names:
            entry = self.entries.get(name)
            if entry is None or not entry.member.open:
                self._asking.pop(name, None)
                continue
            for step in entry.member.open:
                if now_s >= step.by_s:
                    self._again_s.pop(step.key, None)  # given up; the member's own clock says what follows
                    continue
                if step.key in self._flying:
                    continue
                if self._again_s.get(step.key, -math.inf) > now_s:
                    continue
                self._again_s.pop(step.key, None)
                if step.kind is StepKind.REPLACE:
                    self._replace(self.entries[name], step, now_s)
                else:
                    self._carry_out(self.entries[name], step, now_s)

    def _carry_out(self, entry: Entry, step: Step, now_s: float) -> None:
        self.checkpoint("runner.asked")
        if self.crew is not None:
            crew = self.crew[step.kind in OFF_THE_WORKER]
            self._flying[step.key] = (entry.name, crew.submit(self.hands.carry_out, step, entry, now_s))
            return
        future: Future[Answer | None] = Future()
        try:
            future.set_result(self.hands.carry_out(step, entry, now_s))
        except OutsideError as error:
            future.set_exception(error)
        self._answered(entry.name, step.key, future, now_s)

    def _land(self, now_s: float) -> None:
        """Answers of steps that were carried out side by side."""
        for key, (name, future) in list(self._flying.items()):
            if future.done():
                del self._flying[key]
                self._answered(name, key, future, now_s)

    def _answered(self, name: str, key: str, future: Future[Answer | None], now_s: float) -> None:
        """One answer. An error that another try can help says nothing about what happened: the same key again."""
        self.checkpoint("runner.done")
        error = future.exception()
        if isinstance(error, (Unavailable, Throttled)):
            asked_s = error.retry_after_s if isinstance(error, Throttled) else None
            self._again_s[key] = now_s + (self.pace.retry_s if asked_s is None else asked_s)
            return
        if error is not None:
            self.refused(error)
        answer = Answer(done=False) if error is not None else future.result()
        if answer is None:
            self._again_s[key] = now_s + self.pace.poll_s
            return
        entry = self.entries.get(name)
        if answer.pool and entry is not None:
            self.entries[name] = replace(entry, pool=answer.pool, bought=answer.bought)
        self._events.append((name, Done(now_s, key, answer.instance) if answer.done else Failed(now_s, key)))

    def _replace(self, entry: Entry, step: Step, now_s: float) -> None:
        """A successor, once: it stands in the book before the step counts as done."""
        if not entry.successor:
            heir, place = self._next(entry.fleet, entry.slot, now_s, on_demand=step.on_demand)
            self._write([heir, replace(entry, successor=heir.name)], (), {(entry.fleet, entry.slot): place})
            self.checkpoint("runner.written")
        self._events.append((entry.name, Done(now_s, step.key)))

    # ---- what is kept ----

    def _next(self, fleet: str, slot: int, now_s: float, *, on_demand: bool) -> tuple[Entry, Slot]:
        before = self.slots.get((fleet, slot), Slot(0))
        place = replace(before, generation=before.generation + 1)
        name = member_name(fleet, slot, place.generation)
        entry = Entry(Member(name), fleet, slot, place.generation)
        member, _ = request(name, now_s, self.rules(entry), on_demand=on_demand)
        return replace(entry, member=member), place

    def _write(
        self, entries: Sequence[Entry], ended: Sequence[str], slots: dict[tuple[str, int], Slot]
    ) -> None:
        """The book first, then the memory."""
        changes = Changes(tuple(entries), tuple(ended), slots)
        self.book.write(changes)
        self.wrote(changes)
        self.slots.update(slots)
        for entry in entries:
            self._keep(entry)
        for name in ended:
            gone = self.entries.pop(name, None)
            if gone is not None:
                self._of_instance.pop(gone.member.instance, None)
                for step in gone.member.open:
                    self._again_s.pop(step.key, None)

    def _keep(self, entry: Entry) -> None:
        name = entry.name
        before = self.entries.get(name)
        if before is not None:
            left = {step.key for step in before.member.open} - {step.key for step in entry.member.open}
            for key in left:
                self._again_s.pop(key, None)
        self.entries[name] = entry
        if entry.member.instance:
            self._of_instance[entry.member.instance] = name
        if entry.member.open:
            self._asking[name] = None
        due_s = wake_s(entry.member, self.rules(entry))
        if due_s is not None:
            heapq.heappush(self._alarms, (due_s, name))
