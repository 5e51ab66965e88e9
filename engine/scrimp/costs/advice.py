"""Advice from usage: what stands idle, what is overloaded, what could run on spot, share GPUs or ask for less.

Each piece comes with what it would save an hour and with a policy, ready to be read, tested and kept: the mark that was
passed stands in the policy as a parameter. Which share counts as idle or overloaded is the caller's to say.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from scrimp.costs.colocate import Sharing
from scrimp.costs.sizing import MIB, Size
from scrimp.model.costs import CostGroups
from scrimp.model.money import Money
from scrimp.model.usage import CPU, GPU, MEMORY, MICRO, ON_DEMAND, STORAGE

Kind = Literal["idle", "overloaded", "spot", "share", "size"]

Target = Literal["node_group", "pool", "volume"]
_FIELDS: Final[Mapping[Target, Mapping[str, str]]] = {
    "node_group": {GPU: "gpu_utilization", CPU: "cpu_utilization", MEMORY: "memory_utilization"},
    "pool": dict.fromkeys((GPU, CPU, MEMORY, STORAGE), "utilization"),
    "volume": {STORAGE: "utilization"},
}


@dataclass(frozen=True, slots=True)
class Marks:
    """A resource is idle below `idle` and overloaded above `busy`: shares of its capacity, on average over the period."""

    idle: float
    busy: float


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece: of what kind, for which target, why, what it would save an hour (never more than it costs), and a policy."""

    kind: Kind
    target: str
    resource: str
    message: str
    saving_per_hour: Money
    policy: str
    evidence: Mapping[str, float] = field(default_factory=dict)


def usage_advice(
    groups: CostGroups,
    hours: float,
    marks: Mapping[str, Marks],
    *,
    target: Target = "node_group",
    realisable: Mapping[tuple[str, str], float] | None = None,
    unmeasured: CostGroups | None = None,
) -> tuple[Advice, ...]:
    """Idle and overloaded resources of pools, or of the volumes of such a name, the largest saving first.

    `groups` are by (pool, resource) over `hours`. What is idle could be as small as to be used at its mark: that share of its
    cost is what could be saved where it can be had in any size. Where whole nodes are paid for, `realisable` says, by pool and
    currency (in units of it), what those cost an hour that can be given back: the idle resources of a pool share that, and no
    more. A pool without a name is left out: no policy could target it. What of `groups` is `unmeasured` counts as used where
    it would be idle else, and as not used where it would be overloaded: nothing is claimed where nobody looked.
    """
    _by(groups, "pool", "resource")
    blind = {} if unmeasured is None else dict(zip(unmeasured.keys, unmeasured.used.tolist(), strict=True))
    found = []
    cost = groups.cost_micro().tolist()
    rows = zip(groups.keys, cost, groups.capacity.tolist(), groups.used.tolist(), strict=True)
    for (pool, resource, currency), micro, capacity, used in rows:
        column = _FIELDS[target].get(resource)
        if resource not in marks or column is None or not pool or capacity <= 0:
            continue
        share, mark = used / capacity, marks[resource]
        seen = _Use(target, column, pool, resource, share)
        if share < mark.idle:
            idle = max(0, micro) * (1 - share / mark.idle) / MICRO / hours
            found.append(_usage("idle", seen, mark.idle, Money(idle, currency)))
        elif (used - blind.get((pool, resource, currency), 0.0)) / capacity > mark.busy:
            found.append(_usage("overloaded", seen, mark.busy, Money(0.0, currency)))
    if realisable is not None:
        found = _shared_out(found, realisable, "node" if target == "node_group" else "unit")
    return tuple(sorted(found, key=lambda one: (-one.saving_per_hour.amount, one.target, one.resource)))


def _shared_out(found: list[Advice], realisable: Mapping[tuple[str, str], float], whole: str) -> list[Advice]:
    """Each idle resource with its part of what its pool can give back, by what of it is idle."""
    idle: dict[tuple[str, str], float] = {}
    for one in found:
        key = one.target, one.saving_per_hour.currency
        idle[key] = idle.get(key, 0.0) + one.saving_per_hour.amount
    shared = []
    for one in found:
        key = one.target, one.saving_per_hour.currency
        part = one.saving_per_hour.amount / idle[key] if idle[key] else 0.0
        saving = Money(part * realisable.get(key, 0.0), key[1])
        stays = "" if saving.amount > 0 or one.kind != "idle" else f"; no whole {whole} can be given back"
        shared.append(replace(one, saving_per_hour=saving, message=one.message + stays))
    return shared


def spot_advice(
    groups: CostGroups, hours: float, discounts: Mapping[str, float], tolerant: Collection[str]
) -> tuple[Advice, ...]:
    """Pools on demand whose work bears interruption (`tolerant`), where spot is cheaper by a known discount of their type.

    `groups` are by (pool, instance_type, purchase_option).
    """
    _by(groups, "pool", "instance_type", "purchase_option")
    found = []
    for (pool, kind, option, currency), micro in zip(groups.keys, groups.cost_micro().tolist(), strict=True):
        discount = discounts.get(kind, 0.0)
        if option != ON_DEMAND or pool not in tolerant or not 0 < discount <= 1 or micro <= 0:
            continue
        message = f"{pool} runs {kind} on demand: spot is {discount:.0%} cheaper"
        body = (
            f'  target   node_group where name == {_text(pool)} and purchase_option == "{ON_DEMAND}"\n'
            "  when     size > 0 for 30m tolerating 5m unknown\n"
            '  do       switch_to_spot(fallback = "on_demand")\n'
            "  cooldown 6h per target\n"
        )
        saving = Money(micro * discount / MICRO / hours, currency)
        policy = _policy(f"spot_{pool}", message, "approve", body)
        found.append(Advice("spot", pool, kind, message, saving, policy, {"discount": discount}))
    return tuple(sorted(found, key=lambda one: (-one.saving_per_hour.amount, one.target)))


