"""From an evaluation to the plan: proposals, and each one's first blocker.

The order is unknown, held, cooling, conflicts, guards, limits, mode. Everything here is arithmetic on values: a plan,
a policy test, a backtest and the daemon all come through `make_plan`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrimp.compile import PolicySet
from scrimp.evaluate import Evaluation, PolicyEvaluation, evaluate, value_text
from scrimp.model.decision import Decision, Mode, PlannedAction, Value, Verdict
from scrimp.model.ledger import Approval, Episode, Ledger
from scrimp.model.plan import Ended, Plan, Withheld
from scrimp.model.policy import ActionCall
from scrimp.model.snapshot import Snapshot
from scrimp.model.types import DURATION
from scrimp.plan import conflicts, limits
from scrimp.plan.cooling import Cooldowns, in_doubt
from scrimp.plan.effects import NotPlanned, changes_nothing, plan_action, undo_action
from scrimp.plan.guards import guard
from scrimp.plan.look import Look
from scrimp.plan.modes import ask, opt_out
from scrimp.plan.proposals import Block, Proposal


@dataclass(frozen=True, slots=True)
class Settings:
    """What bounds all policies alike: the environment's cap on modes."""

    cap: Mode = Mode.ENFORCE


def decide(
    policies: PolicySet, snapshot: Snapshot, ledger: Ledger, now_s: float, settings: Settings | None = None
) -> Plan:
    """One tick: what every policy concludes for every target, and what is to be done. Pure; changes nothing."""
    return make_plan(evaluate(policies, snapshot, ledger, now_s), policies, snapshot, ledger, now_s, settings)


def make_plan(
    evaluation: Evaluation,
    policies: PolicySet,
    snapshot: Snapshot,
    ledger: Ledger,
    now_s: float,
    settings: Settings | None = None,
) -> Plan:
    """The second half of `decide`."""
    tick = _Tick(evaluation, policies, snapshot, ledger, now_s, settings or Settings())
    gathered = [tick.gather(found) for found in evaluation.policies]
    proposals = [proposal for one in gathered for proposal in one.proposals]
    blocks, requests = tick.verdicts(proposals)
    return Plan(
        at_s=now_s,
        digest=policies.digest,
        currency=snapshot.currency,
        proposed=tick.decisions(proposals, blocks),
        withheld=tuple(bulk for one in gathered for bulk in one.withheld),
        false=sum(one.false for one in gathered),
        no_change=sum(one.no_change for one in gathered),
        requests=requests,
        ended=tuple(ended for one in gathered for ended in one.ended),
        holds=evaluation.holds,
    )


@dataclass(slots=True)
class _Gathered:
    """What one policy brings to the tick."""

    proposals: list[Proposal]
    withheld: list[Withheld]
    ended: list[Ended]
    false: int = 0
    no_change: int = 0


