"""A report as one static page: no script, no outside asset, light and dark, readable on a phone and on paper."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from math import isfinite

from scrimp.costs import UnitCost
from scrimp.model.costs import PARTS, CostGroups
from scrimp.model.usage import MICRO
from scrimp.reports.chart import Stack, bars
from scrimp.reports.document import iso
from scrimp.reports.figures import parts_of
from scrimp.reports.report import Report
from scrimp.reports.savings import savings_total
from scrimp.reports.text import NAMES, UNSTATED, money, small

ROWS = 15
_SAID = {
    "used": "paid for and used by work",
    "workload_idle": "given to work that did not use it",
    "pool_idle": "offered, and given to nobody",
    "overhead": "kept by the system, or billed for no resource",
}


def page(report: Report) -> str:
    """The whole document."""
    style = files("scrimp.reports").joinpath("page.css").read_text("utf-8")
    title = f"Cost report {report.period}"
    body = "\n".join(_body(report))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    period = report.period
    yield f"<header><h1>Cost report <span>{escape(str(period))}</span></h1>"
    yield f"<p>{iso(period.start_s)[:16]}Z to {iso(period.end_s)[:16]}Z, made {iso(report.at_s)[:16]}Z</p>"
    if report.parts:
        told = ", ".join(
            f"{escape(one.source)} from {iso(one.span.from_s)[:10]} to {iso(one.span.to_s)[:10]}"
            for one in report.parts
        )
        yield f"<p>Sources: {told}. There are rows for {report.covered:.1%} of the hours so far; the rest was not measured.</p>"
    for name, texts in report.ask.question.where.items():
        yield f"<p>Only {escape(name)}: {escape(', '.join(texts))}.</p>"
    yield "</header>"
    if not report.figures.currencies:
        yield "<p>No usage in this period.</p>"
    elif report.lacking:
        told = "".join(f"<li>{escape(line)}" for line in report.lacking)
        yield f"<section><h2>Advice that cannot be given</h2><ul>{told}</ul></section>"
    for currency in report.figures.currencies:
        yield from _currency(report, currency)


def _currency(report: Report, currency: str) -> Iterator[str]:
    figures = report.figures
    parts = figures.total(currency)
    total = sum(parts)
    yield '<section class="cards">'
    yield _card("Total", money(total, currency), _beside(report, currency))
    for name, micro in zip(PARTS, parts, strict=True):
        share = f"{micro / total:.1%}" if total else "none"
        yield _card(NAMES[name].capitalize(), money(micro, currency), f"{share}: {_SAID[name]}", name)
    yield "</section>"
    yield from _doubts(report, currency)
    yield from _over_time(report, currency)
    yield from _units([*report.unit_totals, *report.units], currency)
    yield from _advice(report, currency)
    yield from _savings(report, currency)
    for name, groups in figures.breakdowns.items():
        yield from _breakdown(f"By {name}", groups, currency, total)
    if report.ask.question.by:
        yield from _breakdown(f"By {' and '.join(report.ask.question.by)}", figures.asked, currency, total)


def _card(name: str, value: str, said: str, kind: str = "total") -> str:
    return f'<article class="{kind}"><h2>{escape(name)}</h2><strong>{escape(value)}</strong><p>{escape(said)}</p></article>'


def _beside(report: Report, currency: str) -> str:
    outlook = next((one for one in report.outlooks if one.currency == currency), None)
    if outlook is not None and outlook.rest is not None:
        rest, spent = outlook.rest, outlook.spent_micro
        low, mid, high = (
            money(spent + one, currency) for one in (rest.low_micro, rest.mid_micro, rest.high_micro)
        )
        held = f"; earlier bands held {rest.coverage:.0%} of the time" if isfinite(rest.coverage) else ""
        return f"forecast {mid} ({low} to {high}, 80 % band{held})"
    if outlook is None or not outlook.before_micro:
        return "used + idle + overhead"
    change = outlook.spent_micro / outlook.before_micro - 1
    return f"{change:+.1%} against {money(outlook.before_micro, currency)} in the same time before"


def _doubts(report: Report, currency: str) -> Iterator[str]:
    doubt = report.figures.doubts.get(currency)
    if doubt is not None and doubt.not_measured_micro:
        yield (
            f'<p class="doubt">{money(doubt.not_measured_micro, currency)} of what counts as used was not measured: '
            "idle is never claimed where nobody looked.</p>"
        )
    if doubt is not None and doubt.unpriced_hours > 0:
        yield (
            f'<p class="doubt">{doubt.unpriced_hours:,.1f} of {doubt.node_hours:,.1f} node hours have no price; '
            "they are in no sum.</p>"
        )


def _over_time(report: Report, currency: str) -> Iterator[str]:
    groups = report.figures.over_time
    labels = [str(one) for one in report.ask.question.bins]
    sums = {label: [0] * len(PARTS) for label in labels}
    for at, key in enumerate(groups.keys):
        if key[-1] == currency:
            for place, name in enumerate(PARTS):
                sums[key[0]][place] += int(groups.part(name)[at])
    stacks = [
        Stack(label, tuple(zip(PARTS, (micro / MICRO for micro in sums[label]), strict=True)))
        for label in labels
    ]
    yield "<section><h2>Over time</h2>"
    yield bars(stacks, currency)
    yield (
        '<p class="legend">'
        + " ".join(f'<span class="{name}">{NAMES[name]}</span>' for name in PARTS)
        + "</p></section>"
    )


def _units(units: Sequence[UnitCost], currency: str) -> Iterator[str]:
    found = [one for one in units if one.cost.currency == currency]
    if not found:
        return
    yield "<section><h2>Cost per item</h2><div class=wide><table><thead><tr><th>Operation<th>All of it<th>Used alone<th>Per<th>Done</thead>"
    for one in found:
        name = (one.key[0] or UNSTATED) if one.key else "everything"
        per = f"{one.per:,.0f} {one.unit.replace('_', ' ')}"
        yield f"<tr><th>{escape(name)}<td>{small(one.cost)}<td>{small(one.used)}<td>{escape(per)}<td>{one.quantity:,.1f}"
    yield "</table></div></section>"


def _advice(report: Report, currency: str) -> Iterator[str]:
    found = [one for one in report.advice if one.saving_per_hour.currency == currency]
    if not found:
        return
    yield "<section><h2>Advice</h2>"
    for one in found[:ROWS]:
        saves = f": saves {small(one.saving_per_hour)} an hour" if one.saving_per_hour.amount > 0 else ""
        yield f"<details><summary>{escape(one.message)}{saves}</summary><pre>{escape(one.policy)}</pre></details>"
    if len(found) > ROWS:
        yield f"<p>and {len(found) - ROWS:,} more</p>"
    yield "</section>"


def _savings(report: Report, currency: str) -> Iterator[str]:
    found = [one for one in report.savings if one.realised.currency == currency]
    if not found:
        return
    yield "<section><h2>Savings</h2><div class=wide><table><thead><tr><th>Policy<th>Target<th>Since<th>Hours<th>Promised<th>Realised</thead>"
    for one in found[-ROWS:]:
        promised, came = (
            money(round(each.amount * MICRO), currency) for each in (one.projected, one.realised)
        )
        yield (
            f"<tr><th>{escape(one.entry.policy)}<td>{escape(one.entry.target)}<td>{iso(one.entry.at_s)[:16]}Z"
            f"<td>{one.hours:,}<td>{promised}<td>{came}"
        )
    if len(found) > ROWS:
        promised, came = (
            money(round(each.amount * MICRO), currency) for each in savings_total(found[:-ROWS], currency)
        )
        yield f"<tr><th>and {len(found) - ROWS:,} before<td><td><td><td>{promised}<td>{came}"
    yield "</table></div></section>"


def _breakdown(title: str, groups: CostGroups, currency: str, total: int) -> Iterator[str]:
    cost = groups.cost_micro()
    places = [at for at, key in enumerate(groups.keys) if key[-1] == currency and cost[at]]
    if not any("".join(groups.keys[at][:-1]) for at in places):
        return
    places.sort(key=lambda at: (-int(cost[at]), groups.keys[at]))
    yield f"<section><h2>{escape(title)}</h2><div class=wide><table><thead><tr><th>{escape(title.removeprefix('By ').capitalize())}"
    yield (
        "<th>Cost<th>Share<th class=bar>"
        + "".join(f"<th>{NAMES[name].capitalize()}" for name in PARTS)
        + "</thead>"
    )
    most = max((int(cost[at]) for at in places), default=0)
    for at in places[:ROWS]:
        name = " / ".join(one or UNSTATED for one in groups.keys[at][:-1])
        yield _row(name, [int(groups.part(one)[at]) for one in PARTS], currency, total, most)
    if len(places) > ROWS:
        rest = {groups.keys[at] for at in places[ROWS:]}
        yield _row(f"and {len(rest):,} more", parts_of(groups, rest.__contains__), currency, total, most)
    yield "</table></div></section>"


def _row(name: str, parts: Sequence[int], currency: str, total: int, most: int) -> str:
    cost = sum(parts)
    share = f"{cost / total:.1%}" if total else ""
    widths = [max(100 * micro / most, 0) if most > 0 else 0 for micro in parts]
    bar = "".join(
        f'<i class="{part}" style="width:{min(width, 100):.2f}%"></i>'
        for part, width in zip(PARTS, widths, strict=True)
        if width >= 0.05
    )
    cells = "".join(f"<td>{money(micro, currency)}" for micro in parts)
    return (
        f"<tr><th>{escape(name)}<td>{money(cost, currency)}<td>{share}<td class=bar><div>{bar}</div>{cells}"
    )
