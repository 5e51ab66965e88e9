"""The members of a fleet on disk: each is written down before any of its steps is carried out.

One SQLite file, one transaction per round of the runner: in a storm all that was heard at once is written at once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from scrimp.api import Unavailable
from scrimp_actions.spot.member import Member

SCHEMA_VERSION = 1
DAY_S = 86400.0
ENGINE_NOTE = "engine"
_SCHEMA = """
CREATE TABLE members (name TEXT PRIMARY KEY, fleet TEXT, slot INTEGER, generation INTEGER, successor TEXT, pool TEXT,
  bought TEXT, doc TEXT) WITHOUT ROWID;
CREATE TABLE slots (fleet TEXT, slot INTEGER, generation INTEGER, moves TEXT, PRIMARY KEY (fleet, slot)) WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, doc TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member with its place. Members of one `slot` follow each other; `generation` grows and never comes twice.

    `successor` is the member that takes or took its place, empty before there is one; `pool` is where its instance is,
    `bought` how it was paid for (`spot`, `on_demand`), both empty before there is one.
    """

    member: Member
    fleet: str
    slot: int
    generation: int
    successor: str = ""
    pool: str = ""
    bought: str = ""

    @property
    def name(self) -> str:
        """The member's name: its tag in the cloud, and the root of its steps' keys."""
        return self.member.name


def member_name(fleet: str, slot: int, generation: int) -> str:
    """The name of a member."""
    return f"{fleet}-{slot}.{generation}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a fleet: the generation that it was given last, and when it moved on purpose within the last day."""

    generation: int
    moves: tuple[float, ...] = ()

    def moved(self, now_s: float) -> Slot:
        """The place after one more move; what is older than a day is forgotten."""
        return Slot(self.generation, (*(at_s for at_s in self.moves if at_s > now_s - DAY_S), now_s))

    def called_off(self) -> Slot:
        """The place without its last move, which came to nothing."""
        return Slot(self.generation, self.moves[:-1])


@dataclass(frozen=True, slots=True)
class Changes:
    """What one round came to. Entries whose member is cleaned up stand in `ended`."""

    entries: tuple[Entry, ...] = ()
    ended: tuple[str, ...] = ()
    slots: Mapping[tuple[str, int], Slot] | None = None
    notes: Mapping[str, Any] | None = None


class MemberBook:
    """The file. All methods raise `Unavailable` where SQLite fails; what cannot be written is not done."""

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        """Open the book, or begin one. `durable=False` spares the wait for the disk (a simulation may)."""
        self._turn = threading.Lock()
        with self._guarded():
            self._link = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
            self._link.execute("PRAGMA journal_mode=WAL")
            self._link.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
            version = self._link.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise Unavailable(f"the members have schema {version}, this scrimp knows {SCHEMA_VERSION}")
            if version == 0:
                self._link.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
        if self.note(ENGINE_NOTE) is None:
            self.write(Changes(notes={ENGINE_NOTE: token_hex(4)}))

    @classmethod
    def copy(cls, path: Path) -> MemberBook:
        """A book in memory that is like the one at `path`, an empty one where there is none: for a preview."""
        book = cls(":memory:")
        if path.exists():
            with book._guarded():
                there = sqlite3.connect(path)
                try:
                    there.backup(book._link)
                finally:
                    there.close()
        return book

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()

    @property
    def engine(self) -> str:
        """What tells this book from all others: a tag of what is launched for it, and the root of its client tokens.

        Members of two books may have the same names: an engine in another folder, or one whose state was lost, must
        neither end the other's instances as nobody's, nor be given them for a launch of its own.
        """
        return str(self.note(ENGINE_NOTE))

    def entries(self) -> list[Entry]:
        """All members that are not cleaned up, by name."""
        with self._guarded():
            rows = self._link.execute(
                "SELECT doc, fleet, slot, generation, successor, pool, bought FROM members ORDER BY name"
            ).fetchall()
        return [Entry(Member.from_json(json.loads(doc)), *rest) for doc, *rest in rows]

    def slots(self) -> dict[tuple[str, int], Slot]:
        """All places that ever were."""
        with self._guarded():
            rows = self._link.execute("SELECT fleet, slot, generation, moves FROM slots").fetchall()
        return {
            (fleet, slot): Slot(generation, tuple(json.loads(moves)))
            for fleet, slot, generation, moves in rows
        }

    def note(self, name: str) -> Any:
        """Something small that has to outlive a restart; None if it was never written."""
        with self._guarded():
            found = self._link.execute("SELECT doc FROM notes WHERE name=?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def write(self, changes: Changes) -> None:
        """All or nothing, and on the disk when it returns."""
        with self._guarded():
            self._link.execute("BEGIN IMMEDIATE")
            try:
                self._link.executemany(
                    "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _rows(changes.entries)
                )
                self._link.executemany(
                    "DELETE FROM members WHERE name=?", [(name,) for name in changes.ended]
                )
                for (fleet, slot), one in (changes.slots or {}).items():
                    self._link.execute(
                        "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?)",
                        (fleet, slot, one.generation, json.dumps(one.moves)),
                    )
                for name, note in (changes.notes or {}).items():
                    self._link.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(note)))
                self._link.execute("COMMIT")
            except BaseException:
                if self._link.in_transaction:
                    self._link.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._turn:
            try:
                yield
            except sqlite3.Error as error:
                raise Unavailable(f"the members cannot be read or written: {error}") from error


def _rows(entries: Iterable[Entry]) -> list[tuple[str, str, int, int, str, str, str, str]]:
    return [
        (
            one.name,
            one.fleet,
            one.slot,
            one.generation,
            one.successor,
            one.pool,
            one.bought,
            json.dumps(one.member.to_json()),
        )
        for one in entries
    ]
