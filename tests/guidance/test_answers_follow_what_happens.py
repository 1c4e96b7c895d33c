"""The index follows the stream and the database, says how old it is, and minds hours and bookings."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.schemas import PlaceOut, PlacesOut
from parking_cloud.kernel.clock import CITY_ZONE, FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.events import EVENTS_STREAM, FacilityEvent, tell_relayed
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import OperatorIn, RegistryBatch
from tests.factories import NOON, facility_id_of, load_small_city
from tests.guidance.test_the_index_is_exact import a_place
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

HERE = {"lat": 30.8695, "lon": 120.0990}


async def places(client: AsyncTestClient[Any], **query: Any) -> PlacesOut:
    answer = await client.get("/v1/guidance/places", params=HERE | query)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=PlacesOut)


def by_code(answer: PlacesOut) -> dict[str, PlaceOut]:
    return {place.facility.code: place for place in answer.items}


async def test_an_event_changes_the_next_answer(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    async with client_of(settings, FixedClock(NOON)) as client:
        before = by_code(await places(client))["garage"]
        assert (before.free, before.quality) == (None, "unknown")
        event = FacilityEvent(
            id=garage,
            code="garage",
            free=0,
            occupied=100,
            unknown=0,
            capacity=100,
            observed_at=NOON,
            quality="good",
        )
        free = [73, 0]
        for number in free:
            said = msgspec.structs.replace(event, free=number, occupied=100 - number)
            await redis.xadd(EVENTS_STREAM, {"e": msgspec.json.encode(said)})
            await tell_relayed(redis, NOON)
            for _ in range(500):
                after = by_code(answer := await places(client))["garage"]
                if after.free == number and answer.current:
                    break
                await asyncio.sleep(0.01)
            assert (after.free, after.observed_at, after.stale) == (number, NOON, False)
            assert answer.current
        assert after.chance < 0.5 < before.chance
        assert [p.facility.code for p in answer.items][-1] == "garage", "full ones are not first"


async def test_while_nothing_can_be_heard_answers_say_so(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    """The numbers are those of the database, and the answer says of when."""
    await load_small_city(session)
    deaf = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1/0")
    clock = FixedClock(NOON)
    async with client_of(deaf, clock) as client:
        assert (await places(client)).as_of == NOON
        clock.moment = NOON + timedelta(seconds=40)
        later = await places(client)
    assert (later.as_of, later.current) == (NOON, False)
    assert len(later.items) == 2


async def test_hours_are_minded(settings: Settings, session: AsyncSession, redis: Redis) -> None:
    hours = {
        "always": "",
        "days": "08:00-20:00",
        "nights": "18:00-06:00",
        "offices": "workday 18:00-07:00; restday 00:00-24:00",
    }
    await import_batch(
        session,
        RegistryBatch(
            operators=[OperatorIn(code="op", name="op")],
            facilities=[
                a_place(code, 30.8695, 120.099 + n / 1000, opening_hours=said, height_limit_cm=190 + 10 * n)
                for n, (code, said) in enumerate(hours.items())
            ],
        ),
    )
    await session.commit()
    monday = datetime(2026, 11, 23, 15, 0, tzinfo=CITY_ZONE)
    async with client_of(settings, FixedClock(monday)) as client:
        found = by_code(await places(client, stay_minutes=420))
        assert {code: place.access.value for code, place in found.items()} == {
            "always": "open",
            "days": "open",
            "nights": "closed",
            "offices": "closed",
        }
        assert found["days"].closes_before_leaving
        assert not found["always"].closes_before_leaving
        assert found["nights"].opens_at == monday.replace(hour=18)
        saturday = (monday + timedelta(days=5)).isoformat()
        assert by_code(await places(client, arrive_at=saturday))["offices"].access.value == "open"
        after_midnight = (monday + timedelta(hours=11)).isoformat()
        assert by_code(await places(client, arrive_at=after_midnight))["nights"].access.value == "open"
        assert set(by_code(await places(client, height_cm=205))) == {"nights", "offices"}


async def test_a_crowd_of_shut_places_hides_no_open_one_farther_on(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    shut = [
        a_place(f"shut-{n:02d}", HERE["lat"] + n * 1e-5, HERE["lon"], opening_hours="01:00-02:00")
        for n in range(70)
    ]
    facilities = [*shut, a_place("open", HERE["lat"] + 0.006, HERE["lon"])]
    operators = [OperatorIn(code="op", name="op")]
    await import_batch(session, RegistryBatch(operators=operators, facilities=facilities))
    await session.commit()
    async with client_of(settings, FixedClock(NOON)) as client:
        answer = await places(client)
    assert answer.items[0].facility.code == "open"
