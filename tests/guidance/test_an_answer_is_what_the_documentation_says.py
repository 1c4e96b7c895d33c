"""The answer over HTTP: every field as documented, whatever coordinate system or language is asked for."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec
import numpy as np
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.profile import CELLS
from parking_cloud.guidance.rules import UNSEEN_MOST
from parking_cloud.guidance.schemas import PlacesOut
from parking_cloud.guidance.sent import SentStream
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.coordinates import Crs, Position, from_wgs84, to_wgs84
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.projector import project
from tests.factories import NOON, load_small_city, observed
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

PLACES = "/v1/guidance/places"
HERE = {"lat": 30.8695, "lon": 120.0990}
Client = AsyncTestClient[Any]


async def asked(client: Client, **query: Any) -> PlacesOut:
    """The answer, which has to have the documented fields and no others."""
    answer = await client.get(PLACES, params=HERE | query)
    assert answer.status_code == 200, answer.text
    found = msgspec.json.decode(answer.content, type=PlacesOut)
    assert msgspec.to_builtins(found) == msgspec.to_builtins(answer.json()), "a field that is not documented"
    return found


@pytest.fixture
async def client(settings: Settings, session: AsyncSession, redis: Redis) -> Any:
    """An API in a city of one street and one garage, of which the garage has 40 free spaces."""
    devices = await load_small_city(session)
    await project(session, [observed(devices["garage-counter"], free=40, at=NOON - timedelta(minutes=1))])
    await session.commit()
    async with client_of(settings, FixedClock(NOON)) as client:
        yield client


async def test_what_is_known_is_told_and_what_is_not_is_not_guessed(client: Client) -> None:
    answer = await asked(client)
    garage, street = answer.items
    assert (garage.facility.code, garage.free, garage.stale) == ("garage", 40, False)
    assert garage.chance > 0.95
    assert garage.low <= garage.free_on_arrival <= garage.high
    assert (street.facility.code, street.free, street.stale) == ("street", None, True)
    assert street.chance < garage.chance
    assert street.why[0].code == "not_known"
    assert answer.arrive_at == NOON + timedelta(minutes=10)
    assert garage.price is None
    assert garage.drive_s is None


async def test_what_is_usual_never_makes_a_silent_place_a_sure_one(client: Client) -> None:
    await asked(client)  # the index is loaded
    hopes = client.app.state.guide.known.hopes
    nearly_empty = np.full((CELLS, 1), 5, np.uint8), np.full((CELLS, 1), 1, np.uint8)
    hopes.outlooks.put(np.array([0, 1]), *nearly_empty, own=True)
    hopes.forget()
    garage, street = (await asked(client)).items
    assert garage.chance > 0.99
    assert street.chance == UNSEEN_MOST
    assert [{w.code: w.value for w in place.why}.get("usual") for place in (garage, street)] == [None, 18]
    assert "chance" in {w.code for w in garage.why}


async def test_each_map_gets_its_own_coordinates(client: Client) -> None:
    garage = (await asked(client)).items[0]
    at = Position(30.87, 120.1)
    gcj02, bd09 = from_wgs84(at, Crs.GCJ02), from_wgs84(at, Crs.BD09)
    assert f"to={gcj02.lon:.6f},{gcj02.lat:.6f},爱山广场停车库&" in unquote(garage.facility.open_in.amap)
    assert "coordinate=gaode" in garage.facility.open_in.amap
    assert f"location={bd09.lat:.6f},{bd09.lon:.6f}&" in garage.facility.open_in.baidu
    assert "coord_type=bd09ll" in garage.facility.open_in.baidu
    assert f"tocoord={gcj02.lat:.6f},{gcj02.lon:.6f}&" in garage.facility.open_in.tencent
    assert f"daddr={gcj02.lat:.6f},{gcj02.lon:.6f}&" in garage.facility.open_in.apple


async def test_positions_are_in_the_system_that_was_asked_for(client: Client) -> None:
    plain = (await asked(client)).items[0]
    for crs in (Crs.GCJ02, Crs.BD09):
        moved = from_wgs84(Position(HERE["lat"], HERE["lon"]), crs)
        there = (await asked(client, lat=moved.lat, lon=moved.lon, crs=crs.value)).items[0]
        back = to_wgs84(Position(there.position.lat, there.position.lon), crs)
        assert (back.lat, back.lon) == pytest.approx((plain.position.lat, plain.position.lon), abs=3e-6)
        assert there.distance_m == pytest.approx(plain.distance_m, abs=0.6)


async def test_whoever_says_where_they_are_is_told_the_way(client: Client) -> None:
    answer = await asked(client, from_lat=30.90, from_lon=120.10)
    garage = answer.items[0]
    assert garage.drive_m is not None
    assert garage.drive_s is not None
    assert 3_300 < garage.drive_m < 6_000
    assert abs((answer.arrive_at - NOON).total_seconds() - garage.drive_s) < 60


async def test_needs_kinds_and_limits_leave_out_what_does_not_fit(client: Client) -> None:
    assert [p.facility.code for p in (await asked(client, kinds="on_street")).items] == ["street"]
    assert (await asked(client, needs="charger")).items == []
    assert len((await asked(client, limit=1)).items) == 1
    far = await asked(client, max_walk_m=10)
    assert far.items == []
    assert far.nearest_m is not None
    assert far.nearest_m > 10


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lat", "91"),
        ("lon", "x"),
        ("limit", "0"),
        ("stay_minutes", "-1"),
        ("crs", "utm"),
        ("needs", "gold"),
        ("arrive_at", "9999-12-31T23:59:59Z"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(client: Client, field: str, value: str) -> None:
    answer = await client.get(PLACES, params=HERE | {field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


async def test_the_documentation_knows_every_parameter(client: Client) -> None:
    paths = (await client.get("/docs/openapi.json")).json()["paths"]
    operation = paths[PLACES]["get"]
    assert {p["name"] for p in operation["parameters"]} >= {"lat", "lon", "arrive_at", "prefer", "max_price"}
    assert "PlacesOut" in str(operation["responses"]["200"])


async def test_a_place_of_which_nothing_is_known_can_have_drivers_on_their_way(
    client: Client, redis: Redis
) -> None:
    street_id = UUID(str((await asked(client, kinds="on_street")).items[0].facility.id))
    others = SentStream(redis, FixedClock(NOON))
    for _ in range(3):
        assert await others.choose(street_id, (NOON + timedelta(minutes=5)).timestamp())
    sent = client.app.state.sent.sent
    for _ in range(500):
        if sent.before(np.array([0, 1]), np.zeros(2), (NOON + timedelta(hours=1)).timestamp()).any():
            break
        await asyncio.sleep(0.01)
    street = (await asked(client, kinds="on_street")).items[0]
    assert {w.code: w.value for w in street.why}["sent"] == 2
