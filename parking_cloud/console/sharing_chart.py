"""The next 14 days of a shared car park as a picture: a row a day, open times, the booked share of each half
hour as its height."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.sharing.times import Span, union

LEFT, WIDTH, ROW, BAR = 84, 960, 24, 18
_WEEKDAYS = {"zh-CN": "一二三四五六日", "en": ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")}


class Bar(NamedTuple):
    """A stretch of a day with one booked share."""

    x: float
    width: float
    booked: float
    """Height of the booked part."""
    words: str


class Day(NamedTuple):
    label: str
    y: int
    bars: list[Bar]
    open_times: str
    """In words, for who does not see the picture."""


class Picture(NamedTuple):
    days: list[Day]
    hours: list[tuple[float, str]]
    height: int


def draw(shares: Sequence[tuple[Span, float]], today: date, days: int, language: str) -> Picture:
    """`shares`: half hours that are open, in order, each with the share that is booked."""
    rows: list[Day] = []
    for number in range(days):
        day = today + timedelta(days=number)
        midnight = datetime.combine(day, time(), CITY_ZONE)
        here = [(s, share) for s, share in shares if city_time(s.start).date() == day]
        label = f"{day:%m-%d} {_WEEKDAYS[language][day.weekday()]}"
        y = number * ROW
        rows.append(Day(label, y, _bars(here, midnight), _words([span for span, _ in here])))
    hours = [(round(LEFT + hour / 24 * (WIDTH - LEFT), 1), f"{hour:02d}") for hour in range(0, 25, 3)]
    return Picture(rows, hours, days * ROW + 18)


def _bars(parts: Sequence[tuple[Span, float]], midnight: datetime) -> list[Bar]:
    joined: list[tuple[Span, float]] = []
    for span, share in parts:
        if joined and joined[-1][1] == share and joined[-1][0].end == span.start:
            joined[-1] = (Span(joined[-1][0].start, span.end), share)
        else:
            joined.append((span, share))
    return [
        Bar(
            x=round(LEFT + (span.start - midnight) / timedelta(days=1) * (WIDTH - LEFT), 1),
            width=round((span.end - span.start) / timedelta(days=1) * (WIDTH - LEFT), 1),
            booked=round(share * BAR, 1),
            words=f"{_words([span])} · {share:.0%}",
        )
        for span, share in joined
    ]


def _words(spans: Sequence[Span]) -> str:
    return ", ".join(f"{city_time(s.start):%H:%M}–{_end(s)}" for s in union(spans))


def _end(span: Span) -> str:
    ends = city_time(span.end)
    return "24:00" if ends.time() == time() else f"{ends:%H:%M}"
