"""The index against PostGIS on the ellipsoid: the same places in the same order, to a millimetre."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from parking_cloud.guidance.herding import Sent
from parking_cloud.guidance.index import FacilityIndex
from parking_cloud.guidance.loading import Known, Loader
from parking_cloud.kernel.db import make_sessions
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import FacilityIn, OperatorIn, RegistryBatch
from tests.factories import NOON

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

_NEAREST = text(
    "select f.code, st_distance(f.position, p.point) as metres from facility f,"
    " (select cast(st_point(:lon, :lat) as geography) as point) p where f.position is not null"
    " order by metres, f.code limit :count"
)


def a_place(code: str, lat: float, lon: float, **more: Any) -> FacilityIn:
    return FacilityIn(
        code=code,
        name=code,
        kind="public_offstreet",
        counting="counter",
        capacity=10,
        lat=lat,
        lon=lon,
        operator_code="op",
        **more,
    )


def some_places(rng: random.Random, number: int) -> list[FacilityIn]:
    """Within about 20 km; one in ten stands exactly where another does."""
    places: list[FacilityIn] = []
    for n in range(number):
        if places and rng.random() < 0.1:
            other = rng.choice(places)
            lat, lon = other.lat or 0.0, other.lon or 0.0
        else:
            lat, lon = rng.uniform(30.75, 30.99), rng.uniform(119.97, 120.22)
        places.append(a_place(f"p{rng.randrange(10**6):06d}-{n}", lat, lon))
    return places


async def bring(session: AsyncSession, places: list[FacilityIn]) -> None:
    await import_batch(
        session, RegistryBatch(operators=[OperatorIn(code="op", name="op")], facilities=places)
    )
    await session.commit()


async def agree(session: AsyncSession, index: FacilityIndex, lat: float, lon: float, count: int) -> None:
    """Both name the same places, in the same order, equally far."""
    truth = (await session.execute(_NEAREST, {"lat": lat, "lon": lon, "count": count})).all()
    found = index.nearest(lat, lon, count)
    assert [index.codes[row] for row in found.rows] == [row.code for row in truth]
    for metres, row in zip(found.metres.tolist(), truth, strict=True):
        assert metres == pytest.approx(row.metres, abs=0.001)
    everybody = index.nearest(lat, lon, len(index)).rows
    thirds = index.nearest_of(lat, lon, count, lambda rows: rows % 3 == 0)
    assert thirds.rows.tolist() == everybody[everybody % 3 == 0][:count].tolist()


def a_loader(engine: AsyncEngine) -> tuple[Known, Loader]:
    known = Known(Sent(), timedelta(hours=2))
    reading = make_sessions(engine.execution_options(isolation_level="AUTOCOMMIT"))
    return known, Loader(make_sessions(engine), reading, known)


async def test_random_questions_are_answered_as_postgis_answers_them(
    engine: AsyncEngine, session: AsyncSession
) -> None:
    rng = random.Random(7)
    places = some_places(rng, 600)
    await bring(session, places)
    known, loader = a_loader(engine)
    await loader.load(NOON)
    for _ in range(60):
        lat, lon = rng.uniform(30.75, 30.99), rng.uniform(119.97, 120.22)
        await agree(session, known.index, lat, lon, rng.choice((1, 5, 20, 64)))
    for place in rng.sample(places, 20):
        await agree(session, known.index, place.lat or 0.0, place.lon or 0.0, rng.choice((1, 2, 20)))
    await agree(session, known.index, 30.87, 120.1, 600)


async def test_places_that_come_move_and_go_are_followed(engine: AsyncEngine, session: AsyncSession) -> None:
    rng = random.Random(8)
    places = some_places(rng, 120)
    await bring(session, places)
    known, loader = a_loader(engine)
    await loader.load(NOON)
    moved = [a_place(p.code, rng.uniform(30.8, 30.9), rng.uniform(120.0, 120.2)) for p in places[:20]]
    await bring(session, moved + some_places(rng, 300))
    await session.execute(text("delete from facility where code = any(:codes)"), {"codes": [places[50].code]})
    await session.commit()
    await loader.load(NOON)
    for _ in range(30):
        await agree(session, known.index, rng.uniform(30.75, 30.99), rng.uniform(119.97, 120.22), 20)
    assert places[50].code not in [
        known.index.codes[row] for row in known.index.nearest(30.87, 120.1, 999).rows
    ]


async def test_a_place_without_a_position_is_never_near(engine: AsyncEngine, session: AsyncSession) -> None:
    nowhere = FacilityIn(
        code="nowhere", name="x", kind="ancillary", counting="counter", capacity=1, operator_code="op"
    )
    await bring(session, [nowhere, a_place("here", 30.87, 120.1)])
    known, loader = a_loader(engine)
    await loader.load(NOON)
    found = known.index.nearest(30.87, 120.1, 10)
    assert [known.index.codes[row] for row in found.rows] == ["here"]


def test_an_empty_city_has_nothing_near() -> None:
    assert len(FacilityIndex().nearest(30.87, 120.1, 20).rows) == 0
