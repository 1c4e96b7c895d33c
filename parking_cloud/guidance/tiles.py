"""Map tiles of facilities: each process keeps one for a few seconds, so many phones cost one query."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from datetime import timedelta
from hashlib import sha256
from time import monotonic
from typing import Annotated, NamedTuple

from litestar import Response, get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.guards import public
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.problems import NotFound
from parking_cloud.occupancy.tiles import DEEPEST_ZOOM, Tile, facility_tile

_FRESH_S = 5.0
_KEPT = 400
_MEDIA_TYPE = "application/vnd.mapbox-vector-tile"


class TileNotFound(NotFound):
    slug = "tile-not-found"
    title = {"zh-CN": "没有这个地图瓦片", "en": "There is no such map tile"}
    detail = {
        "zh-CN": "地址为 {{z}}/{{x}}/{{y}}.mvt；z 为 0 至 {deepest}，x、y 为 0 至 2^z-1。",
        "en": "It is {{z}}/{{x}}/{{y}}.mvt with z of 0..{deepest}, x and y of 0..2^z-1.",
    }


class Packed(NamedTuple):
    """A tile as it is sent."""

    body: bytes
    gzipped: bytes
    etag: str


class Tiles:
    """The tiles that were asked for in the last seconds."""

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], clock: Clock, stale_after: timedelta
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._stale_after = stale_after
        self._kept: OrderedDict[Tile, tuple[float, asyncio.Task[Packed]]] = OrderedDict()

    async def get(self, tile: Tile) -> Packed:
        """A tile, at most a few seconds old. Raises TileNotFound."""
        if not tile.exists:
            raise TileNotFound(deepest=DEEPEST_ZOOM)
        began, making = self._kept.get(tile, (float("-inf"), None))
        if making is None or monotonic() - began > _FRESH_S or _failed(making):
            making = asyncio.create_task(self._make(tile))
            self._kept[tile] = (monotonic(), making)
            self._kept.move_to_end(tile)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        # Who gives up waiting must not take it from the others.
        return await asyncio.shield(making)

    async def _make(self, tile: Tile) -> Packed:
        async with self._sessions() as session:
            body = await facility_tile(session, tile, self._clock.now(), self._stale_after)
        etag = f'"{sha256(body).hexdigest()[:20]}"'
        return Packed(body, gzip.compress(body, 6, mtime=0), etag)


def _failed(task: asyncio.Task[Packed]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


@get("/v1/tiles/facilities/{z:int}/{x:int}/{name:str}", guards=[public], tags=["guidance"])
async def facility_tiles(
    tiles: Tiles,
    z: int,
    x: int,
    name: str,
    if_none_match: Annotated[str, Parameter(header="If-None-Match", required=False)] = "",
    accept_encoding: Annotated[str, Parameter(header="Accept-Encoding", required=False)] = "",
) -> Response[bytes]:
    """Facilities with what is free now as a Mapbox vector tile, `{z}/{x}/{y}.mvt`, layer `facilities`.

    Those that lie close together for this zoom are one point with `count` and sums: of `capacity`, and over
    those heard lately of `free` and of the spaces `known` that these are free of. A single one has `id`,
    `code`, `name`, `name_en` and `kind`. Web Mercator of WGS-84.
    """
    y = name.removesuffix(".mvt")
    if y == name or not (y.isascii() and y.isdecimal()) or len(y) > 7:
        raise TileNotFound(deepest=DEEPEST_ZOOM)
    tile = await tiles.get(Tile(z, x, int(y)))
    headers = {
        "ETag": tile.etag,
        "Cache-Control": "public, max-age=5, stale-while-revalidate=30",
        "Vary": "Accept-Encoding",
    }
    if if_none_match.removeprefix("W/") == tile.etag:
        return Response(b"", status_code=304, headers=headers, media_type=_MEDIA_TYPE)
    body = tile.body
    if "gzip" in accept_encoding:
        headers["Content-Encoding"] = "gzip"
        body = tile.gzipped
    return Response(body, headers=headers, media_type=_MEDIA_TYPE)


route_handlers: list[ControllerRouterHandler] = [facility_tiles]
