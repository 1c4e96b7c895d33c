"""Days in China: working days, weekends, statutory holidays and the weekends worked instead (调休).

The days come from the State Council's yearly notices by way of the `chinesecalendar` package. A year
whose notice is not known raises: a legal deadline is never guessed.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

import chinese_calendar


class DayKind(StrEnum):
    WORKDAY = "workday"
    WEEKEND = "weekend"
    STATUTORY_HOLIDAY = "statutory_holiday"
    """A day off by the yearly notice, on whatever weekday."""
    ADJUSTED_WORKDAY = "adjusted_workday"
    """A Saturday or Sunday worked by the yearly notice (调休)."""


class Festival(StrEnum):
    """The statutory holidays by name, with the days off around them."""

    NEW_YEAR = "new_year"
    SPRING_FESTIVAL = "spring_festival"
    TOMB_SWEEPING = "tomb_sweeping"
    LABOUR_DAY = "labour_day"
    DRAGON_BOAT = "dragon_boat"
    MID_AUTUMN = "mid_autumn"
    NATIONAL_DAY = "national_day"
    VICTORY_DAY = "victory_day"
    """3 September 2015."""


_FESTIVALS = {
    chinese_calendar.Holiday.new_years_day.value: Festival.NEW_YEAR,
    chinese_calendar.Holiday.spring_festival.value: Festival.SPRING_FESTIVAL,
    chinese_calendar.Holiday.tomb_sweeping_day.value: Festival.TOMB_SWEEPING,
    chinese_calendar.Holiday.labour_day.value: Festival.LABOUR_DAY,
    chinese_calendar.Holiday.dragon_boat_festival.value: Festival.DRAGON_BOAT,
    chinese_calendar.Holiday.mid_autumn_festival.value: Festival.MID_AUTUMN,
    chinese_calendar.Holiday.national_day.value: Festival.NATIONAL_DAY,
    chinese_calendar.Holiday.anti_fascist_70th_day.value: Festival.VICTORY_DAY,
}


class UnknownHolidayYear(ValueError):
    """The holidays of this year are not known yet; update the `chinesecalendar` package."""

    def __init__(self, year: int) -> None:
        super().__init__(f"the public holidays of {year} are not known; update the chinesecalendar package")
        self.year = year


def day_kind(day: date) -> DayKind:
    """What kind of day it is. Raises UnknownHolidayYear."""
    off, holiday = _detail(day)
    weekend = day.weekday() >= 5
    if not off:
        return DayKind.ADJUSTED_WORKDAY if weekend else DayKind.WORKDAY
    return DayKind.STATUTORY_HOLIDAY if holiday is not None else DayKind.WEEKEND


def festival(day: date) -> Festival | None:
    """Which statutory holiday gives this day off; None on all other days. Raises UnknownHolidayYear."""
    off, holiday = _detail(day)
    return _FESTIVALS[holiday] if off and holiday is not None else None


def _detail(day: date) -> tuple[bool, str | None]:
    try:
        off, holiday = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError as error:
        raise UnknownHolidayYear(day.year) from error
    return off, holiday


def is_working_day(day: date) -> bool:
    """True on workdays and adjusted workdays. Raises UnknownHolidayYear."""
    return day_kind(day) in (DayKind.WORKDAY, DayKind.ADJUSTED_WORKDAY)


def add_working_days(start: date, days: int) -> date:
    """The day on which a term of `days` working days ends; the day it starts is not counted.

    Raises ValueError for a negative number, UnknownHolidayYear where the term runs into such a year.
    """
    if days < 0:
        raise ValueError("a term cannot be negative")
    day = start
    while days:
        day += timedelta(days=1)
        days -= is_working_day(day)
    return day


def add_calendar_days(start: date, days: int, *, extend_to_working_day: bool = False) -> date:
    """The last day of a term of calendar days; the day it starts is not counted.

    With `extend_to_working_day`, a term that ends on a day off ends on the next working day.
    """
    if days < 0:
        raise ValueError("a term cannot be negative")
    day = start + timedelta(days=days)
    while extend_to_working_day and not is_working_day(day):
        day += timedelta(days=1)
    return day
