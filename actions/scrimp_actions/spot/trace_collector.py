"""What a real cloud's collectors would bring of the simulated one: markets, nodes, the fleet, its jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrimp.api import Collected, KindBatch, Value
from scrimp_actions.spot.cloud import Instance, InstanceState, Purchase
from scrimp_actions.spot.hands import MEMBER_TAG
from scrimp_actions.spot.manager import Manager
from scrimp_actions.spot.member import State
from scrimp_actions.spot.simulated import SimulatedWorker
from scrimp_actions.spot.trace_world import TraceWorld

OPERATION = "features"
SCORE_MOST = 10

MARKET = (
    *("instance_type", "zone", "price_per_hour", "on_demand_price", "discount"),
    *("capacity_score", "expected_lifetime"),
)
NODE = (
    *("group", "instance_type", "zone", "purchase_option", "state", "age", "price_per_hour"),
    *("interruption_notice", "time_to_interruption", "on_demand_price", "spot_price", "spot_price_age"),
)
GROUP = (
    *("size", "min_size", "max_size", "instance_type", "purchase_option", "price_per_hour", "cost_rate"),
    *("queue_depth", "on_demand_price", "spot_price", "spot_price_age"),
)
JOB = (
    *("group", "node", "operation", "state", "critical", "checkpointable", "batch_size", "items_per_second"),
    *("progress", "time_to_deadline", "purchase_option", "instance_type", "zone", "price_per_hour"),
    *("on_demand_price", "spot_price", "spot_price_age", "spot_discount", "cost_rate"),
)


@dataclass(slots=True)
class TraceCollector:
    """Brings the world to the time of the tick, and reads it. Prices of the future are never seen."""

    name: str
    interval_s: float
    world: TraceWorld
    manager: Manager

    def covers(self) -> Sequence[tuple[str, str]]:
        """See `Collector.covers`."""
        kinds = (("spot_market", MARKET), ("node", NODE), ("node_group", GROUP), ("job", JOB))
        return [(kind, field) for kind, fields in kinds for field in fields]

    def collect(self, now_s: float, *, deadline_s: float) -> Collected:  # noqa: ARG002 - nothing is waited for
        """See `Collector.collect`."""
        world = self.world
        world.advance(now_s)
        alive = world.cloud.alive()
        batches = [
            _batch("spot_market", [(pool, self._market(pool, now_s)) for pool in world.settings.pools]),
            _batch("node", [(made.id, self._node(made, now_s)) for made in alive]),
            _batch("node_group", [(world.settings.fleet, self._group(alive, now_s))]),
            _batch("job", self._jobs({made.id: made for made in alive}, now_s)),
        ]
        return Collected(batches)

    def _market(self, pool: str, now_s: float) -> dict[str, Value]:
        room, price = self.world.cloud.room(pool)
        full = self.world.settings.on_demand_per_hour
        return {
            "instance_type": self.world.settings.instance_type,
            "zone": self.world.zone(pool),
            "price_per_hour": price,
            "on_demand_price": full,
            "discount": 1.0 - price / full,
            "capacity_score": float(max(0, min(SCORE_MOST, room))),
            "expected_lifetime": self.manager.pools.expected_up_s(pool, now_s),
        }

    def _node(self, made: Instance, now_s: float) -> dict[str, Value]:
        entry = self.manager.runner.entries.get(made.tags.get(MEMBER_TAG, ""))
        leaving = entry is not None and entry.member.state not in (
            State.REQUESTED,
            State.PENDING,
            State.RUNNING,
            State.AT_RISK,
        )
        running = made.state is InstanceState.RUNNING
        taken_s = self.world.noticed_s.get(made.id)
        return {
            "group": self.world.settings.fleet,
            "instance_type": self.world.settings.instance_type,
            "zone": self.world.zone(made.pool),
            "purchase_option": made.purchase.value,
            "state": "draining" if leaving else "running" if running else "pending",
            "age": now_s - made.launched_s,
            "price_per_hour": self.world.price(made.pool, made.purchase),
            "interruption_notice": taken_s is not None,
            "time_to_interruption": None if taken_s is None else taken_s - now_s,
            **self._offer(self.world.settings.pools, now_s),
        }

    def _group(self, alive: Sequence[Instance], now_s: float) -> dict[str, Value]:
        world, fleet = self.world, self.world.settings.fleet
        spec, wish = self.manager.specs[fleet], self.manager.wishes[fleet]
        rate = sum(world.price(made.pool, made.purchase) for made in alive)
        counts = world.counts(now_s)
        return {
            "size": float(wish.size),
            "min_size": float(spec.min_size),
            "max_size": None if spec.max_size is None else float(spec.max_size),
            "instance_type": world.settings.instance_type,
            "purchase_option": wish.purchase.value,
            "price_per_hour": rate / len(alive) if alive else None,
            "cost_rate": rate,
            "queue_depth": float(counts.waiting + counts.leased),
            **self._offer(world.settings.pools, now_s),
        }

    def _offer(self, pools: Sequence[str], now_s: float) -> dict[str, Value]:
        """The lowest spot price of these pools with its age, and the price on demand."""
        offers = self.world.cloud.offers(pools, deadline_s=1.0)
        price, since_s = min(
            (one.spot.amount, one.at_s) for one in offers if one.spot and one.at_s is not None
        )
        return {
            "on_demand_price": self.world.settings.on_demand_per_hour,
            "spot_price": price,
            "spot_price_age": max(now_s - since_s, 0.0),
        }

    def _jobs(self, alive: Mapping[str, Instance], now_s: float) -> list[tuple[str, dict[str, Value]]]:
        counts = self.world.counts(now_s)
        progress = counts.committed / counts.items if counts.items else None
        return [
            (worker.instance, self._job(worker, alive[worker.instance], progress, now_s))
            for worker in self.world.workers.workers.values()
            if worker.instance in alive
        ]

    def _job(
        self, worker: SimulatedWorker, made: Instance, progress: float | None, now_s: float
    ) -> dict[str, Value]:
        world = self.world
        spot, full = world.price(made.pool, Purchase.SPOT), world.settings.on_demand_per_hour
        price = spot if made.purchase is Purchase.SPOT else full
        return {
            "group": world.settings.fleet,
            "node": made.id,
            "operation": OPERATION,
            "state": "draining" if worker.told else "running",
            "critical": False,
            "checkpointable": True,
            "batch_size": float(world.settings.work.batch_items),
            "items_per_second": 0.0 if worker.told else world.settings.work.batch_items / worker.batch_s,
            "progress": progress,
            "time_to_deadline": world.deadline_s - now_s,
            "purchase_option": made.purchase.value,
            "instance_type": world.settings.instance_type,
            "zone": world.zone(made.pool),
            "price_per_hour": price,
            **self._offer((made.pool,), now_s),
            "spot_discount": 1.0 - spot / full,
            "cost_rate": price,
        }


def _batch(kind: str, rows: Sequence[tuple[str, Mapping[str, Value]]]) -> KindBatch:
    names = [name for name, _ in rows]
    fields = rows[0][1] if rows else {}
    return KindBatch(kind, names, {name: [row[name] for _, row in rows] for name in fields})
