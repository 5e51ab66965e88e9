"""Work that can share a GPU: packed by its series, so that peaks that never meet are not added.

First-fit decreasing (Johnson 1973) by peak memory, with two conditions on the *sums* of the series: the peak of the summed
memory, because memory that is not there ends a job, and a high quantile of the summed duty, because duty that is not there
only slows it. Peaks that did not meet in a short history may meet in the next: a third condition shifts a job's series against
the others' in time, and bounds how often all of these together would have asked for more than the device has. And peaks
that a job did not show in a short history may come, as they came to its peers: by a fourth, any one of the jobs may reach
what most peers reached while the others are at their usual level (as power grids are planned for the loss of one).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scrimp.model.usage import Floats


@dataclass(frozen=True, slots=True)
class ShareRules:
    """How full a shared GPU may be: `memory_max` of its memory at the peak, `duty_max` of its time at `duty_quantile`.

    `over_max` is the share of time, over `shifts` of a job against the others, in which memory or duty would not suffice.
    `reach` is the share of the jobs whose peak memory any one of them may reach, while the rest use what each used for the
    share `usual` of the time.

    All but `sharers_max` were chosen on random parts of the containers of GenTD26, packed by one half of the day and judged
    on the other (`benchmarks/analytics_choice.py`).
    """

    memory_max: float = 0.90
    duty_max: float = 0.80
    duty_quantile: float = 0.99
    shifts: int = 24
    over_max: float = 3e-4
    reach: float = 0.75
    usual: float = 0.75
    sharers_max: int = 8


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which jobs share a device, as numbers of their rows; and how full their devices are by the rules' measures."""

    devices: tuple[tuple[int, ...], ...]
    alone: int

    @property
    def saved(self) -> float:
        """The share of devices that are not needed any more, against one for each job."""
        return 1 - len(self.devices) / self.alone if self.alone else 0.0


def pack_by_series(memory: Floats, duty: Floats, device_memory: float, rules: ShareRules) -> Sharing:
    """Jobs onto as few devices as first-fit finds.

    `memory` (bytes or MiB, like `device_memory`) and `duty` (0 to 1) have shape (jobs, times), sampled at the same times;
    `nan` where a job did not run. A job that does not fit by itself keeps a device of its own.
    """
    memory, duty = np.nan_to_num(memory), np.nan_to_num(duty)
    jobs, times = memory.shape
    if not times or not jobs:
        return Sharing(tuple((job,) for job in range(jobs)), jobs)
    peaks = memory.max(axis=1)
    usual = np.quantile(memory, rules.usual, axis=1)
    rises = np.maximum(peaks, np.quantile(peaks, rules.reach)) - usual
    devices: list[list[int]] = []
    sums_memory, sums_duty = np.zeros((jobs, times)), np.zeros((jobs, times))
    for job in np.argsort(-peaks, kind="stable").tolist():
        fit = [
            at
            for at, others in enumerate(devices)
            if len(others) < rules.sharers_max
            and usual[[*others, job]].sum() + rises[[*others, job]].max() <= device_memory
        ]
        at = _first_fit(job, fit, (memory, duty), (sums_memory, sums_duty), device_memory, rules)
        at = len(devices) if at is None else at
        if at == len(devices):
            devices.append([])
        devices[at].append(job)
        sums_memory[at] += memory[job]
        sums_duty[at] += duty[job]
    return Sharing(tuple(tuple(sorted(device)) for device in devices), jobs)


def _first_fit(
    job: int,
    devices: Sequence[int],
    series: tuple[Floats, Floats],
    sums: tuple[Floats, Floats],
    device_memory: float,
    rules: ShareRules,
) -> int | None:
    """The first of the devices whose series still meet the rules with this job; `None` is a new one."""
    times = series[0].shape[1]
    lags = np.arange(max(1, rules.shifts)) * times // max(1, rules.shifts)
    shifted = (np.arange(times)[None, :] - lags[:, None]) % times
    memory, duty = series[0][job][shifted], series[1][job][shifted]
    for at in devices:
        if float((sums[0][at] + series[0][job]).max()) > rules.memory_max * device_memory:
            continue
        if _quantile(sums[1][at] + series[1][job], rules.duty_quantile) > rules.duty_max:
            continue
        over = (sums[0][at] + memory > device_memory) | (sums[1][at] + duty > 1.0)
        if float(np.mean(over)) <= rules.over_max:
            return at
    return None


def _quantile(values: Floats, share: float) -> float:
    """As `np.quantile` of at least one value, in a tenth of its time: it is asked for each job and device."""
    place = (len(values) - 1) * share
    low = int(place)
    found = np.partition(values, (low, min(low + 1, len(values) - 1)))
    below, above = float(found[low]), float(found[min(low + 1, len(values) - 1)])
    return below + (above - below) * (place - low)


def crowded(sharing: Sharing, memory: Floats, duty: Floats, device_memory: float) -> float:
    """The share of (device, time) in which the shared devices were asked for more memory or duty than they have."""
    memory, duty = np.nan_to_num(memory), np.nan_to_num(duty)
    over = [
        (memory[list(jobs)].sum(axis=0) > device_memory) | (duty[list(jobs)].sum(axis=0) > 1.0)
        for jobs in sharing.devices
        if len(jobs) > 1
    ]
    cells = len(sharing.devices) * memory.shape[1]
    return float(np.sum(over)) / cells if cells else 0.0
