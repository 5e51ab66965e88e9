"""The plug-ins `trace`: a managed fleet in a simulated cloud, as provider and as collector, on the daemon's clock.

They share one world, found by the name of the section, so the collector needs the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from scrimp.api import Services
from scrimp_actions.factory import Factory
from scrimp_actions.keys import KeyStore
from scrimp_actions.specs import SPECS
from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.fleet_provider import GROUP_ACTIONS, RESCUE, FleetProvider
from scrimp_actions.spot.fleets import FleetSpec
from scrimp_actions.spot.manager import Beat, Manager, Means
from scrimp_actions.spot.member import AWS_BUDGET, AZURE_BUDGET, GCP_BUDGET, Budget, Rebalance, Rules
from scrimp_actions.spot.members import MemberBook
from scrimp_actions.spot.poolbook import Machine, PoolBook
from scrimp_actions.spot.runner import Pace
from scrimp_actions.spot.trace_collector import TraceCollector
from scrimp_actions.spot.trace_world import TraceWorld, WorldSettings
from scrimp_actions.spot.watch import Patience

BUDGETS: Mapping[str, Budget] = {"aws": AWS_BUDGET, "gcp": GCP_BUDGET, "azure": AZURE_BUDGET}


def open_book(folder: Path, name: str, *, durable: bool = True) -> MemberBook:
    """The members of a provider, in its state folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return MemberBook(folder / f"{name}.db", durable=durable)


def fleet_from(name: str, raw: Mapping[str, Any]) -> FleetSpec:
    """A fleet as `scrimp.yaml` has it. Raises `KeyError` for what is missing, `ValueError` for what cannot be."""
    machine = Machine(
        {str(kind): float(speed) for kind, speed in raw.get("units_per_s", {}).items()},
        float(raw.get("startup_s", 60.0)),
        float(raw.get("redone_s", 30.0)),
    )
    floats = ("most_share", "leave_s", "needed_s")
    given: dict[str, Any] = {key: float(raw[key]) for key in floats if key in raw}
    counts = ("min_size", "max_size", "least_pools", "at_once", "moves_per_day")
    given |= {key: int(raw[key]) for key in counts if key in raw}
    return FleetSpec(
        name,
        tuple(str(pool) for pool in raw["pools"]),
        int(raw["size"]),
        machine,
        Purchase(raw.get("purchase_option", Purchase.ON_DEMAND.value)),
        str(raw.get("template", "")),
        **given,
    )


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
        open_book(services.state_dir / "fleets", name),
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
