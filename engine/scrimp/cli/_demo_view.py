"""The live view of the demo: a table that is redrawn each tick on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scrimp.api import Money
from scrimp.cli._demo_figures import Act, Figures, Job, Moment
from scrimp.model.decision import Decision, Verdict
from scrimp.model.plan import Plan

MOST_DECISIONS = 6
MOST_ACTS = 8
QUIET = (Verdict.COOLING,)
UNTOLD = (Verdict.UNKNOWN,)  # most of the library has no source on one machine
MIB = 2**20


@dataclass(slots=True)
class View:
    """Shows one tick after the other on stderr. `began_s` is the epoch second that times are counted from."""

    currency: str
    began_s: float
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    _live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The view stands within; what it last showed stays on the screen."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def phase(self, text: str) -> None:
        """What begins now."""
        if self._live is None:
            click.echo(f"\n{text}", err=True)

    def show(self, moment: Moment, plan: Plan, figures: Figures, phase: str) -> None:
        """One tick."""
        if self._live is None:
            self._lines(moment)
        else:
            self._live.update(self._drawn(moment, plan, figures, phase), refresh=True)

    def _lines(self, moment: Moment) -> None:
        rates = ", ".join(
            f"{group} {'?' if rate is None else f'{rate:.0f}'} clips/s"
            for group, rate in ((name, moment.clips_per_s(name)) for name in sorted(moment.sizes))
        )
        cpu = "?" if moment.cpu is None else f"{moment.cpu:.0%}"
        click.echo(f"{moment.at_s - self.began_s:5.0f} s  cpu {cpu:>4}  {rates}", err=True)
        for act in moment.acts:
            click.echo(f"         {_told(act)}", err=True)

    def _drawn(self, moment: Moment, plan: Plan, figures: Figures, phase: str) -> RenderableType:
        cpu = "?" if moment.cpu is None else f"{moment.cpu:.0%}"
        spent = Money(figures.spent(), self.currency)
        head = f"{moment.at_s - self.began_s:4.0f} s   cpu {cpu}   spent {_small(spent)} on cores used"
        decisions = [_decision(one) for one in _worth_telling(plan)]
        acts = [_line(f"{act.at_s - self.began_s:4.0f} s  {_told(act)}") for act in figures.acts]
        return Group(
            Text(phase, style="bold"),
            Text(head),
            self._jobs(moment),
            Text("decisions", style="bold"),
            *(decisions[:MOST_DECISIONS] or [Text("  all conditions are false", style="dim")]),
            Text("done", style="bold"),
            *(acts[-MOST_ACTS:] or [Text("  nothing yet", style="dim")]),
        )

    def _jobs(self, moment: Moment) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("job", "state", "batch", "clips/s", "memory", "limit", f"{self.currency}/h"):
            table.add_column(name, justify="left" if name in ("job", "state") else "right")
        for job in moment.jobs:
            table.add_row(*_cells(job), style="dim" if job.state != "running" else "")
        return table


def _told(act: Act) -> str:
    return f"{'undo ' if act.undo else ''}{act.policy}: {act.action} {act.target}  {act.change}".rstrip()


def _line(text: str = "") -> Text:
    """A line that is cut where the terminal ends."""
    return Text(f"  {text}", no_wrap=True, overflow="ellipsis")


def _cells(job: Job) -> list[str]:
    return [
        job.name,
        job.state,
        _shown(job.batch_size, "{:.0f}"),
        _shown(job.clips_per_s if job.state == "running" else None, "{:.0f}"),
        _shown(None if job.memory_bytes is None else job.memory_bytes / MIB, "{:.0f} MiB"),
        _shown(None if job.memory_limit_bytes is None else job.memory_limit_bytes / MIB, "{:.0f} MiB"),
        _shown(job.cost_rate, "{:.4f}"),
    ]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _worth_telling(plan: Plan) -> Iterator[Decision]:
    """What is about to happen or is held back; what merely cools down comes last."""
    found = [one for one in plan.decisions() if one.verdict not in UNTOLD]
    yield from (one for one in found if one.verdict not in QUIET)
    yield from (one for one in found if one.verdict in QUIET)


def _decision(one: Decision) -> Text:
    text = _line()
    text.append(
        f"{one.verdict.value:<9}", style="green" if one.verdict in (Verdict.ACT, Verdict.UNDO) else ""
    )
    text.append(f" {one.policy}  {one.target}  ")
    text.append(one.reason, style="dim")
    return text


def _small(amount: Money) -> str:
    """Money with as many digits as small amounts need."""
    return f"{amount.amount:.5f} {amount.currency}"
