"""The words of prices: moments, lengths, rates, in both languages."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from parking_cloud.kernel.money import Fen, format_yuan

DAY = 1440
EPOCH = date(1970, 1, 1)
CLOCK = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(DAY)]

Pair = tuple[str, str]
"""Chinese, English."""


@cache
def day_words(day: int) -> str:
    """A day, counted from 1970-01-01, as 2026-11-25."""
    return (EPOCH + timedelta(days=day)).isoformat()


def moment(minute: int) -> str:
    """A minute of the city's time, counted from 1970, as 2026-11-25 08:00."""
    day, clock = divmod(minute, DAY)
    return f"{day_words(day)} {CLOCK[clock]}"


def stretch(start: int, end: int) -> Pair:
    """From one minute to another."""
    day, clock = divmod(start, DAY)
    end_day, end_clock = divmod(end, DAY)
    head = f"{day_words(day)} {CLOCK[clock]}"
    tail = CLOCK[end_clock] if day == end_day else f"{day_words(end_day)} {CLOCK[end_clock]}"
    return f"{head} 至 {tail}", f"{head} to {tail}"


@cache
def length(minutes: int) -> Pair:
    """So many minutes, as people say it."""
    if minutes < 120 and minutes % 60:
        return f"{minutes} 分钟", f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"{hours} 小时 {rest} 分钟", f"{hours} h {rest} min"
    return f"{hours} 小时", f"{hours} h"


def percent(share: int) -> Pair:
    """A percentage: 50 → 按 50% 计价, at 50 % of the price."""
    return f"按 {share}% 计价", f"at {share} % of the price"


def money(amount: int) -> str:
    return format_yuan(Fen(amount))


def steps_words(steps: list[tuple[int | None, int, int]]) -> Pair:
    """(until, unit, amount) one after another, in words."""
    zh: list[str] = []
    en: list[str] = []
    for index, (until, unit, amount) in enumerate(steps):
        unit_zh, unit_en = length(unit)
        first = "首" if index == 0 else "至"
        if until is None:
            zh.append(f"{'之后' if index else ''}每 {unit_zh} {money(amount)}")
            en.append(f"{'then ' if index else ''}{money(amount)} each {unit_en}")
        else:
            until_zh, until_en = length(until)
            whole = unit == until - (steps[index - 1][0] or 0 if index else 0)
            zh.append(f"{first} {until_zh}{' ' if whole else '，每 ' + unit_zh + ' '}{money(amount)}")
            each = "" if whole else f" each {unit_en}"
            en.append(f"{'first' if index == 0 else 'up to'} {until_en}: {money(amount)}{each}")
    return "；".join(zh), "; ".join(en)


def table_words(rows: list[tuple[int, int]], then: tuple[int, int] | None) -> Pair:
    """(until, total) rows, and (unit, amount) beyond the last, in words."""
    zh = [f"{length(until)[0]}内 {money(total)}" for until, total in rows]
    en = [f"within {length(until)[1]} {money(total)}" for until, total in rows]
    if then is not None:
        unit, amount = then
        zh.append(f"之后每 {length(unit)[0]} {money(amount)}")
        en.append(f"then {money(amount)} each {length(unit)[1]}")
    return "，".join(zh), ", ".join(en)
