"""What is asked of any cloud that sells capacity: launch, look, terminate, prices. The nouns, and the protocol `Cloud`.

`spot/aws` speaks it to AWS; the trace cloud answers it on a virtual clock. Whoever carries out an interruption, or moves
a group to spot, knows only this. A pool is an instance type in a zone, named `TYPE:ZONE` (`p3.2xlarge:us-east-1a`).

Capacity that is not there is no exception: a launch may give fewer instances than asked for, or none, and says per pool
why. All else that goes wrong outside is one of the typed errors of `scrimp.api`; after one of these the launch may have
happened, and the same request again (the same `token`) gives the same instances, never more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from scrimp.api import Money


class Purchase(StrEnum):
    """How an instance is bought; the words of the field `purchase_option`."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"


class InstanceState(StrEnum):
    """Where an instance stands."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as the cloud knows it. `launched_s` is seconds since the epoch, or on the virtual clock."""

    id: str
    pool: str
    state: InstanceState
    purchase: Purchase
    launched_s: float
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether it costs money and may do work: it has not ended, and is not about to."""
        return self.state in (InstanceState.PENDING, InstanceState.RUNNING)

    @property
    def ended(self) -> bool:
        """Whether it is gone for good. One that is stopped does no work, and its disk costs money."""
        return self.state in (InstanceState.TERMINATING, InstanceState.TERMINATED)


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """`count` instances out of `pools`, which the cloud may mix; all of one purchase option.

    `token` makes the request unique: sent again it launches nothing more. `tags` are put on in the same call, so that
    an instance whose answer was lost is found by them. `template` names what to launch in the cloud's own terms (on
    AWS: a launch template); `max_price` bounds the spot price per instance-hour, without it the on-demand price does.
    """

    token: str
    pools: tuple[str, ...]
    count: int
    purchase: Purchase = Purchase.SPOT
    tags: Mapping[str, str] = field(default_factory=dict)
    max_price: Money | None = None
    template: str = ""

    def __post_init__(self) -> None:
        """A request says how many, of what, and under which token."""
        if self.count < 1 or not self.pools or not self.token:
            raise ValueError("a launch request has a token, a pool and a count of at least 1")


@dataclass(frozen=True, slots=True)
class LaunchError:
    """Why a pool gave nothing, in the cloud's own `code`. `capacity`: it had none, so it is left alone for a while.

    `limit`: by a quota of the account, or a cap on the price, which only people can change.
    """

    pool: str
    code: str
    message: str = ""
    capacity: bool = True
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Launched:
    """What a launch came to: `instances`, which may be fewer than asked for, and what each pool that failed said."""

    instances: tuple[Instance, ...]
    errors: tuple[LaunchError, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolPrice:
    """Prices of a pool per instance-hour. `at_s`: since when the spot price holds; None where a price is unknown."""

    pool: str
    spot: Money | None
    on_demand: Money | None
    at_s: float | None = None


class Cloud(Protocol):
    """A cloud. Each call may raise `OutsideError`, and none may outlive `deadline_s` (seconds from the call)."""

    def launch(self, request: LaunchRequest, *, deadline_s: float) -> Launched:
        """Launch; the same token gives the same instances again (those of them that the cloud still knows)."""

    def instances(self, tags: Mapping[str, str], *, deadline_s: float) -> Sequence[Instance]:
        """All instances that bear these tags, ended ones included for as long as the cloud remembers them."""

    def terminate(self, ids: Sequence[str], *, deadline_s: float) -> None:
        """End these instances; one that has ended, or is not known, stays so."""

    def offers(self, pools: Sequence[str], *, deadline_s: float) -> Sequence[PoolPrice]:
        """The prices of these pools, one for each, in their order."""


def pool_name(instance_type: str, zone: str) -> str:
    """`TYPE:ZONE`."""
    return f"{instance_type}:{zone}"


def split_pool(pool: str) -> tuple[str, str]:
    """Instance type and zone of a pool; the zone is empty where the name has none (any zone)."""
    instance_type, _, zone = pool.partition(":")
    return instance_type, zone
