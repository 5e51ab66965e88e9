"""Audit records: their fields, the hash that chains them, and what must not enter them.

A record is one line of canonical JSON: keys sorted, no blanks, ASCII. `hash` is the SHA-256 of that line without
`hash` itself, and `prev` is the hash of the record before, so a change anywhere shows in everything after it.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Event = Literal["decision", "intent", "outcome", "reload", "approval", "override", "pause", "alert", "budget"]
Record = dict[str, Any]
GENESIS = "0" * 64
REDACTED = "[redacted]"
_SECRET_KEY = re.compile(r"token|secret|passw|authorization|credential|api_?key|private_?key", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(?P<url>://[^/\s:@]*:)[^@\s/]+(?=@)"
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[^\s,;\"']+"
    r"|(?P<pair>\b\w*(?:token|secret|password|credential)\w*=)[^\s&,;\"']+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Git:
    """The commit that the policies came from; `dirty` if files differed from it."""

    commit: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Context:
    """What all records of a tick share. `tick_s` is the tick's time; `policy_hashes` the digests by policy."""

    tick_s: float | None = None
    set_hash: str = ""
    policy_hashes: Mapping[str, str] = field(default_factory=dict)
    git: Git | None = None
    actor: str = "scrimp"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded, before it has its place in the chain. `actor` empty is the context's."""

    event: Event
    policy: str | None = None
    target: str | None = None
    action: str | None = None
    key: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    actor: str = ""


def instant(at_s: float) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def chained(entry: Entry, context: Context, at_s: float, seq: int, prev: str) -> Record:
    """The entry as record `seq` after the one with hash `prev`."""
    policy_hash = context.policy_hashes.get(entry.policy, "") if entry.policy else context.set_hash
    record: Record = {
        "seq": seq,
        "at": instant(at_s),
        "tick": None if context.tick_s is None else instant(context.tick_s),
        "event": entry.event,
        "policy": entry.policy,
        "policy_hash": policy_hash or None,
        "git": None if context.git is None else {"commit": context.git.commit, "dirty": context.git.dirty},
        "target": entry.target,
        "action": entry.action,
        "key": entry.key,
        "values": redacted(entry.values),
        "before": redacted(entry.before),
        "after": redacted(entry.after),
        "actor": entry.actor or context.actor,
        "prev": prev,
    }
    return {**record, "hash": record_hash(record)}


def canonical(record: Mapping[str, Any]) -> bytes:
    """The one text of a record. Raises `ValueError` for a number that JSON does not have."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def record_hash(record: Mapping[str, Any]) -> str:
    """What `hash` has to be."""
    return hashlib.sha256(
        canonical({name: value for name, value in record.items() if name != "hash"})
    ).hexdigest()


def redacted(value: Any) -> Any:
    """A copy fit for the log: secrets replaced, by key and in texts that carry them; no number that JSON lacks.

    Numbers, truths and nothing under a suspicious key stay: `tokens_per_second` is a rate.
    """
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED
            if _SECRET_KEY.search(str(key)) and not isinstance(inner, int | float | None)
            else redacted(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(inner) for inner in value]
    if isinstance(value, str):
        return _SECRET_TEXT.sub(
            lambda found: f"{found['url'] or found['scheme'] or found['pair']}{REDACTED}", value
        )
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | None) else str(value)
