"""Guards: what may withhold a proposal, asked in the order ensure, halt, during, save, payback.

Unknown in a guard blocks. Limits and allowances come after these, over all proposals together (`limits`).
"""

from typing import Protocol

from scrimp.model.catalogue import Direction
from scrimp.model.decision import Value, Verdict
from scrimp.model.expression import Expression
from scrimp.model.money import Money
from scrimp.model.policy import Policy
from scrimp.plan.hours import within
from scrimp.plan.predict import Changes
from scrimp.plan.proposals import Block, Proposal


class Look(Protocol):
    """How guards see the snapshot."""

    def value(
        self, policy: Policy, expression: Expression, row: int, changed: Changes, *, ahead: bool = False
    ) -> Value:
        """An expression for one row, with some of its fields replaced; `None` where it is unknown."""

    def field(self, policy: Policy, name: str, row: int) -> Value:
        """A field of one row, `None` where it is unknown by the policy's `stale`."""

    def describe(
        self, policy: Policy, expression: Expression, row: int, changed: Changes, *, ahead: bool = False
    ) -> str:
        """The same for people: `size = 1 < 2`."""

    def admit(self, policy: Policy, row: int, changed: Changes) -> None:
        """From here on, an `ensure` about other rows sees this one as it will be."""


def guard(proposal: Proposal, look: Look, now_s: float) -> Block | None:
    """What withholds a proposal; an undo obeys `halt` and `during` only."""
    policy = proposal.policy
    predicted = _predicted(proposal, look)
    for ensured in () if proposal.undo else policy.guards.ensure:
        if look.value(policy, ensured, proposal.row, predicted, ahead=True) is not True:
            return _block(f"ensure {look.describe(policy, ensured, proposal.row, predicted, ahead=True)}")
    for halting in policy.guards.halt:
        if look.value(policy, halting, proposal.row, {}) is not False:
            return _block(f"halt if {look.describe(policy, halting, proposal.row, {})}")
    for during in policy.guards.during:
        if within(during.hours, now_s) is not during.only:
            return _block(f"{'only' if during.only else 'never'} during {during.hours.text}")
    block = None if proposal.undo else _worth_it(proposal, look)
    if block is None and any(action.direction is Direction.REDUCE for action in proposal.actions):
        look.admit(policy, proposal.row, predicted)  # what restores may fail, and nothing may lean on it
    return block


def _predicted(proposal: Proposal, look: Look) -> dict[str, Value]:
    """The fields of the row as they will be: those written, and the cost rate less the saving."""
    predicted: dict[str, Value] = {}
    for action in proposal.actions:
        predicted.update(action.after)
    rate = look.field(proposal.policy, "cost_rate", proposal.row)
    if isinstance(rate, float):
        predicted["cost_rate"] = None if proposal.saving is None else rate - proposal.saving.amount
    return predicted


def _worth_it(proposal: Proposal, look: Look) -> Block | None:
    policy = proposal.policy
    saving = proposal.saving
    for least in policy.guards.save:
        floor = look.value(policy, least, proposal.row, {})
        if least.type.ratio:
            rate = look.field(proposal.policy, "cost_rate", proposal.row)
            floor = floor * rate if isinstance(floor, float) and isinstance(rate, float) else None
        if saving is None or not isinstance(floor, float):
            return _block(
                f"save at least {least.text}: {'the saving' if saving is None else 'the floor'} is unknown"
            )
        if saving.amount < floor:
            return _block(f"save at least {least.text}: saves {saving}/h")
    if policy.guards.payback_s is not None:
        return _pays_back(proposal, policy.guards.payback_s, saving)
    return None


def _pays_back(proposal: Proposal, within_s: float, saving: Money | None) -> Block | None:
    if saving is None:
        return _block("payback: the saving is unknown")
    if saving.amount <= 0:
        return _block("payback: nothing is saved")
    cost = sum(action.one_off_cost.amount for action in proposal.actions if action.one_off_cost)
    takes_s = cost / saving.amount * 3600.0
    return _block(f"payback: takes {takes_s / 3600.0:.1f}h") if takes_s > within_s else None


def _block(reason: str) -> Block:
    return Block(Verdict.GUARDED, "guard", reason)
