"""Events of the file system about some paths, wherever these lead just now.

A folder may be deleted and come back, or be a link that is turned to another folder (a ConfigMap, a checkout beside the
old one): the watch on the old one tells nothing then. So the parent is watched too, and `follow` looks who is there.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

READ_ONLY = ("opened", "closed_no_write")
Identity = tuple[int, int] | None  # device and inode; `None` where nothing is


class Watch:
    """`changed` is called from another thread when something at the paths may have changed."""

    def __init__(self, paths: Sequence[Path], changed: Callable[[], None]) -> None:
        self.trouble = ""
        self._paths = tuple(paths)
        self._changed = changed
        self._seen: dict[Path, Identity] = {}
        self._observer = Observer()
        self._observer.start()
        self.follow()

    def follow(self) -> bool:
        """Watch what is there now; true if that is not what was watched. `trouble` says what cannot be watched."""
        there = {path: _identity(path) for path in self._paths}
        if there == self._seen:
            return False
        self._seen = there
        self._observer.unschedule_all()
        self.trouble = ""
        # Of a link only the link would be watched.
        inside = {path.resolve() for path in self._paths if path.is_dir()}
        beside: dict[Path, set[Path]] = {}
        for path in self._paths:
            beside.setdefault(path.absolute().parent, set()).add(path.absolute())
        for folder in inside:
            self._schedule(folder, _Noted(self._changed, None), recursive=True)
        for folder, names in beside.items():
            if folder not in inside:
                self._schedule(folder, _Noted(self._changed, frozenset(names)), recursive=False)
        return True

    def close(self) -> None:
        """Stop watching."""
        self._observer.stop()
        self._observer.join(5.0)

    def _schedule(self, folder: Path, noted: "_Noted", *, recursive: bool) -> None:
        try:
            self._observer.schedule(noted, str(folder), recursive=recursive)
        except OSError as error:  # gone this moment, or the system's limit of watches
            self.trouble = f"`{folder}` cannot be watched: {error.strerror or error}"


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Noted(FileSystemEventHandler):
    """Passes on all that is no mere reading, or only what is about the names given."""

    def __init__(self, changed: Callable[[], None], names: frozenset[Path] | None) -> None:
        self._changed = changed
        self._names = names

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note it. Reading raises events too: they change nothing."""
        if event.event_type in READ_ONLY:
            return
        about = {Path(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path}
        if self._names is None or about & self._names:
            self._changed()
