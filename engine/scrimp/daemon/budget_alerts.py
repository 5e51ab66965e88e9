"""Alerts of budgets: each once per budget, rule and period, sent by the notify provider, with its causes, and audited.

What was given is remembered in the state folder. An alert is sent under a key that is the same after a crash, so that it
is not sent twice; then it is recorded.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrimp.api import OutsideError, PlannedAction, Provider
from scrimp.config import BudgetSettings
from scrimp.costs import (
    AlertRules,
    BudgetAlert,
    BudgetStatus,
    Cause,
    Severity,
    budget_alerts,
    causes,
    worth_telling,
)
from scrimp.daemon.budgets import BudgetBook
from scrimp.history import HistoryError
from scrimp.model.catalogue import Direction
from scrimp.model.decision import Mode
from scrimp.model.usage import Period
from scrimp.reports import groups_of
from scrimp.store import Entry, Store

MEMORY = "budgets"
CAUSED_BY = ("resource", "operation", "team")


@dataclass(slots=True)
class BudgetWatch:
    """One per daemon. A run that is capped below `enforce` says what it would send, and remembers nothing of it."""

    book: BudgetBook
    providers: Sequence[Provider]
    store: Store
    deadline_s: float
    cap: Mode = Mode.ENFORCE
    _fired: frozenset[tuple[str, str, str]] = frozenset()
    _counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found: Mapping[str, Any] = self.store.load_memory(MEMORY)
        for name, document in found.items():
            for rule, period in document["fired"]:
                self._fired |= {(name, rule, period)}
            self._counts.update(document["counts"])

    def look(self, now_s: float) -> tuple[str, ...]:
        """Give the alerts that are due by what the collector saw last; a line for each. Raises `StoreError`."""
        said: list[str] = []
        for settings, status in zip(self.book.settings, self.book.latest, strict=False):
            due, after = budget_alerts(
                status,
                rules_of(settings),
                self._fired,
                unit_cost_change=self.book.unit_cost_change(settings.name),
            )
            said.extend([self._give(settings, status, one, now_s) for one in worth_telling(due)])
            changed, self._fired = after != self._fired, after
            if changed and self.cap is Mode.ENFORCE:
                self._remember(settings.name)
        return tuple(said)

    def _give(self, settings: BudgetSettings, status: BudgetStatus, one: BudgetAlert, now_s: float) -> str:
        found = self._causes(settings, status, now_s)
        said = message(status, one, found)
        if self.cap is not Mode.ENFORCE:
            return f"would alert: {said}"
        count = self._counts.get(_name(one), 0)
        key = hashlib.sha256(f"{_name(one)}/{count}".encode()).hexdigest()[:32]
        detail = self._send(settings, one, said, key)
        self._counts[_name(one)] = count + 1
        values = {
            "rule": one.rule,
            "period": one.period,
            "severity": one.severity,
            "value": one.value,
            "mark": one.mark,
            "spent": status.spent.as_json(),
            "limit": status.budget.limit.as_json(),
            "causes": [cause_document(cause) for cause in found],
            "sent": detail,
        }
        self.store.record([Entry("budget", None, f"budget/{one.budget}", "alert", key, values)])
        return said

    def _send(self, settings: BudgetSettings, one: BudgetAlert, said: str, key: str) -> str:
        """What became of it; a notice that cannot be sent is recorded all the same, and stands in the audit log."""
        args = {"message": said, "severity": one.severity, **({"to": settings.to} if settings.to else {})}
        target = f"budget/{one.budget}"
        action = PlannedAction("alert", target, args, None, Direction.NEUTRAL, {}, {}, None)
        provider = next((each for each in self.providers if each.handles(action)), None)
        if provider is None:
            return "no provider carries out alerts"
        try:
            return provider.apply(action, key=key, deadline_s=self.deadline_s).detail
        except OutsideError as error:
            return f"not sent: {error}"

    def _causes(self, settings: BudgetSettings, status: BudgetStatus, now_s: float) -> tuple[Cause, ...]:
        """The three largest changes against as long a time before, of the time that spend is known of."""
        start_s = status.period.start_s
        end_s = min(int(now_s), status.known_s)
        if end_s <= start_s:
            return ()
        before = Period(start_s - (end_s - start_s), start_s)
        try:
            old, new = (
                groups_of(self.book.history, span, settings.where, CAUSED_BY, now_s, settings.label)
                for span in (before, Period(start_s, end_s))
            )
        except HistoryError:
            return ()
        return tuple(one for one in causes(old, new) if one.change.amount) if len(new) else ()

    def _remember(self, name: str) -> None:
        fired = sorted([rule, period] for budget, rule, period in self._fired if budget == name)
        counts = {key: count for key, count in self._counts.items() if key.startswith(f"{name}/")}
        self.store.save_memory(MEMORY, {name: {"fired": fired, "counts": counts}})


def standing(book: BudgetBook, settings: BudgetSettings, status: BudgetStatus) -> tuple[BudgetAlert, ...]:
    """The rules that a budget passes now, whether or not they were told: gravest first."""
    change = book.unit_cost_change(settings.name)
    return budget_alerts(status, rules_of(settings), frozenset(), unit_cost_change=change)[0]


def rules_of(settings: BudgetSettings) -> AlertRules:
    """The rules of a budget's section: its last mark is critical, its first for information, those between warn."""
    marks = sorted(settings.actual)
    severities: list[Severity] = ["warning"] * len(marks)
    if marks:
        severities[0], severities[-1] = "info", "critical"
    return AlertRules(
        tuple(zip(marks, severities, strict=True)),
        forecast_page=settings.forecast,
        forecast_note=settings.forecast,
        height_page=settings.forecast,
        burn=settings.burn,
        unit_cost=settings.unit_cost,
        rearm=settings.rearm,
    )


