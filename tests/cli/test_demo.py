"""The demo: what it concludes from its figures, and, among the long tests, that the story happens on this machine."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.command import Shell

from scrimp.api import Money
from scrimp.cli._demo_conclusions import QUIET, RUSH, measured
from scrimp.cli._demo_figures import Act, Figures, Job, Moment, clips_per_money

ROOT = Path(__file__).resolve().parents[2]
PRICE = Money(0.04, "USD")
SERVE = Job("serve-0", "serve", "running", 16, 10.0, None, None, 0.02)
BATCH = Job("batch-0", "batch", "running", 64, 20.0, None, None, 0.04)
STORY = ("pause_non_critical", "reduce_batch_size", "scale_down", "scale_up", "audit trail", "sound")


def moment(at_s: float, phase: str, *jobs: Job, size: float = 2, acts: tuple[str, ...] = ()) -> Moment:
    done = [Act(at_s, "a_policy", action, "job/x", "", undo=False) for action in acts]
    return Moment(at_s, phase, 1.0, jobs, {"serve": size}, {"serve": size * PRICE.amount}, done)


def test_nothing_done_is_nothing_claimed() -> None:
    """With an empty folder of policies there is neither a gain nor a saving."""
    figures = Figures([moment(at_s, RUSH, SERVE, BATCH) for at_s in (0.0, 1800.0, 3600.0)])
    assert measured(figures, PRICE) == [
        "done by policies: nothing",
        "spent on cores used: 0.06000 USD; saved: 0.00000 USD",
    ]


def test_a_pause_is_measured_once_the_windows_of_the_workers_have_passed() -> None:
    faster = replace(SERVE, clips_per_s=25.0)
    figures = Figures(
        [
            moment(0, RUSH, SERVE),
            moment(2, RUSH, SERVE, acts=("pause_non_critical",)),
            moment(6, RUSH, replace(SERVE, clips_per_s=999.0)),
            moment(14, RUSH, faster),
        ]
    )
    assert "10 clips/s, with a job paused 25 (2.50 times)" in " ".join(measured(figures, PRICE))


def test_smaller_batches_save_what_the_same_clips_cost_before() -> None:
    """At 64 a clip costs 0.04 / 72,000; at 32 half of that, and 72,000 clips are done in the hour."""
    smaller = replace(BATCH, batch_size=32, cost_rate=0.02)
    figures = Figures([moment(0, RUSH, BATCH), moment(3600, RUSH, smaller), moment(7200, RUSH, smaller)])
    assert clips_per_money(figures.moments, "batch", 64) == pytest.approx(72_000 / 0.04)
    told = " ".join(measured(figures, PRICE))
    assert "batches of 32, not 64" in told
    assert "(50% less)" in told
    assert "saved: 0.02000 USD" in told


def test_fewer_members_save_what_they_would_have_reserved() -> None:
    figures = Figures(
        [
            moment(0, QUIET, SERVE, acts=("scale_down",)),
            moment(1, QUIET, SERVE, size=1),
            moment(3601, QUIET, SERVE, size=1, acts=("scale_up",)),
        ]
    )
    assert "saved: 0.04000 USD" in measured(figures, PRICE)[-1]


def _demo(*arguments: str) -> str:
    command = [sys.executable, "-c", "from scrimp.cli import main; main()", "demo", *arguments]
    environment = {**os.environ, "NO_COLOR": "1"}
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=True, cwd=ROOT, env=environment
    )
    return ran.stdout + ran.stderr


@pytest.mark.soak
def test_the_story_happens() -> None:
    """A pause, a smaller batch, a scale-down and an undo, on real processes, whatever else the machine does."""
    told = _demo()
    assert [word for word in STORY if word not in told] == []


@pytest.mark.soak
def test_without_policies_nothing_acts(tmp_path: Path) -> None:
    told = _demo("--policies", str(tmp_path))
    assert "done by policies: nothing" in told
    assert "intent" not in told


def test_spot_capacity_is_played_to_its_end() -> None:
    """A hundredth of the work: the daemon, its policies, the runner and the queue are the real ones."""
    line = [Path(sys.executable).with_name("scrimp"), "demo", "spot", "--samples", "200000"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "200,000 samples committed" in done.stdout
    assert "each once, none lost" in done.stdout
    assert "spot_when_cheap_and_calm: audio moves to spot" in done.stdout
    assert "records, sound" in done.stdout
    assert max(len(one) for one in done.stdout.splitlines()) <= 80


def test_spot_capacity_shows_what_is_wrong_with_the_policies(scrimp: Shell) -> None:
    """As `run` does: the findings, and the exit code of wrong usage."""
    Path("broken.scrimp").write_text("scrimp 1\npolicy x {\n", "utf-8")
    ran = scrimp("demo", "spot", "--policies", "broken.scrimp")
    assert ran.code == 2
    assert "SCR102" in ran.err
    assert "Unloadable" not in ran.err
