"""Watched policy files: the whole set is swapped at once, and a set with errors leaves the last good one in force."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from scrimp.diagnostics import Diagnostic, Severity, Source
from scrimp.reload.git import Commit, commit_of
from scrimp.reload.load import Loaded, read_sources

if TYPE_CHECKING:
    from scrimp.check import Uses
    from scrimp.compile import PolicySet
    from scrimp.reload.watch import Watch

SETTLE_S = 0.5  # an editor writes a file in several steps, and a checkout many files: wait until it is quiet
SETTLE_MOST_S = 10.0  # but not for ever, where something is never quiet
LOOK_EVERY_S = 60.0  # network and overlay file systems lose events
DIFF_LINES = 400


class Changes(Struct, frozen=True):
    """Names of policies that are new, gone, or differ."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Reloaded(Struct, frozen=True):
    """A new set is in force. `diff` has the lines of the files that changed, `DIFF_LINES` at most."""

    policy_set: "PolicySet"
    changes: Changes
    commit: Commit | None
    diagnostics: tuple[Diagnostic, ...]
    diff: tuple[str, ...] = ()


class Rejected(Struct, frozen=True):
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
        self._restless_s: float | None = None
        self._looked_s = float("-inf")
        self._seen: tuple[tuple[Source, ...], tuple[Diagnostic, ...]] | None = None
        self._uses: Uses | None = None
        self._good: tuple[Source, ...] = ()
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def watch(self, wake: Callable[[], None] = lambda: None) -> tuple[Diagnostic, ...]:
        """Begin to watch; `wake` is called from another thread when something changes. Gives what cannot be watched."""

        def changed() -> None:
            self._touched.set()
            wake()

        from scrimp.reload.watch import Watch  # noqa: PLC0415 - `check` loads policies and watches nothing

        self._watch = Watch(self.paths, changed)
        if not self._watch.trouble:
            return ()
        hint = f"changes are found within {LOOK_EVERY_S:g}s all the same"
        return (Diagnostic("SCR407", self._watch.trouble, hint=hint, severity=Severity.WARNING),)

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def poll(self, now_s: float) -> Reloaded | Rejected | None:
        """What became of changes since the last call: a new set, its rejection, or nothing to tell.

        Call it at any rate, at least once per `settle_s` while `pending`. Now and then it looks without being told.
        """
        moved = self._watch is not None and self._watch.follow()
        overdue = not 0.0 <= now_s - self._looked_s < LOOK_EVERY_S
        if moved or self._touched.is_set() or (overdue and self._changed_s is None):
            self._touched.clear()
            self._changed_s = self._looked_s = now_s
            self._restless_s = now_s if self._restless_s is None else self._restless_s
        if self._changed_s is None or self._restless_s is None:
            return None
        quiet_s, restless_s = now_s - self._changed_s, now_s - self._restless_s
        # A clock that was set back says nothing about how long it has been quiet: look now.
        if 0.0 <= quiet_s < self._settle_s and 0.0 <= restless_s < SETTLE_MOST_S:
            return None
        self._changed_s = self._restless_s = None
        return self.reload()

    @property
    def pending(self) -> bool:
        """Whether a change was seen that is not loaded yet."""
        return self._touched.is_set() or self._changed_s is not None

    def reload(self) -> Reloaded | Rejected | None:
        """Read the files now; nothing to tell if their texts are as they were, and what they use is."""
        seen = read_sources(self.paths)
        if seen == self._seen and (self._uses is None or not self._uses.changed()):
            return None
        loaded = self._load()
        self._uses = loaded.uses
        # Remembered as loaded: texts that changed between the two reads are loaded again by the event that comes.
        self._seen = seen
        commit = commit_of(self.paths[0])
        if loaded.policy_set is None:
            return Rejected(loaded.diagnostics, commit)
        before, self.current = self.current, loaded.policy_set
        texts, self._good = self._good, loaded.sources
        self.commit, self.diagnostics = commit, loaded.diagnostics
        diff = difference(texts, loaded.sources) if before is not None else ()
        return Reloaded(
            loaded.policy_set, changes(before, loaded.policy_set), commit, loaded.diagnostics, diff
        )


def difference(before: Sequence[Source], after: Sequence[Source]) -> tuple[str, ...]:
    """The lines in which two states of the files differ, as a unified diff that is cut off where it is long."""
    from difflib import unified_diff  # noqa: PLC0415 - only where something changed, for a fast start of `check`

    old, new = ({one.path: one.text.splitlines() for one in sources} for sources in (before, after))
    lines = [
        line
        for path in sorted(old.keys() | new.keys())
        for line in unified_diff(old.get(path, []), new.get(path, []), path, path, lineterm="", n=1)
    ]
    if len(lines) <= DIFF_LINES:
        return tuple(lines)
    return (*lines[:DIFF_LINES], f"… {len(lines) - DIFF_LINES} more lines")


def changes(before: "PolicySet | None", after: "PolicySet") -> Changes:
    """What differs between two sets, by name and digest."""
    old = {one.name: one.digest for one in before.checked.policies} if before is not None else {}
    new = {one.name: one.digest for one in after.checked.policies}
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
    )
