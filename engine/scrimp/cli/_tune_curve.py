"""A tuning study for people: a plot for the terminal, and a page that needs nothing but a browser."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import exp, inf, log2
from textwrap import wrap

from scrimp_actions.tuning import CurvePoint, Proposal, Rejection, Setting, Workload
from scrimp_actions.tuning.history import Point

BAR_LEAST, BAR_MOST = 10, 30
LEGEND = "# measured, - expected, ! out"
MIB, GIB = 2**20, 2**30


@dataclass(frozen=True, slots=True)
class Study:
    """One workload: what the tuner says of it, the looks behind that, the size that is in use, and the last duel's end."""

    workload: Workload
    proposal: Proposal
    points: dict[Setting, Point]
    current: int | None = None
    told: str = ""


def headline(study: Study) -> list[str]:
    """The verdict and why, in a line each."""
    proposal = study.proposal
    found = []
    if proposal.best is not None:
        found.append(f"best measured: {name(proposal.best)}{_gain(study)}")
    if proposal.verdict == "measure" and proposal.setting is not None:
        found.append(f"next to measure: {name(proposal.setting)}")
    found.extend(proposal.reasons)
    if study.told:
        found.append(f"last verdict: {study.told}")
    return found


def as_text(study: Study, columns: int) -> str:
    """The curve as bars, within so many columns: how much of the best each size reaches."""
    said = [(title(study), ""), *((line, "  ") for line in headline(study))]
    lines = [
        part
        for text, indent in said
        for part in wrap(text, columns, initial_indent=indent, subsequent_indent=f"{indent}  ")
    ]
    rows = list(_rows(study))
    if not rows:
        return "\n".join(lines)
    notes = [
        " ".join(["<- in use"] * (study.current == row.setting.batch) + [row.out or ""]).strip()
        for row in rows
    ]
    widest = max(len(name(row.setting)) for row in rows)
    left = columns - widest - len("     looks   100%  ") - max(map(len, notes))
    most = min(max(left, BAR_LEAST), BAR_MOST)
    lines += ["", *wrap(f"  {'':{widest}}  looks  share of the best: {LEGEND}", columns)]
    for row, note in zip(rows, notes, strict=True):
        mark = "!" if row.out is not None else "#" if row.measured else "-"
        bar = mark * min(max(round(row.share * most), 1), most)
        line = f"  {name(row.setting):{widest}}  {row.looks:>5}  {bar:{most}} {row.share:>4.0%}"
        lines += wrap(f"{line}  {note}", columns, subsequent_indent=" " * (widest + 11))
    return "\n".join(lines)


def as_json(study: Study) -> dict[str, object]:
    """For programs: `tune/1`."""
    proposal = study.proposal
    return {
        "workload": study.workload._asdict(),
        "verdict": proposal.verdict,
        "best": None if proposal.best is None else proposal.best._asdict(),
        "next": None if proposal.setting is None else proposal.setting._asdict(),
        "current": study.current,
        "predicted_gain": proposal.predicted_gain,
        "measured_gain": proposal.measured_gain,
        "efficiency_gap": proposal.efficiency_gap,
        "batch_bound": proposal.batch_bound,
        "reasons": list(proposal.reasons),
        "told": study.told,
        "curve": [
            {
                **row.setting._asdict(),
                "looks": row.looks,
                "measured": row.measured,
                "share_of_best": row.share,
                "items_per_s": row.items_per_s,
                "latency_s": row.latency_s,
                "memory_bytes": row.memory_bytes,
                "watts": row.watts,
                "out": row.out,
            }
            for row in _rows(study)
        ],
    }


def title(study: Study) -> str:
    """`log_mel on cpu, fp16, clips of 2-3 s`."""
    workload = study.workload
    more = ", ".join(one for one in (workload.device, workload.precision, workload.bucket) if one)
    return f"{workload.operation}{f' on {more}' if more else ''}"


def name(setting: Setting) -> str:
    """`batch 8`, and the other axes where they are used."""
    found = [f"batch {setting.batch}"]
    if setting.instances != 1:
        found.append(f"{setting.instances} copies")
    if setting.load != 1:
        found.append(f"load {setting.load}")
    if setting.power_limit_w:
        found.append(f"{setting.power_limit_w:g} W")
    return ", ".join(found)


@dataclass(frozen=True, slots=True)
class _Row:
    """One size. `share` is what it reaches of the best that is within bounds, between `low` and `high` as the fit goes; `out` why it is out.

    The figures of its looks are None where there are none; `latency_s` is the tail's, as far as it was told.
    """

    setting: Setting
    looks: int
    measured: bool
    share: float
    low: float
    high: float
    out: str | None
    items_per_s: float | None
    latency_s: float | None
    memory_bytes: float | None
    watts: float | None


def _rows(study: Study) -> Iterator[_Row]:
    curve = study.proposal.curve
    if not curve:
        return
    rejected = {one.setting: one for one in study.proposal.rejected}
    best = min((_cost(one) for one in curve if one.setting not in rejected), default=None)
    best = min(_cost(one) for one in curve) if best is None else best
    for one in curve:
        point = study.points.get(one.setting)
        share, spread = best / _cost(one), 2.0 * one.deviation
        worked = point if point is not None and point.weight > 0 else None
        yield _Row(
            one.setting,
            0 if point is None else round(point.weight),
            one.measured is not None,
            share,
            share / (1.0 + spread),
            min(share * (1.0 + spread), 1.5),
            _stopped(rejected[one.setting]) if one.setting in rejected else None,
            None if worked is None else one.setting.batch / exp(worked.period),
            None if worked is None else exp(worked.period + worked.tail),
            None if point is None else point.memory_bytes,
            None if worked is None else worked.watts,
        )


