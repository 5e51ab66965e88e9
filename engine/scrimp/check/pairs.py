"""Two policies that can act on one target and aspect differently in one state, at one priority: with such a state."""

from collections.abc import Sequence
from itertools import combinations, islice

from msgspec import Struct

from scrimp.check.facts import branches, facts_of, resolved, state_of
from scrimp.check.report import Report
from scrimp.diagnostics import Span
from scrimp.model.catalogue import Catalogue
from scrimp.model.decision import Mode
from scrimp.model.expression import Expression
from scrimp.model.policy import ActionCall, Policy

MOST_PAIRS = 10_000  # of one kind that are looked at: a hundred and forty policies, each with each
_SHOWN = 4  # values of an example state


def conditions_of(policy: Policy) -> tuple[Expression, ...]:
    """What must be true for a policy to act."""
    return (policy.when.expression,) if policy.where is None else (policy.where, policy.when.expression)


def check_overlaps(policies: Sequence[tuple[Policy, Report]], catalogue: Catalogue) -> None:
    """Report pairs of policies that want different things of one target in one state, and none of them first."""
    groups: dict[tuple[str, int], list[tuple[Policy, Report, list[_Meaning]]]] = {}
    for policy, report in policies:
        if policy.mode is not Mode.OFF:
            acts = [_Meaning.of(act) for act in policy.do if act.spec.writes is not None]
            groups.setdefault((policy.kind, policy.priority), []).append((policy, report, acts))
    for group in groups.values():
        for (one, _, acts), (other, report, rivals) in islice(combinations(group, 2), MOST_PAIRS):
            act = next((rival for rival in rivals if any(rival.differs(act) for act in acts)), None)
            state = _common_state(one, other, catalogue) if act is not None else None
            if act is not None and state is not None:
                report.warning(
                    "SCR307",
                    f"`{one.name}` and `{other.name}` can act on one `{one.kind}` differently at one priority",
                    act.span,
                    hint=f"{f'with {state} both are true: ' if state else ''}give one of them a higher `priority`, "
                    "or let their conditions exclude each other",
                )


class _Meaning(Struct, frozen=True):
    """What an act writes, and how: in no words of its author's."""

    writes: str | None
    does: str
    span: Span

    @classmethod
    def of(cls, act: ActionCall) -> "_Meaning":
        args = sorted((name, resolved(value)) for name, value in act.args.items())
        return cls(act.spec.writes, f"{act.spec.name} {args}", act.span)

    def differs(self, rival: "_Meaning") -> bool:
        """Whether both write one aspect, and not the same to it."""
        return self.writes == rival.writes and self.does != rival.does


def _common_state(one: Policy, other: Policy, catalogue: Catalogue) -> str | None:
    """A state in which both are true, as text; `None` if there is none, as far as simple conditions tell."""
    for branch in branches((*conditions_of(one), *conditions_of(other))):
        facts = facts_of(branch, catalogue)
        if facts is not None:
            states = [state for term, allowed in facts.values() if (state := state_of(term, allowed))]
            return " and ".join(states[:_SHOWN])
    return None
