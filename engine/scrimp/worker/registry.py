"""The job groups of this machine on disk: `ROOT/NAME.json`, one document per group with its members.

Readers see a document whole; writers hold the group's lock. A document that cannot be read is `Unavailable`, never an
empty group: a broken registry must not look like an idle machine.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrimp.api import JobGroup, Member, Money, ProcessId, TargetGone, Unavailable
from scrimp.worker import process as processes
from scrimp.worker.documents import process_from_json, process_to_json
from scrimp.worker.files import locked, read_document, replace_file
from scrimp.worker.folder import safe_name

FORM = "jobs/1"
LOCK_WAIT_S = 2.0
WORKER_DIR = "SCRIMP_WORKER_DIR"
JOB = "SCRIMP_JOB"


@dataclass(frozen=True, slots=True)
class FolderRegistry:
    """`JobRegistry` under the state folder: documents in `jobs/`, the worker channel in `workers/`, logs in `logs/`."""

    state_dir: Path

    @property
    def root(self) -> Path:
        """Where the documents lie."""
        return self.state_dir / "jobs"

    @property
    def worker_dir(self) -> Path:
        """The folder of the worker channel, absolute, as members are told it."""
        return (self.state_dir / "workers").resolve()

    @property
    def log_dir(self) -> Path:
        """Where members' output goes."""
        return self.state_dir / "logs"

    def groups(self) -> Sequence[JobGroup]:
        """All registered groups, by name."""
        try:
            names = sorted(path.stem for path in self.root.glob("[!.]*.json"))
        except OSError as error:
            raise Unavailable(f"cannot list {self.root}: {error.strerror}") from error
        read = (self._read(name) for name in names)
        return tuple(found[0] for found in read if found is not None)

    def members(self, group: str) -> Sequence[Member]:
        """The members of a group, by index; empty if there is no such group."""
        found = self._read(group)
        return () if found is None else found[1]

    def register(self, group: JobGroup) -> None:
        """Add the group, or change what is known of it; its members stay. Raises `ValueError` for a group that cannot be."""
        checked = group_from_json(group.name, group_to_json(group))
        with self.editing(group.name, deadline_s=LOCK_WAIT_S):
            self._write(checked, self.members(group.name))

    @contextmanager
    def editing(self, group: str, *, deadline_s: float) -> Iterator[None]:
        """Exclusive use of a group between processes. `Unavailable` if it is not free by the deadline."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot make {self.root}: {error.strerror}") from error
        with locked(self.root / f".{safe_name(group)}.lock", deadline_s=deadline_s):
            yield

    def set_members(self, group: str, members: Sequence[Member]) -> None:
        """Replace the members, durably. Call it within `editing`. `TargetGone` if there is no such group."""
        found = self._read(group)
        if found is None:
            raise TargetGone(f"there is no job group `{group}`")
        self._write(found[0], sorted(members, key=lambda member: member.index))

    def identify(self, pid: int) -> ProcessId | None:
        """Who runs under `pid` now."""
        return processes.identify(pid)

    def alive(self, process: ProcessId) -> bool:
        """Whether this very process still runs."""
        return processes.alive(process)

    def signal(self, process: ProcessId, number: int, *, whole_group: bool = False) -> bool:
        """Send a signal; false if the process is gone."""
        try:
            return processes.send(process, number, whole_group=whole_group)
        except OSError as error:
            raise Unavailable(f"cannot signal process {process.pid}: {error.strerror}") from error

    def find(self, job: str) -> ProcessId | None:
        """The running process that was started as `job` of this registry."""
        return processes.find({WORKER_DIR: str(self.worker_dir), JOB: job})

    def _read(self, name: str) -> tuple[JobGroup, tuple[Member, ...]] | None:
        try:
            found = read_document(self.root / f"{safe_name(name)}.json", FORM)
            if found is None:
                return None
            members = tuple(_member_from_json(name, member) for member in found["members"])
            return group_from_json(name, found["group"]), members
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"registry of job group {name}: {error}") from error

    def _write(self, group: JobGroup, members: Sequence[Member]) -> None:
        document = {
            "scrimp": FORM,
            "group": group_to_json(group),
            "members": [_member_to_json(member) for member in members],
        }
        try:
            replace_file(self.root / f"{group.name}.json", json.dumps(document, indent=1), durable=True)
        except OSError as error:
            raise Unavailable(f"cannot write the registry of job group {group.name}: {error}") from error


def group_to_json(group: JobGroup) -> dict[str, Any]:
    """A group as on disk and, without its name, as a team may write it."""
    price = group.price_per_core_hour
    return {
        "command": list(group.command),
        "min_size": group.min_size,
        "max_size": group.max_size,
        "cores": group.cores,
        "price_per_core_hour": price.as_json() if price else None,
        "critical": group.critical,
        "operation": group.operation,
        "memory_limit_bytes": group.memory_limit_bytes,
        "drain_s": group.drain_s,
        "directory": group.directory,
        "environment": dict(group.environment),
        "labels": dict(group.labels),
    }


def group_from_json(name: str, found: Mapping[str, Any]) -> JobGroup:
    """Read a group. Only `command` is needed. Raises `ValueError`, which names what does not fit."""
    command = found.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise ValueError(f"command of job group `{name}` must be a list of strings")
    price = found.get("price_per_core_hour")
    least, most = int(found.get("min_size", 0)), found.get("max_size")
    if least < 0 or (most is not None and int(most) < least):
        raise ValueError(f"sizes of job group `{name}` must be 0 <= min_size <= max_size")
    cores, drain_s = float(found.get("cores", 1.0)), float(found.get("drain_s", 30.0))
    if not (cores > 0 and drain_s >= 0):
        raise ValueError(f"cores of job group `{name}` must be positive, and drain_s not negative")
    limit = found.get("memory_limit_bytes")
    return JobGroup(
        name=safe_name(name),
        command=tuple(command),
        min_size=least,
        max_size=None if most is None else int(most),
        cores=cores,
        price_per_core_hour=Money(float(price["amount"]), str(price["currency"])) if price else None,
        critical=bool(found.get("critical", False)),
        operation=found.get("operation"),
        memory_limit_bytes=None if limit is None else int(limit),
        drain_s=drain_s,
        directory=found.get("directory"),
        environment=_texts(found.get("environment")),
        labels=_texts(found.get("labels")),
    )


def _texts(found: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (found or {}).items()}


def _member_to_json(member: Member) -> dict[str, Any]:
    return {
        "index": member.index,
        "process": process_to_json(member.process),
        "leaving": member.leaving,
        "key": member.key,
    }


def _member_from_json(group: str, found: Mapping[str, Any]) -> Member:
    return Member(
        group=group,
        index=int(found["index"]),
        process=process_from_json(found.get("process")),
        leaving=bool(found.get("leaving", False)),
        key=str(found.get("key", "")),
    )
