"""The simple forecasts that are averaged into one: a long level, a week's level, a robust trend, and damped Holt-Winters.

All are fitted to windows of daily amounts, for many origins at once: `windows` has shape (origins, days), the newest day
last, and `known` says how many of the newest days an origin may look at. A member returns shape (origins, horizon), the
amount of each day to come. Means of simple forecasts beat elaborate ones where history is short (Makridakis et al. 2020,
the M4 competition; Holt 1957, Winters 1960, Gardner and McKenzie 1985 for the damped trend; Sen 1968 for the slope).
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from scrimp.model.usage import Bools, Floats, Integers

WEEK: Final = 7
Member = Callable[[Floats, Integers, int], Floats]

# The grid that Holt-Winters chooses from by its one-day errors: level, trend, season, damping.
_GRID: Final = np.array(
    [
        (level, trend, season, damping)
        for level in (0.1, 0.2, 0.4, 0.6)
        for trend in (0.0, 0.05, 0.2)
        for season in (0.0, 0.1, 0.3)
        for damping in (0.8, 0.95)
    ]
).T


def within(windows: Floats, known: Integers) -> Bools:
    """Which days of each window may be looked at."""
    days = windows.shape[1]
    seen: Bools = np.arange(days)[None, :] >= days - known[:, None]
    return seen


def cleaned(windows: Floats, known: Integers, sigmas: float) -> Floats:
    """The windows without outages and spikes: a Hampel filter over seven days that knows weeks.

    A day is held against the median of the three days before and after it and against the same weekday a week before and
    after, whichever is nearest; if it is further from that than `sigmas` robust standard deviations (at least 2 %), it is
    replaced by it. A change that lasts is accepted after three days. Source: Hampel 1974; Pearson 2002.
    """
    inside = within(windows, known)
    hidden = np.where(inside, windows, np.nan)
    padded = np.pad(hidden, ((0, 0), (WEEK, WEEK)), constant_values=np.nan)
    days = windows.shape[1]
    near = np.stack([padded[:, WEEK + shift : WEEK + shift + days] for shift in range(-3, 4)])
    middle = _median(near)
    spread = 1.4826 * _median(np.abs(near - middle))
    tolerance = sigmas * np.maximum(spread, 0.02 * np.abs(middle))
    others = np.stack((middle, padded[:, :days], padded[:, 2 * WEEK :]))
    gaps = np.abs(others - hidden)
    best = np.argmin(np.where(np.isnan(gaps), np.inf, gaps), axis=0)[None]
    nearest = np.take_along_axis(others, best, axis=0)[0]
    odd = inside & (np.take_along_axis(gaps, best, axis=0)[0] > tolerance)
    return np.where(odd, nearest, windows)


def _median(stack: Floats) -> Floats:
    """The median over the first axis of what is known there; `nan` where nothing is."""
    ordered = np.sort(stack, axis=0)  # nan last
    count = np.sum(~np.isnan(stack), axis=0)[None]
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=0)
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(stack) - 1), axis=0)
    found: Floats = np.where(count > 0, (low + high) / 2, np.nan)[0]
    return found


def long_level(windows: Floats, known: Integers, horizon: int) -> Floats:
    """The mean of all that may be looked at."""
    inside = within(windows, known)
    level = np.sum(windows * inside, axis=1) / np.maximum(known, 1)
    return np.repeat(level[:, None], horizon, axis=1)


def week_level(windows: Floats, known: Integers, horizon: int) -> Floats:
    """The mean of the last seven days."""
    return long_level(windows, np.minimum(known, WEEK), horizon)


def robust_trend(windows: Floats, known: Integers, horizon: int) -> Floats:
    """A straight line with the Theil-Sen slope; flat with less than two weeks to see."""
    days = windows.shape[1]
    first, second = np.triu_indices(days, 1)
    slopes = (windows[:, second] - windows[:, first]) / (second - first)
    usable = first[None, :] >= days - known[:, None]
    slope = _median(np.where(usable, slopes, np.nan).T)
    slope = np.where(known >= 2 * WEEK, np.nan_to_num(slope), 0.0)
    level = long_level(windows, known, 1)[:, 0]
    # The mean lies in the middle of the window; day k to come lies (known - 1) / 2 + k after it.
    ahead = (known[:, None] - 1) / 2 + np.arange(1, horizon + 1)[None, :]
    found: Floats = np.maximum(level[:, None] + slope[:, None] * ahead, 0.0)
    return found


def holt_winters(windows: Floats, known: Integers, horizon: int) -> Floats:
    """Additive Holt-Winters with a weekly season and a damped trend; the week's level with less than two weeks to see."""
    days = windows.shape[1]
    inside = within(windows, known)
    rate, slope_rate, season_rate, damping = (row[None, :] for row in _GRID)
    cells = (len(windows), _GRID.shape[1])
    start = days - known
    rows = np.arange(len(windows))
    week = [windows[rows, np.minimum(start + day, days - 1)] for day in range(WEEK)]
    base = np.mean(week, axis=0)
    level, trend = np.repeat(base[:, None], cells[1], axis=1), np.zeros(cells)
    # `season[d]` is of the days with index d modulo 7 in the window.
    season = np.zeros((WEEK, *cells))
    for day in range(WEEK):
        season[(start + day) % WEEK, rows] = (week[day] - base)[:, None]
    errors = np.zeros(cells)
    for day in range(days):
        live = (inside[:, day] & (day >= start + WEEK))[:, None]
        if not live.any():
            continue
        amount, at = windows[:, day][:, None], season[day % WEEK]
        ahead = level + damping * trend
        errors += np.where(live, (amount - ahead - at) ** 2, 0.0)
        new = rate * (amount - at) + (1 - rate) * ahead
        trend = np.where(live, slope_rate * (new - level) + (1 - slope_rate) * damping * trend, trend)
        season[day % WEEK] = np.where(live, season_rate * (amount - new) + (1 - season_rate) * at, at)
        level = np.where(live, new, level)
    best = np.argmin(errors, axis=1)
    steps = np.arange(1, horizon + 1)
    growth = np.cumsum(damping[0][best][:, None] ** steps[None, :], axis=1)
    seasons = season[(days - 1 + steps) % WEEK][:, rows, best].T
    found = np.maximum(level[rows, best][:, None] + growth * trend[rows, best][:, None] + seasons, 0.0)
    return np.where((known >= 2 * WEEK)[:, None], found, week_level(windows, known, horizon))


MEMBERS: Final[Mapping[str, Member]] = {
    "long level": long_level,
    "week level": week_level,
    "robust trend": robust_trend,
    "holt-winters": holt_winters,
}
