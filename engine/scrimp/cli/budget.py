"""`scrimp budget`: where each budget stands, and where it is heading."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._files import configuration
from scrimp.cli._screen import iso, style, write_json
from scrimp.cli.history import tell_unfinished
from scrimp.config import BudgetSettings
from scrimp.costs import BudgetAlert, BudgetStatus
from scrimp.daemon import BudgetBook, passed, standing
from scrimp.diagnostics import did_you_mean
from scrimp.history import History, HistoryError, open_history
from scrimp.model.money import Money
from scrimp.model.quantities import duration_text
from scrimp.model.usage import MICRO, Period
from scrimp.reports import groups_of

BAR = 20
HOUR_S = 3600


@click.command()
@click.argument("names", nargs=-1)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--store", type=click.Path(path_type=Path), help="The state folder; by default the configured one."
)
def command(*, names: Sequence[str], output: Literal["text", "json"], store: Path | None) -> ExitCode:
    """Show budgets: spent, forecast with its band, pace, cost per item, alerts. Exit code 1 if one is used up.

    Budgets stand in scrimp.yaml under `budgets`. Without NAMES all are shown.
    """
    config = configuration()
    known = {one.name: one for one in config.budgets}
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            hint = f"; did you mean `{near}`?" if near else ""
            raise Wrong(f"there is no budget `{name}` in scrimp.yaml{hint}")
    chosen = [known[name] for name in names] or list(config.budgets)
    if not chosen:
        raise Wrong("there are no budgets in scrimp.yaml")
    try:
        history = open_history(store or config.store, config.currency)
        tell_unfinished(store or config.store)
        book = BudgetBook(chosen, history)
        now_s = time.time()
        found = book.statuses(now_s)
    except HistoryError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    if not all(one.empty for one in found):
        _tell_other_currencies(history, min(one.period.start_s for one in found), now_s)
    told = [
        _Told(one, settings, book.unit_cost_change(settings.name), standing(book, settings, one))
        for one, settings in zip(found, chosen, strict=True)
    ]
    if output == "json":
        write_json({"scrimp": "budget/1", "budgets": [_document(one) for one in told]})
    else:
        for one in told:
            _show(one)
    return ExitCode.NO if any(one.used >= 1 for one in found) else ExitCode.DONE


def _tell_other_currencies(history: History, start_s: int, now_s: float) -> None:
    """Amounts are never converted: what was billed in another currency than the budgets' is in none of them."""
    if start_s >= int(now_s):
        return
    spent: dict[str, int] = {}
    costs = groups_of(history, Period(start_s, int(now_s)), {}, ("resource",), now_s)
    for key, micro in zip(costs.keys, costs.cost_micro().tolist(), strict=True):
        spent[key[-1]] = spent.get(key[-1], 0) + micro
    for currency, micro in sorted(spent.items()):
        if currency != history.currency and micro:
            click.echo(
                f"{Money(micro / MICRO, currency)} since {iso(start_s)[:10]} is in no budget: "
                f"they are in {history.currency}, and nothing is converted",
                err=True,
            )


@dataclass(frozen=True, slots=True)
class _Told:
    """A budget, how the cost per item of what it is of has changed (`None` is not known), and the rules that it passes."""

    status: BudgetStatus
    settings: BudgetSettings
    unit_cost_change: float | None
    alerts: tuple[BudgetAlert, ...]


def _show(told: _Told) -> None:
    one = told.status
    if one.empty:
        click.echo(
            f"{one.budget.name} {one.period}  no usage yet: what is spent of {one.budget.limit} is unknown"
        )
        return
    filled = min(max(round(one.used * BAR), 0), BAR) if isfinite(one.used) else BAR
    colour = "red" if one.used >= 1 else "yellow" if one.low.amount >= one.budget.limit.amount else "green"
    bar = style("#" * filled, colour) + "." * (BAR - filled)
    click.echo(f"{one.budget.name} {one.period}  [{bar}] {one.used:.1%}")
    click.echo(f"  spent     {one.spent!s:>14} of {one.budget.limit}, {one.days_left:.1f} days left")
    if one.at_s - one.known_s >= HOUR_S:
        click.echo(f"            known up to {iso(one.known_s)[:16]}Z; what came later is in the forecast")
    held = (
        f"earlier bands held {one.ahead.coverage:.0%} of the time"
        if isfinite(one.ahead.coverage)
        else "no earlier band to judge it by"
    )
    click.echo(f"  forecast  {one.total!s:>14}  80 % band {one.low} to {one.high}")
    click.echo(f"                            {held}")
    if isfinite(one.burn_rate):
        click.echo(f"  pace      {one.burn_rate:>13.2f}x  of the pace that would just use it up")
    if told.unit_cost_change is not None:
        over, against = (
            duration_text(each)
            for each in (told.settings.unit_cost_over_s, told.settings.unit_cost_against_s)
        )
        click.echo(
            f"  per item  {told.unit_cost_change:>+14.1%}  the last {over} against the {against} before"
        )
    for alert in told.alerts:
        name = {"critical": "red", "warning": "yellow", "info": None}[alert.severity]
        click.echo(f"  {style(f'{alert.severity:<8}', name)}  {passed(alert)}")


def _document(told: _Told) -> dict[str, Any]:
    one = told.status
    limit = one.budget.limit
    return {
        "name": one.budget.name,
        "period": str(one.period),
        "where": {name: list(texts) for name, texts in one.budget.where.items()},
        "currency": limit.currency,
        "limit": limit.amount,
        "spent": None if one.empty else round(one.spent.amount, 6),
        "known_to": iso(one.known_s),
        "used": round(one.used, 6) if isfinite(one.used) else None,
        "forecast": None
        if one.empty
        else {
            "low": round(one.low.amount, 6),
            "mid": round(one.total.amount, 6),
            "high": round(one.high.amount, 6),
            "coverage": round(one.ahead.coverage, 4) if isfinite(one.ahead.coverage) else None,
        },
        "burn_rate": round(one.burn_rate, 4) if isfinite(one.burn_rate) else None,
        "days_left": round(one.days_left, 4),
        "unit_cost_change": None if told.unit_cost_change is None else round(told.unit_cost_change, 6),
        "alerts": [
            {"rule": alert.rule, "severity": alert.severity, "value": _known(alert.value), "mark": alert.mark}
            for alert in told.alerts
        ],
    }


def _known(value: float) -> float | None:
    return round(value, 6) if isfinite(value) else None
