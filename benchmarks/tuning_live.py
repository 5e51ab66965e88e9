"""Batch-size tuning, live: the real audio worker of `examples/audio` is tuned while it runs, from its default of 32.

The whole engine is in it: the worker reports, the collector `tuning` makes looks of that, a policy decides each step,
the provider asks the worker, the audit log keeps it. Then the default and the size that was found are measured side
by side, in turns, within the same process: clips (in seconds of audio) per core-second. With a noisy neighbour that
comes and goes there has to be no verdict, or the right one. `--quick` takes shorter looks and leaves the neighbour out.
Nothing is read from `--data`: the worker makes its own clips.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import exp, inf
from pathlib import Path
from statistics import fmean, stdev

from bench import Arguments, Bar, Report, Table, at_least, at_most, run
from scrimp.api import Control, Stint
from scrimp.config import Config, Section
from scrimp.daemon import Alarm, Daemon, compose
from scrimp.store import open_store
from scrimp.worker import FolderChannel
from scrimp_actions.tuning.notebook import Notebook
from scrimp_actions.tuning.session import Session

WORKER = Path(__file__).resolve().parents[1] / "examples/audio/worker.py"
DEFAULT, BOUND_S, LIMIT_S = 32, 1.5, 180.0
JOB, OPERATION = "audio/audio-0", "log_mel"
POLICY = f"""\
scrimp 1

policy tune {{
  "Find the batch size of the audio workers."
  owner    "benchmark"
  mode     enforce
  target   operation where batch_size_next is known
  when     batch_size > 0
  do       tune_batch_size(max_latency = {BOUND_S * 1000:.0f}ms, objective = "cost", explore = 100%)
  cooldown 100ms per target
}}
"""
NEIGHBOUR = """
import random, time
import numpy as np
random.seed({seed})
field = np.ones((1500, 1500))
while True:
    until = time.monotonic() + random.uniform(1.0, 6.0)
    while time.monotonic() < until:
        field = field @ field * 1e-9 + 1.0
    time.sleep(random.uniform(1.0, 6.0))
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between ticks, of a look, and of a turn side by side; pairs of turns."""

    tick_s: float
    look_s: float
    turn_s: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """How a run of the engine ended: the session, how long it took, and the longest latency (95th percentile) seen."""

    session: Session | None
    took_s: float
    latency_s: float
    steps: int


@contextmanager
def worker(root: Path) -> Iterator[FolderChannel]:
    """The real worker, one process with one thread, without end."""
    channel = FolderChannel(root / "workers")
    environment = {**os.environ, "SCRIMP_WORKER_DIR": str(root / "workers"), "SCRIMP_JOB": JOB}
    command = [sys.executable, str(WORKER), "--clips", "0", "--batch-size", str(DEFAULT)]
    process = subprocess.Popen(command, env=environment)
    try:
        until_s = time.monotonic() + 30.0
        while channel.report(JOB) is None:
            if process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError("the worker does not start")
            time.sleep(0.05)
        yield channel
    finally:
        process.kill()
        process.wait()


@contextmanager
def neighbour(seed: int) -> Iterator[None]:
    """Another process that multiplies matrices now and then."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR.format(seed=seed)], env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def tune(root: Path, channel: FolderChannel, pace: Pace, limit_s: float) -> Tuned:
    """Run the engine until the tuner has come to rest, or the time is over."""
    (root / "policies").mkdir(exist_ok=True)
    (root / "policies/tune.scrimp").write_text(POLICY)
    sections = (
        Section("host", "host", {"price_per_core_hour": 0.04}, interval_s=pace.tick_s),
        Section("tuning", "tuning", {"look_s": pace.look_s, "cool_s": 3600.0}, interval_s=pace.tick_s),
    )
    config = Config(root / "policies", root, interval_s=pace.tick_s, collectors=sections)
    parts = compose(config, time.time, time.sleep)
    assert not parts.findings, parts.findings
    notebook, began_s, longest_s, steps = Notebook(root / "tuning"), time.monotonic(), 0.0, 0
    session: Session | None = None
    with open_store(root, time.time) as store:
        daemon = Daemon(parts, store, Alarm())
        daemon.start()
        while time.monotonic() - began_s < limit_s and not rested(session):
            ticked = daemon.once()
            steps += len(ticked.outcomes)
            report = channel.report(JOB)
            longest_s = max(longest_s, (report.latency_p95_s if report else None) or 0.0)
            session = notebook.session(OPERATION)
            time.sleep(pace.tick_s)
    return Tuned(session, time.monotonic() - began_s, longest_s, steps)


