"""`scrimp budget`: where each budget stands, and where it is heading."""

import time
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import click

from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._files import configuration
from scrimp.cli._screen import style, write_json
from scrimp.costs import BudgetStatus
from scrimp.daemon import BudgetBook
from scrimp.diagnostics import did_you_mean
from scrimp.history import HistoryError, open_history

BAR = 20


@click.command()
@click.argument("names", nargs=-1)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--store", type=click.Path(path_type=Path), help="The state folder; by default the configured one."
)
def command(*, names: Sequence[str], output: Literal["text", "json"], store: Path | None) -> ExitCode:
    """Show budgets: spent, forecast with its band, pace. Exit code 1 if one is used up.

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
        found = BudgetBook(chosen, history).statuses(time.time())
    except HistoryError as error:
        raise Failed(f"{error} (scrimp explain {error.code})") from error
    if output == "json":
        write_json({"scrimp": "budget/1", "budgets": [_document(one) for one in found]})
    else:
        for one in found:
            _show(one)
    return ExitCode.NO if any(one.used >= 1 for one in found) else ExitCode.DONE


def _show(one: BudgetStatus) -> None:
    filled = min(round(one.used * BAR), BAR) if isfinite(one.used) else BAR
    colour = "red" if one.used >= 1 else "yellow" if one.low.amount >= one.budget.limit.amount else "green"
    bar = style("#" * filled, colour) + "." * (BAR - filled)
    click.echo(f"{one.budget.name} {one.period}  [{bar}] {one.used:.1%}")
    click.echo(f"  spent     {one.spent!s:>14} of {one.budget.limit}, {one.days_left:.1f} days left")
    held = (
        f"earlier bands held {one.ahead.coverage:.0%} of the time"
        if isfinite(one.ahead.coverage)
        else "no earlier band to judge it by"
    )
    click.echo(f"  forecast  {one.total!s:>14}  80 % band {one.low} to {one.high}; {held}")
    if isfinite(one.burn_rate):
        click.echo(f"  pace      {one.burn_rate:>13.2f}x  of the pace that would just use it up")


def _document(one: BudgetStatus) -> dict[str, Any]:
    limit = one.budget.limit
    return {
        "name": one.budget.name,
        "period": str(one.period),
        "where": {name: list(texts) for name, texts in one.budget.where.items()},
        "currency": limit.currency,
        "limit": limit.amount,
        "spent": round(one.spent.amount, 6),
        "used": round(one.used, 6) if isfinite(one.used) else None,
        "forecast": {
            "low": round(one.low.amount, 6),
            "mid": round(one.total.amount, 6),
            "high": round(one.high.amount, 6),
            "coverage": round(one.ahead.coverage, 4) if isfinite(one.ahead.coverage) else None,
        },
        "burn_rate": round(one.burn_rate, 4) if isfinite(one.burn_rate) else None,
        "days_left": round(one.days_left, 4),
    }
