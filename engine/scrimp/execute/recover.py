"""After a crash: what became of the acts that were noted as about to happen, and what was still to follow them?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scrimp.api import Probe, Provider, Reached
from scrimp.execute.act import Actor
from scrimp.execute.calls import ExecuteSettings, within
from scrimp.execute.journal import Journal, Outcome
from scrimp.model.decision import Mode
from scrimp.model.ledger import Intent, Ledger
from scrimp.model.policy import Policy
from scrimp.plan import following_intent


def recover(
    ledger: Ledger,
    policies: Mapping[str, Policy],
    journal: Journal,
    providers: Sequence[Provider],
    now_s: float,
    sleep: Callable[[float], None],
    settings: ExecuteSettings | None = None,
    cap: Mode = Mode.ENFORCE,
) -> tuple[Outcome, ...]:
    """Settle every intent without outcome, and go on with decisions that were cut short between two actions.

    The target is asked before anything is tried again. Reached is done. Untouched is done now under the same key.
    Anything else, and a target that cannot be asked, waits for a person ("ask"): the caller alerts. An action that
    was done is followed by the rest of its decision, each noted and looked at again as ever, until one is not done.

    Nothing new is done under the kill switch, where the policy is gone or may act no longer, or for an intent older
    than `recover_within_s`: that is noted as refused. A run that is capped below acting leaves all of it to one that
    is not: a dry run uses up nothing. Raises what the journal raises.
    """
    if cap < Mode.APPROVE:
        return ()
    actor = Actor(providers, journal, settings or ExecuteSettings(), sleep)
    recovery = _Recovery(actor, ledger, frozenset(one.key for one in ledger.intents), policies, now_s)
    return tuple(outcome for intent in ledger.intents if not intent.shadow for outcome in recovery.of(intent))


@dataclass(frozen=True, slots=True)
class _Recovery:
    actor: Actor
    ledger: Ledger
    noted: frozenset[str]
    policies: Mapping[str, Policy]
    now_s: float

    def of(self, intent: Intent) -> Iterator[Outcome]:
        """What there is to do about one intent: nothing, as a rule."""
        word = intent.outcome
        if word is None:
            outcome = self._settle(intent)
            word = outcome.outcome
            yield outcome
        following = following_intent(intent)
        while word == "done" and following is not None and following.key not in self.noted:
            self.actor.journal.record_intent(following, {"continues": intent.key})
            outcome = self._carry_out(following)
            word = outcome.outcome
            yield outcome
            intent, following = following, following_intent(following)

    def _settle(self, intent: Intent) -> Outcome:
        actor, deadline_s = self.actor, self.actor.settings.deadline_s
        try:
            probe = within(deadline_s, lambda: self._probe(intent))
        except Exception as error:  # noqa: BLE001 - whatever a provider raises leaves this one act in doubt
            detail = str(error) or type(error).__name__
            return actor.settle(Outcome(intent, "ask", f"cannot be looked up: {detail}", code="SCR705"))
        if probe.reached is Reached.REACHED:
            return actor.settle(Outcome(intent, "done", probe.detail or "found done"))
        if probe.reached is Reached.OTHER:
            return actor.settle(
                Outcome(intent, "ask", probe.detail or "neither done nor untouched", code="SCR705")
            )
        return self._carry_out(intent)

    def _carry_out(self, intent: Intent) -> Outcome:
        """Do what is noted and was not begun, unless it may not be done any more."""
        barred = self._barred(intent)
        if barred:
            return self.actor.settle(Outcome(intent, "refused", f"not begun, and {barred}", code="SCR702"))
        return self.actor.carry_out(intent)

    def _barred(self, intent: Intent) -> str:
        if self.ledger.pause is not None:
            return f"paused by {self.ledger.pause.actor}"
        if self.now_s - intent.at_s > self.actor.settings.recover_within_s:
            return "too long ago to be done now"
        policy = self.policies.get(intent.policy)
        if policy is None:
            return f"there is no policy `{intent.policy}` any more"
        return f"its mode is `{policy.mode.word}` now" if policy.mode < Mode.APPROVE else ""

    def _probe(self, intent: Intent) -> Probe:
        provider = self.actor.provider_for(intent.action)
        if provider is None:
            raise LookupError(f"no provider carries out {intent.action.action} on {intent.target}")
        return provider.probe(intent.action, key=intent.key, deadline_s=self.actor.settings.deadline_s)
