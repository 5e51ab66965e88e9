"""The parts of the spot benchmark that a machine may be without, and its bars that are met only below a figure."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WITHOUT_MOTO = f"""
import sys, time
sys.path.insert(0, {str(BENCHMARKS)!r})
sys.modules["moto"] = None
from bench import Arguments, below
from spot_channels import aws_server, measure_channels
given = Arguments(None, True, 1, "json", time.monotonic())
with aws_server() as server:
    print(measure_channels(given, server))
print([below("b", value, 1.0).met for value in (0.99, 1.0)])
"""


def test_the_channels_of_aws_are_left_out_where_aws_cannot_be_played() -> None:
    """A plain installation has no moto: the bars are not measured, and that is said."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_MOTO], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    channels, bars = ran.stdout.splitlines()
    assert channels == "([], [], ['notices by the channels of AWS: moto is not installed'])"
    assert bars == "[True, False]"
