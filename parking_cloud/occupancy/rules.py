"""What the numbers mean: pure decisions on counts and times."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec


class Numbers(msgspec.Struct, frozen=True):
    """A facility's numbers as shown. `free` and `occupied` are None where nothing is known."""

    free: int | None
    occupied: int | None
    unknown: int
    quality: str


def numbers_from_count(reported_free: int | None, capacity: int) -> Numbers:
    """Numbers of a counted facility: shown within 0..capacity, and flagged where the count was not."""
    if reported_free is None:
        return Numbers(None, None, capacity, "unknown")
    free = min(max(reported_free, 0), capacity)
    return Numbers(free, capacity - free, 0, "good" if free == reported_free else "out_of_range")


def numbers_from_spaces(occupied: int, free: int, capacity: int) -> Numbers:
    """Numbers of a facility with a sensor in each space: a silent space is unknown, never free."""
    if occupied + free == 0:
        return Numbers(None, None, capacity, "unknown")
    return Numbers(free, occupied, max(capacity - occupied - free, 0), "good")


def is_stale(observed_at: datetime | None, now: datetime, limit: timedelta) -> bool:
    """True where nothing was heard within `limit` before `now`."""
    return observed_at is None or now - observed_at > limit
