"""What an editor of tariffs looks at: the price over two days, and what is probably not meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from statistics import median

from parking_cloud.kernel.calendar import DayKind, UnknownHolidayYear, day_kind
from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.tariffs import words
from parking_cloud.tariffs.description import describe
from parking_cloud.tariffs.plan import Plan, Variant, clock_minute, holds, spans
from parking_cloud.tariffs.pricing import quote
from parking_cloud.tariffs.schemas import Checked, CheckIn, FaultOut, Point, VehicleClass, Warned
from parking_cloud.tariffs.shapes import Per, Restart, Steps, Table
from parking_cloud.tariffs.validity import read
from parking_cloud.tariffs.words import DAY, EPOCH

SHOWN = 2 * DAY
_A_JUMP = 1000
"""Fen: less than this in a minute is never a jump."""
_JUMP_OVER_USUAL = 3
_LONG = 18 * 60
_AHEAD = timedelta(days=60)
_YEAR = 366
_ENDLESS = 8 * DAY


def check(asked: CheckIn, now: datetime) -> Checked:
    """Everything there is to say about a tariff. Raises UnknownHolidayYear where no such day is known."""
    tariff, found = read(asked.data)
    if tariff is None:
        return Checked(faults=[FaultOut(f.where, {"zh-CN": f.zh, "en": f.en}) for f in found])
    plan = Plan(tariff)
    day = day_of(asked.day, city_time(now).date())
    entered = (day - EPOCH).days * DAY + clock_minute(asked.entry)
    shown = points(plan.variant(asked.vehicle, asked.permit), entered, asked.charging_minutes)
    return Checked(
        faults=[],
        entered_at=datetime.combine(day, time.fromisoformat(asked.entry), CITY_ZONE),
        points=shown,
        warnings=warnings(plan, shown, entered, now),
        description=describe(plan),
    )


def points(variant: Variant, entered: int, charging: int = 0) -> list[Point]:
    """The price over two days from `entered`: its begin, each rise, its end."""
    found: list[Point] = []
    for minutes in range(SHOWN + 1):
        amount = quote(variant, entered, minutes, min(charging, minutes)).amount
        if not found or amount != found[-1].amount or minutes == SHOWN:
            found.append(Point(minutes=minutes, amount=amount))
    return found


def day_of(kind: DayKind, today: date) -> date:
    """A day of that kind, with known days after it: the next one, else the last one.

    Raises UnknownHolidayYear where there is none within a year.
    """
    for days in (*range(_YEAR), *range(-1, -_YEAR, -1)):
        day = today + timedelta(days=days)
        try:
            day_kind(day + timedelta(days=3))
            if day_kind(day) is kind:
                return day
        except UnknownHolidayYear:
            continue
    raise UnknownHolidayYear(today.year)


def warnings(plan: Plan, shown: list[Point], entered: int, now: datetime) -> list[Warned]:
    """What is probably not meant; none of it keeps a tariff from being used."""
    today = city_time(now).date()
    found = [
        *_gaps(plan, today),
        *_unused(plan),
        *_jumps(shown, entered),
        *_no_dearer(shown, entered),
        *_caps_never_reached(plan, today),
        *_ends(plan),
        *_holidays_unknown(plan, today),
        *_over(plan, today),
    ]
    if VehicleClass.EXEMPT not in plan.tariff.classes:
        found.append(
            _warned(
                "exempt_pay",
                "classes",
                "未列免费车辆（exempt）：军警车辆将与小型车同价",
                "exempt vehicles are not listed: military and police pay as small ones do",
            )
        )
    return found


def _warned(code: str, where: str, zh: str, en: str) -> Warned:
    return Warned(code=code, where=where, reason={"zh-CN": zh, "en": en})


def _gaps(plan: Plan, today: date) -> Iterator[Warned]:
    for index, schedule in enumerate(plan.tariff.schedules):
        covered = [False] * DAY
        for hours in schedule.hours:
            for start, end in spans(hours):
                covered[start:end] = [True] * (end - start)
        for start, end in _runs(covered):
            clock = f"{words.CLOCK[start]}–{words.CLOCK[end % DAY]}"
            yield _warned(
                "gap_hours",
                f"schedules[{index}].hours",
                f"{clock} 没有费率：不收费",
                f"no rate from {clock}: nothing is charged",
            )
    bare = [day for day in _known_days(plan, today) if not any(holds(s, day) for s in plan.tariff.schedules)]
    if bare:
        first = words.day_words(bare[0])
        yield _warned(
            "gap_days",
            "schedules",
            f"今后一年内有 {len(bare)} 天没有适用的时段表（首日 {first}）：不收费",
            f"no schedule is for {len(bare)} days of the year ahead, the first {first}: nothing is charged",
        )


def _runs(covered: list[bool]) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for minute, there in enumerate([*covered, True]):
        if not there and start is None:
            start = minute
        elif there and start is not None:
            yield start, minute
            start = None


def _known_days(plan: Plan, today: date) -> list[int]:
    """The days ahead that can be told; all of them where the tariff needs no holidays."""
    first = (today - EPOCH).days
    days = []
    for day in range(first, first + _YEAR):
        try:
            plan.layout(day)
        except UnknownHolidayYear:
            break
        days.append(day)
    return days


def _unused(plan: Plan) -> Iterator[Warned]:
    tariff = plan.tariff
    used = {hours.rate for schedule in tariff.schedules for hours in schedule.hours}
    for adjustment in (*tariff.classes.values(), *tariff.permits.values()):
        used |= set(adjustment.rates.values())
    for name in tariff.rates:
        if name not in used:
            yield _warned("unused_rate", f"rates.{name}", "没有时段使用此费率", "no hours use this rate")


def _jumps(shown: list[Point], entered: int) -> Iterator[Warned]:
    rises = [
        (late.minutes, late.amount - early.amount)
        for early, late in pairwise(shown)
        if late.amount > early.amount
    ]
    if not rises:
        return
    usual = median(rise for _, rise in rises)
    for minutes, rise in rises:
        if rise >= _A_JUMP and rise >= _JUMP_OVER_USUAL * usual:
            stayed, at, more = words.length(minutes), words.moment(entered + minutes), words.money(rise)
            yield _warned(
                "jump",
                "rates",
                f"停到 {stayed[0]}（{at}）时一分钟内增加 {more}",
                f"one minute more costs {more} after {stayed[1]} ({at})",
            )


def _no_dearer(shown: list[Point], entered: int) -> Iterator[Warned]:
    """The longest stretch in which nothing is added, where it is long."""
    rest, start = max((late.minutes - early.minutes, early.minutes) for early, late in pairwise(shown))
    if rest >= _LONG and shown[-1].amount:
        lasted, at = words.length(rest), words.moment(entered + start)
        yield _warned(
            "no_dearer",
            "rates",
            f"自 {at} 起 {lasted[0]}内停得更久不再加收",
            f"from {at} on, {lasted[1]} more cost nothing more",
        )


def _caps_never_reached(plan: Plan, today: date) -> Iterator[Warned]:
    variant = plan.variant(VehicleClass.SMALL, None)
    days = _known_days(plan, today)[:-8]
    if not days:
        return
    kinds = {tuple(number for _, number in plan.layout(day)): day for day in reversed(days)}
    for index, cap in enumerate(plan.tariff.caps):
        length, hours = (7 * DAY, (0,)) if cap.per is Per.STAY else (DAY, tuple(range(24)))
        starts = hours if cap.per is Per.DAY_FROM_ENTRY else (0,)
        most = max(
            quote(variant, day * DAY + hour * 60, length).amount for day in kinds.values() for hour in starts
        )
        if most < cap.amount:
            yield _unreached(f"caps[{index}]", cap.amount, most)
    for name, rate in plan.tariff.rates.items():
        longest = _longest_window(plan, name)
        if not isinstance(rate, Steps | Table) or rate.cap is None or not longest:
            continue
        most = variant.curve(name).at(longest)
        if most < rate.cap:
            yield _unreached(f"rates.{name}.cap", rate.cap, most)


def _unreached(where: str, cap: int, most: int) -> Warned:
    limit, there = words.money(cap), words.money(most)
    return _warned(
        "cap_never_reached",
        where,
        f"封顶 {limit} 达不到：最多 {there}",
        f"the cap of {limit} is never reached: at most {there}",
    )


def _longest_window(plan: Plan, name: str) -> int:
    """How long a window of a rate can be, in minutes; one that never ends is longer than any step."""
    longest = 0
    for schedule in plan.tariff.schedules:
        holding = [False] * DAY
        for hours in schedule.hours:
            for start, end in spans(hours):
                if hours.rate == name:
                    holding[start:end] = [True] * (end - start)
        run = 0
        for there in holding * 2:
            run = run + 1 if there else 0
            longest = max(longest, run)
    if plan.tariff.restart is not Restart.NEVER:
        return min(longest, DAY)
    return _ENDLESS if longest == 2 * DAY else longest


def _ends(plan: Plan) -> Iterator[Warned]:
    for name, rate in plan.tariff.rates.items():
        last = None
        if isinstance(rate, Steps):
            last = rate.steps[-1].until
        elif isinstance(rate, Table) and rate.then is None:
            last = rate.rows[-1].until
        if last is not None and last < _longest_window(plan, name):
            after = words.length(last)
            yield _warned(
                "ends",
                f"rates.{name}",
                f"一个时段内停满 {after[0]}后不再加收",
                f"within one window nothing is added after {after[1]}",
            )


def _holidays_unknown(plan: Plan, today: date) -> Iterator[Warned]:
    if not plan.needs_holidays:
        return
    for day in (today, today + _AHEAD):
        try:
            day_kind(day)
        except UnknownHolidayYear as error:
            yield _warned(
                "holidays_unknown",
                "schedules",
                f"尚不知道 {error.year} 年节假日安排：涉及该年的停车无法计费，请更新日历",
                f"the holidays of {error.year} are not known: stays that touch it cannot be priced;"
                " update the calendar",
            )
            return


def _over(plan: Plan, today: date) -> Iterator[Warned]:
    for index, schedule in enumerate(plan.tariff.schedules):
        if schedule.dates and all(span.last < today for span in schedule.dates):
            yield _warned("over", f"schedules[{index}]", "这些日期已经过去", "these dates are over")
    for index, event in enumerate(plan.tariff.events):
        if event.end.date() < today:
            yield _warned("over", f"events[{index}]", "该活动已经结束", "this event is over")
