"""What the daemon writes into the history: each tick's snapshot, and what acts came to with what they are measured against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scrimp.config import Config
from scrimp.daemon.tick import Ticked
from scrimp.diagnostics import Diagnostic
from scrimp.execute import Outcome
from scrimp.history import (
    Done,
    Folder,
    History,
    HistoryError,
    Keeper,
    Recorder,
    RecorderSettings,
    Retention,
    done_table,
)
from scrimp.model.ledger import Intent
from scrimp.model.snapshot import Snapshot, Table
from scrimp.model.usage import MICRO

ACTED = ("done", "merged")
BACK_S = 31 * 86400.0


@dataclass(slots=True)
class Historian:
    """One per daemon; give it back with `close`. Nothing here raises: the history is not what decisions rest on."""

    recorder: Recorder | None
    currency: str
    _found: tuple[Diagnostic, ...] = ()

    def tick(self, ticked: Ticked) -> tuple[Diagnostic, ...]:
        """Note a tick; gives what is wrong with the history, each lasting trouble once."""
        found, self._found = self._found, ()
        if self.recorder is None:
            return found
        snapshot = ticked.gathered.snapshot
        self.recorder.note(snapshot)
        self.outcomes(ticked.outcomes, snapshot, ticked.plan.at_s)
        return (*found, *self.recorder.troubles())

    def outcomes(self, outcomes: Iterable[Outcome], snapshot: Snapshot | None, at_s: float) -> None:
        """Note what acts came to, with the cost rate and the pace that their targets had when it was decided."""
        acts = [
            done(one.intent, one.outcome, snapshot, self.currency, one.after)
            for one in outcomes
            if one.outcome is not None
        ]
        if acts and self.recorder is not None:
            self.recorder.add("actions", "outcome", done_table(acts), at_s)

    def catch_up(self, intents: Iterable[Intent], history: History, now_s: float) -> None:
        """Note acts of the ledger that a crash kept out of the history."""
        if self.recorder is None:
            return
        try:
            known = {one.key for one in history.acts(now_s - BACK_S, now_s + 1)}
        except HistoryError as error:
            self._found = (Diagnostic(error.code, str(error)),)
            return
        for one in intents:
            if one.outcome in ACTED and not one.shadow and one.key not in known and one.at_s > now_s - BACK_S:
                table = done_table([done(one, one.outcome, None, self.currency)])
                self.recorder.add("actions", "outcome", table, one.at_s)

    def close(self) -> None:
        """Write what is open."""
        if self.recorder is not None:
            self.recorder.close()


def open_historian(config: Config) -> Historian:
    """The writer of the store's history; one that only says why, where the history cannot be used."""
    folder = Folder(config.store / "history")
    try:
        folder.open()
    except HistoryError as error:
        found = Diagnostic(error.code, str(error), hint="scrimp goes on deciding, without a history")
        return Historian(None, config.currency, (found,))
    keep = config.keep
    keeper = Keeper(folder, Retention(keep.samples_s, keep.usage_s, keep.max_bytes), config.currency)
    return Historian(Recorder(folder, RecorderSettings(config.interval_s), keeper), config.currency)


def done(
    intent: Intent,
    outcome: str,
    snapshot: Snapshot | None,
    currency: str,
    after: Mapping[str, object] | None = None,
) -> Done:
    """An act with its counterfactual, as far as the snapshot knows it."""
    action = intent.action
    saving = action.saving_per_hour
    rate, items = (None, None) if snapshot is None else counterfactual(snapshot, intent.target)
    return Done(
        key=intent.key,
        at_s=intent.at_s,
        policy=intent.policy,
        target=intent.target,
        action=action.action,
        direction=action.direction.value,
        undo=intent.undo,
        outcome=outcome,
        projected_micro_per_hour=None if saving is None else round(saving.amount * MICRO),
        rate_micro_per_hour=None if rate is None else round(rate * MICRO),
        items_per_second=items,
        currency=currency,
        before=dict(action.before),
        after=dict(after or action.after),
    )


def counterfactual(snapshot: Snapshot, target: str) -> tuple[float | None, float | None]:
    """The cost per hour of a target, and the items per second that it gets done: its own, or those of its jobs."""
    kind, _, name = target.partition("/")
    table = snapshot.tables.get(kind)
    row = table.rows.get(name) if table is not None else None
    if table is None or row is None:
        return None, None
    rate = _number(table, row, "cost_rate")
    price, size = _number(table, row, "price_per_hour"), _number(table, row, "size")
    if rate is None and price is not None:
        rate = price * (1.0 if size is None else size)
    items = _number(table, row, "items_per_second")
    return rate, _items_of_jobs(snapshot, kind, name) if items is None else items


def _items_of_jobs(snapshot: Snapshot, kind: str, name: str) -> float | None:
    jobs = snapshot.tables.get("job")
    link = {"node_group": "group", "pool": "group", "node": "node"}.get(kind)
    column = jobs.columns.get(link) if jobs is not None and link is not None else None
    if jobs is None or column is None:
        return None
    known = [
        _number(jobs, row, "items_per_second")
        for row in range(len(jobs))
        if column.valid[row] and column.words[int(column.values[row])] == name
    ]
    found = [one for one in known if one is not None]
    return sum(found) if found else None


def _number(table: Table, row: int, name: str) -> float | None:
    column = table.columns.get(name)
    return float(column.values[row]) if column is not None and column.valid[row] else None
