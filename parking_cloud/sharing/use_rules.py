"""Whether an open space could be used, and the goal: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from parking_cloud.kernel.clock import city_time

GOAL = 3500
"""Spaces that institutions and state enterprises are to open: 湖综执〔2024〕10号, 2024-03-18."""
LOOKED_EVERY = timedelta(minutes=10)
LEAST_LOOKS = 3
"""A day with fewer says nothing."""
LEAST_DAYS = 5
"""A space with fewer days is not judged."""
SHARE = 0.9
"""Of the days that were looked at: a space is never usable that was not on so many of them."""


PUBLISHED_ON = 2
"""The day of the month on which the month before is published: by then its last night is over and paid."""


class DayLooks(NamedTuple):
    looks: int
    usable: int
    unknown: int


class Verdict(StrEnum):
    NOT_JUDGED = "not_judged"
    USABLE = "usable"
    TAKEN = "taken"
    """Open by the plan, and somebody stands on it all through the open times."""
    SILENT = "silent"
    """Open by the plan, and nobody can see whether it is."""


def judge(days: Iterable[DayLooks]) -> Verdict:
    """How a space was that is open by its plan, from its days of one month."""
    judged = [day for day in days if day.looks >= LEAST_LOOKS]
    if len(judged) < LEAST_DAYS:
        return Verdict.NOT_JUDGED
    silent = sum(day.unknown == day.looks for day in judged)
    taken = sum(day.usable == 0 and day.unknown < day.looks for day in judged)
    if silent >= SHARE * len(judged):
        return Verdict.SILENT
    return Verdict.TAKEN if silent + taken >= SHARE * len(judged) else Verdict.USABLE


def day_of(now: datetime) -> date:
    """The day that a look counts for: from noon to noon of the city."""
    return (city_time(now) - timedelta(hours=12)).date()


def month_before(day: date) -> date:
    """The first day of the month before the one of a day."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def next_month(first: date) -> date:
    """The first day of the month after."""
    return (first + timedelta(days=32)).replace(day=1)


def open_hours(days: Iterable[DayLooks]) -> float:
    """Hours of spaces, by how often they were found to be open."""
    return sum(day.looks for day in days) * LOOKED_EVERY / timedelta(hours=1)


def due_on(month: date) -> date:
    """The day on which a month is published."""
    return next_month(month).replace(day=PUBLISHED_ON)
