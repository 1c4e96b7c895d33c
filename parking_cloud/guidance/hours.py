"""Opening hours at a moment. Where a year's holidays are not known yet, a day is taken by its weekday."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from forecasting.profile import DayOf
from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.occupancy.day_kinds import day_of
from parking_cloud.registry.opening import Opening, open_at

_A_DAY = timedelta(days=1)
_LOOKED_AHEAD = 10
"""Days; no public holiday is longer."""


def is_open(opening: Opening, at: datetime) -> bool:
    """Whether vehicles may enter then."""
    local = city_time(at)
    today = local.date()
    return open_at(
        opening,
        local.hour * 60 + local.minute,
        working_day=_works(today),
        day_before_works=_works(today - _A_DAY),
    )


def opens_at(opening: Opening, after: datetime) -> datetime | None:
    """When a place that is closed opens next."""
    first = city_time(after).date()
    for ahead in range(_LOOKED_AHEAD):
        day = first + ahead * _A_DAY
        span = opening.workday if _works(day) else opening.restday
        begins = datetime.combine(day, time(), CITY_ZONE) + timedelta(minutes=span.start)
        if begins > after:
            return begins
    return None


def _works(day: date) -> bool:
    return day_of(day)[0] is DayOf.WORK
