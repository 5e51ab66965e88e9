"""Questions to a Prometheus over HTTP, within one deadline for all, and what its answers mean.

An answer is a list of series, or the cause why there is none. Nothing that a server or a proxy sends raises: a body that
is not a Prometheus' own, is partial, too large or too slow is a cause.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx

ANSWER_BYTES = 64 * 2**20
PARALLEL = 16
SHARE = 0.9  # of the deadline: what is left is for reading the answers
SAID = 300  # characters of a server's own words


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and its samples (epoch seconds, the number as text)."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, str], ...]


Answer = tuple[Series, ...] | str
Form = dict[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """Where, and with which credentials; they are never shown."""

    url: str
    headers: Mapping[str, str]
    auth: httpx.BasicAuth | None

    def ask(self, asked: Sequence[tuple[str, Form]], deadline_s: float) -> list[Answer]:
        """The answers to some questions (path and form) in their order, all by the deadline."""
        if not asked:
            return []
        until = monotonic() + deadline_s * SHARE
        with (
            httpx.Client(headers=dict(self.headers), auth=self.auth) as client,
            ThreadPoolExecutor(min(PARALLEL, len(asked))) as pool,
        ):
            return list(pool.map(lambda one: self._one(client, one[0], one[1], until), asked))

    def _one(self, client: httpx.Client, path: str, form: Form, until: float) -> Answer:
        left_s = until - monotonic()
        if left_s <= 0:
            return "no answer in time"
        try:
            with client.stream("POST", f"{self.url}/api/v1/{path}", data=form, timeout=left_s) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES:
                        return "the answer is too large"
                    if monotonic() > until:  # each chunk came in time, all of them together did not
                        return "no answer in time"
            return answer(response.status_code, bytes(body))
        except httpx.TimeoutException:
            return "no answer in time"
        except httpx.DecodingError:
            return "the answer cannot be decompressed"
        except httpx.HTTPError as error:
            return f"cannot be reached: {error}"


def server(url: str, headers: Mapping[str, str], auth: httpx.BasicAuth | None) -> Server:
    """Raises `ValueError` for an address that cannot be asked."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ValueError("`url` is no address such as http://prometheus:9090") from error
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError("`url` must be an address such as http://prometheus:9090")
    return Server(url.rstrip("/"), headers, auth)


def answer(status: int, body: bytes) -> Answer:
    """What an answer says; what came with warnings is partial, and so not believed."""
    if 300 <= status < 400:
        return f"HTTP {status}: a redirect, which is not followed; `url` must be the final address"
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return f"HTTP {status}" if status != 200 else "the answer is not that of a Prometheus"
    if status != 200 or found.get("status") != "success":
        return f"HTTP {status}: {str(found.get('error', 'no reason given'))[:SAID]}"
    warnings = found.get("warnings")
    if warnings:
        return f"partial answer: {str(warnings[0] if isinstance(warnings, list) else warnings)[:SAID]}"
    data = found.get("data")
    return _series(data) if isinstance(data, dict) else "the answer is not that of a Prometheus"


def _series(data: Mapping[str, Any]) -> Answer:
    kind, result = data.get("resultType"), data.get("result")
    if kind not in ("vector", "matrix") or not isinstance(result, list):
        return f"the query gives a {kind}, and not a series per row" if kind else "the answer has no result"
    key = "value" if kind == "vector" else "values"
    try:
        return tuple(_one_series(one, key) for one in result)
    except (AttributeError, KeyError, TypeError, ValueError):
        return "a series of the answer is malformed"


def _one_series(one: Mapping[str, Any], key: str) -> Series:
    labels = {str(name): str(value) for name, value in one["metric"].items()}
    raw = [one[key]] if key == "value" else one[key]
    return Series(labels, tuple((float(at), str(text)) for at, text in raw))
