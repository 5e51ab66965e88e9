"""`recommend`, `alert`, `webhook` and `run_command`: no target is changed, somebody is told.

A notice that may have been sent is sent again with the same key, for a second alert does less harm than none. A
command that may have run is not run again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrimp.api import ActionResult, PlannedAction, Probe, Reached, Refusal, Refused, Services, Unavailable
from scrimp_actions.factory import Factory
from scrimp_actions.keys import KeyStore
from scrimp_actions.notify.send import Hook, post, run
from scrimp_actions.specs import SPECS

NAMES = ("recommend", "alert", "webhook", "run_command")
FORM = "notice/1"
TAIL_BYTES = 1 << 20  # of the alerts, that are searched for a key


@dataclass(frozen=True, slots=True)
class NotifyProvider:
    """Alerts go to `alerts`, one line of JSON each, and to a webhook where the policy names one."""

    services: Services
    keys: KeyStore
    alerts: Path
    hooks: Mapping[str, Hook]
    name: str = "notify"

    def handles(self, action: PlannedAction) -> bool:
        """Whatever the target is."""
        return action.action in NAMES

    def plan(self, action: PlannedAction) -> str:
        """One line on what exactly would be done. An address is not shown: it may be a secret."""
        if action.action == "run_command":
            return f"would run `{action.args.get('command')}`"
        hook = self._hook(action)
        where = (
            f"webhook {hook.name}"
            if hook
            else self.alerts.name
            if action.action == "alert"
            else "the audit log"
        )
        return f"would tell {where}: {_message(action)}"

    def revalidate(self, action: PlannedAction, *, deadline_s: float) -> PlannedAction | Refusal:  # noqa: ARG002 - reads the configuration only
        """Refuses a webhook that is not known, and a command where commands are not allowed."""
        if action.action == "run_command" and not self.services.allow_run_command:
            return Refusal("commands are off: `allow_run_command` is not set in scrimp.yaml")
        named = self._named(action)
        if named and self._hook(action) is None:
            return Refusal(f"there is no webhook `{named}` in scrimp.yaml")
        return action

    def apply(self, action: PlannedAction, *, key: str, deadline_s: float) -> ActionResult:
        """Do it, once per key as far as the other side lets us."""
        done = self.keys.done(key)
        if done is not None:
            return done
        refusal = self.revalidate(action, deadline_s=deadline_s)
        if isinstance(refusal, Refusal):
            raise Refused(refusal.reason)
        begun = self.keys.begun(key) is not None
        if action.action == "run_command" and begun:
            raise Refused("the command may have run already, and is not run again")
        self.keys.begin(key, {"action": action.action})
        return self.keys.finish(key, ActionResult(self._do(action, key, deadline_s)))

    def _do(self, action: PlannedAction, key: str, deadline_s: float) -> str:
        if action.action == "run_command":
            environment = {"SCRIMP_TARGET": action.target, "SCRIMP_KEY": key}
            return run(str(action.args["command"]), environment, deadline_s=deadline_s)
        if action.action == "recommend":
            return _message(action)
        notice = {
            "scrimp": FORM,
            "at_s": self.services.now(),
            "key": key,
            "action": action.action,
            "target": action.target,
            "severity": action.args.get("severity") or "info",
            "message": _message(action),
            "text": f"{action.target}: {_message(action)}",  # what chat systems show
        }
        detail = ""
        if action.action == "alert":
            self._log(notice, key)
            detail = f"noted in {self.alerts.name}"
        hook = self._hook(action)
        sent = post(hook, notice, key=key, deadline_s=deadline_s) if hook else ""
        return "; ".join(part for part in (detail, sent) if part)

    def probe(self, action: PlannedAction, *, key: str, deadline_s: float) -> Probe:  # noqa: ARG002 - reads local files only
        """Did it happen? Of a command that was begun nobody can say."""
        done = self.keys.done(key)
        if done is not None:
            return Probe(Reached.REACHED, done.detail)
        if self.keys.begun(key) is None:
            return Probe(Reached.UNTOUCHED)
        if action.action == "run_command":
            return Probe(Reached.OTHER, "the command may have run, in whole or in part")
        return Probe(Reached.UNTOUCHED, "may have been sent; is sent again with the same key")

    def _named(self, action: PlannedAction) -> str:
        found = {"alert": action.args.get("to"), "webhook": action.args.get("url")}.get(action.action)
        return str(found) if found else ""

    def _hook(self, action: PlannedAction) -> Hook | None:
        """The webhook that is meant: by name, and for `webhook` by address too."""
        named = self._named(action)
        if named in self.hooks:
            return self.hooks[named]
        if action.action == "webhook" and named.startswith(("https://", "http://")):
            return Hook(named.split("/")[2].rpartition("@")[2], named)
        return None

    def _log(self, notice: Mapping[str, Any], key: str) -> None:
        """Append one line, durably, unless the key stands there already; a torn line of a crash is ended first."""
        try:
            self.alerts.parent.mkdir(parents=True, exist_ok=True)
            with self.alerts.open("a+b") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
                tail = file.read()
                if any(_key(line) == key for line in tail.splitlines()):
                    return
                torn = b"\n" if tail and not tail.endswith(b"\n") else b""
                file.write(torn + json.dumps(notice).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable(f"cannot write {self.alerts.name}: {error.strerror}") from error


def _key(line: bytes) -> str | None:
    try:
        found = json.loads(line)
    except ValueError:  # torn, or the end of a line
        return None
    return found.get("key") if isinstance(found, dict) else None


def _message(action: PlannedAction) -> str:
    return str(action.args.get("message") or f"{action.action} for {action.target}")


def _text(value: Any) -> str:
    return str(value.reveal()) if hasattr(value, "reveal") else str(value)


def _read(name: str, found: Any) -> Hook:
    """A webhook: an address, a mapping with `url` and `headers`, or an object with these."""
    url, headers = found, {}
    if isinstance(found, Mapping):
        url, headers = found["url"], found.get("headers", {})
    elif hasattr(found, "url"):
        url, headers = found.url, found.headers
    return Hook(name, _text(url), {str(one): _text(value) for one, value in headers.items()})


def build(config: Mapping[str, Any], services: Services) -> NotifyProvider:
    """From the section of `scrimp.yaml`: `webhooks` by name, each with `url` and `headers`."""
    hooks = {str(name): _read(str(name), one) for name, one in config.get("webhooks", {}).items()}
    keys = KeyStore(services.state_dir / "done" / "notify")
    return NotifyProvider(services, keys, services.state_dir / "alerts.jsonl", hooks)


FACTORY = Factory(tuple(SPECS[name] for name in NAMES), build)
