"""Notices from the instance metadata service (IMDSv2) of the machine that a worker runs on.

`spot/instance-action` answers 404 until the instance is to be taken, then with the action and its time; the token that
every question needs comes from a PUT and is asked for anew after a 401 (EC2 User Guide, "Spot Instance interruption
notices", which advises to look every 5 seconds, and "Use IMDSv2"). The standard library does: jobs import this.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException
from types import TracebackType
from typing import Any, Self

from scrimp.api import CloudNotice, Unavailable

URL = "http://169.254.169.254"
EVERY_S = 4.0  # AWS advises 5; what follows needs time, too
TIMEOUT_S = 1.0
TOKEN_S = 21600
ACTION, REBALANCE, INSTANCE = "spot/instance-action", "events/recommendations/rebalance", "instance-id"
REBALANCE_WORD = "rebalance"


@dataclass(slots=True)
class Imds:
    """The metadata service. No proxy is asked: the address is the machine's own."""

    url: str = URL
    now: Callable[[], float] = time.time
    timeout_s: float = TIMEOUT_S
    _token: str = ""
    _instance: str = ""
    _open: Any = field(
        default_factory=lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    )

    def look(self) -> CloudNotice | None:
        """What is known now: that the instance is taken, else that it is at risk, else nothing. Raises `Unavailable`."""
        found = self._get(ACTION)
        if found is not None:
            return self._notice(found, "action", "time")
        found = self._get(REBALANCE)
        return None if found is None else self._notice(found, "", "noticeTime")

    def _notice(self, text: str, action: str, time_key: str) -> CloudNotice:
        try:
            said = json.loads(text)
            at_s = datetime.fromisoformat(said[time_key]).timestamp()
            word = str(said[action]) if action else REBALANCE_WORD
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the metadata service said what cannot be read: {text[:100]}") from error
        if not self._instance:
            self._instance = self._get(INSTANCE) or ""
        return CloudNotice(self._instance, word, at_s if action else None, self.now())

    def _get(self, path: str) -> str | None:
        """The text at a path; `None` where there is none. A token that is not good any more is replaced, once."""
        for attempt in range(2):
            if not self._token:
                self._token = self._ask(
                    "PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
                )
            try:
                return self._ask("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 404:
                    return None
                self._token = ""
                if error.code != 401 or attempt:
                    raise Unavailable(f"the metadata service answers {error.code}") from error
        raise AssertionError("the second attempt answers or raises")

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(f"{self.url}/latest/{path}", method=method, headers=headers)  # noqa: S310 - http by design
        try:
            with self._open(request, timeout=self.timeout_s) as answer:
                text: str = answer.read(65536).decode("utf-8", "replace")
                return text
        except urllib.error.HTTPError:
            if method == "GET":
                raise
            raise Unavailable("the metadata service gives no token") from None
        # No route, no answer in time, half of one, or no HTTP.
        except (OSError, ValueError, HTTPException) as error:
            raise Unavailable(f"the metadata service cannot be reached: {error}") from error


class ImdsWatch:
    """Looks every few seconds in a thread. `latest` is the last notice; a machine without the service has none.

    `told` hears of each new one at once, in that thread.
    """

    def __init__(
        self,
        imds: Imds | None = None,
        every_s: float = EVERY_S,
        told: Callable[[CloudNotice], None] = lambda _notice: None,
    ) -> None:
        self._imds = imds or Imds()
        self._every_s = every_s
        self._told = told
        self._stop = threading.Event()
        self._notice: CloudNotice | None = None

    def latest(self) -> CloudNotice | None:
        """The last notice; `None` if there was none."""
        return self._notice

    def start(self) -> Self:
        """Begin to look."""
        threading.Thread(target=self._run, name="imds", daemon=True).start()
        return self

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                found = self._imds.look()
                if found is not None and not _same(found, self._notice):
                    self._notice = found
                    self._told(found)
            except Unavailable:
                pass  # the notice is a hint; the queue, the lease and the heartbeat do without it
            self._stop.wait(self._every_s)


def _same(one: CloudNotice, other: CloudNotice | None) -> bool:
    return other is not None and (one.action, one.action_at_s) == (other.action, other.action_at_s)
