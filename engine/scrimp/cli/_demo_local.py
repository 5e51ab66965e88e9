"""`scrimp demo local`: the policy library acts on real audio workers of this machine, and everything is measured."""

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import click

from scrimp.api import Direction, JobGroup, PlannedAction, Provider
from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli.run import tell
from scrimp.config import Config, Section
from scrimp.daemon import Alarm, Daemon, Parts, Ticked, Told, compose
from scrimp.evaluate import column_of
from scrimp.store import open_store, read_records, visit_store

WORKER = Path("examples/audio/worker.py")
TICK_S = 2.0
CRITICAL_ENDS_S = 45.0
ENDS_S = 75.0


@dataclass(slots=True)
class Measured:
    """Samples a second of the critical worker, by whether anything was paused at that tick; what acted, how often."""

    rates: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    acted: dict[str, int] = field(default_factory=dict)

    def __call__(self, told: Told) -> None:
        """Take a tick down, and tell it."""
        tell(told)
        if not isinstance(told, Ticked):
            return
        for outcome in told.outcomes:
            if outcome.outcome == "done":
                name = outcome.intent.action.action
                self.acted[name] = self.acted.get(name, 0) + 1
        table = told.gathered.snapshot.tables.get("job")
        rate, state = (column_of(table, name) if table else None for name in ("items_per_second", "state"))
        if table is None or rate is None or state is None or "serve-0" not in table.rows:
            return
        paused = any(
            state.valid[row] and state.words[int(state.values[row])] == "paused" for row in range(len(table))
        )
        row = table.rows["serve-0"]
        if rate.valid[row] and rate.age_s[row] <= 2 * TICK_S:
            self.rates[paused].append(float(rate.values[row]))


@click.command("local")
@click.option(
    "--policies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("policies"),
    show_default=True,
    help="The folder of policies.",
)
def command(policies: Path) -> ExitCode:
    """Watch policies act on real processes of this machine; ends by itself after about 80 seconds.

    A critical audio worker and more workers that can wait are started than there are cores. The policies in
    `policies/` decide what happens then; without policies, nothing does. At 45 s the critical work ends.
    """
    if not WORKER.exists():
        raise Wrong(f"there is no `{WORKER}`: run this in a checkout of scrimp")
    with tempfile.TemporaryDirectory(prefix="scrimp-demo-") as folder:
        state = Path(folder) / ".scrimp"
        section = Section("host", "host", {"price_per_core_hour": 0.04})
        config = Config(
            policies=policies,
            store=state,
            interval_s=TICK_S,
            params={"load_low": "80%"},  # one worker on two cores is half of them, and scrimp needs some, too
            collectors=(_paced(section),),
        )
        alarm, measured = Alarm(), Measured()
        parts = compose(config, time.time, time.sleep)
        waiting = (os.cpu_count() or 1) + 1
        click.echo(f"starting 1 critical audio worker and {waiting} that can wait", err=True)
        _register(parts, "serve", 1, critical=True)
        _register(parts, "batch", waiting, critical=False)
        store = open_store(state, time.time)
        try:
            daemon = Daemon(parts, store, alarm, None, measured)
            _resize(parts, "serve", 0, 1)
            _resize(parts, "batch", 0, waiting)
            daemon.start()
            with alarm.on_signals():
                _play(parts, daemon, alarm)
        finally:
            store.close()
            _resize(parts, "batch", waiting, 0)
            _resize(parts, "serve", 1, 0)
        return _conclude(state, measured)


def _paced(section: Section) -> Section:
    return replace(section, interval_s=TICK_S)


def _register(parts: Parts, name: str, size: int, *, critical: bool) -> None:
    assert parts.services.jobs is not None
    line = (sys.executable, str(WORKER.resolve()), "--clips", "0", "--batch-size", "16")
    parts.services.jobs.register(
        JobGroup(
            name=name,
            command=line,
            min_size=0,
            max_size=size,
            critical=critical,
            operation="log_mel",
            drain_s=5.0,
        )
    )


def _resize(parts: Parts, name: str, before: int, after: int) -> None:
    """Come to a size through the provider, as a policy would."""
    up = after > before
    action = PlannedAction(
        action="scale_up" if up else "scale_down",
        target=f"node_group/{name}",
        args={"to": float(after), "drain": 2.0},
        writes="capacity",
        direction=Direction.RESTORE if up else Direction.REDUCE,
        before={"size": float(before)},
        after={"size": float(after)},
        saving_per_hour=None,
    )
    provider: Provider = next(one for one in parts.providers if one.handles(action))
    provider.apply(action, key=f"demo-{name}-{after}", deadline_s=30.0)


def _play(parts: Parts, daemon: Daemon, alarm: Alarm) -> None:
    """Tick to the end; the critical work ends on the way."""
    began_s = time.monotonic()
    ended = False
    while not alarm.stopping and (past_s := time.monotonic() - began_s) < ENDS_S:
        if not ended and past_s >= CRITICAL_ENDS_S:
            click.echo("the critical work ends", err=True)
            _resize(parts, "serve", 1, 0)
            ended = True
        started_s = time.monotonic()
        daemon.once()
        alarm.sleep(max(0.0, TICK_S - (time.monotonic() - started_s)))


def _conclude(state: Path, measured: Measured) -> ExitCode:
    """The audit trail, whether it is sound, and what was measured."""
    with visit_store(state, time.time) as visit:
        click.echo("\naudit trail")
        for record in read_records(visit.log):
            if record["event"] in ("intent", "outcome"):
                click.echo(f"  {_line(record)}")
        found = visit.verify()
    if found.bad is not None:
        raise Failed(f"the audit log is not sound: {found.bad}")
    click.echo(f"  {found.records} records: sound")
    crowded, relieved = measured.rates[False], measured.rates[True]
    click.echo("\nmeasured")
    acted = ", ".join(f"{count} {name}" for name, count in sorted(measured.acted.items()))
    click.echo(f"  done by policies: {acted or 'nothing'}")
    if crowded and relieved:
        gain = fmean(relieved) / fmean(crowded)
        click.echo(
            f"  critical worker: {fmean(crowded):.0f} clips/s while crowded, {fmean(relieved):.0f} with the others "
            f"paused ({gain:.2f} times)"
        )
    return ExitCode.DONE


def _line(record: Mapping[str, object]) -> str:
    parts = (
        record.get("at"),
        record["event"],
        record.get("policy"),
        record.get("action"),
        record.get("target"),
    )
    return "  ".join(str(part) for part in parts if part)