def share_advice(pool: str, sharing: Sharing, price_per_hour: Money) -> Advice | None:
    """A pool with a GPU for each job, whose jobs fit on fewer; `price_per_hour` is that of one GPU's node."""
    fewer = len(sharing.devices)
    if fewer >= sharing.alone:
        return None
    message = f"the {sharing.alone} jobs of {pool} fit on {fewer} GPUs by what they used together"
    body = (
        f"  target   node_group where name == {_text(pool)} and size > {fewer}\n"
        "  when     queue_depth == 0 for 1h tolerating 5m unknown\n"
        f"  do       scale_down(to = {fewer})\n"
        "  undo when queue_oldest_age > 5m for 5m\n"
        "  cooldown 24h per target\n"
    )
    saving = Money(price_per_hour.amount * (sharing.alone - fewer), price_per_hour.currency)
    return Advice("share", pool, GPU, message, saving, _policy(f"share_{pool}", message, "approve", body))


def size_advice(operation: str, size: Size, limit_bytes: float, saving_per_hour: Money) -> Advice | None:
    """Jobs of an operation that ask for more memory than they need; `saving_per_hour` is what `repack` finds it to free.

    `size` is of bytes. Without enough data the size is named as a lower bound, with its confidence, and saves nothing yet.
    """
    if size.value >= limit_bytes:
        return None
    mib = -(-size.value // MIB)
    sure = f"with {size.confidence:.0%} confidence, of {size.peaks} peaks"
    if size.enough:
        message = f"{operation} needs {mib:.0f} MiB, not {limit_bytes / MIB:.0f} ({sure})"
    else:
        message = f"not enough data on {operation} ({size.peaks_needed} peaks and a week): at least {mib:.0f} MiB ({sure})"
        saving_per_hour = Money(0.0, saving_per_hour.currency)
    body = (
        f"  target   job where operation == {_text(operation)} and memory_limit > {mib:.0f}MiB\n"
        f"  when     memory_used < {mib:.0f}MiB for 1h tolerating 5m unknown\n"
        f"  do       recommend(message = {_text(message)})\n"
        "  cooldown 24h per target\n"
    )
    policy = _policy(f"size_{operation}", message, "enforce", body)
    return Advice(
        "size", operation, MEMORY, message, saving_per_hour, policy, {"confidence": size.confidence}
    )


def capped(advice: Collection[Advice], spend_per_hour: Money) -> tuple[Advice, ...]:
    """The pieces whose savings, added up from the largest, stay within what is spent: the last one that fits is cut.

    It is the last bound, not a price: savings of one pool that overlap are to be priced together before.
    """
    left, found = spend_per_hour.amount, []
    for one in sorted(advice, key=lambda piece: (-piece.saving_per_hour.amount, piece.kind, piece.target)):
        if one.saving_per_hour.currency != spend_per_hour.currency:
            raise ValueError(f"{one.saving_per_hour.currency} against a spend in {spend_per_hour.currency}")
        saving = min(one.saving_per_hour.amount, max(0.0, left))
        left -= saving
        found.append(replace(one, saving_per_hour=Money(saving, spend_per_hour.currency)))
    return tuple(found)


def _by(groups: CostGroups, *names: str) -> None:
    if groups.by != (*names, "currency"):
        raise ValueError(f"group the costs by {names}, not by {groups.by[:-1]}")


@dataclass(frozen=True, slots=True)
class _Use:
    """What a resource of a target is used to, and the field that says so."""

    target: Target
    column: str
    name: str
    resource: str
    share: float


def _usage(kind: Literal["idle", "overloaded"], seen: _Use, mark: float, saving: Money) -> Advice:
    """Advice on a resource that is used below or above its mark."""
    side, what = (
        ("<", "a smaller size or more work") if kind == "idle" else (">", "a larger size, or spread its work")
    )
    message = f"{seen.resource} of {seen.name} is used to {seen.share:.0%} on average: {what}"
    body = (
        f"  target   {seen.target} where name == {_text(seen.name)}\n"
        f"  when     avg({seen.column}) over 1h {side} {mark * 100:.6g}% for 1h tolerating 5m unknown\n"
        f"  do       recommend(message = {_text(message)})\n"
        "  cooldown 24h per target\n"
        "  coverage 80%\n"
    )
    policy = _policy(f"{kind}_{seen.resource}_{seen.name}", message, "enforce", body)
    evidence = {"share": seen.share, "mark": mark}
    return Advice(kind, seen.name, seen.resource, message, saving, policy, evidence)


def _policy(name: str, message: str, mode: str, body: str) -> str:
    """A file with one policy; its name is made of letters, digits and underscores."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f'scrimp 1\n\npolicy {plain} {{\n  {_text(message)}\n  owner    "finops"\n  mode     {mode}\n{body}}}\n'


def _text(text: str) -> str:
    """A string of the language, without line breaks."""
    plain = " ".join(text.split())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
