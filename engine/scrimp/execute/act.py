"""One act from its intent to its outcome: note, look again, apply, note. Nothing is touched before the note."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scrimp.api import Provider, Reached, Refusal, Refused, TargetGone, Throttled, Unavailable
from scrimp.execute.calls import ExecuteSettings, Outlived, persistent, within
from scrimp.execute.journal import Journal, Outcome, OutcomeWord
from scrimp.model.decision import PlannedAction, Value
from scrimp.model.ledger import Intent


@dataclass(frozen=True, slots=True)
class Actor:
    """What acts need: the providers, the journal, how long to try, how to wait."""

    providers: Sequence[Provider]
    journal: Journal
    settings: ExecuteSettings
    sleep: Callable[[float], None]

    def act(self, intent: Intent, values: Mapping[str, Value]) -> Outcome:
        """Do one action. Raises only what the journal raises."""
        self.journal.record_intent(intent, values)
        return self.carry_out(intent)

    def carry_out(self, intent: Intent) -> Outcome:
        """Do what is noted already, and note what it came to."""
        outcome = self._attempt(intent)
        return self.settle(outcome)

    def settle(self, outcome: Outcome) -> Outcome:
        """Note the outcome, unless it is in doubt."""
        if outcome.outcome is not None:
            self.journal.record_outcome(outcome.intent, outcome.outcome, outcome.detail, outcome.after)
        return outcome

    def _attempt(self, intent: Intent) -> Outcome:
        action = intent.action
        try:
            found = persistent(self.settings, self.sleep, lambda: self._look(action))
        except Exception as error:  # noqa: BLE001 - whatever a provider raises fails this one action; nothing was done
            gone = isinstance(error, Refused | TargetGone)
            word: OutcomeWord = "refused" if gone else "failed"
            return Outcome(intent, word, _said(error), code="SCR702" if gone else "SCR704")
        if isinstance(found, Refusal):
            return Outcome(intent, "refused", found.reason, code="SCR702")
        if found is None:
            return Outcome(
                intent,
                "refused",
                f"no provider carries out {action.action} on {action.target}",
                code="SCR701",
            )
        provider, live = found
        return self._apply(provider, intent, live)

    def _look(self, action: PlannedAction) -> tuple[Provider, PlannedAction] | Refusal | None:
        provider = self.provider_for(action)
        if provider is None:
            return None
        live = provider.revalidate(action, deadline_s=self.settings.deadline_s)
        return live if isinstance(live, Refusal) else (provider, live)

    def provider_for(self, action: PlannedAction) -> Provider | None:
        """The first that handles the action."""
        return next((one for one in self.providers if one.handles(action)), None)

    def _apply(self, provider: Provider, intent: Intent, live: PlannedAction) -> Outcome:
        try:
            result = persistent(
                self.settings,
                self.sleep,
                lambda: provider.apply(live, key=intent.key, deadline_s=self.settings.deadline_s),
            )
        except Outlived as error:
            return Outcome(intent, None, f"apply was {error}", code="SCR703")
        except (Refused, TargetGone) as error:
            return Outcome(intent, "refused", _said(error), code="SCR702")
        except Exception as error:  # noqa: BLE001 - whatever else a provider raises fails this one action
            return self._doubt(provider, replace(intent, action=live), intent, error)
        return Outcome(intent, "done", result.detail, dict(result.after))

    def _doubt(self, provider: Provider, live: Intent, intent: Intent, error: Exception) -> Outcome:
        """An error does not say that nothing happened: an answer may have been lost. Ask the target."""
        lost = isinstance(error, Unavailable | Throttled)
        deadline_s = self.settings.deadline_s
        try:
            probe = within(
                deadline_s, lambda: provider.probe(live.action, key=live.key, deadline_s=deadline_s)
            )
        except Exception as second:  # noqa: BLE001 - the probe is a provider's too
            return Outcome(
                intent, None if lost else "failed", f"{_said(error)}: {_said(second)}", code="SCR704"
            )
        if probe.reached is Reached.REACHED:
            return Outcome(intent, "done", f"{probe.detail}, though apply said: {_said(error)}")
        if lost and probe.reached is Reached.OTHER:
            return Outcome(intent, None, _said(error), code="SCR705")
        return Outcome(intent, "failed", _said(error), code="SCR704")


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
