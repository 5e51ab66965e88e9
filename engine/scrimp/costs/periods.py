"""Calendar periods in UTC: the day, week, month, quarter or year that a time lies in, and those before it."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from scrimp.model.usage import Period

PeriodUnit = Literal["day", "week", "month", "quarter", "year"]
PERIOD_UNITS: Final[tuple[PeriodUnit, ...]] = ("day", "week", "month", "quarter", "year")


def calendar_period(unit: PeriodUnit, at_s: float) -> Period:
    """The period that `at_s` (seconds since 1970) lies in. Weeks begin on Monday (ISO 8601)."""
    at = datetime.fromtimestamp(at_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "day":
            start, end, label = at, at + timedelta(days=1), f"{at:%Y-%m-%d}"
        case "week":
            start = at - timedelta(days=at.weekday())
            end, label = start + timedelta(days=7), f"{start:%G-W%V}"
        case "month":
            start, label = at.replace(day=1), f"{at:%Y-%m}"
            end = _months_later(start, 1)
        case "quarter":
            start = at.replace(month=at.month - (at.month - 1) % 3, day=1)
            end, label = _months_later(start, 3), f"{start.year}-Q{(start.month + 2) // 3}"
        case "year":
            start = at.replace(month=1, day=1)
            end, label = _months_later(start, 12), f"{start.year}"
    return Period(int(start.timestamp()), int(end.timestamp()), label)


def calendar_periods(unit: PeriodUnit, start_s: float, end_s: float) -> tuple[Period, ...]:
    """All periods that meet the span, oldest first."""
    found = []
    at_s = start_s
    while at_s < end_s:
        found.append(calendar_period(unit, at_s))
        at_s = found[-1].end_s
    return tuple(found)


def _months_later(start: datetime, months: int) -> datetime:
    ahead = start.month - 1 + months
    return start.replace(year=start.year + ahead // 12, month=ahead % 12 + 1)
