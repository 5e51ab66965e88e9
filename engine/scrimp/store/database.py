"""The ledger in SQLite: tables, slices of a ledger in and out. Knows nothing of the log but the end of its chain."""

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from scrimp.model.ledger import Approval, Cooling, Episode, HoldKey, Holds, Intent, Ledger, Pause
from scrimp.plan import book
from scrimp.store.codec import (
    Json,
    approval_from,
    approval_json,
    episode_from,
    episode_json,
    intent_from,
    intent_json,
)
from scrimp.store.errors import LedgerUnusable, StoreTooNew
from scrimp.store.log import Tail

# One script per version of the schema: a state folder is brought forward by those that it has not seen.
_SCRIPTS = (
    """
CREATE TABLE tail (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER, hash TEXT, file TEXT, size INTEGER);
INSERT INTO tail SELECT 1, 0, '', '', 0;
CREATE TABLE intents (n INTEGER PRIMARY KEY, key TEXT UNIQUE, at_s REAL, outcome TEXT, doc TEXT);
CREATE INDEX intents_by_time ON intents (at_s);
CREATE TABLE cooldowns (scope TEXT, policy TEXT, target TEXT, shadow INTEGER, at_s REAL,
  PRIMARY KEY (scope, policy, target, shadow)) WITHOUT ROWID;
CREATE TABLE episodes (policy TEXT, target TEXT, shadow INTEGER, doc TEXT,
  PRIMARY KEY (policy, target, shadow)) WITHOUT ROWID;
CREATE TABLE approvals (id TEXT PRIMARY KEY, lapses_at_s REAL, doc TEXT) WITHOUT ROWID;
CREATE TABLE pause (one INTEGER PRIMARY KEY CHECK (one = 1), since_s REAL, actor TEXT, reason TEXT);
CREATE TABLE holds (policy TEXT, clause TEXT, condition TEXT, names BLOB, true_s BLOB, unknown_s BLOB, last_s REAL,
  PRIMARY KEY (policy, clause, condition)) WITHOUT ROWID;
""",
    """
CREATE TABLE memory (part TEXT, name TEXT, doc BLOB, PRIMARY KEY (part, name)) WITHOUT ROWID;
""",
)
SCHEMA_VERSION = len(_SCRIPTS)


