"""Samples from Prometheus: one instant query per mapped field, all at once; one that fails makes its field unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import httpx

from scrimp.api import Collected, KindBatch, SeriesBatch, Services, Unavailable
from scrimp.collectors.prometheus_http import Answer, Form, Series, server
from scrimp.diagnostics import did_you_mean

OPTIONS = ("name", "interval_s", "url", "queries", "username", "password", "token", "headers")
QUERY = ("kind", "field", "query", "label", "scale")


@dataclass(frozen=True, slots=True)
class Query:
    """One field from PromQL: `label` names the row, and `scale` turns the answer into the field's canonical unit."""

    kind: str
    field: str
    promql: str
    label: str
    scale: float = 1.0

    @property
    def key(self) -> str:
        """How causes are keyed."""
        return f"{self.kind}.{self.field}"


class PrometheusCollector:
    """Instant queries at each tick, range queries at start. Credentials are texts or `Secret`s and never shown."""

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        """`config`: `url`, `queries` (kind, field, query, label, scale), `username`, `password`, `token`, `headers`.

        Raises `KeyError` or `ValueError` for a section that cannot be used.
        """
        del services  # HTTP needs none of them
        _known(config, OPTIONS)
        self.name = str(config.get("name", "prometheus"))
        self.interval_s = float(config.get("interval_s", 60.0))
        self._queries = tuple(_query(one) for one in config["queries"])
        headers = {str(name): _text(value) for name, value in config.get("headers", {}).items()}
        if "token" in config:
            headers["Authorization"] = f"Bearer {_text(config['token'])}"
        named = "username" in config
        auth = (
            httpx.BasicAuth(_text(config["username"]), _text(config.get("password", ""))) if named else None
        )
        if named and "token" in config:
            raise ValueError("give `token`, or `username` and `password`, not both")
        self._server = server(_text(config["url"]), headers, auth)

    def covers(self) -> Sequence[tuple[str, str]]:
        """The fields that have a query."""
        return tuple(dict.fromkeys((q.kind, q.field) for q in self._queries))

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:
        """All fields at `now_s`; a plain selector has the time of its own samples, an expression that of the query."""
        forms: list[Form] = [{"query": query.promql, "time": f"{now_s:.3f}"} for query in self._queries]
        # An answer is stamped with the time of the query; when the sample was taken has to be asked for.
        stamps: list[Form] = [{**form, "query": f"timestamp({form['query']})"} for form in forms]
        answers = self._server.ask([("query", form) for form in (*forms, *stamps)], deadline_s)
        failed: dict[str, str] = {}
        batches = []
        for query, said, stamped in zip(
            self._queries, answers[: len(forms)], answers[len(forms) :], strict=True
        ):
            rows, why = _rows(said, query)
            ages, unstamped = _rows(stamped, query)
            if why or unstamped:
                failed[query.key] = why or f"when its samples were taken is not known: {unstamped}"
                continue
            times = [(_newest(ages[name], 1.0) if name in ages else None) or float("nan") for name in rows]
            values = [  # of unknown age: unknown
                _newest(one, query.scale) if isfinite(at) else None
                for one, at in zip(rows.values(), times, strict=True)
            ]
            batches.append(KindBatch(query.kind, list(rows), {query.field: values}, None, times))
        if failed and len(failed) == len({query.key for query in self._queries}):
            raise Unavailable(next(iter(failed.values())))
        return Collected(batches, failed)

    def refill(
        self, now_s: float, windows: Mapping[tuple[str, str], float], *, deadline_s: float
    ) -> Sequence[SeriesBatch]:
        """The last `windows[kind, field]` seconds at the collector's interval. Raises `Unavailable` if all queries fail."""
        queries = [query for query in self._queries if (query.kind, query.field) in windows]
        forms: list[Form] = []
        for query in queries:
            # All queries on one grid, so that samples of one instant are known as such.
            steps = ceil(windows[query.kind, query.field] / self.interval_s)
            start_s = now_s - steps * self.interval_s
            span = {"start": f"{start_s:.3f}", "end": f"{now_s:.3f}", "step": f"{self.interval_s:g}"}
            forms.append({"query": query.promql, **span})
        found, causes = [], []
        for query, said in zip(
            queries, self._server.ask([("query_range", form) for form in forms], deadline_s), strict=True
        ):
            rows, why = _rows(said, query)
            if why:
                causes.append(why)
            elif rows:
                found.append(_series(query, rows))
        if causes and len(causes) == len(queries):
            raise Unavailable(causes[0])
        return found


def _query(raw: Mapping[str, Any]) -> Query:
    _known(raw, QUERY)
    return Query(
        raw["kind"], raw["field"], raw["query"], raw.get("label", "instance"), float(raw.get("scale", 1.0))
    )


def _known(given: Mapping[str, Any], options: Sequence[str]) -> None:
    """A mistyped `token` must not become a question without credentials."""
    for key in given:
        if key not in options:
            near = did_you_mean(key, options)
            raise ValueError(f"there is no option `{key}`" + (f"; did you mean `{near}`?" if near else ""))


def _text(value: Any) -> str:
    return str(value.reveal()) if hasattr(value, "reveal") else str(value)


def _rows(said: Answer, query: Query) -> tuple[dict[str, Series], str]:
    """The series by the name of their row, or the cause why there are none."""
    if isinstance(said, str):
        return {}, said
    found: dict[str, Series] = {}
    for one in said:
        name = one.labels.get(query.label)
        if not name:
            return {}, f"a series has no label `{query.label}`"
        if name in found:
            return {}, f"two series for `{name}`: aggregate by `{query.label}`"
        found[name] = one
    return found, ""


def _newest(one: Series, scale: float) -> float | None:
    return _value(one.samples[-1][1], scale) if one.samples else None


def _value(text: str, scale: float) -> float | None:
    try:
        value = float(text) * scale
    except ValueError:
        return None
    return value if isfinite(value) else None


def _series(query: Query, rows: Mapping[str, Series]) -> SeriesBatch:
    times = sorted({at for one in rows.values() for at, _ in one.samples})
    values = []
    for one in rows.values():
        own = {at: _value(text, query.scale) for at, text in one.samples}
        values.append([own.get(at) for at in times])
    return SeriesBatch(query.kind, query.field, list(rows), times, values)
