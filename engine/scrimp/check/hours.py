"""Hours as text: `Mon-Fri 08:00-20:00 Europe/Berlin`, `Sat,Sun 00:00-24:00 UTC`, `22:00-06:00 UTC` on all days."""

import re

from scrimp.check.hints import near
from scrimp.model.policy import WeeklyHours

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(r"(?:(\S+) )?(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d) (\S+)")
EXAMPLE = "Mon-Fri 08:00-20:00 Europe/Berlin"


def parse_hours(text: str) -> WeeklyHours | str:
    """The hours, or what is wrong with them."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return f'write days, hours and a zone, such as "{EXAMPLE}"'
    days = _days(found[1] or "daily")
    if days is None:
        return f"`{found[1]}` is no range or list of days: use Mon-Fri, Sat,Sun or daily"
    start, end = int(found[2]) * 60 + int(found[3]), int(found[4]) * 60 + int(found[5])
    if start >= 24 * 60 or end > 24 * 60 or int(found[3]) > 59 or int(found[5]) > 59:
        return f"`{found[2]}:{found[3]}-{found[4]}:{found[5]}` are no hours of a day"
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - only where there are hours, for a fast start

    try:
        ZoneInfo(found[6])
    except (ValueError, OSError, KeyError):
        return f"unknown zone `{found[6]}`. {near(found[6], available_timezones())}".strip()
    return WeeklyHours(days, start, end, found[6], text)


def _days(text: str) -> frozenset[int] | None:
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            return None
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)
