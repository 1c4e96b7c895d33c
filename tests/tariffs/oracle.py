"""The same prices by another way: minute by minute, slowly, from the tariff's words and not from its plan.

A unit is paid in the minute in which it becomes more than a tail. What a minute costs is held to what its
caps have left.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from parking_cloud.kernel.calendar import day_kind, festival
from parking_cloud.tariffs.shapes import (
    NoCharge,
    Per,
    PerTime,
    Rate,
    Restart,
    Schedule,
    Steps,
    Table,
    Tariff,
)

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def slow_price(tariff: Tariff, entered: datetime, minutes: int) -> int:
    """The price of a small vehicle's stay, in fen; `entered` is the city's time, without a zone."""
    free = tariff.free
    if not free.again and minutes <= free.minutes:
        return 0
    if minutes == 0:
        return 0
    left = entered + minutes * MINUTE
    till: dict[tuple[str, object], float] = {}
    total = 0
    window: tuple[str | None, datetime | None] = (None, None)
    start = paid_until = entered
    in_window = 0.0
    for number in range(minutes):
        at = entered + number * MINUTE
        period, period_end = _period(tariff, entered, left, at)
        stayed_in_period = min(period_end, left) - period
        if free.again:
            if stayed_in_period <= free.minutes * MINUTE:
                continue
            if not free.counted and at - period < free.minutes * MINUTE:
                continue
        elif not free.counted and number < free.minutes:
            continue
        name = _rate_at(tariff, at)
        if (name, period) != window:
            window, in_window = (name, period), 0.0
            start = max(at, paid_until)
        if name is None or at < start:
            continue
        rate = tariff.rates[name]
        due, unit_end = _due(rate, round((at - start) / MINUTE), tariff.tail_minutes)
        cap = getattr(rate, "cap", None)
        if due is None:
            continue
        if isinstance(rate, Steps) and tariff.run_on:
            paid_until = max(paid_until, start + unit_end * MINUTE)
        due = min(due, math.inf if cap is None else cap - in_window)
        in_window += due
        for limit in tariff.caps:
            till.setdefault((limit.per, _cap_key(limit.per, entered, at)), 0.0)
        for limit in tariff.caps:
            due = min(due, limit.amount - till[limit.per, _cap_key(limit.per, entered, at)])
        for key in {(limit.per, _cap_key(limit.per, entered, at)) for limit in tariff.caps}:
            till[key] += due
        total += round(due)
    unit = tariff.rounding.unit
    exact = total / unit
    ways = {"down": math.floor(exact), "up": math.ceil(exact), "half_up": math.floor(exact + 0.5)}
    return ways[tariff.rounding.way] * unit


def _period(tariff: Tariff, entered: datetime, left: datetime, at: datetime) -> tuple[datetime, datetime]:
    if tariff.restart is Restart.NEVER:
        return entered, left
    if tariff.restart is Restart.DAY_FROM_ENTRY:
        begin = entered + (at - entered) // DAY * DAY
        return begin, begin + DAY
    midnight = at.replace(hour=0, minute=0)
    return max(midnight, entered), midnight + DAY


def _cap_key(per: Per, entered: datetime, at: datetime) -> object:
    return {Per.STAY: 0, Per.CALENDAR_DAY: at.date(), Per.DAY_FROM_ENTRY: (at - entered) // DAY}[per]


def _rate_at(tariff: Tariff, at: datetime) -> str | None:
    for schedule in tariff.schedules:
        if _is_for(schedule, at):
            clock = at.strftime("%H:%M")
            for hours in schedule.hours:
                if hours.start < hours.end:
                    inside = hours.start <= clock < hours.end
                else:
                    inside = clock >= hours.start or clock < hours.end
                if inside:
                    return hours.rate
            return None
    return None


def _is_for(schedule: Schedule, at: datetime) -> bool:
    day = at.date()
    return (
        (not schedule.days or day_kind(day) in schedule.days)
        and (not schedule.festivals or festival(day) in schedule.festivals)
        and (not schedule.dates or any(d.first <= day <= d.last for d in schedule.dates))
        and (
            not schedule.seasons
            or any(
                (s.first <= day.strftime("%m-%d") <= s.last)
                if s.first <= s.last
                else (day.strftime("%m-%d") >= s.first or day.strftime("%m-%d") <= s.last)
                for s in schedule.seasons
            )
        )
    )


def _due(rate: Rate, minute: int, tail: int) -> tuple[float | None, int]:
    """What falls due in a minute of the window (None: nothing), and to which minute that pays."""
    if isinstance(rate, NoCharge):
        return None, 0
    if isinstance(rate, PerTime):
        return (rate.amount if minute == tail else None), 0
    begun = before = 0
    if isinstance(rate, Table):
        for row in rate.rows:
            if minute < row.until:
                return (row.total - before if minute - begun == tail else None), 0
            begun, before = row.until, row.total
        steps = [] if rate.then is None else [(rate.then, begun)]
    else:
        steps = []
        for step in rate.steps:
            steps.append((step, begun))
            begun = step.until or 0
    for step, since in steps:
        if step.until is None or minute < step.until:
            number, offset = divmod(minute - since, step.unit)
            return (step.amount if offset == tail else None), since + (number + 1) * step.unit
    return None, 0
