"""Guidance over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from litestar import Controller, get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.guidance import service
from parking_cloud.guidance.service import NearbyFacilities
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.coordinates import Crs, Position, from_wgs84
from parking_cloud.kernel.settings import Settings


class GuidanceController(Controller):
    path = "/v1/guidance"
    tags = ["guidance"]

    @get("/facilities", guards=[public])
    async def facilities(
        self,
        reading: AsyncSession,
        settings: Settings,
        clock: Clock,
        lat: float,
        lon: float,
        radius_m: Annotated[float, Parameter(gt=0, le=200_000)] = 2_000,
        limit: Annotated[int, Parameter(ge=1, le=200)] = 20,
        crs: Literal["wgs84", "gcj02"] = "wgs84",
    ) -> NearbyFacilities:
        """Facilities near a point, nearest first, with what is free now."""
        return await service.nearby(
            reading,
            here=Position(lat, lon),
            crs=Crs(crs),
            radius_m=radius_m,
            limit=limit,
            now=clock.now(),
            stale_after=timedelta(seconds=settings.stale_after_s),
        )


class Converted(msgspec.Struct, frozen=True):
    """A position in the coordinate system that was asked for."""

    lat: float
    lon: float
    crs: str


@get("/v1/geo/convert", guards=[public], tags=["guidance"])
async def convert(lat: float, lon: float, to: Literal["wgs84", "gcj02", "bd09"]) -> Converted:
    """A WGS-84 position in another coordinate system, for links into Chinese maps."""
    point = from_wgs84(Position(lat, lon), Crs(to))
    return Converted(round(point.lat, 6), round(point.lon, 6), to)


route_handlers: list[ControllerRouterHandler] = [GuidanceController, convert]
