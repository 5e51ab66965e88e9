"""A report for a terminal of 80 columns."""

from collections.abc import Iterator
from math import isfinite
from textwrap import wrap

from scrimp.model.costs import PARTS, CostGroups
from scrimp.model.money import SYMBOLS, Money
from scrimp.model.usage import MICRO
from scrimp.reports.document import iso
from scrimp.reports.report import Outlook, Report
from scrimp.reports.savings import savings_total

WIDTH = 80
ROWS = 10
COLUMN = 8
CLEAR = 0.05  # the doubt up to which a trend is named; beyond it is told that there is none
NAMES = {"used": "used", "workload_idle": "workload idle", "pool_idle": "pool idle", "overhead": "overhead"}
UNSTATED = "(none)"


def text(report: Report) -> str:
    """All lines."""
    return "\n".join(_clip(_printable(line).rstrip()) for line in _lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    period = report.period
    label = f"{period.label}   " if period.label else ""
    yield f"cost report {label}{iso(period.start_s)[:16]}Z to {iso(period.end_s)[:16]}Z"
    told = ", ".join(_source(one.source, one.span.from_s, one.span.to_s) for one in report.parts)
    yield _clip(f"sources: {told or 'none'}")
    if report.parts:
        rest = "; the rest was not measured" if report.covered < 1 else ""
        yield f"rows for {report.covered:.1%} of the hours so far{rest}"
    for name, texts in report.ask.question.where.items():
        yield _clip(f"only {name}: {', '.join(texts)}")
    if not report.figures.currencies:
        yield ""
        yield "no usage in this period"
    elif report.lacking:
        yield ""
        yield "advice that cannot be given"
        for line in report.lacking:
            yield from wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
    for currency in report.figures.currencies:
        yield ""
        yield from _currency(report, currency)


def _source(source: str, from_s: float, to_s: float) -> str:
    return f"{source} {iso(from_s)[:10]} to {iso(to_s)[:10]}"


def _currency(report: Report, currency: str) -> Iterator[str]:
    figures = report.figures
    parts = figures.total(currency)
    total, doubt = sum(parts), figures.doubts.get(currency)
    yield _total("total", total, total, currency)
    for name, micro in zip(PARTS, parts, strict=True):
        yield _total(f"  {NAMES[name]}", micro, total, currency)
        if name == "used" and doubt is not None and doubt.not_measured_micro:
            yield _total("    of it not measured", doubt.not_measured_micro, total, currency)
    measured = parts[0] - (doubt.not_measured_micro if doubt is not None else 0)
    if measured + parts[1] > 0 and total > 0:
        yield (
            f"efficiency: work used {measured / (measured + parts[1]):.0%} of what it was given,"
            f" and {measured / total:.0%} of the bill"
        )
    if doubt is not None and doubt.unpriced_hours > 0:
        yield (
            f"not priced: {doubt.unpriced_hours:,.1f} of {doubt.node_hours:,.1f} node hours;"
            " they are in no sum"
        )
        yield "  say what they cost: `price_per_core_hour` in scrimp.yaml, or a field"
    outlook = next((one for one in report.outlooks if one.currency == currency), None)
    if outlook is not None:
        yield from _outlook(outlook)
    yield from _units(report, currency)
    yield from _advice(report, currency)
    yield from _savings(report, currency)
    for name, groups in figures.breakdowns.items():
        yield from _breakdown(name, groups, currency, total)
    if report.ask.question.by:
        yield from _breakdown(" and ".join(report.ask.question.by), figures.asked, currency, total)


def _total(name: str, micro: int, total: int, currency: str) -> str:
    share = f"{micro / total:7.1%}" if total else ""
    return f"{name:<26}{money(micro, currency):>20} {share}"


def _outlook(outlook: Outlook) -> Iterator[str]:
    spent, rest = outlook.spent_micro, outlook.rest
    if rest is not None:
        low, mid, high = (
            money(spent + micro, outlook.currency)
            for micro in (rest.low_micro, rest.mid_micro, rest.high_micro)
        )
        held = (
            f"earlier bands held {rest.coverage:.0%} of the time"
            if isfinite(rest.coverage)
            else "no earlier band to judge it by"
        )
        yield f"{'forecast to the end':<26}{mid:>20}"
        yield f"  80 % band {low} to {high}; {held}"
    if outlook.trend is not None and outlook.trend.weeks >= 3:
        found = outlook.trend
        said = "no clear trend" if found.p_value > CLEAR else f"{found.relative:+.1%} a week"
        yield f"{'trend':<26}{said:>20}   over {found.weeks} weeks, p = {found.p_value:.2f}"
    if outlook.before_micro:
        change = spent / outlook.before_micro - 1
        yield f"{'as long before':<26}{money(outlook.before_micro, outlook.currency):>20} {change:+7.1%}"


def _units(report: Report, currency: str) -> Iterator[str]:
    found = [one for one in (*report.unit_totals, *report.units) if one.cost.currency == currency]
    if not found:
        return
    yield ""
    yield f"{'cost per item':<21}{'per':<15}{'all of it':>13}{'used alone':>13}{'done':>18}"
    for one in found:
        name = (one.key[0] or UNSTATED) if one.key else "everything"
        per = f"{one.per:,.0f} {one.unit.replace('_', ' ')}"
        yield _clip(
            f"{name[:20]:<21}{per:<15}{small(one.cost):>13}{small(one.used):>13}{one.quantity:>18,.1f}"
        )


def _advice(report: Report, currency: str) -> Iterator[str]:
    found = [one for one in report.advice if one.saving_per_hour.currency == currency]
    if not found:
        return
    yield ""
    yield f"{'advice':<66}{'saves an hour':>14}"
    for one in found[:ROWS]:
        saves = small(one.saving_per_hour) if one.saving_per_hour.amount > 0 else ""
        first, *more = wrap(one.message, 65, subsequent_indent="  ")
        yield f"{first:<66}{saves:>14}"
        yield from more
    if len(found) > ROWS:
        yield f"and {len(found) - ROWS:,} more"
    yield "  each as a policy: --output json"


def _savings(report: Report, currency: str) -> Iterator[str]:
    """By policy: what its acts promised for the hours that were seen, and what they came to; open entries go on."""
    found = [one for one in report.savings if one.realised.currency == currency]
    if not found:
        return
    yield ""
    yield f"{'savings, by policy':<30}{'acts':>6}{'open':>6}{'promised':>18}{'realised':>18}"
    for policy in sorted({one.entry.policy for one in found}):
        mine = [one for one in found if one.entry.policy == policy]
        promised, came = (round(each.amount * MICRO) for each in savings_total(mine, currency))
        still = sum(not one.closed for one in mine)
        yield f"{policy[:29]:<30}{len(mine):>6}{still:>6}{_short(promised):>18}{_short(came):>18}"


def _breakdown(name: str, groups: CostGroups, currency: str, total: int) -> Iterator[str]:
    cost = groups.cost_micro()
    places = [at for at, key in enumerate(groups.keys) if key[-1] == currency and cost[at]]
    if not any("".join(groups.keys[at][:-1]) for at in places):
        return
    places.sort(key=lambda at: (-int(cost[at]), groups.keys[at]))
    yield ""
    yield f"{'by ' + name:<22}{'cost':>13}{'share':>7}{'used':>10}{'w. idle':>9}{'p. idle':>9}{'over':>9}"
    for at in places[:ROWS]:
        yield _row(" / ".join(one or UNSTATED for one in groups.keys[at][:-1]), groups, [at], total)
    if len(places) > ROWS:
        yield _row(f"and {len(places) - ROWS:,} more", groups, places[ROWS:], total)


def _row(name: str, groups: CostGroups, places: list[int], total: int) -> str:
    parts = [int(groups.part(part)[places].sum()) for part in PARTS]
    shown = name if len(name) <= 21 else f"{name[:10]}…{name[-10:]}"
    share = f"{sum(parts) / total:.1%}" if total else ""
    used, workload, pool, overhead = (_short(one) for one in parts)
    return f"{shown:<22}{_short(sum(parts)):>13}{share:>7}{used:>10}{workload:>9}{pool:>9}{overhead:>9}"


def money(micro: int, currency: str) -> str:
    """To the cent, with its sign; what is less than a dollar as finely as it was reckoned."""
    if 0 < abs(micro) < MICRO:
        sign, symbol = "-" if micro < 0 else "", SYMBOLS.get(currency, f"{currency} ")
        return f"{sign}{symbol}{abs(micro) / MICRO:.4g}"
    return str(Money(micro / MICRO, currency))


def _short(micro: int) -> str:
    """At most eight letters, so that the columns of a table never touch."""
    value = micro / MICRO
    if 0 < abs(value) < 1:
        return f"{value:.4f}"
    sizes = ((value, ""), (value / 1e6, "M"), (value / 1e9, "G"))
    told = [f"{amount:,.{digits}f}{letter}" for amount, letter in sizes for digits in (2, 0)]
    return next((one for one in told if len(one) <= COLUMN), told[-1])


def small(value: Money) -> str:
    """An amount that may be tiny, such as the cost of an item."""
    symbol = SYMBOLS.get(value.currency, f"{value.currency} ")
    return f"{symbol}{value.amount:,.2f}" if abs(value.amount) >= 100 else f"{symbol}{value.amount:.4g}"


def _printable(line: str) -> str:
    """A name from outside may hold line breaks, or what a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _clip(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
