"""The last question: how far a proposal may go, by its mode, approvals and the kill switch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from scrimp.model.decision import Mode, Verdict
from scrimp.model.ledger import Approval, Ledger
from scrimp.model.policy import COOLDOWN_DEFAULT_S
from scrimp.plan.proposals import Block, Proposal

OPT_OUT_LABEL = (
    "scrimp_opt_out"  # labels.scrimp_opt_out = "2026-12-31": hands off until the end of that day (UTC)
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a proposal at the last question: its verdict, and a request for approval if one is opened."""

    block: Block
    request: Approval | None = None


def opt_out(labels: Mapping[str, str], now_s: float) -> str:
    """Why a target opts out of all policies now; empty if it does not.

    An opt-out must carry an end date. One without is obeyed all the same, and says so: acting on a target whose
    owner wanted it left alone is the worse mistake.
    """
    until = labels.get(OPT_OUT_LABEL)
    if until is None:
        return ""
    try:
        last_day = date.fromisoformat(until)
    except ValueError:
        return f"the target opts out with `{until}`, which is not an end date"
    today = datetime.fromtimestamp(now_s, UTC).date()
    return f"the target opts out until {until}" if today <= last_day else ""


def ask(proposal: Proposal, ledger: Ledger, now_s: float) -> Asked:
    """The verdict of a proposal that nothing else stopped."""
    if ledger.pause is not None:
        why = f": {ledger.pause.reason}" if ledger.pause.reason else ""
        return Asked(Block(Verdict.PAUSED, "paused", f"paused by {ledger.pause.actor}{why}"))
    if proposal.mode is Mode.OFF:
        return Asked(Block(Verdict.PAUSED, "paused", proposal.opted_out or "mode off"))
    if proposal.mode is Mode.DRY_RUN:
        return Asked(Block(Verdict.DRY_RUN, "", ""))
    if proposal.mode is Mode.APPROVE:
        waiting = _approval(proposal, ledger, now_s)
        if waiting is not None:
            return waiting
    return Asked(Block(Verdict.UNDO if proposal.undo else Verdict.ACT, "", ""))


def _approval(proposal: Proposal, ledger: Ledger, now_s: float) -> Asked | None:
    """`None` where it is granted; a refused or lapsed request is not repeated before the target's cooldown is over."""
    policy = proposal.policy
    found = ledger.approvals.get(proposal.id)
    if found is not None and found.approvers != policy.approvers:
        found = None  # who may say yes has changed: what others said does not count
    if found is not None and now_s < found.lapses_at_s:
        if found.granted:
            return None
        if found.granted is None:
            return Asked(Block(Verdict.AWAITING_APPROVAL, "approval", f"awaits approval {proposal.id}"))
    if found is not None:
        pause_s = max(
            (c.seconds for c in policy.cooldowns if c.scope == "target"), default=COOLDOWN_DEFAULT_S
        )
        if found.granted is False and now_s < found.requested_at_s + pause_s:
            return Asked(Block(Verdict.COOLING, "approval", f"denied by {found.actor}"))
        if found.granted is None and now_s < found.lapses_at_s + pause_s:
            return Asked(Block(Verdict.COOLING, "approval", "the request for approval lapsed"))
    request = Approval(
        proposal.id,
        policy.name,
        proposal.target,
        now_s,
        now_s + policy.approval_s,
        None,
        None,
        policy.approvers,
    )
    who = f" by {', '.join(policy.approvers)}" if policy.approvers else ""
    return Asked(Block(Verdict.AWAITING_APPROVAL, "approval", f"awaits approval {proposal.id}{who}"), request)
