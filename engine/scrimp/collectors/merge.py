"""What all collectors brought, merged by kind and name into typed columns; later ones fill only what is unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scrimp.api import Collected, FieldSpec, KindBatch, KindSpec, Value
from scrimp.collectors.columns import column, label_columns, unknown_column
from scrimp.diagnostics import Diagnostic, Severity
from scrimp.model.catalogue import Catalogue
from scrimp.model.snapshot import Column, Floats, Snapshot, Table


@dataclass(frozen=True, slots=True)
class Part:
    """One collector's share. `cause` says why it failed as a whole; `distrusted` why its values are not believed."""

    name: str
    interval_s: float
    covers: tuple[tuple[str, str], ...]
    collected: Collected
    cause: str = ""
    distrusted: str = ""

    def why_unknown(self, kind: str, field: str) -> str:
        """Why this part has no value to give for a field; "" if it has, or has nothing to do with it."""
        failed = self.collected.failed
        why = self.distrusted or self.cause or failed.get(f"{kind}.{field}") or failed.get(kind, "")
        covered = (kind, field) in self.covers or (kind, "*") in self.covers
        return f"{self.name}: {why}" if why and (covered or not self.cause) else ""


def merge(
    parts: Sequence[Part], catalogue: Catalogue, now_s: float
) -> tuple[Snapshot, tuple[Diagnostic, ...]]:
    """The snapshot as of `now_s`, and what did not fit the catalogue. Parts stand in the order of the configuration."""
    findings: list[Diagnostic] = []
    by_kind: dict[str, list[tuple[Part, KindBatch]]] = {}
    for part in parts:
        for batch in part.collected.batches if not part.cause else ():
            if batch.kind in catalogue.kinds:
                by_kind.setdefault(batch.kind, []).append((part, batch))
            else:
                findings.append(_unknown(part, f"kind `{batch.kind}`"))
    failures = _failures(parts)
    tables = {
        kind: _table(catalogue.kinds[kind], found, parts, now_s, findings) for kind, found in by_kind.items()
    }
    return Snapshot(now_s, tables, {}, failures, catalogue.currency), tuple(findings)


def _failures(parts: Sequence[Part]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for part in parts:
        why = part.distrusted or part.cause
        for kind in dict.fromkeys(kind for kind, _ in part.covers) if why else ():
            found.setdefault(kind, []).append(f"{part.name}: {why}")
        for key, cause in part.collected.failed.items():
            if "." not in key:
                found.setdefault(key, []).append(f"{part.name}: {cause}")
    return {kind: "; ".join(causes) for kind, causes in found.items()}


def _unknown(part: Part, what: str) -> Diagnostic:
    message = f"collector `{part.name}` brings {what}, which the catalogue does not have"
    return Diagnostic("SCR503", message, severity=Severity.WARNING)


def _table(
    spec: KindSpec,
    found: Sequence[tuple[Part, KindBatch]],
    parts: Sequence[Part],
    now_s: float,
    findings: list[Diagnostic],
) -> Table:
    names = tuple(dict.fromkeys(name for _, batch in found for name in batch.names))
    rows = {name: row for row, name in enumerate(names)}
    columns: dict[str, Column] = {}
    labels: list[dict[str, str]] = [{} for _ in names]
    for part, batch in found:
        places = np.array([rows[name] for name in batch.names], dtype=np.intp)
        for row, own in zip(places.tolist(), batch.labels or (), strict=False):
            labels[row] = {**own, **labels[row]}
        for key, values in batch.fields.items():
            field = spec.fields.get(key)
            if field is None:
                findings.append(_unknown(part, f"`{spec.name}.{key}`"))
                continue
            laid = _laid(part, batch, field, values, (places, len(names)), now_s, findings)
            columns[key] = _filled(columns[key], laid) if key in columns else laid
    for part in parts:  # covered by a source that failed, and brought by no other
        for kind, key in part.covers if part.cause else ():
            for one in (spec.fields if key == "*" else (key,)) if kind == spec.name else ():
                if one in spec.fields and one not in columns and one not in ("name", "labels"):
                    why = part.why_unknown(kind, one)
                    columns[one] = unknown_column(spec.fields[one], len(names), why, part.interval_s)
                elif one in columns and not columns[one].reason:
                    columns[one] = replace(columns[one], reason=part.why_unknown(kind, one))
    return Table(spec.name, names, columns, label_columns(labels))


def _laid(
    part: Part,
    batch: KindBatch,
    field: FieldSpec,
    values: Sequence[Value],
    layout: tuple[np.ndarray[tuple[int], np.dtype[np.intp]], int],
    now_s: float,
    findings: list[Diagnostic],
) -> Column:
    """One field of a batch, spread over the rows of the table."""
    places, rows = layout
    why = part.why_unknown(batch.kind, field.name)
    if why:
        return unknown_column(field, rows, why, part.interval_s)
    own, wrong = column(field, values, _ages(batch, now_s), interval_s=part.interval_s)
    if wrong:
        message = (
            f"collector `{part.name}`: `{batch.kind}.{field.name}` is not of type {field.type}, or outside of "
            "what it can be: it is unknown"
        )
        hint = f"on {len(wrong)} rows, such as `{batch.names[wrong[0]]}`"
        findings.append(Diagnostic("SCR502", message, hint=hint, severity=Severity.WARNING))
    whole = unknown_column(field, rows, "", part.interval_s)
    spread, valid, age_s = whole.values.copy(), whole.valid.copy(), whole.age_s.copy()
    spread[places], valid[places], age_s[places] = own.values, own.valid, own.age_s
    return replace(own, values=spread, valid=valid, age_s=age_s)


def _ages(batch: KindBatch, now_s: float) -> float | Floats:
    sampled = batch.sampled_at_s
    if sampled is None:
        return 0.0
    # A source whose clock is ahead has samples of now, not of the future.
    ages = np.maximum(now_s - np.asarray(sampled, dtype=np.float64), 0.0)
    return float(ages) if ages.ndim == 0 else ages


def _filled(first: Column, later: Column) -> Column:
    """The first column, with the later one's values where the first knows nothing."""
    take = later.valid & ~first.valid
    reason = first.reason or later.reason
    if not take.any():
        return replace(first, reason=reason)
    words: Mapping[str, int] = {word: code for code, word in enumerate(first.words)}
    values = later.values
    if later.words:
        codes = dict(words)
        coded = np.array([codes.setdefault(word, len(codes)) for word in later.words], dtype=np.int32)
        values, words = coded[later.values], codes
    merged = first.values.copy()
    merged[take] = values[take]
    return Column(
        merged,
        first.valid | take,
        np.where(take, later.age_s, first.age_s),
        min(first.interval_s, later.interval_s),
        tuple(words),
        reason,
    )
