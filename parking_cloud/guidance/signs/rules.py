"""What a board shows: pure decisions.

A board's number is the sum of the free spaces that are known: at least so many are there. Spaces of which
nothing is known, or nothing new enough for this board, add nothing to it. Whether a row is full can only be
said where nearly all of its spaces are known. Where nobody is let in now, nothing counts as free.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

import msgspec

KNOWN_TO_BE_FULL = 0.9
"""The share of a row's spaces that must be known before FULL is said."""
SILENT_AFTER = timedelta(minutes=2)
"""A board that has not fetched, or acknowledged, for so long is at fault."""
LISTENS_UNTIL = timedelta(seconds=30)
"""Our processes say every few seconds that they listen to boards. Longer ago: none does."""


class Level(IntEnum):
    """Of the three levels of guidance, from far to near."""

    AREA = 1
    ROAD = 2
    ENTRANCE = 3


class Way(StrEnum):
    """How a board gets what it shows."""

    POLL = "poll"
    MQTT = "mqtt"


class Arrow(StrEnum):
    LEFT = "left"
    STRAIGHT = "straight"
    RIGHT = "right"
    NONE = "none"


class Shows(StrEnum):
    NUMBER = "number"
    STATE = "state"


class RowState(StrEnum):
    OPEN = "open"
    FULL = "full"
    BLANK = "blank"
    CLOSED = "closed"


class Seen(msgspec.Struct, frozen=True):
    """A facility as a board may know it. `free` is None where nothing was heard."""

    free: int | None
    unknown: int
    capacity: int
    observed_at: datetime | None
    shut: bool = False
    """It lets in nobody who comes by now: it is not counted."""


class Thresholds(msgspec.Struct, frozen=True):
    """A board's own rules. Between `full_below` and `open_again_at` a row stays what it was."""

    full_below: int
    open_again_at: int
    blank_after: timedelta
    digits: int


class Judged(msgspec.Struct, frozen=True):
    """What a row shows. `partial`: some of its spaces are not known, so there may be more.

    `full` is what the row remembers for the next time, whether or not it can be shown.
    """

    state: RowState
    number: int | None
    partial: bool
    full: bool


def judge_row(facilities: Sequence[Seen], limits: Thresholds, was_full: bool, now: datetime) -> Judged:
    """What a row over these facilities shows now."""
    if facilities and all(f.shut for f in facilities):
        return Judged(RowState.CLOSED, None, False, was_full)
    facilities = [f for f in facilities if not f.shut]
    fresh = [f for f in facilities if _is_fresh(f, limits.blank_after, now)]
    if not fresh:
        return Judged(RowState.BLANK, None, False, was_full)
    capacity = sum(f.capacity for f in facilities)
    known = sum(f.capacity - min(f.unknown, f.capacity) for f in fresh)
    free = sum(min(f.free or 0, f.capacity) for f in fresh)
    full = free < (limits.open_again_at if was_full else limits.full_below)
    if not full:
        return Judged(RowState.OPEN, min(free, 10**limits.digits - 1), known < capacity, False)
    if known < KNOWN_TO_BE_FULL * capacity:
        return Judged(RowState.BLANK, None, False, was_full)
    return Judged(RowState.FULL, None, known < capacity, True)


def _is_fresh(facility: Seen, limit: timedelta, now: datetime) -> bool:
    if facility.free is None or facility.observed_at is None:
        return False
    return now - facility.observed_at <= limit


def is_silent(heard_at: datetime | None, registered_at: datetime, now: datetime) -> bool:
    """True where a board has not been heard for two minutes, nor since it was registered."""
    return now - max(heard_at or registered_at, registered_at) > SILENT_AFTER


class Listening(msgspec.Struct, frozen=True):
    """From when until when boards could reach us, without a gap."""

    since: datetime
    until: datetime


def is_at_fault(
    heard_at: datetime | None, registered_at: datetime, listening: Listening | None, now: datetime
) -> bool | None:
    """Whether a board's silence is its own fault; None where it is silent, but perhaps by ours."""
    if not is_silent(heard_at, registered_at, now):
        return False
    if listening is None or now - listening.until > LISTENS_UNTIL:
        return None
    return True if now - listening.since > SILENT_AFTER else None


_ARROWS = {Arrow.LEFT: "←", Arrow.STRAIGHT: "↑", Arrow.RIGHT: "→", Arrow.NONE: ""}


def value_text(judged: Judged, shows: Shows) -> str:
    """What stands at the row's end, in Chinese."""
    if judged.state is RowState.BLANK:
        return "—"
    if judged.state is RowState.CLOSED:
        return "关闭"
    if judged.state is RowState.FULL:
        return "满"
    return "有位" if shows is Shows.STATE else str(judged.number)


def plain_text(judged: Judged, shows: Shows, digits: int) -> str:
    """The same for boards that only have figures and Latin letters: a full or closed row counts 0."""
    if judged.state is RowState.BLANK:
        return "-" * digits
    if shows is Shows.STATE and judged.state is RowState.CLOSED:
        return "SHUT"
    if shows is Shows.STATE:
        return "FULL" if judged.state is RowState.FULL else "OPEN"
    return str(judged.number or 0)


def line_text(label: str, arrow: Arrow, value: str, columns: int) -> str:
    """One line of `columns` half-width columns: the value always whole, at the right; the name gives way."""
    start = _ARROWS[arrow]
    room = columns - columns_of(start) - columns_of(value) - 1
    kept = _cut(label, room)
    return start + kept + " " * (columns - columns_of(start + kept + value)) + value


def columns_of(text: str) -> int:
    """Half-width columns: a Chinese character, an arrow or a dash takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WFA" else 1 for c in text)


def _cut(text: str, room: int) -> str:
    while columns_of(text) > room:
        text = text[:-1]
    return text
