"""Fakes for the process boundary and contracts for plug-ins, shipped to those who write them."""

from scrimp.testing.contract import ProviderContract
from scrimp.testing.fakes import FakeCollector, FakeProvider, ManualClock
from scrimp.testing.metadata import FakeMetadata

__all__ = ["FakeCollector", "FakeMetadata", "FakeProvider", "ManualClock", "ProviderContract"]
