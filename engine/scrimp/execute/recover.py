"""After a crash: what became of the acts that were noted as about to happen?"""

from collections.abc import Callable, Sequence

from scrimp.api import Probe, Provider, Reached
from scrimp.execute.act import Actor
from scrimp.execute.calls import ExecuteSettings, within
from scrimp.execute.journal import Journal, Outcome
from scrimp.model.ledger import Intent, Ledger


def recover(
    ledger: Ledger,
    journal: Journal,
    providers: Sequence[Provider],
    now_s: float,
    sleep: Callable[[float], None],
    settings: ExecuteSettings | None = None,
) -> tuple[Outcome, ...]:
    """Settle every intent without outcome: ask the target before anything is tried again.

    Reached is done. Untouched is done now under the same key, unless the kill switch is on or the intent is older
    than `recover_within_s`. Anything else, and a target that cannot be asked, waits for a person ("ask"): the caller
    alerts. Raises what the journal raises.
    """
    actor = Actor(providers, journal, settings or ExecuteSettings(), sleep)
    doubtful = [one for one in ledger.intents if one.outcome is None and not one.shadow]
    return tuple(_settle(actor, ledger, intent, now_s) for intent in doubtful)


def _settle(actor: Actor, ledger: Ledger, intent: Intent, now_s: float) -> Outcome:
    deadline_s = actor.settings.deadline_s
    try:
        probe = within(deadline_s, lambda: _probe(actor, intent))
    except Exception as error:  # noqa: BLE001 - whatever a provider raises leaves this one act in doubt
        detail = str(error) or type(error).__name__
        return actor.settle(Outcome(intent, "ask", f"cannot be looked up: {detail}", code="SCR705"))
    if probe.reached is Reached.REACHED:
        return actor.settle(Outcome(intent, "done", probe.detail or "found done"))
    if probe.reached is Reached.OTHER:
        return actor.settle(
            Outcome(intent, "ask", probe.detail or "neither done nor untouched", code="SCR705")
        )
    if ledger.pause is not None:
        return actor.settle(
            Outcome(intent, "refused", f"not begun, and paused by {ledger.pause.actor}", code="SCR702")
        )
    if now_s - intent.at_s > actor.settings.recover_within_s:
        return actor.settle(
            Outcome(intent, "refused", "not begun, and too long ago to be done now", code="SCR702")
        )
    return actor.carry_out(intent)


def _probe(actor: Actor, intent: Intent) -> Probe:
    provider = actor.provider_for(intent.action)
    if provider is None:
        raise LookupError(f"no provider carries out {intent.action.action} on {intent.target}")
    return provider.probe(intent.action, key=intent.key, deadline_s=actor.settings.deadline_s)
