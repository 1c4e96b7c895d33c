"""Time: aware UTC inside, the city's own time at the edges. A Clock is passed in, so tests own time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

CITY_ZONE = ZoneInfo("Asia/Shanghai")


@runtime_checkable
class Clock(Protocol):
    """Anything that tells the time as aware UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands where a test puts it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def city_time(moment: datetime) -> datetime:
    """An aware moment in the city's local time. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be placed")
    return moment.astimezone(CITY_ZONE)
