"""`scrimp demo local`: the policy library acts on real audio workers of this machine, and everything is measured.

Nothing here decides: the stage changes how many clips come in and how loaded the machine is, the policies do the rest.
"""

import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from scrimp.api import Money
from scrimp.cli._app import ExitCode, Failed, Wrong
from scrimp.cli._demo_conclusions import QUIET, RUSH, measured
from scrimp.cli._demo_figures import Figures, Moment
from scrimp.cli._demo_stage import CRITICAL, SIZE, WAITING, WORKER, Stage, spare_cores
from scrimp.cli._demo_view import View
from scrimp.cli._plan_views import as_text
from scrimp.cli._screen import show
from scrimp.config import Config, Section
from scrimp.daemon import Alarm, Daemon, Ticked, Told, Unloadable, compose
from scrimp.model.decision import Verdict
from scrimp.model.plan import Plan
from scrimp.store import open_store, read_records, visit_store

TICK_S = 2.0
QUIET_SHARE = 0.3  # of what the workers did in the rush, once it is over
WATCHED_S = 14.0  # how long the effect of an act is measured before the story goes on
PRICE = 0.04


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the story: it ends once `over` says so, and after `most_s` seconds in any case."""

    name: str
    text: str
    rush: bool
    most_s: float
    over: Callable[[Figures, float], bool]


def _after(figures: Figures, now_s: float, wait_s: float, *actions: str) -> bool:
    """Whether all these actions were done, the last of them at least `wait_s` ago."""
    times = [figures.did(action) for action in actions]
    return all(one is not None and now_s - one >= wait_s for one in times)


STORY = (
    Phase(
        RUSH,
        "rush: more clips come in than the workers can do, and the machine is crowded",
        rush=True,
        most_s=44.0,
        over=lambda figures, now_s: _after(figures, now_s, WATCHED_S, "pause_non_critical"),
    ),
    Phase(
        QUIET,
        "quiet: the rush is over, a third of the clips come in",
        rush=False,
        most_s=46.0,
        over=lambda figures, now_s: _after(figures, now_s, WATCHED_S, "resume_paused", "scale_down"),
    ),
    Phase(
        "rush again",
        "rush again: work piles up",
        rush=True,
        most_s=18.0,
        over=lambda figures, now_s: _after(figures, now_s, 2 * TICK_S, "scale_up"),
    ),
)


@click.command("local")
@click.option(
    "--policies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("policies"),
    show_default=True,
    help="The folder of policies.",
)
@click.option("--price", type=float, default=PRICE, show_default=True, help="Of a core for an hour, in USD.")
@click.option("--keep", is_flag=True, help="Go on after the story, rush and quiet in turn, until Ctrl-C.")
def command(policies: Path, price: float, *, keep: bool) -> ExitCode:
    """Watch policies act on real processes of this machine; ends by itself within two minutes.

    Four audio workers are started, two of them critical. Rush and quiet take turns; the policies in `policies/`
    decide what happens then: without policies, nothing does.
    """
    if not WORKER.exists():
        raise Wrong(f"there is no `{WORKER}`: run this in a checkout of scrimp")
    with tempfile.TemporaryDirectory(prefix="scrimp-demo-") as name:
        folder = Path(name)
        state = folder / ".scrimp"
        config = Config(
            policies=policies,
            store=state,
            interval_s=TICK_S,
            params={"load_low": "80%"},  # scrimp and whatever else runs here need some, too
            collectors=(Section("host", "host", {"price_per_core_hour": price}, interval_s=TICK_S),),
        )
        parts = compose(config, time.time, time.sleep)
        show(parts.findings)
        stage = Stage(parts, folder, Money(price, config.currency))
        story = Story(stage, View(config.currency, time.time()))
        click.echo(f"starting {SIZE} critical and {SIZE} other audio workers", err=True)
        with open_store(state, time.time) as store, stage.opened():
            plan = story.play(Daemon(parts, store, Alarm(), None, story.take), keep=keep)
        return _conclude(state, story.figures, plan, stage.price)


@dataclass(slots=True)
class Story:
    """Plays the phases, tick by tick."""

    stage: Stage
    view: View
    figures: Figures = field(default_factory=Figures)
    _phase: Phase = STORY[0]
    _rates: dict[str, float] = field(default_factory=dict)

    def take(self, told: Told) -> None:
        """Take down and show what happened."""
        if isinstance(told, Ticked):
            moment = self.figures.add(told, self._phase.name)
            self.view.show(moment, told.plan, self.figures, self._phase.text)

    def play(self, daemon: Daemon, *, keep: bool) -> Plan:
        """All phases; gives the plan of the tick that would come next."""
        try:
            daemon.start()
        except Unloadable as error:
            show(error.diagnostics)
            raise Wrong(str(error)) from error
        alarm = daemon.alarm
        with alarm.on_signals(), self.view.shown():
            phases = [*STORY]
            while phases and not alarm.stopping:
                self._phase = phases.pop(0)
                self.view.phase(self._phase.text)
                self._act_out(daemon)
                if keep and not phases:
                    phases = [STORY[1], STORY[2]]
        return daemon.preview()

    def _act_out(self, daemon: Daemon) -> None:
        began_s = time.time()
        self.stage.load(spare_cores() if self._phase.rush else 0)
        while not daemon.alarm.stopping:
            tick_s = time.time()
            daemon.once()
            moment = self.figures.moments[-1]
            self._let_arrive(moment)
            if self._phase.over(self.figures, tick_s) or tick_s - began_s >= self._phase.most_s:
                return
            daemon.alarm.sleep(max(0.0, TICK_S - (time.time() - tick_s)))

    def _let_arrive(self, moment: Moment) -> None:
        """In the rush more than enough; else a share of what was done in it, whatever the size of the group is now."""
        for group in (CRITICAL, WAITING):
            rate = moment.clips_per_s(group)
            if self._phase.rush:
                if rate:
                    self._rates[group] = rate
                self.stage.arrive(group, None, SIZE)
            else:
                members = int(moment.sizes.get(group, SIZE))
                self.stage.arrive(group, QUIET_SHARE * self._rates.get(group, 0.0), members)


def _conclude(state: Path, figures: Figures, plan: Plan, price: Money) -> ExitCode:
    """The next plan, the audit trail, whether it is sound, and what was measured."""
    click.echo("\nwhat the next tick would do")
    known = tuple(one for one in plan.withheld if one.verdict is not Verdict.UNKNOWN)
    click.echo(_indented(as_text(replace(plan, withheld=known), 76)))
    unknown = plan.counts()[Verdict.UNKNOWN]
    if unknown:
        click.echo(f"  {unknown} unknown: no source here, or too short a past (`scrimp plan` says which)")
    with visit_store(state, time.time) as visit:
        click.echo("\naudit trail")
        for record in read_records(visit.log):
            if record["event"] in ("intent", "outcome"):
                click.echo(f"  {_line(record)}")
        found = visit.verify()
    if found.bad is not None:
        raise Failed(f"the audit log is not sound: {found.bad}")
    click.echo(f"  {found.records} records: sound")
    click.echo("\nmeasured")
    for line in measured(figures, price):
        click.echo(textwrap.fill(line, 78, initial_indent="  ", subsequent_indent="    "))
    return ExitCode.DONE


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _line(record: Mapping[str, object]) -> str:
    time_of_day = str(record["at"])[11:19]
    parts = (time_of_day, record["event"], record.get("policy"), record.get("action"), record.get("target"))
    return "  ".join(str(part) for part in parts if part)
