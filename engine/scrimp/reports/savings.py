"""The savings ledger of a history: what each act promised, and what it has come to, hour by hour.

What an act is measured against was stored with it: the cost rate and the pace of its target just before. Where the history
has the hours before the act it is the cost per item of those, which is the same measure as the hours after it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scrimp.costs import Realised, SavingEntry, TargetHour, realised
from scrimp.history import MEASURED, Done, History, Span
from scrimp.model.money import Money
from scrimp.model.usage import MICRO, Period, WorkTable
from scrimp.reports.periods import HOUR_S, steps
from scrimp.reports.report import Report, figures_report, summed_over
from scrimp.reports.sums import Ask, Progress

BACK_S = 60 * 86_400  # acts older than that are closed for long
BEFORE_HOURS = 24  # of a target, from which its cost per item before an act is taken
BY_KIND = {"node_group": "pool", "pool": "pool", "node": "node", "job": "job"}


def savings(history: History, period: Period, now_s: float) -> tuple[Realised, ...]:
    """The entries that were open in the period, in order of time. Raises `HistoryError`."""
    acts = [one for one in history.acts(now_s - BACK_S, now_s) if one.outcome == "done"]
    made = [one for one in acts if not one.undo and _counts(one) and one.at_s < period.end_s]
    if not made:
        return ()
    first_s = int(min(one.at_s for one in made) // HOUR_S - BEFORE_HOURS) * HOUR_S
    span = Period(first_s, int(min(now_s, period.end_s) // HOUR_S) * HOUR_S)
    work = history.work(MEASURED, Span(span.start_s, span.end_s), now_s)
    hours = {
        target: _hours(history, target, span, work, now_s) for target in sorted({one.target for one in made})
    }
    entries = [_entry(one, acts, hours[one.target]) for one in made]
    told = [one for one in entries if one.closes_s > period.start_s]
    after = [hour for every in hours.values() for hour in every]
    return realised(told, after, int(now_s))


def make_report(history: History, ask: Ask, now_s: float, progress: Progress | None = None) -> Report:
    """All that a report shows. Raises `HistoryError`."""
    found = figures_report(history, ask, now_s, progress)
    told = () if ask.question.where else savings(history, ask.question.period, now_s)
    return replace(found, savings=told)


def _counts(one: Done) -> bool:
    """An act that changes what its target costs, on a target whose costs are told apart."""
    known = one.rate_micro_per_hour is not None or one.projected_micro_per_hour is not None
    return known and one.target.partition("/")[0] in BY_KIND and one.before != one.after


def _entry(one: Done, acts: Sequence[Done], hours: Sequence[TargetHour]) -> SavingEntry:
    undone = [
        int(other.at_s)
        for other in acts
        if other.undo and (other.policy, other.target) == (one.policy, one.target) and other.at_s > one.at_s
    ]
    return SavingEntry(
        action=one.key,
        policy=one.policy,
        target=one.target,
        at_s=int(one.at_s),
        unit_cost=_unit_cost(one, hours),
        projected_per_hour=Money((one.projected_micro_per_hour or 0) / MICRO, one.currency),
        undone_s=min(undone, default=None),
    )


def _unit_cost(one: Done, hours: Sequence[TargetHour]) -> Money:
    """What an item cost before the act: over its last hours where they are known, else by what was stored with it."""
    before = [hour for hour in hours if hour.start_s + HOUR_S <= one.at_s][-BEFORE_HOURS:]
    items = sum(hour.items for hour in before)
    if before and items > 0:
        return Money(sum(hour.cost_micro for hour in before) / items / MICRO, one.currency)
    pace = one.items_per_second * HOUR_S if one.items_per_second else 1.0
    return Money((one.rate_micro_per_hour or 0) / MICRO / pace, one.currency)


def _hours(history: History, target: str, span: Period, work: WorkTable, now_s: float) -> list[TargetHour]:
    """The whole hours of a target that are known; where its items are counted in none of them, an item is an hour."""
    kind, _, name = target.partition("/")
    bins = tuple(steps(span, HOUR_S))
    found = summed_over(history, Ask.of(span, bins, {BY_KIND[kind]: (name,)}, ("job",)), now_s)
    jobs = {key[0] for key in found.asked.keys if key[0]}
    starts = {str(one): one.start_s for one in bins}
    costs: dict[int, int] = {}
    for at, key in enumerate(found.over_time.keys):
        start_s = starts[key[0]]
        costs[start_s] = costs.get(start_s, 0) + int(found.over_time.cost_micro()[at])
    items = _items(work, jobs)
    counted = any(items.values())
    return [
        TargetHour(target, start_s, cost, items.get(start_s, 0.0) if counted else 1.0)
        for start_s, cost in sorted(costs.items())
    ]


def _items(work: WorkTable, jobs: set[str]) -> dict[int, float]:
    mine = work.job.is_any(jobs) & work.unit.is_any(["samples"])
    hours = work.start_s[mine] // HOUR_S * HOUR_S
    found: dict[int, float] = {}
    for hour in np.unique(hours).tolist():
        found[hour] = float(work.quantity[mine][hours == hour].sum())
    return found


def savings_total(entries: Sequence[Realised], currency: str) -> tuple[Money, Money]:
    """Projected and realised over all entries, which are of one currency; a regression counts against what was saved."""
    nothing = Money(0.0, currency)
    return (
        sum((one.projected for one in entries), nothing),
        sum((one.realised for one in entries), nothing),
    )
