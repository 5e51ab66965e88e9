"""The nodes of a fleet as they were last seen, packed again: which would come free, and what that is worth.

A pool is packed by itself. A node on which no job is known is left out: what runs there may be unknown, not nothing. Money is
in millionths an hour, at the prices of the nodes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scrimp.costs import PackJob, PackNode, ShareRules, Sharing, pack_by_series
from scrimp.history import Fleet, FleetJob, FleetNode, GpuSeries
from scrimp.model.money import Money
from scrimp.model.usage import CPU, GPU, MEMORY, MICRO


@dataclass(frozen=True, slots=True)
class Packed:
    """A pool's nodes with known jobs, as they would be packed; `jobs` and `asks` are in one order."""

    pool: str
    nodes: tuple[PackNode, ...]
    jobs: tuple[FleetJob, ...]
    asks: tuple[PackJob, ...]


def packed_pools(fleet: Fleet, currency: str) -> tuple[Packed, ...]:
    """By name of the pool."""
    jobs: dict[str, list[FleetJob]] = {}
    for job in fleet.jobs:
        jobs.setdefault(job.node, []).append(job)
    pools: dict[str, list[FleetNode]] = {}
    for node in fleet.nodes:
        if node.name in jobs:
            pools.setdefault(node.pool, []).append(node)
    found = []
    for pool, nodes in sorted(pools.items()):
        offers = [_pack_node(node, jobs[node.name], currency) for node in nodes]
        known = {node.name: resources for node, resources in offers}
        mine = [job for node in nodes for job in jobs[node.name]]
        asks = tuple(_pack_job(job, known[job.node]) for job in mine)
        found.append(Packed(pool, tuple(node for node, _ in offers), tuple(mine), asks))
    return tuple(found)


def _pack_node(node: FleetNode, jobs: Sequence[FleetJob], currency: str) -> tuple[PackNode, frozenset[str]]:
    """What it offers to jobs (not what is used on it by what is no job), and the resources that it is known to offer."""
    offers = {GPU: node.gpus or 0.0}
    measured: tuple[tuple[str, float | None, float | None, Callable[[FleetJob], float | None]], ...] = (
        (CPU, node.cores, node.cpu_utilization, lambda job: job.cores_used),
        (MEMORY, node.memory_bytes, node.memory_utilization, lambda job: job.memory_used),
    )
    for resource, capacity, utilization, used in measured:
        if capacity is None:
            continue
        by_jobs = sum(used(job) or 0.0 for job in jobs)
        offers[resource] = capacity - max(0.0, capacity * (utilization or 0.0) - by_jobs)
    known = frozenset(resource for resource, amount in offers.items() if amount > 0)
    return PackNode(node.name, offers, Money(node.price or 0.0, currency)), known


def _pack_job(job: FleetJob, offered: frozenset[str]) -> PackJob:
    """What it asks for. Where that is not known of something that its node offers it stays, and so it does if critical."""
    stated = {
        CPU: _largest(job.cores, job.cores_used),
        MEMORY: _largest(job.memory_limit, job.memory_used),
        GPU: job.gpus,
    }
    asks = {resource: amount for resource, amount in stated.items() if amount is not None}
    return PackJob(job.name, job.node, asks, fixed=job.critical or not offered <= asks.keys())


def _largest(*amounts: float | None) -> float | None:
    return max((one for one in amounts if one is not None), default=None)


@dataclass(frozen=True, slots=True)
class Shared:
    """A pool whose jobs would share GPUs: a device for each node that is left, and what the nodes that come free cost."""

    sharing: Sharing
    freed_micro: int


def one_gpu_each(pool: Packed) -> bool:
    """Whether each node has one GPU and one job, which has it whole: what a node's GPU does is then what its job does."""
    return len(pool.nodes) == len(pool.jobs) >= 2 and all(
        node.offers.get(GPU) == 1 and job.gpus == 1 and not ask.fixed
        for node, job, ask in zip(pool.nodes, pool.jobs, pool.asks, strict=True)
    )


def shared(pool: Packed, series: GpuSeries, rules: ShareRules, most: int) -> Shared:
    """Jobs onto each other's GPUs, where one node has the cores and the memory for all of them; `most` are packed at a time.

    The pool is of `one_gpu_each`; a job whose series is not known keeps its node.
    """
    row = {name: at for at, name in enumerate(series.names)}
    known = [at for at, node in enumerate(pool.nodes) if node.name in row]
    left: list[tuple[int, ...]] = [(at,) for at in range(len(pool.nodes)) if pool.nodes[at].name not in row]
    freed = 0
    for first in range(0, len(known), most):
        some = known[first : first + most]
        rows = [row[pool.nodes[at].name] for at in some]
        found = pack_by_series(series.memory[rows], series.duty[rows], 1.0, rules)
        for device in found.devices:
            members = [some[at] for at in device]
            while members:
                host, stay = _hosted(pool, members)
                left.append(tuple(stay))
                members = [at for at in members if at not in stay]
                freed += sum(_micro(pool.nodes[at]) for at in stay if at != host)
    return Shared(Sharing(tuple(left), len(pool.nodes)), freed)


def _hosted(pool: Packed, members: Sequence[int]) -> tuple[int, list[int]]:
    """The member whose node takes in most of the others, the cheapest of those, and whom it takes, itself among them."""
    best: tuple[int, list[int]] | None = None
    for host in sorted(members, key=lambda at: (_micro(pool.nodes[at]), pool.nodes[at].name)):
        room = dict(pool.nodes[host].offers)
        stay = []
        for at in (host, *(one for one in members if one != host)):
            wants = {name: amount for name, amount in pool.asks[at].asks.items() if name != GPU}
            if at == host or all(amount <= room.get(name, 0.0) for name, amount in wants.items()):
                stay.append(at)
                for name, amount in wants.items():
                    room[name] = room.get(name, 0.0) - amount
        if best is None or len(stay) > len(best[1]):
            best = host, stay
    assert best is not None
    return best


def _micro(node: PackNode) -> int:
    return round(node.price_per_hour.amount * MICRO)


def nodes_to_keep(nodes: float, fullest: float) -> int:
    """How many of so many nodes work needs that fills them to the share `fullest`, spread over whole nodes."""
    return int(np.ceil(nodes * min(max(fullest, 0.0), 1.0) - 1e-9))
