"""Managed fleets as `scrimp.yaml` has them, for the providers of all clouds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scrimp.api import Services
from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.fleets import FleetSpec
from scrimp_actions.spot.member import AWS_BUDGET, AZURE_BUDGET, GCP_BUDGET, Budget
from scrimp_actions.spot.members import MemberBook
from scrimp_actions.spot.poolbook import Machine

BUDGETS: Mapping[str, Budget] = {"aws": AWS_BUDGET, "gcp": GCP_BUDGET, "azure": AZURE_BUDGET}


def open_book(services: Services, name: str) -> MemberBook:
    """The members of a provider, in the state folder; for a preview a copy, so that nothing is written."""
    folder = services.state_dir / "fleets"
    path = folder / f"{name}.db"
    if services.preview:
        return MemberBook.copy(path)
    folder.mkdir(parents=True, exist_ok=True)
    return MemberBook(path)


def machine_from(raw: Mapping[str, Any]) -> Machine:
    """What a member does, as a section has it."""
    speeds = {str(kind): float(speed) for kind, speed in raw.get("units_per_s", {}).items()}
    return Machine(speeds, float(raw.get("startup_s", 60.0)), float(raw.get("redone_s", 30.0)))


def fleet_from(name: str, raw: Mapping[str, Any]) -> FleetSpec:
    """A fleet as `scrimp.yaml` has it. Raises `KeyError` for what is missing, `ValueError` for what cannot be."""
    floats = ("most_share", "leave_s", "needed_s")
    given: dict[str, Any] = {key: float(raw[key]) for key in floats if key in raw}
    counts = ("min_size", "max_size", "least_pools", "at_once", "moves_per_day")
    given |= {key: int(raw[key]) for key in counts if key in raw}
    size, least, most = int(raw["size"]), given.get("min_size", 0), given.get("max_size", math.inf)
    if not least <= size <= most:
        raise ValueError(f"`{name}` is to have {size} members, which is not from `min_size` to `max_size`")
    return FleetSpec(
        name,
        tuple(str(pool) for pool in raw["pools"]),
        size,
        machine_from(raw),
        Purchase(raw.get("purchase_option", Purchase.ON_DEMAND.value)),
        str(raw.get("template", "")),
        **given,
    )
