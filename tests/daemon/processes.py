"""`scrimp` as a process of its own, in a folder, with the plug-in of `boxes.py`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.daemon.boxes import install
from tests.servers import wait_for

from scrimp.store import Record, read_records, visit_store

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "from scrimp.cli import main; main()")


@dataclass(frozen=True)
class Room:
    """A working folder, and how `scrimp` is run in it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, config: str, policies: str) -> "Room":
        (folder / "policies").mkdir(parents=True)
        (folder / "policies" / "p.scrimp").write_text(policies)
        (folder / "scrimp.yaml").write_text(config)
        install(folder / "site")
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "site"), str(ROOT)])
        return {**os.environ, "PYTHONPATH": path}

    def run(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [*COMMAND, *argv],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def engine(self, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
        """`scrimp run` beside the test; told to stop at the end, and it must."""
        with (
            (self.folder / "out").open("ab") as out,
            subprocess.Popen(
                [*COMMAND, "run", *argv], cwd=self.folder, env=self.environment, stdout=out, stderr=out
            ) as process,
        ):
            try:
                yield process
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0, self.out()
            finally:
                process.kill()

    def out(self) -> str:
        """What engines have said."""
        return (self.folder / "out").read_text()

    def records(self, event: str | None = None, after: int = 0) -> list[Record]:
        """What the audit log has, of one event and beyond record `after`."""
        if not (self.folder / ".scrimp" / "scrimp.db").exists():
            return []
        with visit_store(self.folder / ".scrimp", lambda: 0.0) as visit:
            return [one for one in read_records(visit.log, event=event) if one["seq"] > after]

    def last(self) -> int:
        """The number of the last record."""
        return max((one["seq"] for one in self.records()), default=0)

    def wait_for_records(
        self, wanted: Callable[[Record], bool], count: int = 1, event: str | None = None, after: int = 0
    ) -> list[Record]:
        """The records that are wanted, as soon as there are so many."""
        found: list[Record] = []

        def there() -> bool:
            found[:] = [one for one in self.records(event, after) if wanted(one)]
            return len(found) >= count

        wait_for(there, f"{count} records", deadline_s=40.0)
        return found
