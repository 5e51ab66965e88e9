"""What live tuning remembers, on disk: one small document per operation for its session, one for the wish of the policy.

The collector writes sessions, the provider writes wishes; each document is replaced in one step, so that a reader
sees the old or the new. A document that cannot be read is as none: tuning begins anew, which costs some looks.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from scrimp.api import Unavailable
from scrimp_actions.tuning.duel import Duel
from scrimp_actions.tuning.goal import Goal
from scrimp_actions.tuning.history import Setting, Workload, from_json, to_json
from scrimp_actions.tuning.retune import retune_from_json, retune_to_json
from scrimp_actions.tuning.session import Session, Wish

FORM = "tuning/1"
SESSION, WISH = ".session.json", ".wish.json"


@dataclass(frozen=True, slots=True)
class Notebook:
    """The folder `tuning` of the state folder."""

    root: Path

    def operations(self) -> list[str]:
        """All operations with a session."""
        return sorted(unquote(path.name.removesuffix(SESSION)) for path in self.root.glob(f"*{SESSION}"))

    def session(self, operation: str) -> Session | None:
        """What is remembered of an operation."""
        found = self._read(operation, SESSION)
        try:
            return None if found is None else _session(found)
        except (KeyError, TypeError, ValueError):
            return None

    def wish(self, operation: str) -> Wish | None:
        """What a policy asked for last."""
        found = self._read(operation, WISH)
        try:
            if found is None:
                return None
            return Wish(Goal(**found["goal"]), float(found["explore"]), str(found["asked"]))
        except (KeyError, TypeError, ValueError):
            return None

    def keep_session(self, operation: str, session: Session) -> None:
        """Replace the session. Raises `Unavailable`."""
        document = {
            **{
                name: getattr(session, name)
                for name in (
                    "incumbent",
                    "began_s",
                    "winner",
                    "idle_duels",
                    "cool_until_s",
                    "tried_s",
                    "told",
                    "hollow",
                    "hollow_until_s",
                    "memory_limit_bytes",
                )
            },
            "workload": list(session.workload),
            "points": to_json({**session.aside, session.workload: session.points}),
            "duel": None if session.duel is None else asdict(session.duel),
            "retune": None if session.retune is None else retune_to_json(session.retune),
            "goal": None if session.goal is None else asdict(session.goal),
        }
        self._write(operation, SESSION, document)

    def keep_wish(self, operation: str, wish: Wish) -> None:
        """Replace the wish. Raises `Unavailable`."""
        document = {"goal": asdict(wish.goal), "explore": wish.explore, "asked": wish.asked}
        self._write(operation, WISH, document)

    def _path(self, operation: str, ending: str) -> Path:
        return self.root / f"{quote(operation, safe='')}{ending}"

    def _read(self, operation: str, ending: str) -> dict[str, Any] | None:
        try:
            found = json.loads(self._path(operation, ending).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("scrimp") == FORM else None

    def _write(self, operation: str, ending: str, document: Mapping[str, Any]) -> None:
        path = self._path(operation, ending)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"scrimp": FORM, **document}), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise Unavailable(f"cannot keep what was tuned: {error.strerror}") from error


def _session(found: Mapping[str, Any]) -> Session:
    workload = Workload(*found["workload"])
    duel, history = found["duel"], from_json(found["points"])
    return Session(
        workload=workload,
        incumbent=int(found["incumbent"]),
        began_s=float(found["began_s"]),
        points=history.get(workload, {}),
        aside={one: points for one, points in history.items() if one != workload},
        duel=None
        if duel is None
        else Duel(Setting(*duel["base"]), Setting(*duel["rival"]), tuple(duel["rates"])),
        winner=found["winner"],
        idle_duels=int(found["idle_duels"]),
        cool_until_s=float(found["cool_until_s"]),
        tried_s=float(found["tried_s"]),
        told=str(found["told"]),
        hollow=found.get("hollow"),
        hollow_until_s=float(found.get("hollow_until_s", 0.0)),
        memory_limit_bytes=found.get("memory_limit_bytes"),
        retune=None if found["retune"] is None else retune_from_json(found["retune"]),
        goal=None if found["goal"] is None else Goal(**found["goal"]),
    )
