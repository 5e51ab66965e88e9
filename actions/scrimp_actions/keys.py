"""What was done under which key, on disk: so that a second `apply` changes nothing and gives the same result.

Two notes per key: `begun`, written before anything is touched, and `done` with the result. Between them lies doubt.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrimp.api import ActionResult, Unavailable

KEPT = 4096  # keys that are remembered; an engine asks about its latest intents only


@dataclass(frozen=True, slots=True)
class KeyStore:
    """A folder with one small file per key."""

    root: Path

    def done(self, key: str) -> ActionResult | None:
        """The result of the action with this key; `None` if it was not finished."""
        found = self._read(key)
        if found is None or "detail" not in found:
            return None
        return ActionResult(detail=str(found["detail"]), after=dict(found.get("after", {})))

    def begun(self, key: str) -> Mapping[str, Any] | None:
        """What was noted before the action began; `None` if it never did."""
        found = self._read(key)
        return None if found is None else dict(found.get("begun", {}))

    def begin(self, key: str, note: Mapping[str, Any]) -> Mapping[str, Any]:
        """Note that the action begins; gives the note of the first time if this is not the first."""
        before = self.begun(key)
        if before is not None:
            return before
        self._write(key, {"begun": dict(note)})
        self._forget_oldest()
        return note

    def finish(self, key: str, result: ActionResult) -> ActionResult:
        """Note the result, and give it."""
        note = self.begun(key) or {}
        self._write(key, {"begun": dict(note), "detail": result.detail, "after": dict(result.after)})
        return result

    def _path(self, key: str) -> Path:
        return self.root / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            found = json.loads(self._path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Unavailable(f"the note of an earlier action cannot be read: {error}") from error
        if not isinstance(found, dict):
            raise Unavailable("the note of an earlier action cannot be read")
        return found

    def _write(self, key: str, note: Mapping[str, Any]) -> None:
        path = self._path(key)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                json.dump({"key": key, **note}, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise Unavailable(f"cannot note the action: {error.strerror}") from error

    def _forget_oldest(self) -> None:
        files = sorted(self.root.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[:-KEPT]:
            path.unlink(missing_ok=True)
