"""The examples for PyTorch and Ray Data: they join, and take the batch size that is wanted.

Both packages take gigabytes, and no other test needs them: these run by `make soak` where they are installed, and where they
are not it says so.
"""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from scrimp.worker import FolderChannel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WANTED = 48


def _run(root: Path, script: str, *arguments: str) -> tuple[FolderChannel, str]:
    """Run a script to its end, and ask whoever joins for other batches as soon as it does."""
    channel = FolderChannel(root)
    environment = {
        **os.environ,
        "SCRIMP_WORKER_DIR": str(root),
        "SCRIMP_JOB": "train/train-0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    over = threading.Event()

    def ask() -> None:
        while not channel.jobs() and not over.wait(0.02):
            pass
        for job in channel.jobs():
            control = channel.control(job)
            assert control is not None
            channel.write_control(
                job, replace(control, batch_size=WANTED), expected_revision=control.revision
            )

    asking = threading.Thread(target=ask)
    asking.start()
    printed, _ = process.communicate(timeout=300)
    over.set()
    asking.join()
    assert process.returncode == 0
    return channel, printed


@pytest.mark.soak
@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed: pip install torch")
def test_a_training_loop_takes_the_batch_size_that_is_wanted(tmp_path: Path) -> None:
    channel, printed = _run(tmp_path, "pytorch/train.py", "--steps", "2000")
    report = channel.report("train/train-0")
    assert report is not None
    assert (report.batch_size, report.traits.operation) == (WANTED, "train")
    assert float(printed.split()[1]) < 2.0


@pytest.mark.soak
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'ray[data]'")
def test_ray_actors_take_the_batch_size_that_is_wanted(tmp_path: Path) -> None:
    channel, printed = _run(tmp_path, "ray_data/features.py", "--clips", "3000")
    (job,) = channel.jobs()
    report = channel.report(job)
    assert report is not None
    assert (report.batch_size, report.items_done <= 3000) == (WANTED, True)
    assert "3000 clips" in printed
