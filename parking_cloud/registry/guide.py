"""What guidance keeps of every facility, in pages; and sums by which it sees what has changed.

A bucket holds every facility whose id ends in one byte: 256 sums tell what has to be read again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

FIRST = UUID(int=0)
BUCKETS = 256

_SUMS = text(
    "select get_byte(uuid_send(f.id), 15), bit_xor(hashtextextended(f::text, 0)) from facility f group by 1"
)
_PAGE = text(
    "select id, code, name, name_en, kind, district, address, capacity, shared_spaces, accessible_spaces,"
    " charging_spaces, large_spaces, height_limit_cm, opening_hours, synthetic, operator_id,"
    " st_y(position::geometry) as lat, st_x(position::geometry) as lon,"
    " st_y(entrance::geometry) as entrance_lat, st_x(entrance::geometry) as entrance_lon"
    " from facility where id > :after and get_byte(uuid_send(id), 15) = any(:buckets)"
    " order by id limit :limit"
)


class GuideRow(NamedTuple):
    """A facility's facts; positions are WGS-84."""

    id: UUID
    code: str
    name: str
    name_en: str
    kind: str
    district: str
    address: str
    capacity: int
    shared_spaces: int
    accessible_spaces: int
    charging_spaces: int
    large_spaces: int
    height_limit_cm: int | None
    opening_hours: str
    synthetic: bool
    operator_id: UUID
    lat: float | None
    lon: float | None
    entrance_lat: float | None
    entrance_lon: float | None


def bucket_of(facility_id: UUID) -> int:
    """The bucket that a facility lies in."""
    return facility_id.int & 0xFF


async def guide_sums(session: AsyncSession) -> dict[int, int]:
    """For each bucket a sum that changes when anything in it does."""
    return {row[0]: row[1] for row in await session.execute(_SUMS)}


async def guide_page(
    session: AsyncSession, buckets: Collection[int], *, after: UUID = FIRST, limit: int = 500
) -> list[GuideRow]:
    """Facilities of these buckets by id, those after `after`."""
    rows = await session.execute(_PAGE, {"buckets": list(buckets), "after": after, "limit": limit})
    return [GuideRow(*row) for row in rows]
