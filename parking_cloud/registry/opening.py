"""When a facility lets vehicles in: a short text in the registry, minutes of the day everywhere else.

`07:00-22:00` holds every day; `workday 07:00-22:00; restday 08:00-21:00` tells working days from days off. A
span that ends before it begins runs over midnight. Nothing said: at any time.
"""

from __future__ import annotations

from typing import NamedTuple

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SPAN = f"{_CLOCK}-({_CLOCK}|24:00)"
OPENING_PATTERN = f"^$|^{_SPAN}$|^workday {_SPAN}; restday {_SPAN}$"
DAY = 24 * 60


class Span(NamedTuple):
    """Minutes of the day, `start` to before `end`; over midnight where `end` is not after `start`."""

    start: int
    end: int


ALWAYS = Span(0, DAY)


class Opening(NamedTuple):
    """On working days, and on days off."""

    workday: Span = ALWAYS
    restday: Span = ALWAYS


def opening_of(text: str) -> Opening:
    """What the registry's text says; it has the form of OPENING_PATTERN."""
    if not text:
        return Opening()
    spans = [_span(part.rsplit(" ", 1)[-1]) for part in text.split("; ")]
    return Opening(spans[0], spans[-1])


def _span(text: str) -> Span:
    start, end = ((int(clock[:2]) * 60 + int(clock[3:])) for clock in text.split("-"))
    return Span(start, end)


def open_at(opening: Opening, minute: int, *, working_day: bool, day_before_works: bool) -> bool:
    """Whether vehicles may enter at a minute of the day; a span of the day before may run past midnight."""
    today = opening.workday if working_day else opening.restday
    before = opening.workday if day_before_works else opening.restday
    ends = today.end if today.start < today.end else DAY
    return today.start <= minute < ends or (before.end <= before.start and minute < before.end)
