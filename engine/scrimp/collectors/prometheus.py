"""Samples from Prometheus: one instant query per mapped field, all at once; one that fails makes its field unknown."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import httpx

from scrimp.api import Collected, KindBatch, SeriesBatch, Services, Unavailable

ANSWER_BYTES = 64 * 2**20
PARALLEL = 16


@dataclass(frozen=True, slots=True)
class Query:
    """One field from PromQL: `label` names the row, and `scale` turns the answer into the field's canonical unit."""

    kind: str
    field: str
    promql: str
    label: str
    scale: float = 1.0


class PrometheusCollector:
    """Instant queries at each tick, range queries at start. Credentials are texts or `Secret`s and never shown."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        """`config`: `url`, `queries` (kind, field, query, label, scale), `username`, `password`, `token`."""
        del services  # HTTP needs none of them
        self.name = str(config.get("name", "prometheus"))
        self.interval_s = float(config.get("interval_s", 60.0))
        self._url = _text(config["url"]).rstrip("/")
        self._queries = tuple(
            Query(q["kind"], q["field"], q["query"], q.get("label", "instance"), float(q.get("scale", 1.0)))
            for q in config["queries"]
        )
        self._headers = {"Authorization": f"Bearer {_text(config['token'])}"} if "token" in config else {}
        named = "username" in config
        self._auth = (
            httpx.BasicAuth(_text(config["username"]), _text(config.get("password", ""))) if named else None
        )

    def covers(self) -> Sequence[tuple[str, str]]:
        """The fields that have a query."""
        return tuple(dict.fromkeys((q.kind, q.field) for q in self._queries))

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        """All fields at `now_s`; a plain selector has the time of its own samples, an expression that of the query."""
        asked = [(query, "query", {"query": query.promql, "time": f"{now_s:.3f}"}) for query in self._queries]
        # An answer is stamped with the time of the query; when the sample was taken has to be asked for.
        stamps = [(q, path, {**form, "query": f"timestamp({q.promql})"}) for q, path, form in asked]
        both = self._ask([*asked, *stamps], deadline_s)
        answers, taken = both[: len(asked)], both[len(asked) :]
        failed = {f"{q.kind}.{q.field}": a for q, a in answers if isinstance(a, str)}
        if failed and len(failed) == len(self._queries):
            raise Unavailable(next(iter(failed.values())))
        batches = []
        for (query, answer), (_, stamp) in zip(answers, taken, strict=True):
            if isinstance(answer, str):
                continue
            rows, why = _rows(answer, query)
            if why:
                failed[f"{query.kind}.{query.field}"] = why
                continue
            stamped, _ = ({}, "") if isinstance(stamp, str) else _rows(stamp, query)
            times = [
                (_value(stamped[name]["value"][1], 1.0) if name in stamped else None) or float("nan")
                for name in rows
            ]
            values = [  # of unknown age: unknown
                _value(one["value"][1], query.scale) if isfinite(at) else None
                for one, at in zip(rows.values(), times, strict=True)
            ]
            batches.append(KindBatch(query.kind, list(rows), {query.field: values}, None, times))
        return Collected(batches, failed)

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        """The last `windows[kind, field]` seconds at the collector's interval; a query that fails brings nothing."""
        asked = []
        for query in self._queries:
            back_s = windows.get((query.kind, query.field))
            if back_s is not None:
                # All queries on one grid, so that samples of one instant are known as such.
                steps = ceil(back_s / self.interval_s)
                span = {
                    "start": f"{now_s - steps * self.interval_s:.3f}",
                    "end": f"{now_s:.3f}",
                    "step": f"{self.interval_s:g}",
                }
                asked.append((query, "query_range", {"query": query.promql, **span}))
        found = []
        for query, answer in self._ask(asked, deadline_s):
            rows, why = ({}, answer) if isinstance(answer, str) else _rows(answer, query)
            if not why and rows:
                found.append(_series(query, rows))
        return found

    def _ask(
        self, asked: Sequence[tuple[Query, str, dict[str, str]]], deadline_s: float
    ) -> list[tuple[Query, list[Any] | str]]:
        """Each query with its result, or the cause why there is none."""
        if not asked:
            return []
        with (
            httpx.Client(headers=self._headers, auth=self._auth, timeout=deadline_s * 0.9) as client,
            ThreadPoolExecutor(min(PARALLEL, len(asked))) as pool,
        ):
            answers = pool.map(lambda one: self._one(client, one[1], one[2]), asked)
            return [(query, answer) for (query, _, _), answer in zip(asked, answers, strict=True)]

    def _one(self, client: httpx.Client, path: str, form: dict[str, str]) -> list[Any] | str:
        try:
            with client.stream("POST", f"{self._url}/api/v1/{path}", data=form) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES:
                        return "the answer is too large"
            return _result(response.status_code, bytes(body))
        except httpx.TimeoutException:
            return "no answer in time"
        except httpx.HTTPError as error:
            return f"cannot be reached: {error}"


def _text(value: Any) -> str:
    return str(value.reveal()) if hasattr(value, "reveal") else str(value)


def _result(status: int, body: bytes) -> list[Any] | str:
    """The result of an answer; what came with warnings is partial, and so not believed."""
    try:
        answer = json.loads(body)
        if answer.get("status") == "success" and status == 200:
            warnings = answer.get("warnings")
            return f"partial answer: {warnings[0]}" if warnings else list(answer["data"]["result"])
        return f"HTTP {status}: {answer.get('error', 'no reason given')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {status}" if status != 200 else "the answer is not that of a Prometheus"


def _rows(result: list[Any], query: Query) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {}
    for one in result:
        name = one.get("metric", {}).get(query.label) if isinstance(one, dict) else None
        if not name:
            return {}, f"a series has no label `{query.label}`"
        if name in found:
            return {}, f"two series for `{name}`: aggregate by `{query.label}`"
        found[name] = one
    return found, ""


def _value(text: Any, scale: float) -> float | None:
    try:
        value = float(text) * scale
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) else None


def _series(query: Query, rows: Mapping[str, Any]) -> SeriesBatch:
    times = sorted({float(at) for one in rows.values() for at, _ in one["values"]})
    values = []
    for one in rows.values():
        own = {float(at): _value(text, query.scale) for at, text in one["values"]}
        values.append([own.get(at) for at in times])
    return SeriesBatch(query.kind, query.field, list(rows), times, values)
