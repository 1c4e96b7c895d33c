"""Facilities as vector tiles, made by PostGIS: many at once for a map, with what is free now.

Where several fall into one cell of the tile's grid they are one point with their sums, so a tile stays small
however large the city is. What is free is summed over what was heard lately, and so are the spaces that
this is free of. A tile carries whole cells of its neighbours too: what hangs over an edge is drawn alike on
both sides.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

DEEPEST_ZOOM = 20
_CELLS = ((13, 4), (15, 8))
"""Below these zooms: so many cells along a tile's side, each about as wide as a symbol on the map."""
_FINE = 64
"""From there on only what would lie on top of one another is put together."""
_MARGIN = 1 / 4
"""How much of the neighbours a tile carries: more than a symbol hangs over, in whole cells of every grid."""
_EXTENT = 4096
_WHOLE_BELOW = 8
"""Tiles so large hold the whole city: there the index would only be in the way (and edges of such boxes,
which are great circles, would leave some of it out)."""

TILE_QUERY = text(
    """
    with tile as (
        select st_tileenvelope(:z, :x, :y) as box, st_tileenvelope(:z, :x, :y, margin => :margin) as wide
    ), near as (
        select f.id, f.code, f.name, f.name_en, f.kind, f.capacity,
            case when f.counting = 'counter' and f.counted_free is not null
                    then least(greatest(f.counted_free, 0), f.capacity)
                when f.counting = 'spaces' and f.occupied_spaces + f.free_spaces > 0
                    then f.free_spaces end as free,
            coalesce(case when f.counting = 'counter' then f.counted_at else f.spaces_observed_at end
                < :oldest, true) as stale,
            case when f.counting = 'spaces' then least(f.occupied_spaces + f.free_spaces, f.capacity)
                when f.counted_free is not null then f.capacity else 0 end as known,
            st_transform(cast(f.position as geometry), 3857) as at
        from facility_now f
        where :everywhere
            or f.position && cast(st_makeenvelope(:west, :south, :east, :north, 4326) as geography)
    ), placed as (
        select near.*, tile.box,
            floor((st_x(at) - st_xmin(box)) / (st_xmax(box) - st_xmin(box)) * :cells) as across,
            floor((st_y(at) - st_ymin(box)) / (st_ymax(box) - st_ymin(box)) * :cells) as up
        from near, tile where at && tile.wide
    ), cells as (
        select count(*) as count, sum(capacity) as capacity, bool_and(stale) as stale,
            sum(free) filter (where not stale) as free,
            coalesce(sum(known) filter (where not stale), 0) as known,
            case when count(*) = 1 then min(cast(id as text)) end as id,
            case when count(*) = 1 then min(code) end as code,
            case when count(*) = 1 then min(name) end as name,
            case when count(*) = 1 then nullif(min(name_en), '') end as name_en,
            case when count(*) = 1 then min(kind) end as kind,
            st_asmvtgeom(st_makepoint(avg(st_x(at)), avg(st_y(at))), box, :extent, :buffer) as geom
        from placed group by across, up, box order by up, across
    )
    select st_asmvt(cells, 'facilities', :extent, 'geom') from cells
    """
)


class Tile(NamedTuple):
    """A tile of the usual grid (Web Mercator; y counts from the north)."""

    z: int
    x: int
    y: int

    @property
    def exists(self) -> bool:
        side = 1 << max(self.z, 0)
        return 0 <= self.z <= DEEPEST_ZOOM and 0 <= self.x < side and 0 <= self.y < side


async def facility_tile(session: AsyncSession, tile: Tile, now: datetime, stale_after: timedelta) -> bytes:
    """The facilities of a tile that exists, as a Mapbox vector tile with one layer `facilities`.

    Each point has count, capacity, stale (nothing was heard lately of any), free (of those heard lately;
    absent where there is none) and known (of how many spaces that is); one of a single facility has its id,
    code, name, name_en and kind too.
    """
    return bytes(await session.scalar(TILE_QUERY, tile_parameters(tile, now - stale_after)) or b"")


def tile_parameters(tile: Tile, oldest: datetime) -> dict[str, Any]:
    """What TILE_QUERY needs; numbers older than `oldest` are stale."""
    west, north = _corner(tile, -_MARGIN)
    east, south = _corner(tile, 1 + _MARGIN)
    return {
        "z": tile.z,
        "x": tile.x,
        "y": tile.y,
        "margin": _MARGIN,
        "cells": next((cells for below, cells in _CELLS if tile.z < below), _FINE),
        "extent": _EXTENT,
        "buffer": int(_EXTENT * _MARGIN),
        "oldest": oldest,
        "everywhere": tile.z < _WHOLE_BELOW,
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }


def _corner(tile: Tile, shift: float) -> tuple[float, float]:
    """Longitude and latitude of a point on the tile's diagonal; 0 is its north-west corner, 1 the other."""
    side = 2.0**tile.z
    lon = (tile.x + shift) / side * 360 - 180
    lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (tile.y + shift) / side))))
    return min(max(lon, -180.0), 180.0), lat
