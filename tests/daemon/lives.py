"""A server that forks lives of the real `scrimp` command and kills them at named points.

The command itself has no hook for this: each life sets Python's profiler, which sees every call and return of every
thread, as soon as the engine starts, and sends itself SIGKILL at the chosen pass of the chosen point. Forked from a
process that is warm, a life takes a tenth of a second. Requests and answers are JSON lines.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

ROOT = Path(__file__).resolve().parents[2]
PHASES = {"Store.record_intent": "intent", "Store.record_outcome": "outcome"}


@dataclass(frozen=True)
class Point:
    """An event of the profiler ("call", "return", "c_call"), in the function `code`, for `c_call` the C function `called`."""

    event: str
    code: str
    called: str = ""
    phase: str = ""  # only while this is being noted
    torn: bool = False  # lose part of what was not synced, as a power cut may


def _noting(phase: str) -> dict[str, Point]:
    entry = next(code for code, name in PHASES.items() if name == phase)
    return {
        f"{phase}.begin": Point("call", entry),
        f"{phase}.log.writing": Point("c_call", "_append", "write", phase),
        f"{phase}.log.written": Point("c_call", "_append", "fsync", phase, torn=True),
        f"{phase}.log.synced": Point("return", "Log.append", "", phase),
        f"{phase}.ledger.begun": Point("call", "Database.write", "", phase),
        f"{phase}.ledger.written": Point("return", "Database.set_tail", "", phase),
        f"{phase}.committed": Point("return", entry),
    }


POINTS: dict[str, Point] = {
    "start.recover": Point("call", "recover"),
    "start.probed": Point("return", "BoxProvider.probe"),
    "tick.begin": Point("call", "Ticker.tick"),
    "tick.collected": Point("return", "World.observe"),
    "tick.decided": Point("return", "conclude"),
    "tick.clocks.saved": Point("return", "Store.save_holds"),
    "tick.decisions.noted": Point("return", "Store.record"),
    **_noting("intent"),
    "act.revalidate": Point("call", "BoxProvider.revalidate"),
    "act.revalidated": Point("return", "BoxProvider.revalidate"),
    "act.apply": Point("call", "BoxProvider.apply"),
    "act.effect.writing": Point("c_call", "_write", "replace"),
    "act.applied": Point("return", "BoxProvider.apply"),
    **_noting("outcome"),
    "tick.end": Point("return", "Ticker.tick"),
}


def die_at(point: Point, skip: int) -> None:
    """Send this process SIGKILL at the pass after `skip` passes of the point."""
    local = threading.local()
    passes: Counter[Point] = Counter()

    def profile(frame: FrameType, event: str, given: Any) -> None:
        code = frame.f_code.co_qualname
        noting = PHASES.get(code)
        if noting and event == "call":
            local.phase = noting
        if event == point.event and code == point.code and _meant(frame, given):
            passes[point] += 1
            if passes[point] > skip:
                if point.torn:
                    last = max(Path(".scrimp/audit").glob("*.jsonl"))
                    os.truncate(last, max(last.stat().st_size - 1 - 37 * skip, 0))
                os.kill(os.getpid(), signal.SIGKILL)
        if noting and event == "return":
            local.phase = ""

    def _meant(frame: FrameType, given: Any) -> bool:
        ours = "/scrimp/" in frame.f_code.co_filename or frame.f_code.co_filename.endswith("boxes.py")
        called = not point.called or getattr(given, "__name__", "") == point.called
        return ours and called and (not point.phase or getattr(local, "phase", "") == point.phase)

    from scrimp.daemon import Daemon  # noqa: PLC0415 - the server imports scrimp only in its own process

    start = Daemon.start

    def watched(self: Any) -> None:
        threading.setprofile(profile)
        sys.setprofile(profile)
        start(self)

    Daemon.start = watched  # type: ignore[method-assign]


def end_after_a_tick() -> None:
    """Let `scrimp run` go into its loop, and tell it to stop as a supervisor would once it has ticked."""
    from scrimp.daemon import Daemon  # noqa: PLC0415 - as above

    once = Daemon.once

    def told(self: Any) -> Any:
        ticked = once(self)
        os.kill(os.getpid(), signal.SIGTERM)
        return ticked

    Daemon.once = told  # type: ignore[method-assign]


def live(request: dict[str, Any]) -> NoReturn:
    """One life, in the forked child."""
    from scrimp.cli import main  # noqa: PLC0415 - as above

    os.chdir(request["folder"])
    out = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["scrimp", *request["argv"]]
    if sys.argv[1:] == ["run"]:
        end_after_a_tick()
    if request["point"]:
        die_at(POINTS[request["point"]], request["skip"])
    code: Any = 99
    try:
        main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.setprofile(None)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 98)


def serve() -> None:
    """Answer requests until there are no more. The first is for a folder to warm up in."""
    import scrimp.cli.audit  # noqa: F401, PLC0415 - preloaded, so that a life starts warm
    from scrimp.cli._app import run  # noqa: PLC0415 - as above

    os.chdir(json.loads(sys.stdin.readline())["folder"])
    assert run(["run", "--once", "--mode-cap", "dry_run"]) == 0
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            live(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(json.dumps(asdict(Ended.of(status))), flush=True)


@dataclass(frozen=True)
class Ended:
    """How a life ended: by its exit code, or by a signal."""

    code: int | None
    signal: int | None

    @classmethod
    def of(cls, status: int) -> "Ended":
        if os.WIFSIGNALED(status):
            return cls(None, os.WTERMSIG(status))
        return cls(os.WEXITSTATUS(status), None)


class Lives:
    """The client of the server."""

    def __init__(self, site: Path, warm: Path) -> None:
        """`site` has the plug-in's distribution, `warm` is a folder in which the server may run once."""
        path = os.pathsep.join([str(site), str(ROOT)])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            stderr=subprocess.DEVNULL,  # of the warming up; lives write to files of their own
            env={**os.environ, "PYTHONPATH": path},
        )
        self._send({"folder": str(warm)})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def live(self, folder: Path, *argv: str, point: str = "", skip: int = 0) -> Ended:
        """Run `scrimp` with `argv` in `folder`, killed at a pass of `point`."""
        assert self._process.stdout is not None
        self._send({"folder": str(folder), "argv": argv, "point": point, "skip": skip})
        return Ended(**json.loads(self._process.stdout.readline()))

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()


if __name__ == "__main__":
    serve()
