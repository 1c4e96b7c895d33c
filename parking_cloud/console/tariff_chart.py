"""A tariff's price over two days as a picture: a line of steps, with axes in round numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.tariffs.schemas import Point
from parking_cloud.tariffs.words import length

WIDTH, HEIGHT = 960, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 36
_HOURS = 48
_TICK = timedelta(hours=6)
_ROUND = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)


class Tick(NamedTuple):
    """Where a line of the grid is, and what stands beside it."""

    at: float
    label: str
    strong: bool = False


class Row(NamedTuple):
    """A line of the table that says the same."""

    stayed: str
    leaves: str
    price: str


class Chart(NamedTuple):
    line: str
    """The path."""
    area: str
    across: list[Tick]
    up: list[Tick]
    rows: list[Row]
    most: str
    points: list[tuple[float, float, str]]
    """(x, y, words) of each step, for reading the picture off."""


def draw(points: Sequence[Point], entered: datetime, language: str) -> Chart:
    """`entered`: in the city's time. The last point is at the picture's right edge."""
    top = _ceiling(points[-1].amount)
    xs = [_x(point.minutes) for point in points]
    ys = [_y(point.amount, top) for point in points]
    line = f"M{xs[0]} {ys[0]}" + "".join(f"H{x}V{y}" for x, y in zip(xs[1:], ys[1:], strict=True))
    rows = [_row(point, entered, language) for point in points]
    return Chart(
        line=line,
        area=f"{line}V{HEIGHT - BOTTOM}H{xs[0]}Z",
        across=_across(entered),
        up=[Tick(_y(top * part // 4, top), f"¥{top * part // 400:,}") for part in range(5)],
        rows=rows,
        most=format_yuan(Fen(points[-1].amount)),
        points=[(x, y, " · ".join(row)) for x, y, row in zip(xs, ys, rows, strict=True)],
    )


def _ceiling(amount: int) -> int:
    """The least round amount of four equal parts, of whole yuan each, that is not below."""
    unit = 10
    while True:
        for factor in _ROUND:
            part = factor * unit
            if part % 100 == 0 and 4 * part >= amount:
                return 4 * part
        unit *= 10


def _x(minutes: float) -> float:
    return round(LEFT + minutes / (_HOURS * 60) * (WIDTH - LEFT - RIGHT), 1)


def _y(amount: int, top: int) -> float:
    return round(HEIGHT - BOTTOM - amount / top * (HEIGHT - TOP - BOTTOM), 1)


def _across(entered: datetime) -> list[Tick]:
    """Each sixth hour of the clock; midnights by their date."""
    at = entered.replace(hour=entered.hour // 6 * 6, minute=0)
    ticks = []
    while (at := at + _TICK) <= entered + timedelta(hours=_HOURS):
        midnight = at.hour == 0
        label = f"{at:%m-%d}" if midnight else f"{at:%H:%M}"
        ticks.append(Tick(_x((at - entered).total_seconds() / 60), label, midnight))
    return ticks


def _row(point: Point, entered: datetime, language: str) -> Row:
    stayed = length(point.minutes)[0 if language == "zh-CN" else 1]
    leaves = entered + timedelta(minutes=point.minutes)
    return Row(stayed, f"{leaves:%m-%d %H:%M}", format_yuan(Fen(point.amount)))
