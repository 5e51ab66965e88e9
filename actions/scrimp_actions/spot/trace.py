"""The plug-ins `trace`: a managed fleet in a simulated cloud, as provider and as collector, on the daemon's clock.

They share one world, found by the name of the section, so the collector needs the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from scrimp.api import Services
from scrimp_actions.factory import Factory
from scrimp_actions.keys import KeyStore
from scrimp_actions.specs import SPECS
from scrimp_actions.spot.fleet_config import BUDGETS, fleet_from, open_book
from scrimp_actions.spot.fleet_provider import GROUP_ACTIONS, RESCUE, FleetProvider
from scrimp_actions.spot.manager import Beat, Manager, Means
from scrimp_actions.spot.member import Rebalance, Rules
from scrimp_actions.spot.poolbook import PoolBook
from scrimp_actions.spot.runner import Pace
from scrimp_actions.spot.trace_collector import TraceCollector
from scrimp_actions.spot.trace_world import TraceWorld, WorldSettings
from scrimp_actions.spot.watch import Patience


def build_provider(config: Mapping[str, Any], services: Services) -> FleetProvider:
    """From its section: the fleet (`fleet`, `size`, …) and the world (`zones`, `items`, `faults`, …); see the README."""
    if services.queue is None:
        raise ValueError("the trace provider needs a work queue")
    name = str(config.get("name", "trace"))
    fleet = str(config.get("fleet", "audio"))
    settings = WorldSettings.from_config(config, fleet, services.now())
    rng = Random(settings.seed)  # noqa: S311 - a simulation, to be repeated
    world = TraceWorld(settings, services.queue(f"{name}-{fleet}", settings.items), rng)
    per_s = {settings.instance_type: settings.work.items_per_s}
    spec = fleet_from(fleet, {"size": 8, "units_per_s": per_s, **config, "pools": settings.pools})
    beat = Beat(float(config.get("look_s", 15.0)), float(config.get("plan_s", 15.0)))
    manager = Manager(
        {fleet: spec},
        Means(world.cloud, world.workers, world.queue, name, services.currency),
        open_book(services, name),
        PoolBook(settings.pools, spec.machine),
        Rules(BUDGETS[str(config.get("budget", "aws"))], lease_s=settings.work.lease_s),
        beat,
        Patience(heartbeat_s=float(config.get("heartbeat_s", 120.0))),
        Pace(poll_s=float(config.get("poll_s", 2.0))),
    )

    def listen(event: object) -> None:
        if isinstance(event, Rebalance):
            manager.at_risk(event.instance, event.at_s)

    world.listen = listen
    services.shared[shared_key(name)] = (world, manager)
    return FleetProvider(name, manager, KeyStore(services.state_dir / "done" / name), services)


def build_collector(config: Mapping[str, Any], services: Services) -> TraceCollector:
    """From its section: `world` names the provider, as itself unless it says otherwise."""
    name = str(config.get("name", "trace"))
    found = services.shared.get(shared_key(str(config.get("world", name))))
    if found is None:
        raise ValueError(f"there is no provider of type `trace` named `{config.get('world', name)}`")
    world, manager = found
    return TraceCollector(name, float(config.get("interval_s", 60.0)), world, manager)


def shared_key(name: str) -> str:
    """Where the world and the manager of a provider stand in `Services.shared`."""
    return f"scrimp_actions.trace/{name}"


FACTORY = Factory(tuple(SPECS[name] for name in (*GROUP_ACTIONS, RESCUE)), build_provider)
