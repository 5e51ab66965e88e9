"""Compaction and retention: many small files become one per day, and what is older than it may be goes.

A merge writes one file that names those it stands for, and deletes them afterwards; a crash between the two costs
nothing, see `files`. Nothing is merged or deleted while somebody reads.
"""

from dataclasses import dataclass, replace

from scrimp.history.daily import DAILY
from scrimp.history.files import DAY_S, MERGED, STREAMS, Folder, Part, Stream, day_of, guarded
from scrimp.history.query import Limits, batches, connect, run, scan

MANY = 60  # small files of an open day that are worth a merge


@dataclass(frozen=True, slots=True)
class Retention:
    """How long samples are kept, and the rest (usage, prices, actions); `max_bytes` bounds it all, oldest samples first."""

    samples_s: float = 14 * DAY_S
    rest_s: float = 400 * DAY_S
    max_bytes: int | None = None


def compact(folder: Folder, now_s: float, limits: Limits | None = None) -> int:
    """Merge what is in many files; gives how many files went. An open day keeps its merged files until it is over."""
    went = 0
    today = day_of(now_s)
    for stream in STREAMS:
        if stream == DAILY:  # a day's sums are made anew, never merged
            continue
        for part in folder.parts(stream):
            files = folder.files_of(part)
            small = [one for one in files if not one.name.startswith(MERGED)]
            over = part.day < today
            if (over and len(files) > 1) or len(small) >= MANY:
                went += _merge(folder, part, over, limits)
    return went


def _merge(folder: Folder, part: Part, over: bool, limits: Limits | None) -> int:
    files = [one for one in folder.files_of(part) if over or not one.name.startswith(MERGED)]
    with connect(folder.root, limits or Limits(256, 1)) as link:
        run(link, "SET preserve_insertion_order = true")
        reader = batches(link, f"SELECT * FROM {scan(files)}")
        folder.write_stream(part, reader, files)
    return len(files) - 1


def expire(folder: Folder, retention: Retention, now_s: float) -> int:
    """Delete the days that are older than they may be, then the oldest samples until all fits; gives how many days went."""
    with folder.alone() as held, guarded("delete what is too old"):
        if not held:
            return 0
        gone = 0
        for stream in STREAMS:
            keep_s = retention.samples_s if stream == "samples" else retention.rest_s
            for part in folder.parts(stream):
                if part.day < day_of(now_s - keep_s):
                    _drop(folder, part)
                    gone += 1
        if retention.max_bytes is not None:
            gone += _shrink(folder, retention.max_bytes, now_s)
        return gone


def _shrink(folder: Folder, max_bytes: int, now_s: float) -> int:
    """The open day and the newest usage are never dropped: a bound that small is not a history."""
    sizes = {part: _size(folder, part) for stream in _ORDER for part in folder.parts(stream)}
    total, gone = sum(sizes.values()), 0
    for stream in _ORDER:
        for part in sorted((one for one in sizes if one.stream == stream), key=lambda one: one.day):
            if total <= max_bytes:
                return gone
            if part.day < day_of(now_s):
                _drop(folder, part)
                total -= sizes[part]
                gone += 1
    return gone


_ORDER: tuple[Stream, ...] = ("samples", "prices", "work", "usage", "actions")


def _size(folder: Folder, part: Part) -> int:
    """Of a part, and of its sums if it is of usage: they go together, for sums that went alone would be made again."""
    parts = (part, replace(part, stream=DAILY)) if part.stream == "usage" else (part,)
    return sum(path.stat().st_size for one in parts for path in (folder.root / one.path).glob("*.parquet"))


def _drop(folder: Folder, part: Part) -> None:
    parts = (part, replace(part, stream=DAILY)) if part.stream == "usage" else (part,)
    for path in (folder.root / one.path for one in parts):
        for file in path.iterdir() if path.is_dir() else ():
            file.unlink()
        if path.is_dir():
            path.rmdir()
