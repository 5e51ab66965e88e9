"""iCalendar files: the spans of time that their events fill."""

from datetime import UTC, datetime

import pytest

from scrimp.config.calendars import read_calendar
from scrimp.model.policy import Calendar

HEAD = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//team//freeze//EN\n"


def spans(*events: str, head: str = HEAD) -> list[str]:
    """Spans as `02T08:00/02T09:00`, the first few, in UTC."""
    text = head + "".join(
        f"BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n{one}\nEND:VEVENT\n" for one in events
    )
    found = read_calendar("freeze", f"{text}END:VCALENDAR\n")
    assert isinstance(found, Calendar), found
    return [
        "/".join(datetime.fromtimestamp(at, UTC).strftime("%m-%dT%H:%M") for at in span)
        for span in found.spans
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART:20260302T080000Z\nDTEND:20260302T090000Z", ["03-02T08:00/03-02T09:00"]),
        ("DTSTART:20260302T080000Z\nDURATION:PT90M", ["03-02T08:00/03-02T09:30"]),
        ("DTSTART;TZID=Europe/Berlin:20260302T080000\nDURATION:PT1H", ["03-02T07:00/03-02T08:00"]),
        ("DTSTART;TZID=Europe/Berlin:20260702T080000\nDURATION:PT1H", ["07-02T06:00/07-02T07:00"]),
        ("DTSTART;VALUE=DATE:20260302", ["03-02T00:00/03-03T00:00"]),
        ("DTSTART;VALUE=DATE:20260302\nDTEND;VALUE=DATE:20260305", ["03-02T00:00/03-05T00:00"]),
        ("DTSTART:20260302T080000Z", []),
        ("DTSTART:20260302T080000Z\nDURATION:PT1H\nSTATUS:CANCELLED", []),
        ("DTSTART:20260302T080000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT", []),
        (
            "DTSTART:20260302T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20260303T080000Z",
            ["03-02T08:00/03-02T09:00", "03-04T08:00/03-04T09:00", "03-05T08:00/03-05T09:00"],
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260322T080000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20260329T060000Z",
            ["03-22T07:00/03-22T08:00", "03-29T06:00/03-29T07:00"],
        ),
        (
            "DTSTART;VALUE=DATE:20260302\nRRULE:FREQ=WEEKLY;UNTIL=20260309",
            ["03-02T00:00/03-03T00:00", "03-09T00:00/03-10T00:00"],
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260302T080000\nDTEND;TZID=America/New_York:20260302T080000",
            ["03-02T07:00/03-02T13:00"],
        ),
        (
            "DTSTART:20260302T080000Z\nDURATION:PT1H\nRDATE:20260304T080000Z,20260306T100000Z",
            ["03-02T08:00/03-02T09:00", "03-04T08:00/03-04T09:00", "03-06T10:00/03-06T11:00"],
        ),
    ],
)
def test_events(event: str, expected: list[str]) -> None:
    """Zones, whole days, recurrence over a change of daylight saving, and what fills no time."""
    assert spans(event) == expected


def test_an_occurrence_that_was_moved_fills_its_new_time_alone() -> None:
    """And one that was cancelled fills none: who may act only within a calendar must not act then."""
    event = "DTSTART;TZID=Europe/Berlin:20260302T080000\nDURATION:PT1H"
    moved = "RECURRENCE-ID:20260303T070000Z\nDTSTART:20260303T120000Z\nDURATION:PT1H"
    cancelled = "RECURRENCE-ID;TZID=Europe/Berlin:20260304T080000\nSTATUS:CANCELLED\n" + event
    assert spans(f"{event}\nRRULE:FREQ=DAILY;COUNT=3", moved, cancelled) == [
        "03-02T07:00/03-02T08:00",
        "03-03T12:00/03-03T13:00",
    ]


def test_days_are_those_of_the_calendars_zone() -> None:
    """A freeze of a day begins at midnight where the team works."""
    assert spans("DTSTART;VALUE=DATE:20260302", head=f"{HEAD}X-WR-TIMEZONE:Europe/Berlin\n") == [
        "03-01T23:00/03-02T23:00"
    ]


def test_events_that_touch_are_one_span() -> None:
    """So that the newest start before an instant is the span to look at."""
    events = ("08", "09", "11"), ("06", "12", "07")
    found = spans(*(f"DTSTART:20260302T{a}0000Z\nDURATION:PT{int(b) - int(a)}H" for a, b, _ in events))
    assert found == ["03-02T06:00/03-02T12:00"]


def test_a_yearly_freeze_goes_on() -> None:
    """Laid out up to 2100."""
    event = "DTSTART;VALUE=DATE:20261220\nDTEND;VALUE=DATE:20270102\nRRULE:FREQ=YEARLY"
    assert len(spans(event)) == 74


@pytest.mark.parametrize(
    "event",
    [
        "DTSTART:20260302T080000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY",
        "DTSTART:soon\nDURATION:PT1H",
        "SUMMARY:nothing",
        "DTSTART:20260302T080000Z\nDURATION:PT1H\nRRULE:FREQ=SOMETIMES",
        "DTSTART:20260302T080000Z\nDURATION:long",
        "DTSTART:20260302T080000Z\nDURATION:PT1H\nDURATION:PT2H",
        "DTSTART:20260302T080000Z\nDTEND:late",
        "DTSTART;TZID=Nowhere/Land:20260302T080000\nDURATION:PT1H",
        "DTSTART:20260302T080000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20260304T080000Z/PT3H",
        "DTSTART:20260302T080000Z\nDURATION:PT1H\nRDATE;TZID=Nowhere/Land:20260304T080000",
        "DTSTART:20260302T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE;TZID=Nowhere/Land:20260304T080000",
    ],
)
def test_what_cannot_be_read_is_told(event: str) -> None:
    """In one line, and never as an empty calendar."""
    text = f"{HEAD}BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n{event}\nEND:VEVENT\nEND:VCALENDAR\n"
    found = read_calendar("freeze", text)
    assert isinstance(found, str)
    assert "\n" not in found


@pytest.mark.parametrize("text", ["", "BEGIN:VCALENDAR", "hello", "\x00", "END:VCALENDAR\n", "[]"])
def test_what_is_no_calendar_is_told(text: str) -> None:
    assert isinstance(read_calendar("freeze", text), str)
