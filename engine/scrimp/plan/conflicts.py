"""Proposals that write one aspect of one target: which one stands.

Higher priority wins; on a tie restore beats reduce, then the smaller change, then the name. Equal proposals do not
conflict: they merge later, when it is known which of them act. A proposal loses only to one of at least its own
effective mode, so a dry run never stands in the way of a real act. A loser of one aspect is lost as a whole.
"""

from collections.abc import Iterable, Sequence

from scrimp.model.catalogue import Direction
from scrimp.model.decision import Verdict
from scrimp.plan.proposals import Block, Proposal

_DIRECTION_ORDER = {Direction.RESTORE: 0, Direction.NEUTRAL: 1, Direction.REDUCE: 2, Direction.BY_SIGN: 2}


def rank(proposal: Proposal) -> tuple[int, int, float, str, bool]:
    """The order in which proposals claim aspects: the best one is the least."""
    writing = [action for action in proposal.actions if action.writes]
    direction = max((_DIRECTION_ORDER[action.direction] for action in writing), default=0)
    change = sum(action.change for action in writing)
    return (-proposal.policy.priority, direction, change, proposal.policy.name, not proposal.undo)


def same_acts(one: Proposal, other: Proposal) -> bool:
    """Whether both would do the same: the same actions towards the same target states."""
    acts, others = ([(a.action, dict(a.after)) for a in p.actions if a.writes] for p in (one, other))
    return acts == others


def resolve(proposals: Iterable[Proposal]) -> dict[int, Block]:
    """The losers, by `id()` of the proposal."""
    claims: dict[tuple[str, str], list[Proposal]] = {}
    lost: dict[int, Block] = {}
    for proposal in sorted(proposals, key=rank):
        winner = _stronger(claims, proposal)
        if winner is not None:
            lost[id(proposal)] = Block(
                Verdict.OVERRIDDEN,
                "overridden",
                _overridden(proposal, winner),
                overridden_by=winner.policy.name,
            )
            continue
        for aspect in proposal.aspects:
            claims.setdefault((proposal.target, aspect), []).append(proposal)
    return lost


def _stronger(claims: dict[tuple[str, str], list[Proposal]], proposal: Proposal) -> Proposal | None:
    for aspect in sorted(proposal.aspects):
        for holder in claims.get((proposal.target, aspect), ()):
            if holder.mode >= proposal.mode and not same_acts(holder, proposal):
                return holder
    return None


def _overridden(proposal: Proposal, winner: Proposal) -> str:
    if winner.policy.priority != proposal.policy.priority:
        return f"`{winner.policy.name}` has priority {winner.policy.priority} over {proposal.policy.priority}"
    if rank(winner)[1] != rank(proposal)[1]:
        return f"`{winner.policy.name}` restores at the same priority"
    if rank(winner)[2] != rank(proposal)[2]:
        return f"`{winner.policy.name}` changes less at the same priority"
    return f"`{winner.policy.name}` comes first by name at the same priority"


def merge(acting: Sequence[Proposal]) -> dict[int, Proposal]:
    """Among proposals that will act: those whose writes another one carries out, by `id()`, with that other one."""
    first: dict[str, list[Proposal]] = {}
    merged: dict[int, Proposal] = {}
    for proposal in sorted(acting, key=rank):
        if not proposal.aspects:
            continue
        others = first.setdefault(proposal.target, [])
        same = next((other for other in others if same_acts(other, proposal)), None)
        if same is None:
            others.append(proposal)
        else:
            merged[id(proposal)] = same
    return merged