def rested(session: Session | None) -> bool:
    """Whether a duel was decided, and all jobs have what it said."""
    return session is not None and bool(session.told) and session.duel is None and session.winner is None


def side_by_side(channel: FolderChannel, sizes: tuple[int, int], pace: Pace) -> list[float]:
    """Work per core-second of the second size over the first, one ratio a pair of turns, in the order A B B A."""
    found = []
    for pair in range(pace.pairs):
        order = sizes if pair % 2 == 0 else sizes[::-1]
        rates = {size: _turn(channel, size, pace.turn_s) for size in order}
        found.append(rates[sizes[1]] / rates[sizes[0]])
    return found


def _turn(channel: FolderChannel, size: int, turn_s: float) -> float:
    """Work per core-second at one size, from the second batch on."""
    control = channel.control(JOB)
    assert control is not None
    wanted = replace(Control(), batch_size=size)
    if not channel.write_control(JOB, wanted, expected_revision=control.revision):
        raise RuntimeError("somebody else writes the control document")
    first: Stint | None = None
    while True:
        report = channel.report(JOB)
        stint = report.stint if report else None
        if report is not None and stint is not None and report.revision > control.revision and stint.batches:
            first = first or stint
            if stint.busy_s - first.busy_s >= turn_s:
                return (stint.work - first.work) / (stint.core_s - first.core_s)
        time.sleep(0.05)


def bars(gain: Sequence[float], tuned: Tuned) -> list[Bar]:
    """What was promised of the live worker."""
    batch = tuned.session.incumbent if tuned.session else DEFAULT
    return [
        at_least(f"clips per core-second, batch {batch} over {DEFAULT}", fmean(gain) - 1.0, 0.30),
        at_most("time to the verdict", tuned.took_s if rested(tuned.session) else inf, LIMIT_S, "s"),
        at_most(
            f"longest latency (p95) of any size looked at, bound {BOUND_S} s", tuned.latency_s, BOUND_S, "s"
        ),
    ]


def main(arguments: Arguments) -> Report:
    """Tune, then measure side by side; and again with a neighbour."""
    pace = Pace(0.25, 1.0, 1.2, 3) if arguments.quick else Pace(0.5, 3.0, 3.0, 8)
    with tempfile.TemporaryDirectory() as name, worker(Path(name)) as channel:
        tuned = tune(Path(name), channel, pace, 34.0 if arguments.quick else LIMIT_S)
        batch = tuned.session.incumbent if tuned.session else DEFAULT
        gain = side_by_side(channel, (DEFAULT, batch), pace) if batch != DEFAULT else [1.0, 1.0]
    rows = _curve(tuned)
    told = tuned.session.told if tuned.session else "no session"
    notes = [
        f"{told}; {tuned.steps} steps",
        f"ratios of the pairs: {', '.join(f'{one:.2f}' for one in gain)}",
    ]
    if len(gain) > 1:
        notes.append(f"their spread: {stdev(gain) / fmean(gain):.1%}")
    found, left_out = bars(gain, tuned), ["a noisy neighbour: no wrong verdict"] if arguments.quick else []
    if not arguments.quick:
        found.append(_with_neighbour(arguments.seed, pace, batch, fmean(gain)))
    return Report(found, left_out, [Table("looks", ("batch", "looks", "work per core-second"), rows)], notes)


def _curve(tuned: Tuned) -> list[list[float | str | None]]:
    points = sorted(tuned.session.points.items()) if tuned.session else []
    return [
        [setting.batch, round(point.weight), setting.batch / exp(point.period)] for setting, point in points
    ]


def _with_neighbour(seed: int, pace: Pace, quiet_batch: int, quiet_gain: float) -> Bar:
    """A verdict for another size is right if that size does not lose to the default when it is measured in turns."""
    with tempfile.TemporaryDirectory() as name, worker(Path(name)) as channel:
        with neighbour(seed):
            tuned = tune(Path(name), channel, pace, LIMIT_S)
        batch = tuned.session.incumbent if tuned.session else DEFAULT
        if batch in (DEFAULT, quiet_batch):
            ratio = 1.0 if batch == DEFAULT else quiet_gain
        else:
            ratio = fmean(side_by_side(channel, (DEFAULT, batch), pace))
    told = tuned.session.told if tuned.session else "no verdict"
    return Bar(
        "with a noisy neighbour: no wrong verdict", f"batch {batch} ({told})", "gain >= 0", ratio >= 1.0
    )


if __name__ == "__main__":
    sys.exit(run(__doc__, main))