def message(status: BudgetStatus, one: BudgetAlert, found: Sequence[Cause]) -> str:
    """One line: which rule was passed, and why."""
    limit = status.budget.limit
    stands = f"{status.used:.0%} of {limit} is spent in {one.period}"
    why = "; ".join(cause_text(cause) for cause in found)
    return f"budget {one.budget}: {passed(one)}; {stands}{f'; causes: {why}' if why else ''}"


def passed(one: BudgetAlert) -> str:
    """Which rule was passed, and by what."""
    return {
        "burn rate": f"spending {one.value:.1f} times as fast as planned",
        "forecast page": f"even the low forecast is {one.value:.0%} of the limit",
        "forecast note": f"the forecast is {one.value:.0%} of the limit",
        "new height": f"at the pace of the last days, higher than ever before, it comes to {one.value:.0%} of the limit",
        "unit cost": f"the cost per item rose by {one.value:.0%}",
    }.get(one.rule, f"passed {one.mark:.0%}")


def cause_text(cause: Cause) -> str:
    """Whose cost changed by how much, and how much of it is price, volume and mix."""
    name = " ".join(part for part in cause.key[:-1] if part) or "unnamed"
    parts = {"price": cause.price, "volume": cause.volume, "mix": cause.mix}
    split = ", ".join(f"{word} {_signed(part.amount)}" for word, part in parts.items() if part.amount)
    new = cause.mix == cause.change
    return f"{name} {_signed(cause.change.amount)} ({'new or more of it' if new else split})"


def cause_document(cause: Cause) -> dict[str, Any]:
    """The same for the audit log."""
    parts = {name: getattr(cause, name).as_json() for name in ("change", "price", "volume", "mix")}
    return {"of": [part for part in cause.key[:-1] if part], **parts}


def _signed(amount: float) -> str:
    return f"{amount:+,.2f}"


def _name(one: BudgetAlert) -> str:
    return f"{one.budget}/{one.rule}/{one.period}"
