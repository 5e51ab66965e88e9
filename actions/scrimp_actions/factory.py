"""What the entry point of a built-in provider names: the specs of its actions, and how to build it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scrimp.api import ActionSpec, Provider, Services


@dataclass(frozen=True, slots=True)
class Factory:
    """A `ProviderFactory` from a function."""

    actions: Sequence[ActionSpec]
    build: Callable[[Mapping[str, Any], Services], Any]  # a provider; frozen ones are no `Provider` to mypy

    def __call__(self, config: Mapping[str, Any], services: Services) -> Provider:
        """Build it from its section of `scrimp.yaml`."""
        built: Provider = self.build(config, services)
        return built
