"""Guidance: where can I park near here. For now nearest first; ranking by chance and price comes later."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.coordinates import Crs, Position, from_wgs84, to_wgs84
from parking_cloud.occupancy import service as occupancy
from parking_cloud.occupancy.schemas import FacilityNow, PositionOut


class NearbyFacility(FacilityNow, kw_only=True):
    """A facility and how far it is in a straight line, in metres."""

    distance_m: float


class NearbyFacilities(msgspec.Struct, frozen=True):
    """Nearest first; `as_of` is the moment the answer was made."""

    items: list[NearbyFacility]
    as_of: datetime


async def nearby(
    session: AsyncSession,
    *,
    here: Position,
    crs: Crs,
    radius_m: float,
    limit: int,
    now: datetime,
    stale_after: timedelta,
) -> NearbyFacilities:
    """Facilities within `radius_m` of `here`, nearest first; positions in and out are in `crs`."""
    point = to_wgs84(here, crs)
    found = await occupancy.near(
        session,
        lat=point.lat,
        lon=point.lon,
        radius_m=radius_m,
        limit=limit,
        now=now,
        stale_after=stale_after,
    )
    items = [
        NearbyFacility(
            **{name: getattr(facility, name) for name in FacilityNow.__struct_fields__},
            distance_m=distance,
        )
        for facility, distance in found
    ]
    if crs is not Crs.WGS84:
        for item in items:
            if item.position is not None:
                moved = from_wgs84(Position(item.position.lat, item.position.lon), crs)
                item.position = PositionOut(round(moved.lat, 6), round(moved.lon, 6))
    return NearbyFacilities(items, now)
