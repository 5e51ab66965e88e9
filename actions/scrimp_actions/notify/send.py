"""The two ways out of the machine's own files: an HTTP POST and a command, each within a total time."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from scrimp.api import Refused, Throttled, Unavailable

SHARE = 0.9  # of the deadline; the rest is for noting the result
SAID_BYTES = 300


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook. Its address and headers may hold secrets, so only `name` is ever shown."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def post(hook: Hook, document: Mapping[str, Any], *, key: str, deadline_s: float) -> str:
    """POST a document as JSON; gives a line on the answer. A retry carries the same `Idempotency-Key`.

    Raises `Unavailable` (not reached, 5xx, or too slow as a whole), `Throttled` (429) and `Refused` (any other answer
    that is not 2xx; redirects are not followed).
    """
    limit_s = deadline_s * SHARE
    answers: list[httpx.Response | Exception] = []
    client = httpx.Client(timeout=limit_s, follow_redirects=False)

    def ask() -> None:
        try:
            headers = {**hook.headers, "Idempotency-Key": key}
            with client.stream("POST", hook.url, json=dict(document), headers=headers) as answer:
                answers.append(answer)  # the status is the answer; the body is not read
        except Exception as error:  # noqa: BLE001 - carried over to the calling thread
            answers.append(error)

    # The client's own limits hold for each read, not for the whole: a server that trickles would keep us for ever.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit_s)
    found = answers[0] if answers else None
    client.close()
    if found is None or isinstance(found, httpx.TimeoutException):
        raise Unavailable(f"webhook {hook.name}: no answer within {limit_s:g}s")
    if isinstance(found, httpx.InvalidURL | httpx.UnsupportedProtocol | ValueError):
        raise Refused(f"webhook {hook.name}: its address is not one")
    if isinstance(found, Exception):
        raise Unavailable(f"webhook {hook.name}: cannot be reached: {type(found).__name__}")
    status = found.status_code
    if status == 429:
        after = found.headers.get("Retry-After", "")
        raise Throttled(f"webhook {hook.name}: HTTP 429", float(after) if after.isdecimal() else None)
    if status >= 500:
        raise Unavailable(f"webhook {hook.name}: HTTP {status}")
    if not 200 <= status < 300:
        raise Refused(f"webhook {hook.name}: HTTP {status}")
    return f"webhook {hook.name}: HTTP {status}"


def run(command: str, environment: Mapping[str, str], *, deadline_s: float) -> str:
    """Run a command line by `/bin/sh`; gives the end of what it printed. All that it started ends with the deadline.

    Raises `Refused` where it fails or takes too long: a command that ran in part is never run again by itself.
    """
    limit_s = deadline_s * SHARE
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Refused(f"cannot run the command: {error}") from error
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Refused(f"the command did not end within {limit_s:g}s, and was killed") from None
        said.seek(max(said.seek(0, os.SEEK_END) - SAID_BYTES, 0))
        text = " ".join(said.read().decode(errors="replace").split())
    if status != 0:
        raise Refused(f"the command ended with status {status}: {text}" if text else f"status {status}")
    return text or "the command printed nothing"
