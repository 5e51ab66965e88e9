"""A snapshot document (`snapshot/1`), read against the catalogue: what stands in it, and every mistake with its path.

A mistake in the structure refuses the document. A kind or field that the catalogue lacks is left out, and a value
that does not fit its field is unknown: both are warnings, since unknown never acts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scrimp.api import FieldSpec, KindSpec, Value
from scrimp.collectors.columns import bounds
from scrimp.diagnostics import Diagnostic, Severity, Source, did_you_mean
from scrimp.model.catalogue import CURRENCY_DEFAULT, Catalogue
from scrimp.model.quantities import duration_s, quantity
from scrimp.model.types import RATIO, Base

FORMAT = "snapshot/1"
IMPLIED = ("name", "labels")
TOP = ("scrimp", "at", "currency", "kinds", "series", "columns", "failures")


@dataclass(frozen=True, slots=True)
class Recent:
    """The series of one field of one row: samples `step_s` apart, the last at the snapshot's time; or at `times_s`."""

    step_s: float
    values: Sequence[Value]
    times_s: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """What a recording knows of one column beside its values: ages and interval in seconds, why it is unknown."""

    age_s: Sequence[float | None] | float = 0.0
    interval_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one kind, in columns as long as `names`; values are canonical, `None` where unknown."""

    names: list[str]
    fields: dict[str, list[Value]]
    labels: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Document:
    """A snapshot document after the checks. `series` is keyed by kind, field, row name."""

    at_s: float
    currency: str
    kinds: dict[str, Rows]
    series: dict[tuple[str, str], dict[str, Recent]] = field(default_factory=dict)
    details: dict[tuple[str, str], Detail] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def parse_document(
    document: Any, catalogue: Catalogue, source: Source
) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The document as values; `None` if an error stands among the diagnostics."""
    reader = _Reader(catalogue, source)
    found = reader.read(document)
    refused = any(one.severity is Severity.ERROR for one in reader.found)
    return (None if refused else found), reader.findings()


