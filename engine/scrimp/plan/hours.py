"""Weekly hours in a zone, `Mon-Fri 08:00-20:00 Europe/Berlin`, daylight saving included; and calendars."""

from bisect import bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from scrimp.model.policy import Calendar, WeeklyHours


def within(hours: WeeklyHours | Calendar, now_s: float) -> bool:
    """Whether `now_s` lies in the hours by the wall clock of their zone, or in an event of the calendar.

    Hours that end at or before their start run into the next day, and belong to the day they start on.
    """
    if isinstance(hours, Calendar):
        place = bisect_right(hours.spans, (now_s, float("inf"))) - 1
        return place >= 0 and now_s < hours.spans[place][1]
    local = datetime.fromtimestamp(now_s, UTC).astimezone(ZoneInfo(hours.zone))
    minute = local.hour * 60 + local.minute
    if hours.from_minute < hours.to_minute:
        return local.weekday() in hours.days and hours.from_minute <= minute < hours.to_minute
    if minute >= hours.from_minute:
        return local.weekday() in hours.days
    return minute < hours.to_minute and (local.weekday() - 1) % 7 in hours.days
