"""The chores of a history: every closed hour becomes rows of usage, small files are merged, closed days added up, old ones go.

An hour is closed some minutes after its end. One that gets samples again (a clock that was set back) is rolled up again, and
the new rows replace the old ones.
"""

from dataclasses import dataclass, field
from pathlib import Path

from scrimp.history.actions import episodes_at, read_acts
from scrimp.history.columns import with_currency
from scrimp.history.daily import add_up, due_days
from scrimp.history.files import DAY_S, Folder, Part, day_of
from scrimp.history.hours import Span
from scrimp.history.keep import Retention, compact, expire
from scrimp.history.query import Limits, arrow, connect, run, scan
from scrimp.history.rollup import Rolled, roll_up

HOUR_S = 3600
GRACE_S = 180.0
EPISODES_S = 31 * DAY_S
MEASURED = "measured"


@dataclass(slots=True)
class Keeper:
    """Called with the time of a tick, at most once a minute, by the thread that writes."""

    folder: Folder
    retention: Retention = field(default_factory=Retention)
    currency: str = "USD"
    limits: Limits = field(default_factory=lambda: Limits(256, 1))
    _due: set[int] | None = None
    _tidied_s: float = float("-inf")
    _days: list[Part] = field(default_factory=list)

    def __call__(self, at_s: float) -> None:
        """Do what is due. Raises `HistoryError`; what was not done is due again."""
        if self._due is None:
            self._due = unrolled_hours(self.folder, at_s)
        this = int(at_s // HOUR_S)
        self._due.add(this)
        for hour in sorted(self._due):
            if hour > this or (hour + 1) * HOUR_S + GRACE_S <= at_s:
                roll_hour(self.folder, hour, self.currency, self.limits)
                self._due.discard(hour)
        if not 0 <= at_s - self._tidied_s < HOUR_S:
            self._tidied_s = at_s
            with self.folder.alone() as held:
                if held:
                    self.folder.sweep()
            compact(self.folder, at_s, self.limits)
            expire(self.folder, self.retention, at_s)
            self._days = due_days(self.folder, at_s)
        elif self._days:  # one a minute, so that samples never wait for long
            add_up(self.folder, self._days.pop(), self.limits)


def unrolled_hours(folder: Folder, now_s: float, back_s: float = 2 * DAY_S) -> set[int]:
    """The hours of late that have samples and no usage."""
    from_s = now_s - back_s
    samples = folder.files("samples", None, from_s, now_s)
    if not samples:
        return set()
    usage = folder.files("usage", MEASURED, from_s, now_s)
    with connect(folder.root) as link:
        there = run(
            link,
            f"""SELECT DISTINCT epoch_us("at") // 3600000000 FROM {scan(samples)} WHERE epoch_us("at") >= ? AND epoch_us("at") < ?""",
            [round(from_s * 1e6), round(now_s * 1e6)],
        ).fetchall()
        rolled = run(link, f"SELECT DISTINCT start_s // 3600 FROM {scan(usage)}").fetchall() if usage else []
    return {int(hour) for (hour,) in there} - {int(hour) for (hour,) in rolled}


def roll_hour(folder: Folder, hour: int, currency: str, limits: Limits | None = None) -> Rolled:
    """Write the usage, work and prices of an hour (counted since 1970), in place of what was there of it."""
    start_s = hour * HOUR_S
    rolled = rolled_part(folder, Span(start_s, start_s + HOUR_S), limits)
    day = day_of(start_s)
    for part, table in (
        (Part("usage", MEASURED, day), with_currency(rolled.usage, currency)),
        (Part("work", MEASURED, day), rolled.work),
        (Part("prices", MEASURED, day), with_currency(rolled.prices, currency)),
    ):
        old = _files_with(folder, part, start_s)
        if old:
            with connect(folder.root, limits) as link:
                link.register("fresh", table)
                rest = f"SELECT * FROM {scan(old)} WHERE start_s <> {start_s}"
                folder.write(part, arrow(link, f"{rest} UNION ALL BY NAME SELECT * FROM fresh"), old)
        elif table.num_rows:
            folder.write(part, table)
    return rolled


def rolled_part(folder: Folder, span: Span, limits: Limits | None = None) -> Rolled:
    """What a span of samples comes to, written nowhere: for the hour that is open."""
    acts = read_acts(folder, span.from_s - EPISODES_S, span.to_s)
    return roll_up(folder, span, episodes_at(acts, span.from_s), limits)


def _files_with(folder: Folder, part: Part, start_s: int) -> list[Path]:
    files = folder.files_of(part)
    if not files:
        return []
    with connect(folder.root) as link:
        names = run(
            link,
            f"SELECT DISTINCT filename FROM {scan(files)[:-1]}, filename = true) WHERE start_s = {start_s}",
        ).fetchall()
    found = {name for (name,) in names}
    return [path for path in files if str(path) in found]
