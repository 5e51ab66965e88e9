"""The parts of the spot benchmark that a machine may be without, and its bars that are met only below a figure."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WITHOUT_MOTO = f"""
import sys, time
sys.path.insert(0, {str(BENCHMARKS)!r})
sys.modules["moto"] = None
from bench import Arguments, below
from spot_channels import measure_channels
from spot_site import aws_server
given = Arguments(None, True, 1, "json", time.monotonic())
with aws_server() as server:
    print(measure_channels(given, server))
print([below("b", value, 1.0).met for value in (0.99, 1.0)])
"""

KNOWN_CHAIN = f"""
import sys
sys.path.insert(0, {str(BENCHMARKS)!r})
import numpy as np
from spot_limit import limit
from spot_policies import History
from spot_replay import Job, Market
ticks = np.arange(600)
up = (ticks // 7 % 3 != 0) | (ticks % 50 > 25)
market = Market("m", ("m",), 600.0, up[:, None], np.full((600, 1), 0.3), 1.0)
job = Job(300, 8 * 3600.0, 11 * 3600.0, 720.0)
history = History(market, job.deadline_s, job.deadline_s - job.work_s, job.changeover_s, hindsight=True)
found = limit(history, [job], 200, np.random.default_rng(1))
print(found.missed, *(value / found.jobs for value in (
    found.optimum, found.best, found.uniform_progress, found.expected
)))
"""

SPREAD = f"""
import sys
sys.path.insert(0, {str(BENCHMARKS)!r})
import numpy as np
import spot
from spot import Score, spread
spot.REDRAWN = 500
def scores(run):
    rng = np.random.default_rng(3)
    return [Score("s", "m", 0.8, each=[(0.5, 0.5 - x, 0.4) for x in np.repeat(rng.random(600) / 10, run)]) for _ in "ab"]
rng = np.random.default_rng(1)
print(*spread(scores(1), rng), *spread(scores(5), rng))
"""


def test_a_standard_error_is_that_of_as_many_jobs_as_do_not_overlap() -> None:
    """Of 600 independent jobs in each of two series, and of as many that were all counted five times."""
    done = subprocess.run(
        [sys.executable, "-c", SPREAD], capture_output=True, text=True, timeout=60, check=True
    )
    alone, known, fivefold, _ = map(float, done.stdout.split())
    assert known == pytest.approx(0.0, abs=1e-12)
    expected = 0.1 / math.sqrt(12) / math.sqrt(600) / math.sqrt(2) / 0.5
    assert alone == pytest.approx(expected, rel=0.25)
    assert fivefold == pytest.approx(expected, rel=0.25)


def test_on_a_known_chain_following_the_table_costs_what_it_says() -> None:
    """Which is what makes it the limit of all policies without foresight: above Uniform Progress, below the optimum."""
    ran = subprocess.run(
        [sys.executable, "-c", KNOWN_CHAIN], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    missed, optimum, best, uniform_progress, expected = map(float, ran.stdout.split())
    assert missed == 0
    assert uniform_progress < best < optimum
    assert abs(best - expected) < 0.02


def test_the_channels_of_aws_are_left_out_where_aws_cannot_be_played() -> None:
    """A plain installation has no moto: the bars are not measured, and that is said."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_MOTO], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    channels, bars = ran.stdout.splitlines()
    assert channels == "([], [], ['notices by the channels of AWS: moto is not installed'])"
    assert bars == "[True, False]"
