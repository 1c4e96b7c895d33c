"""What a date is to those who park; a year whose holidays are not known yet stops no forecast."""

from __future__ import annotations

from datetime import date

from forecasting.profile import DayOf
from parking_cloud.kernel.calendar import DayKind, UnknownHolidayYear, day_kind

_DAYS = {
    DayKind.WORKDAY: DayOf.WORK,
    DayKind.ADJUSTED_WORKDAY: DayOf.WORK,
    DayKind.WEEKEND: DayOf.REST,
    DayKind.STATUTORY_HOLIDAY: DayOf.HOLIDAY,
}


def day_of(day: date) -> tuple[DayOf, bool]:
    """Its kind, and whether that is sure: by the weekday alone where the yearly notice is not known."""
    try:
        return _DAYS[day_kind(day)], True
    except UnknownHolidayYear:
        return (DayOf.REST if day.weekday() >= 5 else DayOf.WORK), False
