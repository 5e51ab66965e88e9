"""A new height of spending: days that cost more than any such days of the weeks before.

A forecast waits until a change of level is beyond doubt, or until most of what it averages lies after it. A budget has not
that much time. That the last few days cost clearly more than every run of as many days in eight weeks hardly ever happens by
chance, however noisy the weeks are (a record of a stationary series is as rare as the runs are many), so what they would
come to is worth a page at once. A pace that was seen before is left to the forecast.
"""

from dataclasses import dataclass

import numpy as np

from scrimp.costs.forecast import DAY_S, SpendSeries


@dataclass(frozen=True, slots=True)
class PaceRules:
    """When a pace is a new height: `days` that cost at least `over` times as much as any run of as many before them.

    `before_days` are looked back at; with fewer than `before_min_days` of history before them nothing is a height. A period
    that has not at least `periods` times as many days is too short to be judged by a few of them.

    `days` and `over` were chosen on months made of the first half of the Philly series and judged on the second, and on
    Helios Earth (`benchmarks/analytics_choice.py`): 3 to 5 days and 1.03 to 1.08 all meet the bars.
    """

    days: int = 4
    over: float = 1.05
    before_days: int = 56
    before_min_days: int = 21
    periods: int = 4


def new_height(series: SpendSeries, rules: PaceRules) -> float | None:
    """The amount per day, in millionths, of the last days of a series if that is a new height; else `None`.

    Days are counted back from the series' end. A day with an unknown step is not known, and no run with one counts; half of
    the runs must be known.
    """
    per_day = DAY_S // series.step_s
    count = min(rules.days + rules.before_days, len(series.amounts_micro) // per_day)
    if count < rules.days + rules.before_min_days:
        return None
    days = series.amounts_micro[-count * per_day :].reshape(count, per_day).sum(axis=1)
    runs = np.lib.stride_tricks.sliding_window_view(days, rules.days).mean(axis=1)
    last, before = float(runs[-1]), runs[: -rules.days]
    known = before[np.isfinite(before)]
    if not np.isfinite(last) or 2 * len(known) < len(before) or last <= 0:
        return None
    return last if last >= rules.over * float(known.max()) else None