def _cost(one: CurvePoint) -> float:
    return one.fitted if one.measured is None else one.measured


def _stopped(one: Rejection) -> str:
    """`latency 1.2 s over 1 s`."""
    if one.bound == "power":
        return "power not measured"
    if one.value == inf:
        return "memory unknown, too far to try"
    if one.bound == "memory":
        text = f"memory {_bytes(one.value)} over {_bytes(one.limit)}"
    elif one.bound == "latency":
        text = f"latency {one.value:.3g} s over {max(one.limit, 0.0):.3g} s"
    elif one.bound == "errors":
        text = f"{one.value:.0%} fail, over {one.limit:.0%}"
    else:
        text = f"too slow for {one.limit:.3g} items/s"
    return text if one.measured else f"{text}, expected"


def _bytes(value: float) -> str:
    return f"{value / GIB:,.3g} GiB" if value >= GIB else f"{value / MIB:,.3g} MiB"


def _gain(study: Study) -> str:
    gain = study.proposal.measured_gain
    if gain is None or study.current is None or study.proposal.best == Setting(study.current):
        return ""
    return f", {gain:+.0%} against batch {study.current}"


# ---- the page -------------------------------------------------------------------------------------------

WIDTH, HEIGHT, MARGIN = 640, 260, 44
STYLE = """
:root{color-scheme:light dark;--ink:#1d2329;--soft:#6b7681;--line:#d5dbe0;--good:#0b7a5b;--bad:#c03a2b;--fit:#4878a8}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#97a3ae;--line:#39424b;--good:#4cc79f;--bad:#f08a7c;--fit:#86b3e0}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:720px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2.5rem}svg{width:100%;height:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:right;padding:.2rem .5rem;border-bottom:1px solid var(--line)}td:first-child,th:first-child,td:last-child{text-align:left}
td:first-child{white-space:nowrap}
.soft{color:var(--soft)}.bad{color:var(--bad)}.good{color:var(--good)}.fit{color:var(--fit)}
"""
KEY = (
    '<p class="soft">Share of the best: <span class="good">●</span> measured, <span class="fit">○</span> expected, '
    '<span class="bad">● ○</span> out of bounds; the band is where the fit expects it, two deviations wide.</p>'
)


def as_html(studies: Sequence[Study]) -> str:
    """One page, without scripts or anything from outside."""
    parts = "".join(_section(study) for study in studies) or "<p>Nothing was measured yet.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>scrimp tune</title><style>{STYLE}</style><h1>Batch sizes</h1>{parts}</html>\n"
    )


def _section(study: Study) -> str:
    said = "".join(f"<li>{escape(line)}</li>" for line in headline(study))
    rows = list(_rows(study))
    table = "".join(
        f"<tr><td>{escape(name(row.setting))}<td>{row.looks or ''}<td>{_figure(row.items_per_s, '')}"
        f"<td>{_figure(row.latency_s, ' s')}<td>{'' if row.memory_bytes is None else _bytes(row.memory_bytes)}<td>{row.share:.0%}"
        f'<td class="{"bad" if row.out else "soft"}">{escape(row.out or ("" if row.measured else "expected"))}'
        for row in rows
    )
    head = "<tr><th>size<th>looks<th>items/s<th>latency<th>memory<th>of the best<th>"
    return (
        f"<h2>{escape(title(study))}</h2><ul>{said}</ul>{_plot(rows)}{KEY}<table>{head}{table}</table>"
        if rows
        else f"<h2>{escape(title(study))}</h2><ul>{said}</ul>"
    )


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.3g}{unit}" if value < 1000 else f"{value:,.0f}{unit}"


def _plot(rows: Sequence[_Row]) -> str:
    """Share of the best over the batch size (log scale), one axis only: the fit with its band, looks, and what is out."""
    flat = [row for row in rows if row.setting[1:] == rows[0].setting[1:]]
    octaves = [log2(row.setting.batch) for row in flat]
    span = max(octaves[-1] - octaves[0], 1e-9)

    def x(octave: float) -> float:
        return MARGIN + (octave - octaves[0]) / span * (WIDTH - 2 * MARGIN)

    def y(share: float) -> float:
        return HEIGHT - MARGIN - min(share, 1.1) / 1.1 * (HEIGHT - 2 * MARGIN)

    places = [(x(octave), row) for octave, row in zip(octaves, flat, strict=True)]
    upper = " ".join(f"{at:.1f},{y(row.high):.1f}" for at, row in places)
    lower = " ".join(f"{at:.1f},{y(row.low):.1f}" for at, row in reversed(places))
    line = " ".join(f"{at:.1f},{y(row.share):.1f}" for at, row in places)
    dots = "".join(_dot(at, y(row.share), row) for at, row in places)
    ticks = "".join(
        f'<text x="{at:.1f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{row.setting.batch}</text>'
        for at, row in places
        if log2(row.setting.batch).is_integer()
    )
    grid = "".join(
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="var(--line)"/>'
        f'<text x="{MARGIN - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="share of the best by batch size" '
        f'font-size="11" fill="var(--soft)">{grid}{ticks}'
        f'<polygon points="{upper} {lower}" fill="var(--fit)" opacity=".15"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--fit)" stroke-width="1.5"/>{dots}'
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">batch size</text></svg>'
    )


def _dot(at: float, height: float, row: _Row) -> str:
    colour = "var(--bad)" if row.out else "var(--good)" if row.measured else "var(--fit)"
    words = f"{name(row.setting)}: {row.share:.0%}{f', {row.out}' if row.out else ''}"
    return (
        f'<circle cx="{at:.1f}" cy="{height:.1f}" r="4.5" fill="{colour if row.measured else "none"}" stroke="{colour}">'
        f"<title>{escape(words)}</title></circle>"
    )
