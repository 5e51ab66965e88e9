"""Spans of time as people name them: a day, a week, a month, or from here to there; and the bins of a plot. All in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime

from scrimp.costs import PeriodUnit, calendar_period
from scrimp.model.quantities import duration_s
from scrimp.model.usage import Period

DAY_S = 86_400
HOUR_S = 3_600


def period_at(unit: PeriodUnit, at_s: float, back: int = 0) -> Period:
    """The calendar period that holds an instant (seconds since 1970), or the one `back` before it."""
    found = calendar_period(unit, at_s)
    for _ in range(back):
        found = calendar_period(unit, found.start_s - 1)
    return found


def instant(text: str, at_s: float) -> float | None:
    """Epoch seconds of `2026-11-25`, `2026-11-25T12:00Z`, `now`, or `7d` (so long ago); `None` if it is none of these."""
    if text == "now":
        return at_s
    ago_s = duration_s(text)
    if ago_s is not None:
        return at_s - ago_s
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def bins(span: Period) -> tuple[Period, ...]:
    """Hours for up to three days, days for up to four months, else weeks; the first and the last may be shorter."""
    length_s = span.end_s - span.start_s
    step_s = HOUR_S if length_s <= 3 * DAY_S else DAY_S if length_s <= 124 * DAY_S else 7 * DAY_S
    return tuple(steps(span, step_s))


def steps(span: Period, step_s: int) -> Iterator[Period]:
    """The span in steps that begin at whole multiples of `step_s`; the first and the last may be shorter."""
    start = span.start_s
    form = "%Y-%m-%dT%H:%MZ" if step_s < DAY_S else "%Y-%m-%d"
    while start < span.end_s:
        end = min((start // step_s + 1) * step_s, span.end_s)
        yield Period(start, end, datetime.fromtimestamp(start, UTC).strftime(form))
        start = end
