"""iCalendar (RFC 5545) -> the spans of time that a calendar's events fill, for freezes.

Recurring events are laid out up to the year 2100. An event without a zone, and one of whole days, is in the zone that
the calendar names (`X-WR-TIMEZONE`), else in UTC. What was cancelled, or is said to leave its time free, fills none.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import icalendar
from dateutil.rrule import rrulestr

from scrimp.model.policy import Calendar

_END = datetime(2100, 1, 1, tzinfo=UTC)
_MOST = 200_000  # occurrences of one event
_TOO_OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")


def read_calendar(name: str, text: str) -> Calendar | str:
    """The calendar, or why it is none."""
    try:
        parsed = icalendar.Calendar.from_ical(text)
        zone = _zone(parsed)
        spans = sorted(span for event in parsed.walk("VEVENT") for span in _spans(event, zone))
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError) as error:
        return f"it is no iCalendar: {' '.join(str(error).split())[:120] or type(error).__name__}"
    return Calendar(name, tuple(_merged(spans)))


def _zone(parsed: Any) -> tzinfo:
    named = parsed.get("X-WR-TIMEZONE")
    try:
        return ZoneInfo(str(named)) if named else UTC
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown zone `{named}`") from error


def _spans(event: Any, zone: tzinfo) -> Iterator[tuple[float, float]]:
    """Start and end of each occurrence, in epoch seconds."""
    if (
        str(event.get("STATUS", "")).upper() == "CANCELLED"
        or str(event.get("TRANSP", "")).upper() == "TRANSPARENT"
    ):
        return
    if event.get("DTSTART") is None:
        raise ValueError("an event has no DTSTART")
    begin = event.decoded("DTSTART")
    length = _length(event, begin)
    if length <= timedelta():
        return
    left_out = {_instant(one.dt, zone) for group in _listed(event.get("EXDATE")) for one in group.dts}
    for start in _starts(event, begin, zone):
        if start not in left_out:
            # by the wall clock: a day stays a day over a change of daylight saving
            end = (start.replace(tzinfo=None) + length).replace(tzinfo=start.tzinfo)
            yield start.timestamp(), end.timestamp()


def _length(event: Any, begin: date) -> timedelta:
    if event.get("DTEND") is not None:
        end = event.decoded("DTEND")
        return _plain(end) - _plain(begin)
    if event.get("DURATION") is not None:
        length = event.decoded("DURATION")
        assert isinstance(length, timedelta)
        return length
    return timedelta() if isinstance(begin, datetime) else timedelta(days=1)


def _plain(moment: date) -> datetime:
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None)
    return datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - a wall clock's day


def _instant(moment: date, zone: tzinfo) -> datetime:
    own = moment.tzinfo if isinstance(moment, datetime) else None
    return _plain(moment).replace(tzinfo=own or zone)


def _starts(event: Any, begin: date, zone: tzinfo) -> Iterator[datetime]:
    first = _instant(begin, zone)
    rule = event.get("RRULE")
    if rule is None:
        yield first
        return
    if any(str(one).upper() in _TOO_OFTEN for one in rule.get("FREQ", ())):
        raise ValueError("an event recurs more often than daily")
    until = [_instant(one, zone) for one in rule.get("UNTIL", ())]
    plain = dict(rule)
    plain.pop("UNTIL", None)
    text: str = icalendar.vRecur(plain).to_ical().decode()  # type: ignore[no-untyped-call]
    for place, start in enumerate(rrulestr(text, dtstart=first)):
        if start > _END or place >= _MOST or any(start > last for last in until):
            return
        yield start


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _merged(spans: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The same time in spans that do not touch."""
    last: tuple[float, float] | None = None
    for start, end in spans:
        if last is None or start > last[1]:
            if last is not None:
                yield last
            last = (start, end)
        else:
            last = (last[0], max(last[1], end))
    if last is not None:
        yield last
