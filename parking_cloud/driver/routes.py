"""The finding page, and what its map and its search know of the city."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import Parameter
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.driver.find_texts import FIND_TEXTS
from parking_cloud.guidance.links import OpenIn, open_at
from parking_cloud.guidance.outlines import outlines, roads
from parking_cloud.guidance.searching import FoundPlaces, search
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.problems import NotFound, pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import service as occupancy
from parking_cloud.web.assets import page_headers
from parking_cloud.web.compression import compressed
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie

CENTRE = {"lat": 30.8693, "lon": 120.0965}
"""Where a search begins that says no place: the middle of the city."""


@get("/", guards=[public], include_in_schema=False, middleware=[compressed()])
async def finding_page(request: Request[Any, Any, Any], settings: Settings, lang: str = "") -> Template:
    """Where can I park: a ranked list, a map and live numbers. Chinese unless English was chosen.

    The same for everybody, signed in or not: a phone keeps it for when there is no network.
    """
    chosen = lang if lang in FIND_TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    return Template(
        "find.html",
        context={
            "t": FIND_TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "tile_url": settings.tile_url,
            "centre": CENTRE,
        },
        headers=page_headers(settings) | {"Content-Language": language, "Cache-Control": "no-cache"},
        cookies=[language_cookie(language)] if lang in FIND_TEXTS else [],
    )


@get("/v1/facilities/{facility:str}/open-in", guards=[public], tags=["guidance"])
async def facility_open_in(reading: AsyncSession, settings: Settings, clock: Clock, facility: str) -> OpenIn:
    """Links that open map applications at a facility, each in its own coordinate system."""
    stale_after = timedelta(seconds=settings.stale_after_s)
    found = await occupancy.get_facility(reading, facility, now=clock.now(), stale_after=stale_after)
    if found.position is None:
        raise NotFound()
    return open_at(found.name, Position(found.position.lat, found.position.lon))


@get("/v1/geo/search", guards=[public], tags=["guidance"])
async def geo_search(
    reading: AsyncSession,
    words: Annotated[str, Parameter(max_length=60)],
    limit: Annotated[int, Parameter(ge=1, le=20)] = 8,
) -> FoundPlaces:
    """Districts, roads and facilities by name, to search around (WGS-84)."""
    return await search(reading, words, limit)


@get("/v1/geo/outlines", guards=[public], tags=["guidance"], middleware=[compressed()])
async def geo_outlines() -> Response[bytes]:
    """The districts' outlines as GeoJSON (WGS-84)."""
    return _geojson(outlines())


@get("/v1/geo/roads", guards=[public], tags=["guidance"], middleware=[compressed()])
async def geo_roads() -> Response[bytes]:
    """The roads as GeoJSON (WGS-84); schematic in the demo city."""
    return _geojson(roads())


def _geojson(body: bytes) -> Response[bytes]:
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(body, media_type="application/geo+json", headers=headers)


route_handlers: list[ControllerRouterHandler] = [
    finding_page,
    facility_open_in,
    geo_search,
    geo_outlines,
    geo_roads,
]
