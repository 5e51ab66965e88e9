"""What a worker measures of itself: over a sliding window, and since its batch size last changed."""

import math
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from scrimp.api import Stint

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Meter:
    """The batches that ended within the last `window_s` seconds, at most `most` of them."""

    window_s: float
    most: int = 4096
    stint: Stint = field(default_factory=lambda: Stint(0.0))
    _batches: deque[tuple[float, int, float, int]] = field(default_factory=deque)

    def add(
        self,
        at_s: float,
        items: int,
        work: float,
        seconds: float,
        core_s: float,
        memory_bytes: int,
        joules: float = 0.0,
    ) -> None:
        """One batch that ended at `at_s` and took `seconds`, `core_s` of them on the CPU; `work` and `joules` as in `Stint`."""
        self._batches.append((at_s, items, seconds, memory_bytes))
        if len(self._batches) > self.most:
            self._batches.popleft()
        stint = self.stint
        self.stint = replace(
            stint,
            batches=stint.batches + 1,
            items=stint.items + items,
            work=stint.work + work,
            busy_s=stint.busy_s + seconds,
            squares_s2=stint.squares_s2 + seconds * seconds,
            core_s=stint.core_s + core_s,
            joules=stint.joules + joules,
        )

    def failed(self) -> None:
        """One batch failed."""
        self.stint = replace(self.stint, errors=self.stint.errors + 1)

    def forget(self, now_s: float) -> None:
        """Start anew: what was measured does not describe what comes, such as after a change of batch size."""
        self._batches.clear()
        self.stint = Stint(now_s)

    def figures(self, now_s: float) -> tuple[float | None, float | None, float | None, int | None]:
        """Items per second, mean latency, its 95th percentile (nearest rank), and peak memory; `None` without a batch.

        The rate is items by the time from the start of the window's first batch until `now_s`, so waiting between
        batches lowers it, and a worker that stopped working falls to nothing.
        """
        while self._batches and self._batches[0][0] <= now_s - self.window_s:
            self._batches.popleft()
        if not self._batches:
            return None, None, None, None
        first_at_s, _, first_took_s, _ = self._batches[0]
        span_s = max(now_s - (first_at_s - first_took_s), 1e-9)
        took = sorted(seconds for _, _, seconds, _ in self._batches)
        p95 = took[math.ceil(0.95 * len(took)) - 1]
        rate = sum(items for _, items, _, _ in self._batches) / span_s
        return rate, sum(took) / len(took), p95, max(memory for *_, memory in self._batches)


def peak_memory() -> int:
    """The most memory (resident, in bytes) that this process held since the last call; 0 where the kernel does not say."""
    try:
        text = STATUS.read_text()
    except OSError:
        return 0
    peak = next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM:")), 0)
    try:
        CLEAR.write_text("5")  # proc(5): resets the peak to what is held now
    except OSError:  # a sandbox may forbid it; then the peak is that of the whole run
        return peak
    return peak
