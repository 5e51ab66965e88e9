"""Watched policy files: the whole set is swapped at once, and a set with errors leaves the last good one in force."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from scrimp.compile import PolicySet
from scrimp.diagnostics import Diagnostic, Source
from scrimp.reload.git import Commit, commit_of
from scrimp.reload.load import Loaded, read_sources

SETTLE_S = 0.5  # an editor writes a file in several steps, and a checkout many files: wait until it is quiet
LOOK_EVERY_S = (
    60.0  # network and overlay file systems lose events, and a folder that is replaced loses its watch
)
READ_ONLY = ("opened", "closed_no_write")


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of policies that are new, gone, or differ."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A new set is in force."""

    policy_set: PolicySet
    changes: Changes
    commit: Commit | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The files have errors: the set before stays in force."""

    diagnostics: tuple[Diagnostic, ...]
    commit: Commit | None


class PolicyFolder:
    """Files and folders of policies, and the set in force. One thread polls; the watcher's thread only notes changes.

    `load` reads and checks the paths. It is called in `poll`, when a change has been quiet for `settle_s`.
    """

    def __init__(
        self, paths: Sequence[Path], load: Callable[[], Loaded], *, settle_s: float = SETTLE_S
    ) -> None:
        self.paths = tuple(paths)
        self.current: PolicySet | None = None
        self.commit: Commit | None = None
        self.diagnostics: tuple[Diagnostic, ...] = ()
        self._load = load
        self._settle_s = settle_s
        self._touched = threading.Event()
        self._changed_s: float | None = None
        self._looked_s = float("-inf")
        self._seen: tuple[tuple[Source, ...], tuple[Diagnostic, ...]] | None = None
        self._observer = Observer()
        self._watching = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def watch(self, wake: Callable[[], None] = lambda: None) -> None:
        """Begin to watch; `wake` is called from another thread when something changes. Raises `OSError`."""
        noted = _Noted(self._touched, wake)
        for folder in {path if path.is_dir() else path.parent for path in self.paths}:
            self._observer.schedule(noted, str(folder), recursive=True)
        self._observer.start()
        self._watching = True

    def close(self) -> None:
        """Stop watching."""
        if self._watching:
            self._observer.stop()
            self._observer.join(5.0)
            self._watching = False

    def poll(self, now_s: float) -> Reloaded | Rejected | None:
        """What became of changes since the last call: a new set, its rejection, or nothing to tell.

        Call it at any rate, at least once per `settle_s` while `pending`. Now and then it looks without being told.
        """
        overdue = not 0.0 <= now_s - self._looked_s < LOOK_EVERY_S
        if self._touched.is_set() or (overdue and self._changed_s is None):
            self._touched.clear()
            self._changed_s = self._looked_s = now_s
        if self._changed_s is None or now_s - self._changed_s < self._settle_s:
            return None
        self._changed_s = None
        return self.reload()

    @property
    def pending(self) -> bool:
        """Whether a change was seen that is not loaded yet."""
        return self._touched.is_set() or self._changed_s is not None

    def reload(self) -> Reloaded | Rejected | None:
        """Read the files now; nothing to tell if their texts are as they were."""
        seen = read_sources(self.paths)
        if seen == self._seen:
            return None
        loaded = self._load()
        # Remembered as loaded: texts that changed between the two reads are loaded again by the event that comes.
        self._seen = seen
        commit = commit_of(self.paths[0])
        if loaded.policy_set is None:
            return Rejected(loaded.diagnostics, commit)
        before, self.current = self.current, loaded.policy_set
        self.commit, self.diagnostics = commit, loaded.diagnostics
        return Reloaded(loaded.policy_set, changes(before, loaded.policy_set), commit, loaded.diagnostics)


class _Noted(FileSystemEventHandler):
    def __init__(self, touched: threading.Event, wake: Callable[[], None]) -> None:
        self._touched = touched
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note it. Reading raises events too: they change nothing."""
        if event.event_type in READ_ONLY:
            return
        self._touched.set()
        self._wake()


def changes(before: PolicySet | None, after: PolicySet) -> Changes:
    """What differs between two sets, by name and digest."""
    old = {one.name: one.digest for one in before.checked.policies} if before is not None else {}
    new = {one.name: one.digest for one in after.checked.policies}
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
    )
