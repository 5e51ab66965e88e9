"""Processes of this machine by an identity that outlives their number: pid, start time and boot.

Signals go through a pidfd opened before the identity is compared, so a recycled pid is never signalled.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

from scrimp.api import ProcessId

PROC = Path("/proc")


def identify(pid: int) -> ProcessId | None:
    """Who runs under `pid`; `None` if nobody does, or it has only to be reaped."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    rest = stat[stat.rfind(")") + 2 :].split()  # the name before it may hold blanks and brackets
    if len(rest) < 20 or rest[0] in ("Z", "X", "x"):
        return None
    return ProcessId(pid=pid, started=int(rest[19]), boot=boot)


def alive(process: ProcessId) -> bool:
    """Whether this very process runs, or is stopped."""
    return identify(process.pid) == process


def send(process: ProcessId, number: int, *, whole_group: bool = False) -> bool:
    """Signal this very process, or the process group that it leads; false if it is gone. Raises `PermissionError`."""
    if process.pid < 2 or process.pid == os.getpid():
        return False
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not alive(process):
            return False
        if whole_group and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def find(marks: dict[str, str]) -> ProcessId | None:
    """The oldest process that was started with all of these environment variables, of those that we may look into."""
    wanted = {f"{name}={value}".encode() for name, value in marks.items()}
    found: list[ProcessId] = []
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            if wanted <= set((entry / "environ").read_bytes().split(b"\0")):
                process = identify(int(entry.name))
                found += [process] if process else []
    return min(found, key=lambda process: (process.started, process.pid), default=None)
