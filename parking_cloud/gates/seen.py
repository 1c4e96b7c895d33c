"""Sightings as they stand, for who works out what follows from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_COLUMNS = (
    "s.id, st_y(s.position::geometry) as lat, st_x(s.position::geometry) as lon, n.seen_at, n.plate_hash,"
    " n.plate_sealed, n.plate_color, s.confidence, s.picture, n.voided"
    " from sighting s join sighting_standing n on n.sighting_id = s.id"
)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle seen at a place (WGS-84), with all corrections."""

    id: UUID
    lat: float
    lon: float
    seen_at: datetime
    plate_hash: bytes
    plate_sealed: bytes | None
    plate_color: str | None
    confidence: float | None
    picture: str
    voided: bool


async def sightings(session: AsyncSession, ids: Collection[UUID]) -> list[Seen]:
    """These sightings, void or not."""
    return await _read(session, "s.id = any(:ids)", {"ids": list(ids)})


async def sightings_since(session: AsyncSession, since: datetime, limit: int) -> list[Seen]:
    """What was seen since then, newest first; what was void is left out."""
    where = (
        "n.seen_at >= :since and s.seen_at >= :since and not n.voided order by s.seen_at desc limit :limit"
    )
    return await _read(session, where, {"since": since, "limit": limit})


async def _read(session: AsyncSession, where: str, values: dict[str, Any]) -> list[Seen]:
    rows = await session.execute(text(f"select {_COLUMNS} where {where}"), values)
    return [
        Seen(
            id=row.id,
            lat=row.lat,
            lon=row.lon,
            seen_at=row.seen_at,
            plate_hash=bytes(row.plate_hash),
            plate_sealed=None if row.plate_sealed is None else bytes(row.plate_sealed),
            plate_color=row.plate_color,
            confidence=row.confidence,
            picture=row.picture,
            voided=row.voided,
        )
        for row in rows
    ]
