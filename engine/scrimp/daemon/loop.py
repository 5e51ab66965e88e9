"""The loop around the tick: recovery at start, reload between ticks, until it is told to stop."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

from scrimp.api import Waking
from scrimp.compile import PolicySet
from scrimp.daemon.budget_alerts import BudgetWatch
from scrimp.daemon.compose import Parts, Remembered
from scrimp.daemon.historian import Historian, open_historian
from scrimp.daemon.onward import Onward
from scrimp.daemon.tick import Ticked, Ticker, alerts, conclude, context
from scrimp.diagnostics import Diagnostic, Severity
from scrimp.execute import Outcome, recover
from scrimp.model.decision import Mode
from scrimp.model.plan import Plan
from scrimp.reload import LOOK_EVERY_S, Rejected, Reloaded
from scrimp.store import ROWS, Entry, Store

PRUNE_EVERY_S = 3600.0
SETTLE_LOOK_S = 0.5  # how soon to look again at files that change
# How soon at the least to go on with what providers began, and how soon after a trouble.
GO_ON_S = (0.05, 5.0)
GO_ON_WAIT_S = 5.0  # who takes longer to go on is waited for no more, until it comes back by itself

Told = Ticked | Reloaded | Rejected | Diagnostic | tuple[Outcome, ...]


class Alarm:
    """Sleep that can be cut short from other threads and from signals (whose code may take no lock)."""

    def __init__(self) -> None:
        self.stopping = False
        self._calls: SimpleQueue[str] = SimpleQueue()

    def wake(self, reason: str = "") -> None:
        """End the sleep now, or the next one."""
        self._calls.put(reason)

    def stop(self) -> None:
        """End the loop after the tick that runs."""
        self.stopping = True
        self.wake()

    def sleep(self, seconds: float) -> bool:
        """Sleep; true if woken for a reason, so that a tick is due at once."""
        woken = False
        try:
            woken = bool(self._calls.get(timeout=max(seconds, 0.0)))
            while True:
                woken = bool(self._calls.get_nowait()) or woken
        except Empty:
            return woken

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the loop. For the main thread."""

        def told(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)