class _Tick:
    """One tick's inputs, so that its steps need not hand them on."""

    def __init__(
        self,
        evaluation: Evaluation,
        policies: PolicySet,
        snapshot: Snapshot,
        ledger: Ledger,
        now_s: float,
        settings: Settings,
    ) -> None:
        self.policies = policies
        self.snapshot = snapshot
        self.ledger = ledger
        self.now_s = now_s
        self.settings = settings
        self.look = Look(policies, evaluation)

    # ---- proposals ----

    def gather(self, found: PolicyEvaluation) -> _Gathered:
        """A policy's proposals, its held and unknown rows, and how many are simply false."""
        gathered = _Gathered([], [], [])
        policy = found.policy
        mode = min(policy.mode, self.settings.cap)
        undone = self._undos(found, mode, gathered)
        for row in found.due_rows.tolist():
            if row not in undone:
                self._propose(found, row, policy.do, mode, gathered, blind=False)
        for row in found.blind_rows.tolist():
            if row not in undone and policy.blind is not None:
                self._propose(found, row, (policy.blind.action,), mode, gathered, blind=True)
        blind = set(found.blind_rows.tolist())
        unknown = [row for row in found.unknown_rows.tolist() if row not in blind and row not in undone]
        held = [row for row in found.held_rows.tolist() if row not in undone]
        gathered.false = found.false
        self._withhold(found, mode, Verdict.UNKNOWN, "unknown", unknown, gathered)
        self._withhold(found, mode, Verdict.HELD, "for", held, gathered)
        return gathered

    def _undos(self, found: PolicyEvaluation, mode: Mode, gathered: _Gathered) -> set[int]:
        """Propose the due undos; gives the rows that hence propose nothing else."""
        undone: set[int] = set()
        for row in found.undo_rows.tolist():
            target = f"{found.policy.kind}/{found.names[row]}"
            row_mode, opted_out = self._row_mode(found, row, mode)
            episode = self._episode(found.policy.name, target, row_mode)
            if episode is None:
                continue
            undone.add(row)
            actions = []
            unknown = ""
            for act in reversed(episode.acts):
                planned = self._undo_of(found, row, act)
                if isinstance(planned, NotPlanned):
                    unknown = planned.reason
                elif changes_nothing((planned,)):
                    gathered.ended.append(Ended(found.policy.name, target, episode.shadow, act.writes))
                else:
                    actions.append(planned)
            if unknown:
                gathered.withheld.append(self._one(found, row, row_mode, Verdict.UNKNOWN, "unknown", unknown))
            elif actions:
                gathered.proposals.append(
                    self._proposal(found, row, tuple(actions), row_mode, opted_out, undo=True)
                )
        return undone

    def _undo_of(self, found: PolicyEvaluation, row: int, act: PlannedAction) -> PlannedAction | NotPlanned:
        spec = next(call.spec for call in found.policy.do if call.spec.name == act.action)
        inverse = self.policies.catalogue.actions[spec.inverse or spec.name]
        return undo_action(
            inverse, act, lambda name: self.look.field(found.policy, name, row), self.snapshot.currency
        )

    def _episode(self, policy: str, target: str, mode: Mode) -> Episode | None:
        real = self.ledger.episodes.get((policy, target, False))
        if real is not None or mode > Mode.DRY_RUN:
            return real
        return self.ledger.episodes.get((policy, target, True))

    def _propose(
        self,
        found: PolicyEvaluation,
        row: int,
        calls: Sequence[ActionCall],
        mode: Mode,
        gathered: _Gathered,
        *,
        blind: bool,
    ) -> None:
        row_mode, opted_out = self._row_mode(found, row, mode)
        actions = self._actions(found, row, calls)
        if isinstance(actions, NotPlanned):
            verdict, blocker = (
                (Verdict.GUARDED, "guard") if actions.forbidden else (Verdict.UNKNOWN, "unknown")
            )
            gathered.withheld.append(self._one(found, row, row_mode, verdict, blocker, actions.reason))
        elif changes_nothing(actions):
            gathered.no_change += 1
        else:
            gathered.proposals.append(self._proposal(found, row, actions, row_mode, opted_out, blind=blind))

    def _actions(
        self, found: PolicyEvaluation, row: int, calls: Sequence[ActionCall]
    ) -> tuple[PlannedAction, ...] | NotPlanned:
        """The calls as target states, each on top of the ones before it."""
        policy = found.policy
        target = f"{policy.kind}/{found.names[row]}"
        changed: dict[str, Value] = {}
        actions = []
        for call in calls:
            args = {
                name: self.look.value(policy, expression, row, changed)
                for name, expression in call.args.items()
            }
            planned = plan_action(
                call.spec,
                target,
                args,
                lambda name: changed[name] if name in changed else self.look.field(policy, name, row),
                self.snapshot.currency,
                by_is_share="by" in call.args and call.args["by"].type.ratio,
            )
            if isinstance(planned, NotPlanned):
                return planned
            changed.update(planned.after)
            actions.append(planned)
        return tuple(actions)

    def _proposal(
        self,
        found: PolicyEvaluation,
        row: int,
        actions: tuple[PlannedAction, ...],
        mode: Mode,
        opted_out: str,
        *,
        undo: bool = False,
        blind: bool = False,
    ) -> Proposal:
        policy = found.policy
        target = f"{policy.kind}/{found.names[row]}"
        return Proposal(
            policy=policy,
            position=found.position,
            target=target,
            row=row,
            actions=actions,
            mode=mode,
            id=_proposal_id(policy.name, target, actions, undo=undo),
            undo=undo,
            blind=blind,
            opted_out=opted_out,
        )

    def _row_mode(self, found: PolicyEvaluation, row: int, mode: Mode) -> tuple[Mode, str]:
        opted_out = opt_out(self.look.labels(found.policy.kind, row), self.now_s)
        return (Mode.OFF, opted_out) if opted_out else (mode, "")

    # ---- verdicts ----

    def verdicts(self, proposals: Sequence[Proposal]) -> tuple[dict[int, Block], dict[str, Approval]]:
        """Each proposal's first blocker or final verdict, by `id()`, and the approvals to ask for."""
        blocks: dict[int, Block] = {}

        def standing() -> list[Proposal]:
            return [one for one in proposals if id(one) not in blocks]

        cooling = Cooldowns(self.ledger, self.now_s)
        for one in proposals:
            block = cooling.block(one)
            if block is not None:
                blocks[id(one)] = block
        blocks.update(conflicts.resolve(standing()))
        doubtful = in_doubt(self.ledger)
        for one in sorted(standing(), key=limits.order):  # as they are admitted: the first sees the most left
            block = doubtful.get(one.target) or guard(one, self.look, self.now_s)
            if block is not None:
                blocks[id(one)] = block
        blocks.update(
            limits.admit(
                standing(),
                self.policies.checked.policies,
                self.policies.checked.allowances,
                self.ledger,
                self.now_s,
                self.look.matching,
            )
        )
        requests = {}
        for one in standing():
            asked = ask(one, self.ledger, self.now_s)
            blocks[id(one)] = asked.block
            if asked.request is not None:
                requests[asked.request.id] = asked.request
        return blocks, requests

    def decisions(self, proposals: Sequence[Proposal], blocks: Mapping[int, Block]) -> tuple[Decision, ...]:
        """The proposals with their verdicts, by policy and target."""
        acting = [one for one in proposals if blocks[id(one)].verdict in (Verdict.ACT, Verdict.UNDO)]
        merged = conflicts.merge(acting)
        found = [self._decision(one, blocks[id(one)], merged.get(id(one))) for one in proposals]
        return tuple(sorted(found, key=lambda one: (one.policy, one.target, one.undo)))

    def _decision(self, proposal: Proposal, block: Block, carrier: Proposal | None) -> Decision:
        condition = proposal.policy.undo if proposal.undo else proposal.policy.when
        assert condition is not None
        seen = self.look.explain(proposal.policy, condition, proposal.row)
        actions = proposal.actions
        merged_into = carrier.policy.name if carrier else None
        if carrier is not None:
            extra = tuple(action for action in actions if not action.writes)
            if extra and extra != tuple(action for action in carrier.actions if not action.writes):
                actions, merged_into = extra, None
        return Decision(
            policy=proposal.policy.name,
            target=proposal.target,
            verdict=block.verdict,
            mode=proposal.mode,
            reason=f"{seen.reason}; {block.reason}" if block.reason else seen.reason,
            values=seen.values,
            actions=actions,
            blocker=block.blocker,
            id=proposal.id,
            undo=proposal.undo,
            blind=proposal.blind,
            overridden_by=block.overridden_by,
            merged_into=merged_into,
        )

    # ---- what does not get as far as a proposal ----

    def _withhold(
        self,
        found: PolicyEvaluation,
        mode: Mode,
        verdict: Verdict,
        blocker: str,
        rows: Sequence[int],
        gathered: _Gathered,
    ) -> None:
        if not rows:
            return
        targets = [f"{found.policy.kind}/{found.names[row]}" for row in rows]

        def render(place: int) -> Decision:
            return self._render(found, rows[place], mode, verdict, blocker, "")

        gathered.withheld.append(Withheld(found.policy.name, verdict, targets, render))

    def _one(
        self, found: PolicyEvaluation, row: int, mode: Mode, verdict: Verdict, blocker: str, reason: str
    ) -> Withheld:
        target = f"{found.policy.kind}/{found.names[row]}"
        return Withheld(
            found.policy.name,
            verdict,
            (target,),
            lambda _: self._render(found, row, mode, verdict, blocker, reason),
        )

    def _render(
        self, found: PolicyEvaluation, row: int, mode: Mode, verdict: Verdict, blocker: str, reason: str
    ) -> Decision:
        """A held or unknown row as a decision; a held one shows what it would do."""
        policy = found.policy
        row_mode, _ = self._row_mode(found, row, mode)
        seen = self.look.explain(policy, policy.when, row)
        if verdict is Verdict.HELD:
            held, wanted = (value_text(s, DURATION) for s in (_held_s(found, row), policy.when.for_s))
            reason = f"{seen.reason}; true for {held} of {wanted}"
        elif not reason:
            reason = self.look.why_unknown(found, row) or seen.reason
        actions = self._actions(found, row, policy.do) if verdict is Verdict.HELD else ()
        return Decision(
            policy=policy.name,
            target=f"{policy.kind}/{found.names[row]}",
            verdict=verdict,
            mode=row_mode,
            reason=reason,
            values=seen.values,
            actions=() if isinstance(actions, NotPlanned) else actions,
            blocker=blocker,
        )


def _held_s(found: PolicyEvaluation, row: int) -> float:
    return 0.0 if found.holds is None else float(found.holds.true_s[row])


def _proposal_id(policy: str, target: str, actions: Sequence[PlannedAction], *, undo: bool) -> str:
    """Names a proposal for people to approve; it changes with the state seen and the state wanted."""
    told = [policy, target, undo, [action.as_json() for action in actions]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
