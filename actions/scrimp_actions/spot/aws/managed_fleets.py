"""Fleets on AWS whose members are scrimp's own, rescued one by one when they are noticed; the `groups` of the provider `aws`.

A fleet is kept at its size: what is taken is replaced, in another pool where that one is spent. Nothing is launched or
ended that does not bear the provider's tag.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scrimp.api import Permission, Services
from scrimp.aws import Account, AwsSettings, hazard_per_h, interruption_rates, operations
from scrimp_actions.keys import KeyStore
from scrimp_actions.spot.aws.cloud import USED, AwsCloud
from scrimp_actions.spot.cloud import split_pool
from scrimp_actions.spot.fleet_config import BUDGETS, fleet_from, open_book
from scrimp_actions.spot.fleet_provider import FleetProvider
from scrimp_actions.spot.hands import FLEET_TAG
from scrimp_actions.spot.manager import Beat, Manager, Means
from scrimp_actions.spot.member import Rules
from scrimp_actions.spot.poolbook import Machine, PoolBook
from scrimp_actions.spot.runner import Pace
from scrimp_actions.spot.watch import Patience

HANDS, CALLERS = 8, 16
"""Steps on workers, and calls of the cloud, that are under way side by side."""


def build(config: Mapping[str, Any], services: Services) -> FleetProvider:
    """From its section: the account as for `aws`, `fleets` by name, `queue` (a name), `subnets`, `pass_role`; see the README."""
    name = str(config.get("name", "aws"))
    specs = {str(fleet): fleet_from(str(fleet), raw) for fleet, raw in config["fleets"].items()}
    settings = AwsSettings.from_config(config)
    account = Account(settings, USED)
    bands = config.get("interruption_bands")
    rates = interruption_rates(settings.region, Path(bands) if bands else None)
    queue = config.get("queue")
    speeds = {kind: speed for spec in specs.values() for kind, speed in spec.machine.units_per_s.items()}
    pools = [pool for spec in specs.values() for pool in spec.pools]
    manager = Manager(
        specs,
        Means(
            AwsCloud(account, services.now, tuple(config.get("subnets", ()))),
            services.channel,
            None if queue is None or services.queue is None else services.queue(str(queue), 0),
            name,
            services.currency,
        ),
        open_book(services, name),
        PoolBook(
            pools,
            Machine(speeds, float(config.get("startup_s", 60.0)), float(config.get("redone_s", 30.0))),
            hazards={
                pool: hazard_per_h(rates[split_pool(pool)[0]])
                for pool in pools
                if split_pool(pool)[0] in rates
            },
        ),
        Rules(BUDGETS["aws"]),
        Beat(float(config.get("look_s", 15.0)), float(config.get("plan_s", 15.0))),
        Patience(heartbeat_s=float(config.get("heartbeat_s", 120.0))),
        Pace(poll_s=float(config.get("poll_s", 0.25))),
        (ThreadPoolExecutor(HANDS, "scrimp-hands"), ThreadPoolExecutor(CALLERS, "scrimp-cloud")),
    )

    def needs(_actions: Collection[str]) -> Sequence[Permission]:
        return _needs(name, str(config.get("pass_role", "")), network="subnets" in config)

    return FleetProvider(name, manager, KeyStore(services.state_dir / "done" / name), services, needs)


def _needs(name: str, pass_role: str, *, network: bool) -> list[Permission]:
    """A fleet is kept at its size whatever the policies do, so only role and network depend on the section."""
    why = f"provider {name}"
    tagged = {"StringEquals": {f"aws:ResourceTag/{FLEET_TAG}": name}}
    found = [
        *operations.DESCRIBE_INSTANCES.permissions(why),
        *operations.CREATE_FLEET.permissions(why),
        *operations.launch_permissions(why, by_fleet=True),
        *(operations.DESCRIBE_SUBNETS.permissions(why) if network else ()),
        *operations.TERMINATE.permissions(why, resources=("arn:aws:ec2:*:*:instance/*",), conditions=tagged),
        *operations.DESCRIBE_TEMPLATE_VERSIONS.permissions(f"{why}, templates in `doctor`", optional=True),
        *operations.SPOT_PRICES.permissions(f"{why}, prices in plans", optional=True),
        *operations.GET_PRODUCTS.permissions(f"{why}, prices in plans", optional=True),
    ]
    if pass_role:
        to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        found.append(Permission("aws", "iam:PassRole", (pass_role,), to_ec2, why))
    return found
