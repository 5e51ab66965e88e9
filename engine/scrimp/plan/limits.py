"""Limits and allowances: how many of the proposals that passed the guards may go ahead.

Limits are per time, never per tick: they count the ledger's intents in `(now - per, now]`, failed and in-doubt ones
too, and what this tick has admitted so far. Where a limit admits k of n, the best saving by disruption goes first,
ties by name, unknown savings last. Dry runs are admitted after all others, and count shadow intents as well as real
ones: they show what enforcing would do, and consume nothing.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scrimp.model.decision import Mode, Verdict
from scrimp.model.ledger import Intent, Ledger
from scrimp.model.policy import Allowance, Limit, Policy
from scrimp.plan.proposals import Block, Proposal

_NOISE = 1e-9  # relative: ten times $0.1/h is $1/h
Matching = Callable[[Policy], frozenset[str]]  # the targets in a policy's population now


@dataclass(frozen=True, slots=True)
class _Scoped:
    """A limit as it binds one proposal: whose intents it counts, and a key to count by within the tick."""

    limit: Limit
    key: tuple[str, ...]
    counts: Callable[[Intent], bool]
    shares: Callable[[Policy], bool]  # policies whose populations make up the n of `% of targets`
    name: str


@dataclass(slots=True)
class _Used:
    """What one limit has used up: in the ledger, and by this tick's admissions."""

    actions: int = 0
    targets: set[str] = field(default_factory=set)
    capacity: float = 0.0
    seen: set[tuple[str, str]] = field(
        default_factory=set
    )  # acts counted this tick, so that merged ones count once


@dataclass(frozen=True, slots=True)
class _Usage:
    """Used by real acts, and by real acts and dry runs together: each kind is held to its own."""

    real: _Used
    either: _Used

    def of(self, proposal: Proposal) -> _Used:
        return self.either if proposal.mode <= Mode.DRY_RUN else self.real


def admit(
    proposals: Iterable[Proposal],
    policies: Sequence[Policy],
    allowances: Mapping[str, Allowance],
    ledger: Ledger,
    now_s: float,
    matching: Matching,
) -> dict[int, Block]:
    """The proposals that a limit stops, by `id()`."""
    used: dict[tuple[str, ...], _Usage] = {}
    blocked: dict[int, Block] = {}
    for proposal in sorted(proposals, key=order):
        binding = []
        for scoped in _binding(proposal, allowances):
            if scoped.key not in used:
                used[scoped.key] = _usage(scoped, ledger, now_s)
            binding.append((scoped, used[scoped.key]))
        stops = (_exceeds(s, u.of(proposal), proposal, policies, matching) for s, u in binding)
        stopped = None if proposal.undo else next((block for block in stops if block), None)
        if stopped is not None:
            blocked[id(proposal)] = stopped
            continue
        for _, usage in binding:
            _count(usage.either, proposal)
            if proposal.mode > Mode.DRY_RUN:
                _count(usage.real, proposal)
    return blocked


def order(proposal: Proposal) -> tuple[int, bool, bool, float, str, str]:
    """Real acts before approvals before dry runs; undos first, as they are counted but never stopped."""
    saving = proposal.saving
    ratio = 0.0 if saving is None else saving.amount / max(proposal.disruption, 1e-12)
    return (-proposal.mode, not proposal.undo, saving is None, -ratio, proposal.target, proposal.policy.name)


def _binding(proposal: Proposal, allowances: Mapping[str, Allowance]) -> list[_Scoped]:
    policy = proposal.policy
    found = [_of_policy(limit, policy, proposal.target) for limit in policy.guards.limits]
    for name in policy.allowances:
        found.extend(_of_allowance(limit, name, proposal) for limit in allowances[name].limits)
    return found


def _of_policy(limit: Limit, policy: Policy, target: str) -> _Scoped:
    where = f"limit {limit.text}"
    key = (policy.name, limit.text, limit.scope)
    match limit.scope:
        case "target":
            return _Scoped(
                limit,
                (*key, target),
                lambda intent: intent.policy == policy.name and intent.target == target,
                lambda other: other is policy,
                where,
            )
        case "owner":
            return _Scoped(
                limit,
                ("owner", policy.owner, limit.text),
                lambda intent: intent.owner == policy.owner,
                lambda other: other.owner == policy.owner,
                where,
            )
        case "fleet":
            return _Scoped(limit, ("fleet", limit.text), lambda _: True, lambda _: True, where)
        case _:
            return _Scoped(
                limit, key, lambda intent: intent.policy == policy.name, lambda other: other is policy, where
            )


def _of_allowance(limit: Limit, name: str, proposal: Proposal) -> _Scoped:
    """An allowance is one pot for all that use it; `per target` and `per owner` give each its own."""
    target, owner = proposal.target, proposal.policy.owner
    per_target, per_owner = limit.scope == "target", limit.scope == "owner"
    key = ("allowance", name, limit.text, target if per_target else "", owner if per_owner else "")
    return _Scoped(
        limit,
        key,
        lambda intent: (
            name in intent.allowances
            and (not per_target or intent.target == target)
            and (not per_owner or intent.owner == owner)
        ),
        lambda other: name in other.allowances and (not per_owner or other.owner == owner),
        f"allowance {name}: {limit.text}",
    )


def _usage(scoped: _Scoped, ledger: Ledger, now_s: float) -> _Usage:
    usage = _Usage(_Used(), _Used())
    for intent in ledger.intents:
        if not (now_s - scoped.limit.per_s < intent.at_s <= now_s and scoped.counts(intent)):
            continue
        for used in (usage.either,) if intent.shadow else (usage.either, usage.real):
            used.actions += 1
            used.targets.add(intent.target)
            used.capacity += intent.capacity_per_hour
    return usage


def _exceeds(
    scoped: _Scoped, usage: _Used, proposal: Proposal, policies: Sequence[Policy], matching: Matching
) -> Block | None:
    limit = scoped.limit
    if _act_of(proposal) in usage.seen:
        return None
    if limit.of == "actions":
        over = usage.actions + len(proposal.actions) > limit.amount
        count = f"{usage.actions} used"
    elif limit.of == "targets":
        population = set(usage.targets)
        for policy in policies:
            if scoped.shares(policy):
                population |= matching(policy)
        allowed = math.ceil(limit.amount * len(population))
        over = len(usage.targets | {proposal.target}) > allowed
        count = f"{len(usage.targets)} of {allowed} used"
    else:
        over = usage.capacity + _capacity(proposal) > float(limit.amount) * (1 + _NOISE)
        count = f"{usage.capacity:g} used"
    return Block(Verdict.LIMITED, "limit", f"{scoped.name} ({count})") if over else None


def _count(usage: _Used, proposal: Proposal) -> None:
    act = _act_of(proposal)
    if act in usage.seen:
        return
    usage.seen.add(act)
    usage.actions += len(proposal.actions)
    usage.targets.add(proposal.target)
    usage.capacity += _capacity(proposal)


def _capacity(proposal: Proposal) -> float:
    """The absolute change of cost per hour; an unknown one counts nothing (it blocks only `save` and `payback`)."""
    return sum(abs(action.saving_per_hour.amount) for action in proposal.actions if action.saving_per_hour)


def _act_of(proposal: Proposal) -> tuple[str, str]:
    """What merged proposals have in common; proposals that write nothing are never merged."""
    writes = [(action.action, sorted(action.after.items())) for action in proposal.actions if action.writes]
    return (proposal.target, repr(writes) if writes else f"{proposal.policy.name}")