class Unloadable(Exception):  # noqa: N818 - named for the condition
    """There is no policy set to begin with."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("the policies have errors")
        self.diagnostics = tuple(diagnostics)


class Daemon:
    """One engine on one state folder. `tell` is given all that happens, for logs and pages."""

    def __init__(
        self,
        parts: Parts,
        store: Store,
        alarm: Alarm,
        cap: Mode | None = None,
        tell: Callable[[Told], None] = lambda _: None,
    ) -> None:
        self.parts = parts
        self.store = store
        self.alarm = alarm
        self._tell = tell
        self._now = parts.services.now
        self._pruned_s = float("-inf")
        self._historian: Historian | None = None
        self._onward = Onward(parts.providers, self._in_trouble, wait_s=GO_ON_WAIT_S)
        self._watch: BudgetWatch | None = None
        self._ticker = Ticker(
            parts.world(Remembered(rows=store.load_memory(ROWS))),
            parts.providers,
            store,
            parts.services.sleep,
            parts.tick_settings(cap),
        )

    def start(self) -> None:
        """Load the policies, and settle what an earlier run left in doubt. Raises `Unloadable` and `StoreError`."""
        loaded = self.parts.folder.reload()
        if isinstance(loaded, Rejected):
            raise Unloadable(loaded.diagnostics)
        self._audit(loaded)
        outcomes = recover(
            self.store.load_ledger(),
            {policy.name: policy for policy in self._policies().checked.policies},
            self.store,
            self.parts.providers,
            self._now(),
            self.parts.services.sleep,
            self._ticker.settings.execute,
            self._ticker.settings.cap,
        )
        self._historian = open_historian(self.parts.config)
        if self.parts.budgets is not None and self.parts.config.budgets:
            deadline_s, cap = self.parts.config.action_deadline_s, self._ticker.settings.cap
            self._watch = BudgetWatch(self.parts.budgets, self.parts.providers, self.store, deadline_s, cap)
        if outcomes:
            self.store.record(alerts(outcomes))
            self._historian.outcomes(outcomes, None, self._now())
            self._tell(outcomes)
        self._historian.catch_up(self.store.load_ledger().intents, self.parts.history, self._now())

    def close(self) -> None:
        """Write what the history still has open. The store is the caller's."""
        if self._historian is not None:
            self._historian.close()

    def once(self) -> Ticked:
        """One tick, now."""
        now_s = self._now()
        ticked = self._ticker.tick(self._policies(), self.parts.folder.commit, now_s)
        if not 0.0 <= now_s - self._pruned_s < PRUNE_EVERY_S:
            self.store.prune()
            self._pruned_s = now_s
        self._tell(ticked)
        self._alert(now_s)
        for trouble in self._historian.tick(ticked) if self._historian is not None else ():
            self._tell(trouble)
        self.carry_on()
        return ticked

    def carry_on(self) -> float:
        """Let providers go on with what they began; seconds until the first of them wants to again."""
        now_s, (least_s, after_trouble_s) = self._now(), GO_ON_S
        due_s = self._onward.go(now_s, after_trouble_s)
        return float("inf") if due_s is None else max(due_s - now_s, least_s)

    def _in_trouble(self, provider: str, said: str) -> None:
        self._tell(Diagnostic("SCR706", f"provider `{provider}` could not go on: {said}"))

    def preview(self) -> Plan:
        """What the next tick would conclude, with all that was seen so far. Nothing is written and nothing done."""
        settings = self._ticker.settings
        ledger = self.store.load_ledger()
        return conclude(self._ticker.world, self._policies(), ledger, self._now(), settings.cap)[1]

    def _alert(self, now_s: float) -> None:
        """What budgets are worth an alert now. Where they are not known, their rows say so."""
        if self._watch is not None:
            for said in self._watch.look(now_s):
                self._tell(Diagnostic("SCR601", said, severity=Severity.WARNING))

    def run(self) -> None:
        """Tick every interval until the alarm says stop; the tick that runs is finished. Raises `StoreError`."""
        interval_s = self.parts.config.interval_s
        with ExitStack() as stack:
            stack.callback(self.parts.folder.close)
            for trouble in self.parts.folder.watch(self.alarm.wake):
                self._tell(trouble)
            for collector in self.parts.collectors:
                if isinstance(collector, Waking):
                    stack.callback(collector.watch(self.alarm.wake))
            while not self.alarm.stopping:
                began_s = self._now()
                self.once()
                self._rest(began_s, interval_s)

    def _rest(self, began_s: float, interval_s: float) -> None:
        """Wait for the next tick, reloading meanwhile. A clock that is set back does not stretch the wait."""
        while not self.alarm.stopping:
            now_s = self._now()
            self._audit(self.parts.folder.poll(now_s))
            left_s = began_s + interval_s - now_s
            if not 0.0 < left_s <= interval_s:
                return
            look_s = SETTLE_LOOK_S if self.parts.folder.pending else LOOK_EVERY_S
            if self.alarm.sleep(min(left_s, look_s, self.carry_on())):
                return

    def _policies(self) -> PolicySet:
        current = self.parts.folder.current
        assert current is not None, "start() comes first"
        return current

    def _audit(self, loaded: Reloaded | Rejected | None) -> None:
        """Note a reload, or that it was rejected, under the set that is in force then."""
        if loaded is None:
            return
        values: dict[str, object]
        if isinstance(loaded, Reloaded):
            found = loaded.changes
            params = self.parts.config.params
            values = {
                "added": found.added,
                "removed": found.removed,
                "changed": found.changed,
                "params": dict(params),
                "diff": loaded.diff,
            }
        else:
            values = {"rejected": [f"{one.code}: {one.message}" for one in loaded.diagnostics[:20]]}
        self.store.under(context(self._policies(), self.parts.folder.commit, self._now()))
        self.store.record([Entry("reload", values=values)])
        self._tell(loaded)
