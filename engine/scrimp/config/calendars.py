"""iCalendar (RFC 5545) -> the spans of time that a calendar's events fill, for freezes.

Recurring events are laid out up to the year 2100. An event without a zone, and one of whole days, is in the zone that
the calendar names (`X-WR-TIMEZONE`), else in UTC. What was cancelled, or is said to leave its time free, fills none; an
occurrence that was moved (`RECURRENCE-ID`) fills its new time alone.
"""

from collections.abc import Iterator, Mapping, Sequence
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
        events = parsed.walk("VEVENT")
        moved = _moved(events, zone)
        spans = sorted(span for event in events for span in _spans(event, moved, zone))
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError) as error:
        return f"it is no iCalendar: {' '.join(str(error).split())[:120] or type(error).__name__}"
    return Calendar(name, tuple(_merged(spans)))


def _zone(parsed: Any) -> tzinfo:
    named = parsed.get("X-WR-TIMEZONE")
    try:
        return ZoneInfo(str(named)) if named else UTC
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown zone `{named}`") from error


def _moved(events: Sequence[Any], zone: tzinfo) -> dict[str, set[datetime]]:
    """By event, the starts of occurrences that another entry stands for."""
    found: dict[str, set[datetime]] = {}
    for event in events:
        if event.get("RECURRENCE-ID") is not None:
            uid = str(event.get("UID", ""))
            found.setdefault(uid, set()).add(_instant(_decoded(event, "RECURRENCE-ID"), zone))
    return found


def _spans(event: Any, moved: Mapping[str, set[datetime]], zone: tzinfo) -> Iterator[tuple[float, float]]:
    """Start and end of each occurrence, in epoch seconds."""
    if (
        str(event.get("STATUS", "")).upper() == "CANCELLED"
        or str(event.get("TRANSP", "")).upper() == "TRANSPARENT"
    ):
        return
    if event.get("DTSTART") is None:
        raise ValueError("an event has no DTSTART")
    begin = _decoded(event, "DTSTART")
    length = _length(event, begin, zone)
    if length <= timedelta():
        return
    left_out = set(_dates(event, "EXDATE", zone))
    if event.get("RECURRENCE-ID") is None:
        left_out |= moved.get(str(event.get("UID", "")), set())
    for start in _starts(event, begin, zone):
        if start not in left_out:
            # by the wall clock: a day stays a day over a change of daylight saving
            end = (start.replace(tzinfo=None) + length).replace(tzinfo=start.tzinfo)
            yield start.timestamp(), end.timestamp()


def _decoded(event: Any, name: str) -> date:
    """A date, or an instant in its own zone if it has one."""
    found = event.decoded(name)
    if not isinstance(found, date):
        raise ValueError(f"`{name}` is no date")  # noqa: TRY004 - a mistake in a file, not of a caller
    _check_zone(found, event[name])
    return found


def _check_zone(moment: date, stated: Any) -> None:
    """Raise if the zone that stands beside an instant could not be found."""
    named = stated.params.get("TZID")
    if named and isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError(f"unknown zone `{named}`")


def _length(event: Any, begin: date, zone: tzinfo) -> timedelta:
    if event.get("DTEND") is not None:
        # Within one zone that is what the wall clock says, between two the time that passes.
        return _instant(_decoded(event, "DTEND"), zone) - _instant(begin, zone)
    if event.get("DURATION") is not None:
        length = event.decoded("DURATION")
        if not isinstance(length, timedelta):
            raise ValueError("`DURATION` is no duration")
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
    yield from _dates(event, "RDATE", zone)
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


def _dates(event: Any, name: str, zone: tzinfo) -> Iterator[datetime]:
    """The starts that a property lists."""
    value = event.get(name)
    for group in value if isinstance(value, list) else [] if value is None else [value]:
        for one in group.dts:
            if not isinstance(one.dt, date):
                raise ValueError(f"`{name}` lists more than dates")  # noqa: TRY004 - as above
            _check_zone(one.dt, group)
            yield _instant(one.dt, zone)


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
