"""Real servers for tests: on 127.0.0.1, a free port, started and ended by pid, each wait with a deadline."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


def needed(*programs: str) -> None:
    """Skip the test where a program is not installed; fail where SCRIMP_REQUIRE_SERVERS says that it must be."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        reason = f"{', '.join(missing)} not installed: run `make system-deps`"
        if os.environ.get("SCRIMP_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], bool], what: str, deadline_s: float = 20.0) -> None:
    limit = time.monotonic() + deadline_s
    while not ready():
        assert time.monotonic() < limit, f"{what} within {deadline_s}s"
        time.sleep(0.02)


@contextmanager
def server(command: Sequence[str], url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until `url` answers 200, and end it afterwards."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(url, timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            wait_for(answers, f"{command[0]} answers")
            yield process
        finally:
            process.kill()


@contextmanager
def prometheus(
    folder: Path, openmetrics: str, port: int | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Prometheus that has the samples of an OpenMetrics text. Gives its address and process."""
    needed("prometheus", "promtool")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.om").write_text(openmetrics + "# EOF\n")
    (folder / "prometheus.yml").write_text("global: {}\n")
    backfill = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "data.om", "data"]
    subprocess.run(backfill, cwd=folder, check=True, capture_output=True, timeout=60)
    url = f"http://127.0.0.1:{port or free_port()}"
    flags = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": "10y",
        "web.listen-address": url.removeprefix("http://"),
    }
    command = ["prometheus", *(f"--{key}={value}" for key, value in flags.items())]
    with server(command, f"{url}/-/ready", folder / "log") as process:
        yield url, process
