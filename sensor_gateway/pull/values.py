"""What a record's values must be, in any format: each function gives the value or says why not. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}(\.0+)?")
_LONGEST_ID = 200
_TICKS = {"epoch_s": 1, "epoch_ms": 1_000}
"""Ticks a second."""


class Unreadable(Exception):
    """A body is not of the declared format; the message is a sentence that says what is wrong."""


class BadRow(Exception):
    """A record cannot become a statement; the message says why."""


class RowProblem(msgspec.Struct, frozen=True):
    """A record that was left out: its number from 1 on (a CSV's header not counted), and why."""

    number: int
    reason: str


def shown(value: object) -> str:
    """A value as it may stand in a reason: short, and with nothing unprintable."""
    if value is None:
        return "missing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value[:80] if isinstance(value, str | bytes) else value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def device_name(value: object, prefix: str) -> str:
    """The device's id with its prefix. Raises BadRow."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow(f"the device id is {shown(value)}")
    name = prefix + str(value).strip()
    if name == prefix or len(name) > _LONGEST_ID or not name.isprintable():
        raise BadRow(f"the device id is {shown(value)}")
    return name


def whole_number(value: object, field: str) -> int:
    """A count, given as a number or as text. Raises BadRow."""
    if isinstance(value, str | float) or (type(value) is int and abs(value) < 10**9):
        text = str(value).strip()
        if _WHOLE.fullmatch(text):
            return int(text.partition(".")[0])
    raise BadRow(f"{field} is {shown(value)}, not a whole number")


def truth(value: object, field: str, yes: Collection[str], no: Collection[str]) -> bool:
    """Whether the value is one of the words for yes or for no. Raises BadRow."""
    word = str(value).strip().casefold() if isinstance(value, str | int) else ""
    if word in {known.casefold() for known in yes}:
        return True
    if word in {known.casefold() for known in no}:
        return False
    raise BadRow(f"{field} is {shown(value)}, which the mapping has no meaning for")


def moment(value: object, time_format: str, time_zone: str) -> datetime:
    """An instant in UTC, of a text or number in the declared format. Raises BadRow."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(f"the time is {shown(value)}")
    try:
        if time_format in _TICKS:
            return datetime.fromtimestamp(float(value) / _TICKS[time_format], UTC)
        text = str(value).strip()
        if time_format == "iso8601":
            read = datetime.fromisoformat(text)
        else:
            read = datetime.strptime(text, time_format)  # noqa: DTZ007 - the zone is given below
        if read.tzinfo is None:
            if not time_zone:
                raise BadRow(f"the time {shown(text)} has no offset, and the mapping declares no time_zone")
            read = read.replace(tzinfo=ZoneInfo(time_zone))
        return read.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRow(f"the time is {shown(value)}, not {time_format}") from error
