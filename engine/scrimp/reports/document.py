"""A report as JSON values (`report/1`) and as rows of CSV. Money is in units of the currency, to the millionth."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from scrimp.costs import Advice, Realised, UnitCost
from scrimp.model.costs import PARTS, CostGroups
from scrimp.model.usage import MICRO, Period
from scrimp.reports.report import Outlook, Report

FORM = "report/1"
BAND = 0.8  # what the bands of forecasts mean to cover


def iso(at_s: float) -> str:
    """Epoch seconds as `2026-11-25T12:00:00Z`."""
    return datetime.fromtimestamp(round(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def document(report: Report) -> dict[str, Any]:
    """All of it."""
    question = report.ask.question
    return {
        "scrimp": FORM,
        "at": iso(report.at_s),
        "period": _span(report.period),
        "where": {name: list(texts) for name, texts in question.where.items()},
        "team_label": report.ask.label or "team",
        "sources": [
            {"source": one.source, "from": iso(one.span.from_s), "to": iso(one.span.to_s)}
            for one in report.parts
        ],
        "covered": round(report.covered, 4),
        "rows": report.figures.rows,
        "advice_lacking": list(report.lacking),
        "currencies": [_currency(report, one) for one in report.figures.currencies],
    }


def _currency(report: Report, currency: str) -> dict[str, Any]:
    figures, doubt = report.figures, report.figures.doubts.get(currency)
    parts = figures.total(currency)
    outlook = next((one for one in report.outlooks if one.currency == currency), None)
    measured = parts[0] - (doubt.not_measured_micro if doubt else 0)
    found = None if outlook is None else outlook.trend
    return {
        "currency": currency,
        "total": _money(sum(parts)),
        "parts": {name: _money(micro) for name, micro in zip(PARTS, parts, strict=True)},
        "not_measured": _money(doubt.not_measured_micro if doubt else 0),
        "unpriced_node_hours": round(doubt.unpriced_hours, 3) if doubt else 0.0,
        "node_hours": round(doubt.node_hours, 3) if doubt else 0.0,
        "workload_efficiency": _ratio(measured, measured + parts[1]),
        "fleet_efficiency": _ratio(measured, sum(parts)),
        "before": None if outlook is None or outlook.before_micro is None else _money(outlook.before_micro),
        "forecast": None if outlook is None else _forecast(outlook),
        "trend": None
        if found is None
        else {"per_week": found.relative, "p": found.p_value, "weeks": found.weeks},
        "breakdowns": {name: rows(groups, currency) for name, groups in figures.breakdowns.items()},
        "asked": rows(figures.asked, currency),
        "over_time": rows(figures.over_time, currency),
        "advice": [_advised(one) for one in report.advice if one.saving_per_hour.currency == currency],
        "savings": [_saving(one) for one in report.savings if one.realised.currency == currency],
        "unit_costs": [
            _unit(one) for one in (*report.unit_totals, *report.units) if one.cost.currency == currency
        ],
    }


def rows(groups: CostGroups, currency: str) -> list[dict[str, Any]]:
    """The groups of one currency: their key by name, cost, parts and quantities (unit-hours)."""
    found = []
    for at, key in enumerate(groups.keys):
        if key[-1] != currency:
            continue
        parts = {name: _money(int(groups.part(name)[at])) for name in PARTS}
        amounts = {
            f"{name}_hours": round(float(getattr(groups, name)[at]), 6)
            for name in ("capacity", "allocated", "used")
        }
        names = dict(zip(groups.by[:-1], key[:-1], strict=True))
        found.append({**names, "cost": _money(int(groups.cost_micro()[at])), "parts": parts, **amounts})
    return found


def _forecast(outlook: Outlook) -> dict[str, Any] | None:
    rest, spent = outlook.rest, outlook.spent_micro
    if rest is None:
        return None
    return {
        "low": _money(spent + rest.low_micro),
        "mid": _money(spent + rest.mid_micro),
        "high": _money(spent + rest.high_micro),
        "band": BAND,
        "errors": rest.errors,
        "coverage": round(rest.coverage, 4) if isfinite(rest.coverage) else None,
        "level_since": iso(rest.level_since_s),
    }


def _advised(one: Advice) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "target": one.target,
        "resource": one.resource,
        "message": one.message,
        "saving_per_hour": round(one.saving_per_hour.amount, 6),
        "evidence": dict(one.evidence),
        "policy": one.policy,
    }


def _saving(one: Realised) -> dict[str, Any]:
    entry = one.entry
    return {
        "key": entry.action,
        "policy": entry.policy,
        "target": entry.target,
        "at": iso(entry.at_s),
        "closes": iso(entry.closes_s),
        "closed": one.closed,
        "hours": one.hours,
        "projected": round(one.projected.amount, 6),
        "realised": round(one.realised.amount, 6),
    }


def _unit(one: UnitCost) -> dict[str, Any]:
    return {
        "operation": one.key[0] if one.key else None,
        "unit": one.unit,
        "per": one.per,
        "quantity": round(one.quantity, 6),
        "cost": round(one.cost.amount, 9),
        "cost_used": round(one.used.amount, 9),
    }


def _span(period: Period) -> dict[str, str]:
    return {"label": str(period), "from": iso(period.start_s), "to": iso(period.end_s)}


def _money(micro: int) -> float:
    return micro / MICRO


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole > 0 else None


def table(report: Report, by: Sequence[str]) -> str:
    """One breakdown as CSV: what was asked for with `by`, else the resources. Sums of its columns are the report's."""
    return _csv(_lines(report, by))


def _lines(report: Report, by: Sequence[str]) -> Iterator[Sequence[object]]:
    groups = report.figures.asked if by else report.figures.breakdowns["resource"]
    yield [*groups.by, "cost", *PARTS, "capacity_hours", "allocated_hours", "used_hours"]
    for at, key in enumerate(groups.keys):
        parts = [int(groups.part(name)[at]) for name in PARTS]
        amounts = [getattr(groups, name)[at] for name in ("capacity", "allocated", "used")]
        yield [*key, *(decimal(micro) for micro in (sum(parts), *parts)), *(f"{one:.6f}" for one in amounts)]


def decimal(micro: int) -> str:
    """Millionths as an exact decimal number."""
    sign, whole = ("-", -micro) if micro < 0 else ("", micro)
    return f"{sign}{whole // MICRO}.{whole % MICRO:06d}"


def _csv(lines: Iterator[Sequence[object]]) -> str:
    into = io.StringIO()
    csv.writer(into, lineterminator="\n").writerows(lines)
    return into.getvalue()
