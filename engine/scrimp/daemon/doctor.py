"""Is everything reachable: configuration, policies, store, each collector and provider, with the time that each took.

Nothing is changed, but for test notices that a plug-in sends to itself.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from scrimp.api import Checkup, Examined, Health, OutsideError
from scrimp.config import Config, FilesUsed
from scrimp.config.catalogue import builtin_catalogue
from scrimp.daemon.compose import Parts, compose
from scrimp.diagnostics import Diagnostic, has_errors
from scrimp.reload import load_policies
from scrimp.store import StoreError, visit_store

DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Examination:
    """One thing that was looked at: whose it is, what was found, and how long that took."""

    part: str
    checkup: Checkup
    took_s: float

    def as_json(self) -> dict[str, Any]:
        """The form in `doctor --output json`."""
        return {
            "part": self.part,
            "what": self.checkup.what,
            "health": self.checkup.health.value,
            "detail": self.checkup.detail,
            "took_s": round(self.took_s, 3),
        }


def examine(
    config: Config,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    *,
    deadline_s: float = DEADLINE_S,
) -> tuple[list[Examination], tuple[Diagnostic, ...]]:
    """All of it, plug-ins side by side, and the findings of policies and plug-ins."""
    began = monotonic()
    parts = compose(config, now, sleep, preview=True)
    name = "scrimp.yaml" if config.path is not None else "no scrimp.yaml, the defaults hold"
    found = [Examination("config", Checkup(name, Health.GOOD), monotonic() - began)]
    loaded, diagnostics = _policies(config, parts)
    found += [loaded, _store(config, now)]
    broken = [one for one in parts.findings if has_errors([one])]
    found += [Examination("plug-ins", Checkup(one.code, Health.BAD, one.message), 0.0) for one in broken]
    found += _collected(parts, now())
    found += _examined(parts, deadline_s)
    return found, (*parts.findings, *diagnostics)


def _policies(config: Config, parts: Parts) -> tuple[Examination, tuple[Diagnostic, ...]]:
    began = monotonic()
    if not config.policies.exists():
        checkup = Checkup("policies", Health.BAD, f"there is no `{config.policies}`")
        return Examination("policies", checkup, monotonic() - began), ()
    loaded = load_policies(
        [config.policies],
        builtin_catalogue(config.currency).with_actions(parts.catalogue.actions),
        config.params,
        uses=partial(FilesUsed, config.folder, config.calendars),
    )
    if loaded.policy_set is None:
        checkup = Checkup("policies", Health.BAD, "they have errors: `scrimp check`")
    else:
        count = len(loaded.policy_set.checked.policies)
        health = Health.GOOD if count else Health.WARNING
        checkup = Checkup("policies", health, f"{count} in `{config.policies}`")
    return Examination("policies", checkup, monotonic() - began), loaded.diagnostics


def _store(config: Config, now: Callable[[], float]) -> Examination:
    began = monotonic()
    if not (config.store / "scrimp.db").exists():
        checkup = Checkup("store", Health.GOOD, f"no engine has run yet in `{config.store}`")
    else:
        try:
            with visit_store(config.store, now) as visit:
                visit.load_ledger()
            checkup = Checkup("store", Health.GOOD, f"`{config.store}`")
        except StoreError as error:
            checkup = Checkup("store", Health.BAD, f"{error} ({error.code})")
    return Examination("store", checkup, monotonic() - began)


def _collected(parts: Parts, now_s: float) -> list[Examination]:
    """One look by all collectors, with the deadlines that the engine gives them."""
    if not parts.collectors:
        return [Examination("collectors", Checkup("collectors", Health.WARNING, "none is configured"), 0.0)]
    found = []
    for status in parts.world().gatherer.collect(now_s).statuses:
        if status.cause:
            checkup = Checkup("collect", Health.BAD, status.cause)
        else:
            checkup = Checkup("collect", Health.GOOD, f"{status.rows} rows")
        found.append(Examination(f"collector {status.name}", checkup, status.took_s))
    return found


def _examined(parts: Parts, deadline_s: float) -> list[Examination]:
    """What plug-ins say of themselves. One that hangs is bad; one that says nothing was built, and that is all."""
    plugins: Sequence[tuple[str, Any]] = [
        *((f"collector {one.name}", one) for one in parts.collectors),
        *((f"provider {one.name}", one) for one in parts.providers),
    ]
    calls = [
        (part, plugin, _Examining(plugin, deadline_s))
        for part, plugin in plugins
        if isinstance(plugin, Examined)
    ]
    silent = [one for one in plugins if not isinstance(one[1], Examined) and one[0].startswith("provider")]
    found = [Examination(part, Checkup("built", Health.GOOD), 0.0) for part, _ in silent]
    until = monotonic() + deadline_s * 1.1
    for part, _, call in calls:
        call.thread.join(max(until - monotonic(), 0.0))
        checkups = call.found or (
            Checkup("examine", Health.BAD, call.cause or f"no answer within {deadline_s:g}s"),
        )
        found += [Examination(part, checkup, call.took_s) for checkup in checkups]
    return found


class _Examining:
    """One plug-in being examined, in a thread of its own that cannot keep the process alive."""

    def __init__(self, plugin: Examined, deadline_s: float) -> None:
        self.found: tuple[Checkup, ...] = ()
        self.cause = ""
        self.took_s = deadline_s
        self._plugin, self._deadline_s = plugin, deadline_s
        self.thread = threading.Thread(target=self._run, name=f"examine {plugin.name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        began = monotonic()
        try:
            self.found = tuple(self._plugin.examine(deadline_s=self._deadline_s))
        except OutsideError as error:
            self.cause = str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001 - a stranger's code; whatever it throws is this plug-in's cause
            self.cause = f"{type(error).__name__}: {error}"
        self.took_s = monotonic() - began
