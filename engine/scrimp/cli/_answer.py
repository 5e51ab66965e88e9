"""Answers to requests for approval, and the list of those that wait."""

import time
from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._files import configuration
from scrimp.cli._screen import iso
from scrimp.cli._state import os_user, visiting
from scrimp.config import barred
from scrimp.model.ledger import Approval


def answer(name: str, *, granted: bool, actor: str, store: Path | None) -> ExitCode:
    """Answer the request `name` as `actor`; without a name, show what waits."""
    if not name:
        return _waiting(store)
    groups = configuration().approvers

    def why(request: Approval) -> str:
        return barred(groups, request.approvers, actor)

    with visiting(store) as visit:
        found = visit.answer_approval(name, granted=granted, actor=actor, os_user=os_user(), barred=why)
    click.echo(f"{'granted' if granted else 'denied'}: {found.policy} on {found.target}")
    return ExitCode.DONE


def _waiting(store: Path | None) -> ExitCode:
    now_s = time.time()
    with visiting(store) as visit:
        requests = visit.load_ledger().approvals.values()
    for one in sorted(requests, key=lambda one: (one.lapses_at_s, one.id)):
        if one.granted is None and now_s < one.lapses_at_s:
            who = f"  by {', '.join(one.approvers)}" if one.approvers else ""
            click.echo(f"{one.id}  until {iso(round(one.lapses_at_s))}  {one.policy}  {one.target}{who}")
    return ExitCode.DONE
