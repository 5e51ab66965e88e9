"""The state folder: every change goes into the audit log first and then into SQLite, by one set of transitions.

`open_store` is the engine's and excludes a second engine; `visit_store` is for commands beside it, which read,
answer requests and turn the kill switch while the engine runs. Nothing here sleeps; locks are held for one write.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scrimp.model.decision import Value
from scrimp.model.ledger import Approval, HoldKey, Holds, Intent, Ledger
from scrimp.model.plan import Ended
from scrimp.store.codec import approval_json, intent_json
from scrimp.store.database import Database
from scrimp.store.errors import LedgerUnusable, LogUnwritable, NotAllowed, NotAwaiting, StoreBusy
from scrimp.store.log import Log, Tail, Verification, parsed
from scrimp.store.records import Context, Entry, Record, chained
from scrimp.store.replay import advance

DAY_S = 86400.0
SOURCES = "source"  # the part of the memory that is about the sources of samples
ROWS = "rows"  # the part that is about the rows of each kind


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`rotate_bytes` ends a log file, `wait_s` bounds the wait for SQLite, `keep_s` is how long outcomes are kept."""

    rotate_bytes: int = 64 * 1024 * 1024
    wait_s: float = 10.0
    keep_s: float = 31 * DAY_S


class Visit:
    """What any process may do with a state folder. Safe for threads."""

    def __init__(
        self,
        state_dir: Path,
        now: Callable[[], float],
        settings: StoreSettings | None = None,
    ) -> None:
        self.settings = settings or StoreSettings()
        self._now = now
        self._mutex = threading.RLock()
        self._context = Context()
        try:
            (state_dir / "audit").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogUnwritable(f"cannot make the state folder: {error.strerror}") from error
        self._log = Log(state_dir / "audit", self.settings.rotate_bytes)
        self._database = Database(state_dir / "scrimp.db", self.settings.wait_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give everything back."""
        self._database.close()

    def load_ledger(self) -> Ledger:
        """All that is remembered. Raises `LedgerUnusable`."""
        with self._mutex:
            return self._database.load()

    def answer_approval(
        self,
        name: str,
        *,
        granted: bool,
        actor: str,
        os_user: str = "",
        barred: Callable[[Approval], str] = lambda _: "",
    ) -> Approval:
        """Grant or deny a request. Raises `NotAwaiting` where it is not there, answered, or lapsed.

        `barred` says why `actor` may not answer it, "" if they may: raises `NotAllowed`, and that they tried is audited.
        `os_user` is whose process it was.
        """
        with self._mutex:
            found = self._database.load().approvals.get(name)
            if found is None:
                raise NotAwaiting(f"no request for approval `{name}`")
            if found.granted is not None:
                raise NotAwaiting(
                    f"request `{name}` was {'granted' if found.granted else 'denied'} by {found.actor}"
                )
            if self._now() >= found.lapses_at_s:
                raise NotAwaiting(f"request `{name}` has lapsed")
            why = barred(found)
            said = {"refused": why, "wanted": granted} if why else {"granted": granted}
            values = {"id": name, **said, "by": actor, "os_user": os_user or actor}
            self._write([Entry("approval", found.policy, found.target, values=values, actor=actor)])
            if why:
                raise NotAllowed(why)
            return self._database.load().approvals[name]

    def pause(self, actor: str, reason: str) -> None:
        """Turn the kill switch on."""
        values = {"paused": True, "since_s": self._now(), "reason": reason}
        self._write([Entry("pause", values=values, actor=actor)])

    def resume(self, actor: str) -> None:
        """Turn it off."""
        self._write([Entry("pause", values={"paused": False}, actor=actor)])

    def settle(self, key: str, outcome: str, actor: str, detail: str) -> None:
        """A person says what an act in doubt came to ("done" or "failed"). Raises `NotAwaiting`."""
        with self._mutex:
            found = next((one for one in self.load_ledger().intents if one.key == key), None)
            if found is None or found.outcome not in (None, "ask"):
                raise NotAwaiting(f"no act in doubt under key `{key}`")
            self._write([_outcome_entry(found, outcome, detail, {}, actor)])

    def load_memory(self, part: str) -> dict[str, Any]:
        """What is remembered of the world between runs: JSON documents by name."""
        with self._mutex:
            return self._database.load_memory(part)

    def trust(self, source: str, actor: str) -> None:
        """A person says that a source's zeros are real. Raises `NotAwaiting` where nobody doubts them."""
        with self._mutex:
            found = self._database.load_memory(SOURCES).get(source)
            if found is None or not found["distrusted"]:
                raise NotAwaiting(f"source `{source}` is not distrusted")
            self._write([Entry("override", values={"trusted": source, "memory": found}, actor=actor)])

    def paused(self) -> bool:
        """Whether the kill switch is on now."""
        with self._mutex:
            return self._database.load_pause() is not None

    def verify(self) -> Verification:
        """Check the whole log; names the first bad record."""
        with self._mutex:
            known = self._database.tail()
        return self._log.verify(known)

    @property
    def log(self) -> Log:
        """The files of the log, for readers."""
        return self._log

    def _write(self, entries: Sequence[Entry]) -> list[Record]:
        """Log, then SQLite. What a writer that died left between the two is brought in first."""
        with self._mutex, self._log.locked():
            tail = self._catch_up()
            at_s = self._now()
            records: list[Record] = []
            for entry in entries:
                seq, prev = (records[-1]["seq"], records[-1]["hash"]) if records else (tail.seq, tail.hash)
                records.append(chained(entry, self._context, at_s, seq + 1, prev))
            tail = self._log.append(records, tail)
            with self._database.transaction():
                for record in records:
                    self._bring_in(record)
                self._database.set_tail(tail)
            return records

    def _catch_up(self) -> Tail:
        """Bring records into SQLite that only the log has; gives the end of the chain."""
        tail = self._database.tail()
        newer = [(record, end) for record, end in self._log.beyond(tail) if record["seq"] > tail.seq]
        if newer:
            with self._database.transaction():
                for record, _ in newer:
                    self._bring_in(record)
                self._database.set_tail(newer[-1][1])
            tail = newer[-1][1]
        return tail

    def _bring_in(self, record: Mapping[str, Any]) -> None:
        before = self._database.slice_for(record)
        if record["event"] == "override" and "trusted" in record["values"]:
            self._database.forget(SOURCES, record["values"]["trusted"])
        try:
            self._database.write(before, advance(before, record))
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerUnusable(f"record {record['seq']} of the audit log cannot be replayed") from error


class Store(Visit):
    """The engine's: the only one that notes what it does. Satisfies the journal of `execute`."""

    _lock: int | None = None

    def under(self, context: Context) -> None:
        """What the records of this tick share."""
        self._context = context

    def save_holds(self, holds: Mapping[HoldKey, Holds]) -> None:
        """The clocks after a tick. They are not in the log."""
        with self._mutex:
            self._database.save_holds(holds)

    def save_memory(
        self, part: str, after: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> None:
        """Write documents. With what `load_memory` gave before, a person's word spoken in between stands."""
        with self._mutex:
            self._database.save_memory(part, after, before)

    def record_intent(self, intent: Intent, values: Mapping[str, Value]) -> None:
        """On the disk when this returns. `values` are those the decision saw. Raises `StoreError`: then do nothing."""
        entry = Entry(
            "intent",
            intent.policy,
            intent.target,
            intent.action.action,
            intent.key,
            {"intent": intent_json(intent), "seen": dict(values)},
            intent.action.before,
            intent.action.after,
        )
        self._write([entry])

    def record_outcome(self, intent: Intent, outcome: str, detail: str, after: Mapping[str, Value]) -> None:
        """What it came to."""
        self._write([_outcome_entry(intent, outcome, detail, after, "")])

    def record_shadows(self, intents: Sequence[Intent]) -> None:
        """Acts of dry runs: they bind other dry runs only, and are not in the log."""
        with self._mutex, self._database.transaction():
            for intent in intents:
                self._database.write_shadow(intent)

    def record_requests(self, requests: Mapping[str, Approval]) -> None:
        """Requests for approval that a tick opened."""
        if requests:
            self._write(
                [
                    Entry("approval", one.policy, one.target, values={"request": approval_json(one)})
                    for one in requests.values()
                ]
            )

    def end_episode(self, ended: Ended) -> None:
        """Nothing is left to restore."""
        if ended.shadow:
            with self._mutex, self._database.transaction():
                self._database.end_shadow(ended.policy, ended.target, ended.writes)
        else:
            values = {"ended": {"writes": ended.writes}}
            self._write([Entry("decision", ended.policy, ended.target, values=values)])

    def record(self, entries: Sequence[Entry]) -> None:
        """Events that change nothing in the ledger: decision, reload, alert, override, budget."""
        if entries:
            self._write(entries)

    def prune(self) -> None:
        """Forget what no limit can count any more."""
        with self._mutex:
            self._database.prune(self._now() - self.settings.keep_s)

    def close(self) -> None:
        """Give everything back, the engine's place too."""
        super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def open_store(state_dir: Path, now: Callable[[], float], settings: StoreSettings | None = None) -> Store:
    """The engine's store. Raises `StoreBusy` if another engine has it, else `StoreError`. `now` gives epoch seconds."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(state_dir / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LogUnwritable(f"cannot make the state folder: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 20).decode("ascii", "replace").strip()
        os.close(lock)
        who = f"another engine (process {holder})" if holder else "another engine"
        raise StoreBusy(f"{who} runs on the state folder `{state_dir}`") from error
    try:
        with suppress(OSError):  # for people only
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        store = Store(state_dir, now, settings)
        store._lock = lock  # noqa: SLF001 - the store takes over the lock
        with store._log.locked():  # noqa: SLF001 - opening is the store's own business
            store._catch_up()  # noqa: SLF001 - as above
    except BaseException:
        os.close(lock)
        raise
    return store


def visit_store(state_dir: Path, now: Callable[[], float], settings: StoreSettings | None = None) -> Visit:
    """The store for a command beside the engine."""
    return Visit(state_dir, now, settings)


def read_records(
    log: Log,
    *,
    policy: str | None = None,
    target: str | None = None,
    event: str | None = None,
    since: str | None = None,
) -> Iterator[Record]:
    """Records in order, one at a time; `since` is an instant as records have it (RFC 3339, UTC). Bad lines are left out."""
    for _, _, line in log.lines():
        record = parsed(line)
        if record is None or (since is not None and str(record.get("at")) < since):
            continue
        wanted = {"policy": policy, "target": target, "event": event}
        if all(value is None or record.get(name) == value for name, value in wanted.items()):
            yield record


def _outcome_entry(
    intent: Intent, outcome: str, detail: str, after: Mapping[str, Value], actor: str
) -> Entry:
    return Entry(
        "outcome",
        intent.policy,
        intent.target,
        intent.action.action,
        intent.key,
        {"outcome": outcome, "detail": detail},
        intent.action.before,
        dict(after) or intent.action.after,
        actor,
    )
