"""`scrimp run`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.command import BROKEN, Shell

from scrimp.store import open_store


def test_one_tick_is_told_and_remembered(scrimp: Shell, folder: Path) -> None:
    ran = scrimp("run", "--once", "--mode-cap", "dry_run")
    assert (ran.code, ran.out) == (0, "")
    assert "false" in ran.err
    assert (folder / ".scrimp" / "scrimp.db").exists()
    assert scrimp("audit", "verify").code == 0


def test_bad_policies_do_not_start(scrimp: Shell, folder: Path) -> None:
    (folder / "policies" / "idle.scrimp").write_text(BROKEN)
    ran = scrimp("run", "--once")
    assert (ran.code, ran.out) == (2, "")
    assert "gpu_utilisation" in ran.err


def test_a_second_engine_is_refused(scrimp: Shell, folder: Path) -> None:
    """Two engines on one ledger would do things twice."""
    store = open_store(folder / ".scrimp", time.time)
    ran = scrimp("run", "--once")
    store.close()
    assert ran.code == 3
    assert "SCR802" in ran.err


def test_a_plug_in_that_does_not_exist_is_wrong(scrimp: Shell, folder: Path) -> None:
    (folder / "scrimp.yaml").write_text("collectors:\n  none_such: {}\n")
    ran = scrimp("run", "--once")
    assert ran.code == 2
    assert "SCR406" in ran.err


def test_a_signal_ends_it_after_the_tick(folder: Path) -> None:
    command = [sys.executable, "-c", "from scrimp.cli import main; main()", "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stderr is not None
        first = process.stderr.readline() + process.stderr.readline()
        os.kill(process.pid, signal.SIGTERM)
        code = process.wait(timeout=30)
    assert "false" in first
    assert code == 0
