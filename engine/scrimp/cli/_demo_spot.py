"""`scrimp demo spot`: ten million samples in a simulated cloud, on a virtual clock. Everything is measured, nothing scripted.

The daemon is the real one: its ticks, its policies, its store and audit log. So are the provider of managed fleets with
its runner, and the work queue. The cloud replays generated traces of four zones, and its workers only wait.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from scrimp.api import WorkQueue
from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._screen import show
from scrimp.config import Config, Section
from scrimp.daemon import Alarm, Daemon, Ticked, Told, Unloadable, compose
from scrimp.diagnostics import Diagnostic
from scrimp.model.money import Money
from scrimp.store import open_store, visit_store
from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.trace import shared_key
from scrimp_actions.spot.trace_world import TraceWorld

START_S = 1_772_409_600.0  # 2026-03-02T00:00Z
TICK_S = 120.0
LINE_S = 3600.0
LONGEST_S = 5 * 86400.0
FLEET = "audio"
SIZE = 24
ITEMS_PER_S = 12.0
DEADLINE_H = 30.0


@dataclass(slots=True)
class Clock:
    """The virtual clock. Who sleeps moves it."""

    at_s: float = START_S

    def now(self) -> float:
        """The time."""
        return self.at_s

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.at_s += seconds


@dataclass(slots=True)
class Chronicle:
    """What the policies did, told as it happens; rescues are counted."""

    clock: Clock
    rescues: int = 0
    failed: int = 0
    switches: int = 0

    def __call__(self, told: Told) -> None:
        """Take down the outcomes of a tick."""
        if isinstance(told, Diagnostic):
            show([told])
        if not isinstance(told, Ticked):
            return
        for outcome in told.outcomes:
            action = outcome.intent.action.action
            if outcome.outcome != "done":
                self.failed += 1
            elif action == "rescue":
                self.rescues += 1
            else:
                self.switches += 1
            if action != "rescue":
                click.echo(f"{_hour(self.clock.at_s)}  {outcome.intent.policy}: {outcome.detail}"[:80])


@click.command("spot")
@click.option(
    "--policies",
    type=click.Path(exists=True, path_type=Path),
    default=Path("policies/spot.scrimp"),
    show_default=True,
    help="A file or folder of policies.",
)
@click.option("--samples", type=click.IntRange(1000), default=10_000_000, show_default=True, help="The work.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the traces and their mischief.")
def command(policies: Path, samples: int, seed: int) -> ExitCode:
    """Work off ten million samples on spot capacity of a simulated cloud; ends by itself within about a minute.

    24 GPU machines begin on demand. Prices, capacity, interruptions and their notices (some late, double or missing)
    come from generated traces; the policies decide where the work runs.
    """
    # The history's thread may be behind a clock that runs a thousand times as fast: what it still writes goes, too.
    with tempfile.TemporaryDirectory(
        prefix="scrimp-demo-", dir=_memory(), ignore_cleanup_errors=True
    ) as folder:
        clock = Clock()
        config = Config(
            policies=policies,
            store=Path(folder) / ".scrimp",
            interval_s=TICK_S,
            providers=(Section("trace", "trace", _world(samples, seed)),),
            collectors=(Section("trace", "trace", {}),),
        )
        parts = compose(config, clock.now, clock.sleep)
        show(parts.findings)
        world, _ = parts.services.shared[shared_key("trace")]
        told = Chronicle(clock)
        store = open_store(config.store, clock.now)
        try:
            daemon = Daemon(parts, store, Alarm(), None, told)
            daemon.start()
            try:
                _play(daemon, clock, world)
            finally:
                daemon.close()
        except Unloadable as error:
            show(error.diagnostics)
            raise Wrong(str(error)) from error
        finally:
            store.close()
        _prove(world.queue, samples)
        _conclude(world, told, clock.at_s)
        with visit_store(config.store, clock.now) as visit:
            found = visit.verify()
        if found.bad is not None:
            raise Failed(f"the audit log is not sound: {found.bad}")
        click.echo(f"audit log: {found.records} records, sound")
    return ExitCode.DONE


def _world(samples: int, seed: int) -> dict[str, Any]:
    """The section of `scrimp.yaml`: the fleet, the work, and a climate with faults."""
    return {
        "fleet": FLEET,
        "size": SIZE,
        "max_size": SIZE,
        "purchase_option": "on_demand",
        "items": samples,
        "seed": seed,
        "instances": SIZE,
        "deadline_hours": DEADLINE_H,
        "at_once": SIZE,
        "look_s": 30.0,
        "plan_s": 30.0,
        "poll_s": 5.0,
        "work": {"items_per_s": ITEMS_PER_S, "batch_items": 128, "checkpoint_s": 300.0, "lease_s": 900.0},
        "faults": {"missing": 0.05, "late": 0.1, "double": 0.2, "rebalance": 0.3, "lost_answers": 0.02},
    }


def _play(daemon: Daemon, clock: Clock, world: TraceWorld) -> None:
    """Tick every minute, and at once where a notice comes; between, the world and the provider go on."""
    click.echo(" h:mm  spot  on demand  pools in use             cheapest   committed    spent")
    tick_s = line_s = clock.at_s
    due_s = clock.at_s
    while clock.at_s < START_S + LONGEST_S:
        noticed = len(world.noticed_s)
        clock.at_s = world.advance(min(tick_s, max(due_s, clock.at_s)), to_notice=True)
        if clock.at_s >= tick_s or len(world.noticed_s) > noticed:
            daemon.once()
            tick_s = tick_s + TICK_S if clock.at_s >= tick_s else tick_s
        if clock.at_s >= line_s:
            click.echo(_line(world, clock.at_s))
            line_s += LINE_S
        if world.counts(clock.at_s).committed == world.settings.items:
            click.echo(_line(world, clock.at_s))
            break
        due_s = clock.at_s + daemon.carry_on()
    else:
        raise Failed("the work was not done within five days of virtual time")


def _line(world: TraceWorld, now_s: float) -> str:
    alive = world.cloud.alive()
    spot = [made for made in alive if made.purchase is Purchase.SPOT]
    held = {pool: sum(made.pool == pool for made in spot) for pool in world.settings.pools}
    used = " ".join(f"{world.zone(pool)[-2:]}:{count}" for pool, count in held.items() if count)
    best = min(world.price(pool, Purchase.SPOT) for pool in world.settings.pools)
    counts = world.counts(now_s)
    return (
        f"{_hour(now_s)}  {len(spot):4d}  {len(alive) - len(spot):9d}  {used:<23}  ${best:7.4f}/h"
        f"  {counts.committed / 1e6:7.3f} M  {Money(world.cloud.paid().total, 'USD')!s:>8}"
    )


def _prove(queue: WorkQueue, samples: int) -> None:
    """Every sample was committed once: the commits, in order, cover all of them without gap or overlap."""
    runs = [(one.first, one.stop) for one in queue.committed()]
    ends = [0, *(stop for _, stop in runs)]
    whole = all(end == first for end, (first, _) in zip(ends, runs, strict=False)) and ends[-1] == samples
    if not whole:
        raise Failed("the commits do not cover every sample once")
    click.echo(f"\n{samples:,} samples committed in {len(runs):,} leases: each once, none lost")


def _conclude(world: TraceWorld, told: Chronicle, now_s: float) -> None:
    bill, settings = world.cloud.paid(), world.settings
    hours = settings.items / settings.work.items_per_s / 3600.0
    full = hours * settings.on_demand_per_hour
    took_h = (now_s - START_S) / 3600.0
    redone = world.workers.redone
    click.echo(
        f"took {took_h:.1f} h of {settings.deadline_s / 3600:.0f} h allowed; "
        f"{bill.spot_hours:.0f} h on spot, {bill.on_demand_hours:.0f} h on demand"
    )
    click.echo(
        f"machines taken: {len(world.interrupted)}, {world.unannounced} of them without notice; "
        f"{told.rescues} rescued by policy"
    )
    share = redone.total_s / 3600.0 / max(bill.spot_hours + bill.on_demand_hours, 1e-9)
    click.echo(
        f"work done again: {redone.total_s / 60.0:.0f} machine-minutes ({share:.2%}); commits refused: {world.workers.refused}"
    )
    click.echo(f"moves by policy: {told.switches}; acts that failed: {told.failed}")
    click.echo(
        f"cost: {Money(bill.total, 'USD')} instead of {Money(full, 'USD')} on demand: {1 - bill.total / full:.1%} saved"
    )


def _memory() -> Path | None:
    """A folder in memory, where there is one: nothing of a virtual world has to survive a power cut."""
    shared = Path("/dev/shm")  # noqa: S108 - with a name of its own in it
    return shared if os.access(shared, os.W_OK) else None


def _hour(at_s: float) -> str:
    minutes = int((at_s - START_S) / 60.0)
    return f"{minutes // 60:2d}:{minutes % 60:02d}"
