"""A facility's bare numbers, many at a time: for what looks at thousands of them every few seconds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.rules import numbers_from_count, numbers_from_spaces


class Glance(NamedTuple):
    """Numbers as everywhere shown (rules.Numbers), and the time of the newest statement behind them."""

    free: int | None
    unknown: int
    capacity: int
    observed_at: datetime | None


async def glance(session: AsyncSession, facility_ids: Collection[UUID]) -> dict[UUID, Glance]:
    """Those of these facilities that exist."""
    rows = await session.execute(
        text(
            "select id, counting, capacity, occupied_spaces, free_spaces, spaces_observed_at, counted_free,"
            " counted_at from facility_now where id = any(:ids)"
        ),
        {"ids": list(facility_ids)},
    )
    found = {}
    for id_, counting, capacity, occupied, free, spaces_at, counted, counted_at in rows:
        if counting == "counter":
            numbers, at = numbers_from_count(counted, capacity), counted_at
        else:
            numbers, at = numbers_from_spaces(occupied, free, capacity), spaces_at
        found[id_] = Glance(numbers.free, numbers.unknown, capacity, at)
    return found
