"""Two policies that can act on one target and aspect differently in one state, at one priority: with such a state."""

from collections.abc import Sequence
from itertools import combinations

from scrimp.check.facts import branches, facts_of, resolved, state_of
from scrimp.check.report import Report
from scrimp.model.catalogue import Catalogue
from scrimp.model.decision import Mode
from scrimp.model.expression import Expression
from scrimp.model.policy import ActionCall, Policy

_SHOWN = 4  # values of an example state


def conditions_of(policy: Policy) -> tuple[Expression, ...]:
    """What must be true for a policy to act."""
    return (policy.when.expression,) if policy.where is None else (policy.where, policy.when.expression)


def check_overlaps(policies: Sequence[tuple[Policy, Report]], catalogue: Catalogue) -> None:
    """Report pairs of policies that want different things of one target in one state, and none of them first."""
    for (one, _), (other, report) in combinations(policies, 2):
        if one.kind != other.kind or one.priority != other.priority or Mode.OFF in (one.mode, other.mode):
            continue
        act = next((act for act in other.do if any(_differ(act, rival) for rival in one.do)), None)
        if act is None:
            continue
        state = _common_state(one, other, catalogue)
        if state is not None:
            report.warning(
                "SCR307",
                f"`{one.name}` and `{other.name}` can act on one `{one.kind}` differently at one priority",
                act.span,
                hint=f"{f'with {state} both are true: ' if state else ''}give one of them a higher `priority`, "
                "or let their conditions exclude each other",
            )


def _differ(act: ActionCall, rival: ActionCall) -> bool:
    """Whether both write one aspect, and not the same to it."""
    if act.spec.writes is None or act.spec.writes != rival.spec.writes:
        return False
    return _meaning(act) != _meaning(rival)


def _meaning(act: ActionCall) -> tuple[str, list[tuple[str, str]]]:
    return act.spec.name, sorted((name, resolved(value)) for name, value in act.args.items())


def _common_state(one: Policy, other: Policy, catalogue: Catalogue) -> str | None:
    """A state in which both are true, as text; `None` if there is none, as far as simple conditions tell."""
    for branch in branches((*conditions_of(one), *conditions_of(other))):
        facts = facts_of(branch, catalogue)
        if facts is not None:
            states = [state for term, allowed in facts.values() if (state := state_of(term, allowed))]
            return " and ".join(states[:_SHOWN])
    return None
