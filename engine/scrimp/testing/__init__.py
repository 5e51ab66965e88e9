"""Fakes for the process boundary and contracts for plug-ins, shipped to those who write them."""

from scrimp.testing.contract import ProviderContract
from scrimp.testing.fakes import FakeCollector, FakeProvider, ManualClock

__all__ = ["FakeCollector", "FakeProvider", "ManualClock", "ProviderContract"]
