"""The fake keeps to the contract that it is shipped beside."""

from tests.execute.acts import action

from scrimp.api import PlannedAction, Provider
from scrimp.testing import FakeProvider, ProviderContract


class TestFakeProvider(ProviderContract):
    def provider(self) -> Provider:
        return FakeProvider({"node_group/a": {"size": 10.0}})

    def action(self) -> PlannedAction:
        return action("node_group/a")
