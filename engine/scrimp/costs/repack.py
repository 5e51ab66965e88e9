"""What proposed sizes would really save: the nodes that come free when work is packed again, and who has earned that.

A smaller request saves nothing while its node stays; only nodes that can be emptied are worth their price. What several
proposals free together is more, or less, than the sum of what each frees alone: the set is priced, and the amount shared out
by Shapley value (Shapley 1953), estimated over random orders (Castro et al. 2009).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from scrimp.costs.rounding import apportion
from scrimp.model.money import Money
from scrimp.model.usage import MICRO


@dataclass(frozen=True, slots=True)
class PackNode:
    """A node that may be emptied: what it offers of each resource, and what an hour of it costs."""

    name: str
    offers: Mapping[str, float]
    price_per_hour: Money


@dataclass(frozen=True, slots=True)
class PackJob:
    """A piece of work on a node, with what it would ask for. `fixed` work cannot be moved, and keeps its node."""

    name: str
    node: str
    asks: Mapping[str, float]
    fixed: bool = False


def freed_nodes(nodes: Sequence[PackNode], jobs: Sequence[PackJob]) -> tuple[str, ...]:
    """Nodes that can be given back one after another, the dearest for what runs on it first, with all work still placed.

    Work goes to the fullest node that has room for it, largest first. No node is given more than it offers.
    """
    free = {node.name: dict(node.offers) for node in nodes}
    homes: dict[str, list[PackJob]] = {node.name: [] for node in nodes}
    for job in jobs:
        homes[job.node].append(job)
        _take(free[job.node], job.asks)
    offers = {node.name: node.offers for node in nodes}

    def fullness(name: str) -> float:
        return max(
            (1 - free[name].get(r, 0.0) / all_ for r, all_ in offers[name].items() if all_ > 0), default=0.0
        )

    full = {name: fullness(name) for name in free}
    found: list[str] = []
    for node in sorted(
        nodes, key=lambda one: (full[one.name] / max(one.price_per_hour.amount, 1e-9), one.name)
    ):
        if any(job.fixed for job in homes[node.name]):
            continue
        mine = free.pop(node.name)
        moves = _moves(homes[node.name], free, full)
        if moves is None:
            free[node.name] = mine
            continue
        for job, name in moves:
            _take(free[name], job.asks)
            homes[name].append(job)
            full[name] = fullness(name)
        homes[node.name] = []
        found.append(node.name)
    return tuple(found)


def freed_per_hour(nodes: Sequence[PackNode], jobs: Sequence[PackJob]) -> int:
    """What the freed nodes cost in an hour, in millionths: never more than all nodes do. They are of one currency."""
    freed = set(freed_nodes(nodes, jobs))
    return sum(round(node.price_per_hour.amount * MICRO) for node in nodes if node.name in freed)


def _moves(
    jobs: Sequence[PackJob], free: Mapping[str, Mapping[str, float]], full: Mapping[str, float]
) -> list[tuple[PackJob, str]] | None:
    """A place for each job, or `None` where there is not room for all; `free` is as it was."""
    found = []
    order = sorted(free, key=lambda name: (-full[name], name))
    taken: dict[str, dict[str, float]] = {}
    for job in sorted(jobs, key=lambda one: (-max(one.asks.values(), default=0.0), one.name)):
        name = next((one for one in order if _fits(taken.get(one) or free[one], job.asks)), None)
        if name is None:
            return None
        _take(taken.setdefault(name, dict(free[name])), job.asks)
        found.append((job, name))
    return found


def _fits(room: Mapping[str, float], asks: Mapping[str, float]) -> bool:
    for resource, amount in asks.items():  # noqa: SIM110 - twice as fast as `all`, and asked for each job and node
        if amount > room.get(resource, 0.0) + 1e-9:
            return False
    return True


def _take(room: dict[str, float], asks: Mapping[str, float]) -> None:
    for resource, amount in asks.items():
        room[resource] = room.get(resource, 0.0) - amount


def share_out(
    worth: Callable[[frozenset[int]], int], count: int, rng: np.random.Generator, orders: int = 64
) -> tuple[int, ...]:
    """The worth of all of `count` proposals shared among them, exactly: by what each adds, on average over random orders.

    `worth` gives the saving of a set, in millionths; of none, it is 0.
    """
    known = cache(worth)
    added = [0] * count
    for _ in range(orders):
        before, chosen = 0, frozenset[int]()
        for one in rng.permutation(count).tolist():
            chosen |= {one}
            now = known(chosen)
            added[one] += now - before
            before = now
    shares = [amount // orders for amount in added]
    left = sum(added) // orders - sum(shares) if count else 0
    for one in sorted(range(count), key=lambda at: (-(added[at] % orders), at))[:left]:
        shares[one] += 1
    return tuple(shares)


def price_proposals(
    nodes: Sequence[PackNode],
    jobs: Sequence[PackJob],
    proposals: Sequence[Mapping[str, Mapping[str, float]]],
    rng: np.random.Generator,
    orders: int = 64,
) -> tuple[int, ...]:
    """What each proposal adds to the price of the nodes that all of them free together, in millionths an hour.

    A proposal is what jobs would ask for instead, by their name; where several change a job the least counts. Nodes that
    come free without any proposal are no proposal's merit. The amounts are not negative and add to the worth of the set:
    where the packing, which is greedy, makes a share negative, the others bear it in proportion.
    """
    already = freed_per_hour(nodes, jobs)

    def worth(chosen: frozenset[int]) -> int:
        made = [proposals[at] for at in sorted(chosen)]
        return max(0, freed_per_hour(nodes, [_asking(job, made) for job in jobs]) - already) if made else 0

    shares = share_out(worth, len(proposals), rng, orders)
    if min(shares, default=0) >= 0:
        return shares
    weights = np.maximum(np.array(shares, dtype=np.float64), 0.0)
    whole = np.array([sum(shares)], dtype=np.int64)
    kept = np.flatnonzero(weights)
    found = np.zeros(len(shares), dtype=np.int64)
    found[kept] = apportion(whole, weights[kept], np.zeros(len(kept), dtype=np.int64))
    return tuple(found.tolist())


def _asking(job: PackJob, made: Sequence[Mapping[str, Mapping[str, float]]]) -> PackJob:
    """The job with the least of what it asks for now and what proposals would have it ask for."""
    asks = dict(job.asks)
    for one in made:
        for resource, amount in one.get(job.name, {}).items():
            if resource in asks:
                asks[resource] = min(asks[resource], amount)
    return replace(job, asks=asks)
