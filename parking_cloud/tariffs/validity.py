"""Why a tariff cannot be taken as it is. What is left after this can be priced, and never falls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from parking_cloud.tariffs.plan import event_minutes, spans
from parking_cloud.tariffs.shapes import (
    Adjustment,
    MonthDay,
    Restart,
    Schedule,
    Steps,
    Table,
    Tariff,
    decode,
)
from parking_cloud.tariffs.words import DAY


class Fault(msgspec.Struct, frozen=True):
    """What is wrong, and where: a path such as rates.day.steps[1]."""

    where: str
    zh: str
    en: str


def read(data: object) -> tuple[Tariff | None, list[Fault]]:
    """A tariff from JSON's own types, or what keeps it from being used."""
    try:
        tariff = decode(data)
    except msgspec.ValidationError as error:
        return None, [Fault("", f"格式有误：{error}", str(error))]
    found = faults(tariff)
    return (None if found else tariff), found


def faults(tariff: Tariff) -> list[Fault]:
    """Everything that keeps a tariff from being used."""
    return [
        *_rate_faults(tariff),
        *(fault for i, s in enumerate(tariff.schedules) for fault in _schedule_faults(tariff, i, s)),
        *_adjustment_faults(tariff),
        *_free_faults(tariff),
        *_event_faults(tariff),
    ]


def _rate_faults(tariff: Tariff) -> Iterator[Fault]:
    for name, rate in tariff.rates.items():
        if isinstance(rate, Steps):
            yield from _steps_faults(f"rates.{name}", rate, tariff.tail_minutes)
        elif isinstance(rate, Table):
            yield from _table_faults(f"rates.{name}", rate, tariff.tail_minutes)


def _steps_faults(where: str, rate: Steps, tail: int) -> Iterator[Fault]:
    before = 0
    for index, step in enumerate(rate.steps):
        here = f"{where}.steps[{index}]"
        if step.unit <= tail:
            yield _tail_fault(here)
        if step.until is None:
            if index < len(rate.steps) - 1:
                yield Fault(here, "之后的阶梯永远不会用到", "the steps after this one would never be reached")
            return
        if step.until <= before:
            yield Fault(here, "until 须大于上一阶梯", "until has to be later than the step before")
        elif (step.until - before) % step.unit:
            yield Fault(here, "阶梯时长须为单位的整数倍", "the step has to last a whole number of its units")
        before = step.until


def _table_faults(where: str, rate: Table, tail: int) -> Iterator[Fault]:
    until = total = 0
    for index, row in enumerate(rate.rows):
        here = f"{where}.rows[{index}]"
        if row.until <= until:
            yield Fault(here, "until 须大于上一行", "until has to be later than the row before")
        elif row.until - until <= tail:
            yield _tail_fault(here)
        if row.total < total:
            yield Fault(
                here,
                "停得更久反而更便宜：累计金额低于上一行",
                "a longer stay would be cheaper: the total is below the row before",
            )
        until, total = row.until, row.total
    if rate.then is not None and rate.then.until is not None:
        yield Fault(f"{where}.then", "then 不设 until", "then goes on without an end: leave until out")
    if rate.then is not None and rate.then.unit <= tail:
        yield _tail_fault(f"{where}.then")


def _tail_fault(where: str) -> Fault:
    return Fault(
        where,
        "尾数不小于计费单位：将永远不收费",
        "not longer than the tail that is not billed: it would never be charged",
    )


def _schedule_faults(tariff: Tariff, index: int, schedule: Schedule) -> Iterator[Fault]:
    where = f"schedules[{index}]"
    taken = [False] * DAY
    for number, hours in enumerate(schedule.hours):
        here = f"{where}.hours[{number}]"
        if hours.rate not in tariff.rates:
            yield Fault(here, f"没有费率 {hours.rate}", f"there is no rate {hours.rate}")
        for start, end in spans(hours):
            if any(taken[start:end]):
                yield Fault(here, "与另一时段重叠", "overlaps with other hours of this schedule")
            taken[start:end] = [True] * (end - start)
    for number, dates in enumerate(schedule.dates):
        if dates.last < dates.first:
            yield Fault(f"{where}.dates[{number}]", "last 早于 first", "last is before first")
    for number, season in enumerate(schedule.seasons):
        if not (_exists(season.first) and _exists(season.last)):
            yield Fault(f"{where}.seasons[{number}]", "没有这一天", "there is no such day")


def _exists(day: MonthDay) -> bool:
    try:
        date.fromisoformat(f"2024-{day}")  # a leap year
    except ValueError:
        return False
    return True


def _adjustment_faults(tariff: Tariff) -> Iterator[Fault]:
    named: list[tuple[str, Adjustment]] = [(f"classes.{k}", a) for k, a in tariff.classes.items()]
    named += [(f"permits.{k}", a) for k, a in tariff.permits.items()]
    for where, adjustment in named:
        for rate in (*adjustment.rates, *adjustment.rates.values()):
            if rate not in tariff.rates:
                yield Fault(f"{where}.rates", f"没有费率 {rate}", f"there is no rate {rate}")
        if adjustment.free is not None and adjustment.free.again and tariff.restart is Restart.NEVER:
            yield _again_fault(f"{where}.free")


def _free_faults(tariff: Tariff) -> Iterator[Fault]:
    if tariff.free.again and tariff.restart is Restart.NEVER:
        yield _again_fault("free")


def _again_fault(where: str) -> Fault:
    return Fault(where, "again 须与 restart 一起使用", "again needs a restart: there is only one period")


def _event_faults(tariff: Tariff) -> Iterator[Fault]:
    held: list[tuple[int, int]] = []
    for index, event in enumerate(tariff.events):
        start, end = event_minutes(event)
        if end <= start:
            yield Fault(f"events[{index}]", "结束不晚于开始", "it ends before it begins")
        if any(start < other_end and other_start < end for other_start, other_end in held):
            yield Fault(f"events[{index}]", "与另一活动重叠", "overlaps with another event")
        held.append((start, end))