class Database:
    """One connection. All methods raise `LedgerUnusable` where SQLite fails.

    Who may not write the file may read it: an auditor has no business to be able to change what he audits.
    """

    def __init__(self, path: Path, wait_s: float) -> None:
        readable = path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        with guarded():
            self._link = sqlite3.connect(
                _read_only(path) if readable else path,
                timeout=wait_s,
                isolation_level=None,
                check_same_thread=False,
                uri=readable,
            )
            if not readable:
                self._link.execute("PRAGMA journal_mode=WAL")
                self._link.execute("PRAGMA synchronous=FULL")
            version = self._version()
            if version < SCHEMA_VERSION:
                with self.transaction():
                    self._bring_forward(self._version())
        self._intents: dict[str, Intent] = {}
        self._saved: dict[HoldKey, tuple[bytes, bytes, bytes]] = {}

    def _version(self) -> int:
        version = int(self._link.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise StoreTooNew(f"the state folder has schema {version}, this scrimp knows {SCHEMA_VERSION}")
        return version

    def _bring_forward(self, version: int) -> None:
        for script in _SCRIPTS[version:]:
            for statement in script.split(";"):
                self._link.execute(statement)
        self._link.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on the disk when it is left."""
        with guarded():
            self._link.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._link.execute("ROLLBACK")
                raise
            self._link.execute("COMMIT")

    # ---- the end of the chain ----

    def tail(self) -> Tail:
        """The last record that is in here."""
        with guarded():
            seq, digest, file, size = self._link.execute("SELECT seq, hash, file, size FROM tail").fetchone()
        return Tail(seq, digest, file, size) if seq else Tail()

    def set_tail(self, tail: Tail) -> None:
        """Call it within the transaction that writes what the records came to."""
        self._link.execute(
            "UPDATE tail SET seq=?, hash=?, file=?, size=?", (tail.seq, tail.hash, tail.file, tail.size)
        )

    # ---- the ledger ----

    def load(self) -> Ledger:
        """All of it, as of one moment."""
        with guarded():
            self._link.execute("BEGIN")
            try:
                return Ledger(
                    holds=dict(self._load_holds()),
                    cooldowns={
                        Cooling(scope, policy, target, bool(shadow)): at_s
                        for scope, policy, target, shadow, at_s in self._link.execute(
                            "SELECT * FROM cooldowns"
                        )
                    },
                    intents=tuple(self._load_intents()),
                    episodes=dict(self._load_episodes("")),
                    approvals={
                        one: approval_from(json.loads(doc))
                        for one, doc in self._link.execute("SELECT id, doc FROM approvals")
                    },
                    pause=self.load_pause(),
                )
            finally:
                self._link.execute("COMMIT")

    def slice_for(self, record: Mapping[str, Any]) -> Ledger:
        """The part of the ledger that `replay.advance` looks at for a record, cooldowns left out."""
        with guarded():
            values = record["values"]
            intents = tuple(self._find_intents(record["key"])) if record["event"] == "outcome" else ()
            approval = {
                "intent": lambda: values["intent"]["decision"],
                "approval": lambda: values.get("id"),
            }.get(record["event"], lambda: None)()
            episodes = dict(
                self._load_episodes("WHERE policy=? AND target=?", (record["policy"], record["target"]))
            )
            return Ledger(
                intents=intents,
                episodes=episodes,
                approvals=dict(self._find_approvals(approval)),
                pause=self.load_pause(),
            )

    def write(self, before: Ledger, after: Ledger) -> None:
        """What changed from one slice to the next. Call it within a transaction."""
        run = self._link.execute
        for cooling, at_s in after.cooldowns.items():
            run(
                "INSERT OR REPLACE INTO cooldowns VALUES (?,?,?,?,?)",
                (cooling.scope, cooling.policy, cooling.target, cooling.shadow, at_s),
            )
        known = {one.key for one in before.intents}
        for one in after.intents:
            if one.key in known:
                run("UPDATE intents SET outcome=? WHERE key=?", (one.outcome, one.key))
            else:
                run(
                    "INSERT OR IGNORE INTO intents (key, at_s, outcome, doc) VALUES (?,?,?,?)",
                    (one.key, one.at_s, one.outcome, json.dumps(intent_json(one))),
                )
        for gone in before.episodes.keys() - after.episodes.keys():
            run("DELETE FROM episodes WHERE policy=? AND target=? AND shadow=?", gone)
        for key, episode in after.episodes.items():
            run("INSERT OR REPLACE INTO episodes VALUES (?,?,?,?)", (*key, json.dumps(episode_json(episode))))
        for lost in before.approvals.keys() - after.approvals.keys():
            run("DELETE FROM approvals WHERE id=?", (lost,))
        for name, approval in after.approvals.items():
            run(
                "INSERT OR REPLACE INTO approvals VALUES (?,?,?)",
                (name, approval.lapses_at_s, json.dumps(approval_json(approval))),
            )
        if before.pause != after.pause:
            run("DELETE FROM pause")
            if after.pause is not None:
                run(
                    "INSERT INTO pause VALUES (1,?,?,?)",
                    (after.pause.since_s, after.pause.actor, after.pause.reason),
                )

    def write_shadow(self, intent: Intent) -> None:
        """Note an act of a dry run, done at once. Call it within a transaction."""
        before = Ledger(
            episodes=dict(self._load_episodes("WHERE policy=? AND target=?", (intent.policy, intent.target)))
        )
        after = book.note_outcome(book.note_intent(before, intent), intent.key, "done")
        self.write(before, after)

    def end_shadow(self, policy: str, target: str, writes: str | None) -> None:
        """End an episode of a dry run. Call it within a transaction."""
        before = Ledger(episodes=dict(self._load_episodes("WHERE policy=? AND target=?", (policy, target))))
        self.write(before, book.end_episode(before, policy, target, shadow=True, writes=writes))

    def prune(self, before_s: float) -> None:
        """Forget intents with an outcome, and lapsed requests, from `before_s` or earlier."""
        with self.transaction():
            self._link.execute(
                "DELETE FROM intents WHERE outcome IS NOT NULL AND outcome != 'ask' AND at_s <= ?",
                (before_s,),
            )
            self._link.execute("DELETE FROM approvals WHERE lapses_at_s <= ?", (before_s,))

    # ---- what is remembered of the world ----

    def load_memory(self, part: str) -> dict[str, Json]:
        """The documents of a part, by name."""
        with guarded():
            found = self._link.execute("SELECT name, doc FROM memory WHERE part=?", (part,)).fetchall()
        return {name: json.loads(zlib.decompress(doc)) for name, doc in found}

    def save_memory(
        self, part: str, after: Mapping[str, Json], before: Mapping[str, Json] | None = None
    ) -> None:
        """Write what changed since `before`, except where the document is another one by now; without it, all."""
        changed = {name: doc for name, doc in after.items() if before is None or before.get(name) != doc}
        if not changed:
            return
        with self.transaction():
            now = self.load_memory(part) if before is not None else {}
            for name, doc in changed.items():
                if before is None or now.get(name) == before.get(name):
                    packed = zlib.compress(json.dumps(doc).encode(), 1)
                    self._link.execute("INSERT OR REPLACE INTO memory VALUES (?,?,?)", (part, name, packed))

    def forget(self, part: str, name: str) -> None:
        """Drop a document. Call it within a transaction."""
        self._link.execute("DELETE FROM memory WHERE part=? AND name=?", (part, name))

    # ---- holds ----

    def save_holds(self, holds: Mapping[HoldKey, Holds]) -> None:
        """Replace the clocks; only rows whose clock runs are kept, and only what changed is written."""
        with self.transaction():
            known = {
                HoldKey(*row) for row in self._link.execute("SELECT policy, clause, condition FROM holds")
            }
            for gone in known - holds.keys():
                self._link.execute(
                    "DELETE FROM holds WHERE policy=? AND clause=? AND condition=?", _key(gone)
                )
                self._saved.pop(gone, None)
            for key, one in holds.items():
                blobs = _blobs(one)
                if key in known and self._saved.get(key) == blobs:
                    self._link.execute(
                        "UPDATE holds SET last_s=? WHERE policy=? AND clause=? AND condition=?",
                        (one.last_s, *_key(key)),
                    )
                else:
                    self._link.execute(
                        "INSERT OR REPLACE INTO holds VALUES (?,?,?,?,?,?,?)",
                        (*_key(key), *blobs, one.last_s),
                    )
                    self._saved[key] = blobs

    def _load_holds(self) -> Iterator[tuple[HoldKey, Holds]]:
        for policy, clause, condition, names, true_s, unknown_s, last_s in self._link.execute(
            "SELECT * FROM holds"
        ):
            yield (
                HoldKey(policy, clause, condition),
                Holds(
                    tuple(json.loads(zlib.decompress(names))),
                    np.frombuffer(true_s, dtype="<f8").astype(np.float64),
                    np.frombuffer(unknown_s, dtype="<f8").astype(np.float64),
                    last_s,
                ),
            )

    # ---- rows ----

    def _load_intents(self) -> Iterator[Intent]:
        """Oldest first; the unchanging part of each is parsed once."""
        known: dict[str, Intent] = {}
        if not self._intents:  # the first time: all at once, for there may be a month of them
            for key, doc, found in self._link.execute("SELECT key, doc, outcome FROM intents").fetchall():
                self._intents[key] = intent_from(json.loads(doc), found)
        for key, outcome in self._link.execute("SELECT key, outcome FROM intents ORDER BY n").fetchall():
            intent = self._intents.get(key) or next(self._find_intents(key))
            known[key] = intent if intent.outcome == outcome else replace(intent, outcome=outcome)
        self._intents = known
        yield from known.values()

    def _find_intents(self, key: str) -> Iterator[Intent]:
        for doc, outcome in self._link.execute(
            "SELECT doc, outcome FROM intents WHERE key=?", (key,)
        ).fetchall():
            yield intent_from(json.loads(doc), outcome)

    def _load_episodes(
        self, where: str, names: tuple[str, ...] = ()
    ) -> Iterator[tuple[tuple[str, str, bool], Episode]]:
        query = f"SELECT policy, target, shadow, doc FROM episodes {where}"  # noqa: S608 - `where` is a constant of ours
        for policy, target, shadow, doc in self._link.execute(query, names).fetchall():
            yield (
                (policy, target, bool(shadow)),
                episode_from(policy, target, json.loads(doc), shadow=bool(shadow)),
            )

    def _find_approvals(self, name: str | None) -> Iterator[tuple[str, Approval]]:
        for one, doc in self._link.execute("SELECT id, doc FROM approvals WHERE id=?", (name,)).fetchall():
            yield one, approval_from(json.loads(doc))

    def load_pause(self) -> Pause | None:
        """The kill switch, if it is on."""
        with guarded():
            found = self._link.execute("SELECT since_s, actor, reason FROM pause").fetchone()
        return None if found is None else Pause(*found)


@contextmanager
def guarded() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise LedgerUnusable(
                "another program holds the ledger `scrimp.db` locked, and did not let go"
            ) from error
        raise LedgerUnusable(f"the ledger cannot be used: {error}") from error


def _read_only(path: Path) -> str:
    """SQLite's name for a file that cannot be written. Without a log of its own beside it, nobody writes it now."""
    still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    return f"file:{quote(str(path.resolve()))}?mode=ro{still}"


def _key(key: HoldKey) -> tuple[str, str, str]:
    return (key.policy, key.clause, key.condition)


def _blobs(holds: Holds) -> tuple[bytes, bytes, bytes]:
    running = ~(np.isnan(holds.true_s) & np.isnan(holds.unknown_s))
    names = [holds.names[row] for row in np.flatnonzero(running)]
    return (
        zlib.compress(json.dumps(names).encode(), 1),
        holds.true_s[running].astype("<f8").tobytes(),
        holds.unknown_s[running].astype("<f8").tobytes(),
    )
