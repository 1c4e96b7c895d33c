"""The driver page, and the outlines that its map draws."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.response import Template
from litestar.types import ControllerRouterHandler

from parking_cloud.accounts.guards import public
from parking_cloud.driver.texts import TEXTS
from parking_cloud.guidance.outlines import outlines, roads
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie


@get("/", guards=[public], include_in_schema=False)
async def driver_page(request: Request[Any, Any, Any], settings: Settings, lang: str = "") -> Template:
    """Where can I park: map, list and live numbers. Chinese unless English was chosen."""
    chosen = lang if lang in TEXTS else request.cookies.get(LANGUAGE_COOKIE)
    language = pick_language(None, chosen)
    cookies = [language_cookie(language)] if lang in TEXTS else []
    return Template(
        "driver.html",
        context={
            "t": TEXTS[language],
            "language": language,
            "other": "en" if language == "zh-CN" else "zh-CN",
            "tile_url": settings.tile_url,
        },
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=cookies,
    )


@get("/v1/geo/outlines", guards=[public], tags=["guidance"])
async def geo_outlines() -> Response[bytes]:
    """The districts' outlines as GeoJSON (WGS-84)."""
    return _geojson(outlines())


@get("/v1/geo/roads", guards=[public], tags=["guidance"])
async def geo_roads() -> Response[bytes]:
    """The roads as GeoJSON (WGS-84); schematic in the demo city."""
    return _geojson(roads())


def _geojson(body: bytes) -> Response[bytes]:
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(body, media_type="application/geo+json", headers=headers)


route_handlers: list[ControllerRouterHandler] = [driver_page, geo_outlines, geo_roads]