def parse_time(value: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time or a number; a time without zone is UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def value_of(raw: Any, spec: FieldSpec) -> tuple[Value, bool]:
    """A raw value in canonical units, and whether it fits the field; what does not fit is `None`."""
    if raw is None:
        return None, True
    base = spec.type.base
    if base is Base.BOOL:
        return (raw, True) if isinstance(raw, bool) else (None, False)
    if base is not Base.NUMBER:
        return (raw, True) if isinstance(raw, str) else (None, False)
    if isinstance(raw, bool):
        return None, False
    number = _number(raw, spec)
    return (None, False) if number is None or abs(number) == float("inf") else (number, True)


def _number(raw: Any, spec: FieldSpec) -> float | None:
    if isinstance(raw, str):
        return quantity(raw, spec.type)
    if not isinstance(raw, int | float):
        return None
    try:
        return float(raw)
    except OverflowError:
        return None


class _Reader:
    """One pass over a document, collecting findings."""

    def __init__(self, catalogue: Catalogue, source: Source) -> None:
        self.catalogue = catalogue
        self.source = source
        self.found: list[Diagnostic] = []
        self.told: dict[tuple[str, str], int] = {}  # code and topic -> how often

    def error(self, message: str, hint: str = "", code: str = "SCR506") -> None:
        self.found.append(Diagnostic(code, message, self.source, hint=hint))

    def warn(self, code: str, topic: str, message: str, hint: str = "") -> None:
        """A warning, told once per topic; further ones are only counted."""
        self.told[code, topic] = self.told.get((code, topic), 0) + 1
        if self.told[code, topic] == 1:
            self.found.append(Diagnostic(code, message, self.source, hint=hint, severity=Severity.WARNING))

    def findings(self) -> tuple[Diagnostic, ...]:
        """All findings, in order; the last tells of repetitions."""
        again = sum(count - 1 for count in self.told.values())
        if again:
            message = f"{again} more values like these"
            self.found.append(Diagnostic("SCR502", message, self.source, severity=Severity.WARNING))
        return tuple(self.found)

    def read(self, document: Any) -> Document | None:
        if not isinstance(document, dict) or document.get("scrimp") != FORMAT:
            said = document.get("scrimp") if isinstance(document, dict) else None
            hint = f'a snapshot begins with {{"scrimp": "{FORMAT}", "at": "…", "kinds": {{…}}}}'
            known = f"`{said}` is not a snapshot format that is known" if said else "this is no snapshot"
            self.error(known, hint, "SCR505")
            return None
        for key in document:
            if key not in TOP:
                self.warn("SCR503", f"top {key}", f"`{key}` is not part of a snapshot", _near(key, TOP))
        at_s = parse_time(document.get("at"))
        if at_s is None:
            self.error('`at` must be a time such as `"2026-11-23T12:00:00Z"`')
            return None
        currency = document.get("currency", CURRENCY_DEFAULT)
        if currency != self.catalogue.currency:
            hint = f"set `currency: {currency}` in scrimp.yaml, or `currency` in the snapshot"
            self.error(
                f"the snapshot is in `{currency}`, and prices here in `{self.catalogue.currency}`", hint
            )
        kinds = document.get("kinds")
        if not isinstance(kinds, dict):
            self.error("`kinds` must map each kind to a list of its rows")
            return None
        rows = {kind: found for kind, raw in kinds.items() if (found := self.rows(kind, raw)) is not None}
        series = self.series(document.get("series") or {}, rows)
        details = self.details(document.get("columns") or {})
        failures = {str(kind): str(cause) for kind, cause in (document.get("failures") or {}).items()}
        return Document(at_s, self.catalogue.currency, rows, series, details, failures)

    def kind(self, name: str, path: str) -> KindSpec | None:
        spec = self.catalogue.kinds.get(name)
        if spec is None:
            hint = _near(name, self.catalogue.kinds)
            self.warn("SCR503", f"kind {name}", f"`{path}`: there is no kind `{name}`", hint)
        return spec

    def field(self, kind: KindSpec, name: str, path: str) -> FieldSpec | None:
        spec = kind.fields.get(name)
        if spec is None or name in IMPLIED:
            hint = _near(name, kind.fields)
            self.warn("SCR503", f"{kind.name}.{name}", f"`{path}`: `{kind.name}` has no field `{name}`", hint)
            return None
        return spec

    def rows(self, kind: str, raw: Any) -> Rows | None:
        path = f"kinds.{kind}"
        spec = self.kind(kind, path)
        if spec is None or raw is None:
            return None
        if spec.singleton and isinstance(raw, dict):
            raw = [raw]
        if not isinstance(raw, list):
            self.error(f"`{path}` must be a list of rows")
            return None
        if spec.singleton and len(raw) > 1:
            self.error(f"`{path}` has {len(raw)} rows, and there is only one `{kind}`")
        names = [self.name(spec, row, f"{path}[{place}]") for place, row in enumerate(raw)]
        self.duplicates(path, names)
        known = [row if isinstance(row, dict) else {} for row in raw]
        labels = [
            self.labels(row.get("labels"), f"{path}[{place}].labels") for place, row in enumerate(known)
        ]
        fields: dict[str, list[Value]] = {}
        for key in dict.fromkeys(key for row in known for key in row if key not in IMPLIED):
            place = next(place for place, row in enumerate(known) if key in row)
            column = self.field(spec, key, f"{path}[{place}].{key}")
            if column is not None:
                fields[key] = [
                    self.value(row.get(key), column, f"{path}[{at}].{key}") for at, row in enumerate(known)
                ]
        return Rows(names, fields, labels)

    def name(self, spec: KindSpec, row: Any, path: str) -> str:
        if not isinstance(row, dict):
            self.error(f"`{path}` must be a row: an object with a `name`")
            return ""
        if spec.singleton:
            return spec.name
        name = row.get("name")
        if not isinstance(name, str) or not name:
            self.error(f"`{path}` has no `name`")
            return ""
        return name

    def duplicates(self, path: str, names: list[str]) -> None:
        first: dict[str, int] = {}
        for place, name in enumerate(names):
            if name and first.setdefault(name, place) != place:
                self.error(
                    f"`{path}[{place}]` is named `{name}`, as `{path}[{first[name]}]` is", code="SCR507"
                )

    def labels(self, raw: Any, path: str) -> dict[str, str]:
        if raw is None:
            return {}
        if not isinstance(raw, dict):
            self.error(f"`{path}` must map label keys to strings")
            return {}
        for key, value in raw.items():
            if value is not None and not isinstance(value, str):
                hint = f'write `"{value}"`'
                self.warn("SCR502", f"labels.{key}", f"`{path}.{key}`: a label's value is a string", hint)
        return {str(key): value for key, value in raw.items() if isinstance(value, str)}

    def value(self, raw: Any, spec: FieldSpec, path: str) -> Value:
        value, fits = value_of(raw, spec)
        if not fits:
            hint = 'write `"80%"` or `0.8`' if spec.type == RATIO else ""
            message = f"`{path}` is not of type {spec.type}: it is unknown"
            self.warn("SCR502", path.partition("[")[0] + path.rpartition("]")[2], message, hint)
        elif isinstance(value, float) and _outside(value, spec):
            message = f"`{path}` is {value:g}, outside of what `{spec.name}` can be: it is unknown"
            hint = f"ratios are 0 to 1: {value / 100:g}" if spec.type == RATIO and value > 1 else ""
            self.warn("SCR502", f"outside {spec.name} {path.partition('[')[0]}", message, hint)
            return None
        return value

    def series(self, raw: Any, rows: Mapping[str, Rows]) -> dict[tuple[str, str], dict[str, Recent]]:
        found: dict[tuple[str, str], dict[str, Recent]] = {}
        if not isinstance(raw, dict):
            self.error("`series` must map targets (`kind/name`) to their fields")
            return found
        known = {kind: set(table.names) for kind, table in rows.items()}
        for target, fields in raw.items():
            kind, _, name = str(target).partition("/")
            path = f'series["{target}"]'
            spec = self.kind(kind, path)
            if spec is None:
                continue
            name = spec.name if spec.singleton else name
            if not isinstance(fields, dict):
                self.error(f"`{path}` must map fields to their samples")
            elif name not in known.get(kind, ()):
                hint = f"add it to `kinds.{kind}`"
                self.warn("SCR508", path, f"`{path}` is not among the rows of `{kind}`: it is left out", hint)
            else:
                for key, samples in fields.items():
                    column = self.field(spec, key, f"{path}.{key}")
                    recent = self.recent(samples, column, f"{path}.{key}") if column else None
                    if recent is not None:
                        found.setdefault((kind, key), {})[name] = recent
        return found

    def recent(self, raw: Any, spec: FieldSpec, path: str) -> Recent | None:
        if not isinstance(raw, dict) or not isinstance(raw.get("values"), list):
            self.error(f'`{path}` must be like `{{"step": "1m", "values": […]}}`')
            return None
        step = raw.get("step")
        step_s = duration_s(step) if isinstance(step, str) else step
        if isinstance(step_s, bool) or not isinstance(step_s, int | float) or not 0 < step_s < float("inf"):
            self.error(f'`{path}.step` must be a duration above zero, such as `"1m"`')
            return None
        values = [self.value(one, spec, f"{path}.values[{at}]") for at, one in enumerate(raw["values"])]
        times = raw.get("times")
        if times is not None and (
            not isinstance(times, list)
            or len(times) != len(values)
            or not all(isinstance(one, int | float) for one in times)
        ):
            self.error(f"`{path}.times` must have one number of epoch seconds per value")
            return None
        return Recent(float(step_s), values, times)

    def details(self, raw: Any) -> dict[tuple[str, str], Detail]:
        found: dict[tuple[str, str], Detail] = {}
        for kind, fields in raw.items() if isinstance(raw, dict) else ():
            for key, one in fields.items() if isinstance(fields, dict) else ():
                if isinstance(one, dict):
                    interval = one.get("interval")
                    found[kind, key] = Detail(one.get("age", 0.0), interval, str(one.get("reason", "")))
        return found


def _outside(value: float, spec: FieldSpec) -> bool:
    low, high = bounds(spec)
    return not low <= value <= high


def _near(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = did_you_mean(word, known)
    return f"did you mean `{near}`?" if near else ""
