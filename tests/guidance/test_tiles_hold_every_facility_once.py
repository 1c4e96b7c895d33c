"""Vector tiles: each facility in its tile, sums where many lie close, the same numbers as everywhere."""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.service import list_facilities
from parking_cloud.occupancy.tiles import TILE_QUERY, Tile, facility_tile, tile_parameters
from tests.factories import load_small_city
from tests.guidance.vector_tile import TilePoint, points
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
STALE = timedelta(hours=2)
FACILITIES = 600
PREFIX = "/v1/tiles/facilities"
WRONG = [
    "21/0/0.mvt",
    "2/4/0.mvt",
    "2/0/4.mvt",
    "-1/0/0.mvt",
    "2/0/-1.mvt",
    "2/0/0",
    "2/0/x.mvt",
    "2/0/1.5.mvt",
]


@pytest.fixture
async def city(session: AsyncSession) -> AsyncSession:
    """Some hundred facilities all over the city: counted and sensed, fresh, stale, unheard, miscounted."""
    await load_small_city(session)
    operator = await session.scalar(text("select id from operator"))
    chance = random.Random(3)
    rows = [
        {
            "code": f"f{i:03d}",
            "counting": chance.choice(["counter", "spaces"]),
            "lat": chance.uniform(30.4, 31.2),
            "lon": chance.uniform(119.2, 120.5),
            "operator": operator,
            "free": chance.choice([None, -3, 4, 17, 80]),
            "at": NOW - timedelta(minutes=chance.choice([1, 100, 200])),
        }
        for i in range(FACILITIES)
    ]
    await session.execute(
        text(
            "insert into facility (id, code, name, name_en, kind, counting, district, address, capacity,"
            " position, operator_id) values (gen_random_uuid(), :code, :code, '', 'ancillary', :counting, '',"
            " '', 50, cast(st_point(:lon, :lat) as geography), :operator)"
        ),
        rows,
    )
    await session.execute(
        text(
            "insert into facility_state (facility_id, occupied_spaces, free_spaces, counted_free, counted_at,"
            " spaces_observed_at) select id, 3, greatest(least(cast(:free as int), 47), 0), :free, :at, :at"
            " from facility where code = :code"
        ),
        [row for row in rows if row["free"] is not None],
    )
    await session.commit()
    return session


def tile_of(lat: float, lon: float, z: int) -> Tile:
    side = 2**z
    mercator = math.asinh(math.tan(math.radians(lat)))
    return Tile(z, int((lon + 180) / 360 * side), int((1 - mercator / math.pi) / 2 * side))


def inside(found: list[TilePoint]) -> list[TilePoint]:
    """Without what belongs to the neighbours."""
    return [point for point in found if 0 <= point.x < 4096 and 0 <= point.y < 4096]


async def read(session: AsyncSession, tile: Tile) -> list[TilePoint]:
    return points(await facility_tile(session, tile, NOW, STALE))


async def test_each_facility_is_in_its_tile_with_its_numbers(city: AsyncSession) -> None:
    for facility in await list_facilities(city, now=NOW, stale_after=STALE):
        assert facility.position is not None
        tile = tile_of(facility.position.lat, facility.position.lon, 17)
        (found,) = [p for p in await read(city, tile) if p.properties.get("code") == facility.code]
        assert found.properties["id"] == str(facility.id)
        assert found.properties.get("free") == (None if facility.stale else facility.free)
        assert found.properties["known"] == (0 if facility.stale else facility.capacity - facility.unknown)
        assert found.properties["stale"] == facility.stale
        assert (found.properties["capacity"], found.properties["kind"]) == (facility.capacity, facility.kind)
        back = tile.x + found.x / 4096, tile.y + found.y / 4096
        lon = back[0] / 2**17 * 360 - 180
        lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * back[1] / 2**17))))
        assert (lat, lon) == pytest.approx((facility.position.lat, facility.position.lon), abs=2e-5)


@pytest.mark.parametrize("z", [0, 6, 8, 12, 14])
async def test_all_tiles_of_a_zoom_hold_the_whole_city_once(city: AsyncSession, z: int) -> None:
    facilities = await list_facilities(city, now=NOW, stale_after=STALE)
    places = {tile_of(f.position.lat, f.position.lon, z) for f in facilities if f.position}
    found = [point for tile in places for point in inside(await read(city, tile))]
    assert sum(p.properties["count"] for p in found) == len(facilities)
    fresh = [f for f in facilities if not f.stale]
    assert sum(p.properties.get("free", 0) for p in found) == sum(f.free or 0 for f in fresh)
    assert sum(p.properties["known"] for p in found) == sum(f.capacity - f.unknown for f in fresh)
    assert sum(p.properties["capacity"] for p in found) == sum(f.capacity for f in facilities)
    if z < 8:
        assert len(found) < 50


async def test_neighbours_agree_on_what_lies_at_their_edge(city: AsyncSession) -> None:
    """A symbol that hangs over an edge is drawn by both tiles, and must be the same in both."""
    tile = tile_of(30.8, 119.9, 10)
    for left, right in [(tile, tile._replace(x=tile.x + 1)), (tile._replace(x=tile.x - 1), tile)]:
        here, there = await read(city, left), await read(city, right)
        shared = [(p.x - 4096, p.y, p.properties) for p in here if 4096 <= p.x < 4096 + 1024]
        assert shared
        also = [(p.x, p.y, p.properties) for p in there if 0 <= p.x < 1024]
        assert sorted(shared, key=repr) == sorted(also, key=repr)


@pytest.fixture
async def client(settings: Settings, city: AsyncSession) -> AsyncIterator[AsyncTestClient[Any]]:
    async with client_of(settings, FixedClock(NOW)) as client:
        yield client


async def test_over_http_small_cached_and_clear(client: AsyncTestClient[Any], city: AsyncSession) -> None:
    tile = tile_of(30.87, 120.1, 11)
    path = f"{PREFIX}/{tile.z}/{tile.x}/{tile.y}.mvt"
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert points(answer.content) == await read(city, tile)
    assert len(gzip.compress(answer.content)) < 6_000
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == answer.content
    assert "content-encoding" not in plain.headers
    empty = await client.get(f"{PREFIX}/11/0/0.mvt")
    assert (empty.status_code, points(empty.content)) == (200, [])
    for wrong in WRONG:
        refused = await client.get(f"{PREFIX}/{wrong}")
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (404, "tile-not-found")


async def test_the_index_finds_them(city: AsyncSession) -> None:
    """With 20,000 facilities a tile of a few streets reads those few."""
    await city.execute(
        text(
            "insert into facility (id, code, name, name_en, kind, counting, district, address, capacity,"
            " position, operator_id) select gen_random_uuid(), 'g' || n, 'g', '', 'ancillary', 'counter', '',"
            " '', 9, cast(st_point(119 + (n % 200) / 100.0, 30 + (n / 200) / 100.0) as geography), o.id"
            " from generate_series(1, 20000) n, operator o"
        )
    )
    await city.execute(text("analyze facility"))
    tile = tile_of(30.87, 120.1, 15)
    explain = text(f"explain {TILE_QUERY.text}")
    plan = "\n".join(await city.scalars(explain, tile_parameters(tile, NOW)))
    assert "ix_facility_position" in plan
    assert 0 < len(await read(city, tile)) < 20
