"""What providers say of the actions of a plan: a line for people, figures for programs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from scrimp.api import Figuring, Provider
from scrimp.model.decision import PlannedAction, Value, Verdict
from scrimp.model.plan import Plan

ASKED = (Verdict.ACT, Verdict.UNDO, Verdict.DRY_RUN, Verdict.AWAITING_APPROVAL)
MOST = 50  # a provider may ask the world for each


@dataclass(frozen=True, slots=True)
class Detail:
    """What exactly would be done, and what it rests on."""

    line: str = ""
    figures: Mapping[str, Value] = field(default_factory=dict)


Details = Mapping[tuple[str, str], Detail]
"""By target and action."""

NO_DETAILS: Details = MappingProxyType({})


def details(plan: Plan, providers: Sequence[Provider]) -> Details:
    """Asked for the first actions that would be done. A provider that cannot say leaves its line out."""
    found: dict[tuple[str, str], Detail] = {}
    actions = [action for one in plan.proposed if one.verdict in ASKED for action in one.actions]
    for action in actions:
        key = (action.target, action.action)
        if key in found or len(found) >= MOST:
            continue
        detail = _asked(action, providers)
        if detail is not None:
            found[key] = detail
    return found


def _asked(action: PlannedAction, providers: Sequence[Provider]) -> Detail | None:
    with suppress(Exception):  # a stranger's code; a plan is shown all the same
        provider = next((one for one in providers if one.handles(action)), None)
        if provider is not None:
            figures = provider.figures(action) if isinstance(provider, Figuring) else {}
            return Detail(provider.plan(action), figures)
    return None
