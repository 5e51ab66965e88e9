"""What every provider must keep to, as a pytest base class: subclass it and give `provider` and `action`."""

from scrimp.api import PlannedAction, Provider, Reached, Refusal

DEADLINE_S = 10.0


class ProviderContract:
    """Subclass it in a test module; `provider` and `action` give a fresh world in which the action can be done."""

    def provider(self) -> Provider:
        """The provider under test, in a world where `action` is not done yet."""
        raise NotImplementedError

    def action(self) -> PlannedAction:
        """An action that this provider handles."""
        raise NotImplementedError

    def test_it_handles_its_action(self) -> None:
        """Else no intent would ever reach it."""
        assert self.provider().handles(self.action())

    def test_reading_changes_nothing(self) -> None:
        """A preview and a revalidation only read."""
        provider, action = self.provider(), self.action()
        assert provider.plan(action)
        provider.revalidate(action, deadline_s=DEADLINE_S)
        assert provider.probe(action, key="contract-0", deadline_s=DEADLINE_S).reached is Reached.UNTOUCHED

    def test_a_second_apply_with_one_key_changes_nothing_more(self) -> None:
        """A retry after a lost answer must not act twice."""
        provider = self.provider()
        live = provider.revalidate(self.action(), deadline_s=DEADLINE_S)
        assert not isinstance(live, Refusal)
        first = provider.apply(live, key="contract-1", deadline_s=DEADLINE_S)
        assert provider.apply(live, key="contract-1", deadline_s=DEADLINE_S) == first

    def test_a_probe_after_apply_finds_it_done(self) -> None:
        """Recovery rests on it."""
        provider, action = self.provider(), self.action()
        provider.apply(action, key="contract-2", deadline_s=DEADLINE_S)
        assert provider.probe(action, key="contract-2", deadline_s=DEADLINE_S).reached is Reached.REACHED
