"""What the demo of this machine plays with: two groups of real audio workers, the clips that come in, and added load."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scrimp.api import Direction, JobGroup, Money, PlannedAction
from scrimp.daemon import Parts

WORKER = Path("examples/audio/worker.py")
CRITICAL, WAITING = "serve", "batch"
SIZE = 2  # members of each group
FIRST_BATCH: Mapping[str, int] = {CRITICAL: 16, WAITING: 64}
MEMORY_LIMIT_BYTES: Mapping[str, int] = {CRITICAL: 2**30, WAITING: 384 * 2**20}
DRAIN_S = 3.0
MORE_THAN_ENOUGH = 1000.0  # clips per second: more than a worker can do
SPIN = "while True: pass"


@dataclass(slots=True)
class Stage:
    """`price` is money per core and hour. Open it with `opened`, which leaves nothing running."""

    parts: Parts
    folder: Path
    price: Money
    _load: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _told: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The workers run within."""
        try:
            for name in (CRITICAL, WAITING):
                self.arrive(name, None, SIZE)
                self._register(name)
                self._resize(name, 0, SIZE)
            yield
        finally:
            self.load(0)
            for name in (CRITICAL, WAITING):
                self._resize(name, SIZE, 0)

    def arrive(self, group: str, rate: float | None, members: int) -> None:
        """Let clips come in at `rate` per second, shared by the members; None: more than they can do."""
        text = f"{MORE_THAN_ENOUGH if rate is None else rate / max(members, 1):.3f}\n"
        if self._told.get(group) != text:
            part = self.folder / f"{group}.part"
            part.write_text(text)
            part.replace(self._arrivals(group))
            self._told[group] = text

    def load(self, processes: int) -> None:
        """Come to so many processes that do nothing but use a core each."""
        while len(self._load) > processes:
            ended = self._load.pop()
            ended.kill()
            ended.wait()
        while len(self._load) < processes:
            self._load.append(subprocess.Popen([sys.executable, "-c", SPIN]))

    def _arrivals(self, group: str) -> Path:
        return self.folder / f"{group}.arrivals"

    def _register(self, name: str) -> None:
        assert self.parts.services.jobs is not None
        options = ("--clips", "0", "--batch-size", str(FIRST_BATCH[name]))
        self.parts.services.jobs.register(
            JobGroup(
                name=name,
                command=(
                    *(sys.executable, str(WORKER.resolve())),
                    *(*options, "--arrivals", str(self._arrivals(name))),
                ),
                min_size=0,
                max_size=SIZE,
                price_per_core_hour=self.price,
                critical=name == CRITICAL,
                operation="log_mel",
                memory_limit_bytes=MEMORY_LIMIT_BYTES[name],
                drain_s=DRAIN_S,
                labels={"elastic": "yes"} if name == CRITICAL else {},
            )
        )

    def _resize(self, name: str, before: int, after: int) -> None:
        """Come to a size through the provider, as a policy would."""
        up = after > before
        action = PlannedAction(
            action="scale_up" if up else "scale_down",
            target=f"node_group/{name}",
            args={"to": float(after), "drain": DRAIN_S},
            writes="capacity",
            direction=Direction.RESTORE if up else Direction.REDUCE,
            before={"size": float(before)},
            after={"size": float(after)},
            saving_per_hour=None,
        )
        provider = next(one for one in self.parts.providers if one.handles(action))
        provider.apply(action, key=f"demo-{name}-{after}", deadline_s=30.0)


def spare_cores() -> int:
    """Cores beyond those that the critical workers can fill: that many processes of load make the machine crowded."""
    return max((os.cpu_count() or 1) - SIZE, 0)
