"""A plan as JSON, as text for a terminal, and as Markdown for a review."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from scrimp.cli._details import NO_DETAILS, Details
from scrimp.cli._screen import style
from scrimp.model.decision import Decision, PlannedAction, Value, Verdict
from scrimp.model.money import Money
from scrimp.model.plan import Plan
from scrimp.model.quantities import duration_text

SHOWN = 20  # decisions of one verdict that people are shown, unless they ask for all
_INDENT = 18
# What is done comes first, then what would be, then what stands in the way.
_ORDER = (
    Verdict.ACT,
    Verdict.UNDO,
    Verdict.AWAITING_APPROVAL,
    Verdict.DRY_RUN,
    Verdict.LIMITED,
    Verdict.GUARDED,
    Verdict.OVERRIDDEN,
    Verdict.COOLING,
    Verdict.HELD,
    Verdict.PAUSED,
    Verdict.UNKNOWN,
)
_COLOURS = {
    Verdict.ACT: "green",
    Verdict.UNDO: "green",
    Verdict.AWAITING_APPROVAL: "yellow",
    Verdict.UNKNOWN: "red",
}


@dataclass(frozen=True, slots=True)
class _Group:
    """The decisions of one verdict: those shown, and how many there are besides."""

    verdict: Verdict
    decisions: Sequence[Decision]
    more: int


def as_json(plan: Plan, said: Details = NO_DETAILS) -> dict[str, object]:
    """The contract that others rely on: `plan.schema.json`."""
    counts = plan.counts()
    summary: dict[str, object] = {"act": 0, "unknown": 0}
    summary.update({verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]})
    summary["false"] = plan.false
    summary["no_change"] = plan.no_change
    summary["saving_per_hour"] = plan.saving_per_hour.as_json()
    return {
        "scrimp": "plan/1",
        "at": _iso(plan.at_s),
        "policies": plan.digest,
        "decisions": [_with_details(decision, said) for decision in plan.decisions()],
        "summary": summary,
    }


def as_text(plan: Plan, columns: int, said: Details = NO_DETAILS, *, whole: bool = False) -> str:
    """The decisions for people, in no more than so many columns, and a last line that counts them."""
    lines: list[str] = []
    for group in _groups(plan, whole=whole):
        for decision in group.decisions:
            lines += [*_block(decision, columns, said), ""]
        if group.more:
            lines += [f"{'':{_INDENT}}… and {group.more:,} more {group.verdict.value}: --all shows them", ""]
    return "\n".join([*lines, *textwrap.wrap(_summary(plan), columns)])


def as_markdown(plan: Plan, said: Details = NO_DETAILS, *, whole: bool = False) -> str:
    """The plan as a heading, its summary, and a table of decisions, for a comment on a change."""
    lines = [f"### Plan at {_iso(plan.at_s)}", "", f"**{_cell(_summary(plan))}**"]
    groups = _groups(plan, whole=whole)
    if groups:
        lines += [
            "",
            "| verdict | policy | target | change | saving | reason |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
    for group in groups:
        for one in group.decisions:
            changes = "<br>".join(_cell(line) for action in one.actions for line in _lines(action, said))
            savings = "<br>".join(_cell(_saving(action)) for action in one.actions)
            cells = (
                one.verdict.value,
                f"`{one.policy}`",
                _cell(one.target),
                changes,
                savings,
                _cell(one.reason),
            )
            lines.append(f"| {' | '.join(cells)} |")
        if group.more:
            lines.append(f"| {group.verdict.value} | | {group.more:,} more | | | |")
    return "\n".join(lines)


def _with_details(decision: Decision, said: Details) -> dict[str, object]:
    actions = []
    for action in decision.actions:
        detail = said.get((action.target, action.action))
        more = {} if detail is None else {"detail": detail.line, "figures": dict(detail.figures)}
        actions.append(action.as_json() | more)
    return decision.as_json() | {"actions": actions}


def _lines(action: PlannedAction, said: Details) -> list[str]:
    """The change, and what the provider says of it."""
    detail = said.get((action.target, action.action))
    return [_change(action), *([detail.line] if detail is not None else [])]


def money(saving: Money) -> str:
    """`saves $8.00/h`, or `costs $3.00/h`."""
    if saving.amount < 0:
        return f"costs {Money(-saving.amount, saving.currency)}/h"
    return f"saves {saving}/h"


def _groups(plan: Plan, *, whole: bool) -> list[_Group]:
    """By verdict; only what is shown is rendered, for there may be a hundred thousand."""
    found = []
    for verdict in _ORDER:
        proposed = [one for one in plan.proposed if one.verdict is verdict]
        bulks = [bulk for bulk in plan.withheld if bulk.verdict is verdict]
        total = len(proposed) + sum(len(bulk.targets) for bulk in bulks)
        most = total if whole else SHOWN
        shown = proposed[:most]
        for bulk in sorted(bulks, key=lambda one: one.policy):
            left = max(0, most - len(shown))
            shown += [bulk.render(place) for place in range(min(left, len(bulk.targets)))]
        if total:
            found.append(_Group(verdict, shown, total - len(shown)))
    return found


def _summary(plan: Plan) -> str:
    counts = plan.counts()
    told = [f"{counts[verdict]:,} {verdict.value}" for verdict in _ORDER if counts[verdict]]
    told.append(f"{plan.false:,} false")
    if plan.no_change:
        told.append(f"{plan.no_change:,} without change")
    return f"{', '.join(told)}; {money(plan.saving_per_hour)}"


def _block(decision: Decision, columns: int, said: Details) -> Iterator[str]:
    verdict = f"{decision.verdict.value:<{_INDENT}}"
    head = f"{decision.policy}  {decision.target}"
    heads = [head] if len(head) <= columns - _INDENT else [decision.policy, decision.target]
    shown = [part for one in heads for part in _wrapped(one, columns)]
    yield style(verdict, _COLOURS.get(decision.verdict)) + shown[0].strip()
    yield from shown[1:]
    for action in decision.actions:
        saving = f"  {_saving(action)}" if action.after else ""
        change, *lines = _lines(action, said)
        yield from _wrapped(f"{change}{saving}", columns)
        for line in lines:
            yield from _wrapped(line, columns)
    if decision.merged_into:
        yield from _wrapped(f"done once, by {decision.merged_into}", columns)
    yield from _wrapped(decision.reason, columns)


def _wrapped(text: str, columns: int) -> list[str]:
    indent = " " * _INDENT
    return textwrap.wrap(text, columns - 1, initial_indent=indent, subsequent_indent=indent)


def _change(action: PlannedAction) -> str:
    """What becomes different; what stays stands in JSON only."""
    changed = {name: value for name, value in action.after.items() if value != action.before.get(name)}
    changes = ", ".join(
        f"{name} {_shown(action.before.get(name))} -> {_shown(value)}"
        for name, value in (changed or action.after).items()
    )
    return f"{action.action}: {changes}" if changes else action.action


def _saving(action: PlannedAction) -> str:
    if not action.after:
        return ""
    if action.saving_per_hour is None:
        return "saving unknown"
    age_s = action.price_age_s
    age = "" if age_s is None else f", at a price of {_ago(age_s)}"
    return f"{money(action.saving_per_hour)}{age}"


def _ago(age_s: float) -> str:
    """`3h12m ago`, in whole minutes, for a price stands for long."""
    minutes = round(age_s / 60.0)
    return f"{duration_text(60.0 * minutes)} ago" if minutes else "now"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,g}" if isinstance(value, float) else "unknown" if value is None else value


def _cell(text: str) -> str:
    """Text in a table's cell: nothing in it is markup."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join("".join(f"\\{char}" if char in "*_`" else char for char in escaped).split())


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
