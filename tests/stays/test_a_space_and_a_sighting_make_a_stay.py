"""On a street: a space becomes occupied, a patrol sees a plate beside it, and the space falls free."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.projector import project
from parking_cloud.stays.spaces import end_freed, place_sightings
from sensor_gateway.records import Correction, Corrects, Sighting
from tests.factories import NOON, load_small_city, observed
from tests.serving import client_of
from tests.stays.parts import all_stays, arrive, follow, minute, plate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

LAT, LON, STEP = 30.8693, 120.0965, 0.00006  # about six metres


@pytest.fixture
async def sensors(session: AsyncSession) -> list[Any]:
    """Two spaces of a street, six metres apart, each with a sensor."""
    devices = await load_small_city(session)
    for n in (1, 2):
        await session.execute(
            text("update space set position = st_point(:lon, :lat)::geography where number = :number"),
            {"lat": LAT, "lon": LON + n * STEP, "number": f"S{n}"},
        )
    await session.commit()
    return [devices["sensor-1"], devices["sensor-2"]]


async def said(session: AsyncSession, redis: Redis, sensor: Any, at: float, occupied: bool) -> None:
    when = NOON + timedelta(minutes=at)
    await project(session, [observed(sensor, at=when, occupied=occupied, frame=None)])
    await session.commit()


def seen(record: str, at: float, number: str, space: float = 1) -> Sighting:
    when = NOON + timedelta(minutes=at)
    sealed = plate(number)
    return Sighting(
        source="patrol",
        record_id=record,
        seen_by="patrol",
        seen_at=when,
        received_at=when,
        lat=LAT,
        lon=LON + space * STEP,
        crs="wgs84",
        plate_hash=sealed.hash,
        plate_sealed=sealed.sealed,
        confidence=0.98,
    )


async def regular(session: AsyncSession, redis: Redis, at: float) -> None:
    """The worker's regular looks, so many minutes from noon."""
    now = NOON + timedelta(minutes=at)
    await place_sightings(session, now)
    await end_freed(session, now)
    await follow(session, redis, at)


async def test_it_begins_when_the_space_was_taken_and_ends_when_it_falls_free(
    session: AsyncSession, redis: Redis, sensors: list[Any]
) -> None:
    await said(session, redis, sensors[0], 0, True)
    await arrive(session, redis, [seen("s1", 5, "浙E12345")])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.opened_by, minute(stay.entered_at)) == ("open", "space", 0)
    assert stay.space_id == sensors[0].space_id
    await regular(session, redis, 30)
    assert [s.state for s in await all_stays(session)] == ["open"]
    await said(session, redis, sensors[0], 45, False)
    await regular(session, redis, 46)
    await regular(session, redis, 47)
    (stay,) = await all_stays(session)
    assert (stay.state, stay.ended_by, minute(stay.exited_at)) == ("closed", "space", 45)
    assert stay.situations == []


async def test_seen_late_it_was_there_only_when_it_was_seen(
    session: AsyncSession, redis: Redis, sensors: list[Any]
) -> None:
    await said(session, redis, sensors[0], 0, True)
    await arrive(session, redis, [seen("s1", 40, "浙E12345")])
    (stay,) = await all_stays(session)
    assert minute(stay.entered_at) == 40


async def test_a_sensor_that_tells_late_is_waited_for(
    session: AsyncSession, redis: Redis, sensors: list[Any]
) -> None:
    await arrive(session, redis, [seen("s1", 1, "浙E12345")])
    assert await all_stays(session) == []
    await said(session, redis, sensors[0], 2, True)
    await regular(session, redis, 3)
    (stay,) = await all_stays(session)
    assert minute(stay.entered_at) == 1


async def test_between_two_taken_spaces_nobody_is_meant(
    session: AsyncSession, redis: Redis, sensors: list[Any]
) -> None:
    for sensor in sensors:
        await said(session, redis, sensor, 0, True)
    await arrive(session, redis, [seen("s1", 5, "浙E12345", space=1.5)])
    assert await all_stays(session) == []


async def test_another_vehicle_on_the_space_ends_the_first_at_its_last_proof(
    session: AsyncSession, redis: Redis, sensors: list[Any]
) -> None:
    await said(session, redis, sensors[0], 0, True)
    await arrive(session, redis, [seen("s1", 5, "浙E12345")])
    await arrive(session, redis, [seen("s2", 25, "浙E12345")])
    await arrive(session, redis, [seen("s3", 55, "浙E99999")])
    first, second = await all_stays(session)
    assert (first.state, minute(first.exited_at), minute(first.not_after)) == ("closed", 25, 55)
    assert first.situations == ["vehicle_swap"]
    assert (second.state, minute(second.entered_at)) == ("open", 55)


async def test_a_sighting_corrected_takes_its_stay_with_it(
    session: AsyncSession, redis: Redis, sensors: list[Any]
) -> None:
    await said(session, redis, sensors[0], 0, True)
    await arrive(session, redis, [seen("s1", 5, "浙E12345")])
    at = NOON + timedelta(minutes=9)
    misread = Correction("patrol", "c1", "s1", at, at, plate=plate("浙E54321"), of=Corrects.SIGHTING)
    await arrive(session, redis, [misread])
    (stay,) = await all_stays(session)
    assert bytes(stay.plate_hash) == plate("浙E54321").hash
    void = Correction("patrol", "c2", "s1", at, at, void=True, of=Corrects.SIGHTING)
    await arrive(session, redis, [void])
    assert await all_stays(session) == []


@pytest.fixture
async def client(settings: Settings, sensors: list[Any]) -> AsyncIterator[AsyncTestClient[Any]]:
    async with client_of(settings, FixedClock(NOON + timedelta(hours=1))) as client:
        yield client


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role, operator_id=operator)
    now = NOON + timedelta(hours=1)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, now)}"}


async def test_an_attendant_starts_and_tows(
    settings: Settings, session: AsyncSession, client: AsyncTestClient[Any], sensors: list[Any]
) -> None:
    operator = await session.scalar(text("select id from operator"))
    staff = signed_in(settings, Role.OPERATOR_STAFF, operator)
    begun = {"space_id": str(sensors[0].space_id), "plate": "浙E12345", "at": NOON.isoformat()}
    answers = [await client.post("/v1/stays", json=begun, headers=staff) for _ in range(2)]
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["stay_id"] for a in answers}) == 1
    stay = answers[0].json()["stay_id"]
    others = signed_in(settings, Role.OPERATOR_STAFF, uuid4())
    assert (await client.post(f"/v1/stays/{stay}/tow", json={}, headers=others)).status_code == 403
    towed = {"evidence": ["photo/tow.jpg"]}
    assert (await client.post(f"/v1/stays/{stay}/tow", json=towed, headers=staff)).status_code == 204
    assert (await client.post(f"/v1/stays/{stay}/end", json={}, headers=staff)).status_code == 409
    (row,) = await all_stays(session)
    assert (row.state, row.ended_by, row.situations, minute(row.exited_at)) == (
        "closed",
        "tow",
        ["towed"],
        60,
    )
    detail = (await client.get(f"/v1/stays/{stay}", headers=staff)).json()
    assert [(m["by"], m["evidence"]) for m in detail["evidence"]["marks"]] == [
        ("attendant", []),
        ("tow", ["photo/tow.jpg"]),
    ]
