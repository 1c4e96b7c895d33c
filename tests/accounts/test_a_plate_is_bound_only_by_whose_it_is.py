"""Anybody can type a plate: nobody sees that vehicle's stays before a desk has seen its licence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.events import VEHICLE_CHANGED
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.accounts.vehicle_problems import TooManyClaims
from parking_cloud.accounts.vehicles import ClaimDecision, VehicleIn
from parking_cloud.kernel import outbox
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices import service as notices
from parking_cloud.notices.events import tell_of_vehicles
from sensor_gateway.sealing import PlateVault
from tests.notices.parts import KEY, driver
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
VAULT = PlateVault(KEY)
DESK = Identity(user_id=uuid4(), username="desk", role=Role.CITY_ADMINISTRATOR)
PLATE = "浙E12345"


async def claim(session: AsyncSession, who: Identity, now: datetime = NOW, plate: str = PLATE) -> UUID:
    return (await vehicles.claim(session, who, VehicleIn(plate), VAULT, now)).id


async def verify(
    session: AsyncSession, binding: UUID, now: datetime = NOW, since: datetime | None = None
) -> None:
    seen = ClaimDecision(verified=True, reason="行驶证原件", plate=PLATE, since=since)
    await vehicles.decide(session, DESK, binding, seen, VAULT, now)


async def told(session: AsyncSession, redis: Redis, who: Identity) -> list[str]:
    await outbox.relay(session, redis, {VEHICLE_CHANGED: tell_of_vehicles})
    page = await notices.notices_of(session, who.user_id, language="en", before=None, limit=20)
    return [notice.kind for notice in page.items]


async def test_a_claim_shows_nothing_until_it_is_verified(session: AsyncSession) -> None:
    li = await driver(session, "li")
    binding = await claim(session, li)
    assert await vehicles.holdings(session, li.user_id) == []
    await verify(session, binding)
    assert [h.since for h in await vehicles.holdings(session, li.user_id)] == [NOW]


async def test_a_strangers_claim_takes_nothing_and_the_holder_is_told(
    session: AsyncSession, redis: Redis
) -> None:
    li, stranger = await driver(session, "li"), await driver(session, "stranger")
    await verify(session, await claim(session, li))
    assert await told(session, redis, li) == ["vehicle_verified"]
    await claim(session, stranger)
    assert await vehicles.holdings(session, stranger.user_id) == []
    assert len(await vehicles.holdings(session, li.user_id)) == 1
    assert await told(session, redis, li) == ["vehicle_claimed", "vehicle_verified"]
    assert [c.has_holder for c in await vehicles.claims(session, VAULT, 10)] == [True]


async def test_claimed_and_given_up_again_and_again_the_holder_is_told_once_a_day(
    session: AsyncSession, redis: Redis
) -> None:
    li, stranger = await driver(session, "li"), await driver(session, "stranger")
    await verify(session, await claim(session, li))
    for _ in range(vehicles.MOST_CLAIMS):
        await vehicles.give_up(session, stranger, await claim(session, stranger), NOW)
    with pytest.raises(TooManyClaims):
        await claim(session, stranger)
    assert await told(session, redis, li) == ["vehicle_claimed", "vehicle_verified"]
    await claim(session, stranger, NOW + timedelta(days=1))


async def test_a_buyer_sees_nothing_of_the_sellers_time(session: AsyncSession, redis: Redis) -> None:
    seller, buyer = await driver(session, "seller"), await driver(session, "buyer")
    await verify(session, await claim(session, seller))
    sold = NOW + timedelta(days=30)
    await verify(session, await claim(session, buyer, sold), sold, since=NOW - timedelta(days=365))
    assert [h.since for h in await vehicles.holdings(session, buyer.user_id)] == [sold]
    assert await vehicles.holdings(session, seller.user_id) == []
    assert "vehicle_ended" in await told(session, redis, seller)


async def test_the_licences_date_shows_earlier_stays_where_nobody_held_it(session: AsyncSession) -> None:
    li = await driver(session, "li")
    bought = NOW - timedelta(days=90)
    await verify(session, await claim(session, li), since=bought)
    assert [h.since for h in await vehicles.holdings(session, li.user_id)] == [bought]


async def test_the_desk_verifies_only_what_the_licence_says(session: AsyncSession) -> None:
    binding = await claim(session, await driver(session, "li"))
    other = ClaimDecision(verified=True, reason="行驶证原件", plate="浙E54321")
    with pytest.raises(vehicles.LicenceDoesNotMatch):
        await vehicles.decide(session, DESK, binding, other, VAULT, NOW)
    with pytest.raises(vehicles.BadPlate):
        await vehicles.decide(session, DESK, binding, msgspec.structs.replace(other, plate=""), VAULT, NOW)


async def test_who_gives_a_vehicle_up_sees_nothing_of_it(session: AsyncSession) -> None:
    li, wu = await driver(session, "li"), await driver(session, "wu")
    binding = await claim(session, li)
    await verify(session, binding)
    with pytest.raises(vehicles.ClaimNotFound):
        await vehicles.give_up(session, wu, binding, NOW)
    await vehicles.give_up(session, li, binding, NOW)
    assert await vehicles.holdings(session, li.user_id) == []
    assert await vehicles.vehicles_of(session, li.user_id, VAULT) == []


async def test_a_driver_has_one_claim_for_a_plate_and_few_in_all(session: AsyncSession) -> None:
    li = await driver(session, "li")
    await claim(session, li)
    with pytest.raises(vehicles.AlreadyClaimed):
        await claim(session, li, plate="浙E·12345")
    for number in range(vehicles.MOST_VEHICLES - 1):
        await claim(session, li, plate=f"浙E1000{number}")
    with pytest.raises(vehicles.TooManyVehicles):
        await claim(session, li, plate="浙E99999")


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[AsyncTestClient[Any]]:
    async with client_of(msgspec.structs.replace(settings, plate_key=KEY)) as client:
        yield client


def bearer(settings: Settings, who: Identity) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}


async def test_over_http_from_claim_to_holder(
    settings: Settings, session: AsyncSession, client: AsyncTestClient[Any]
) -> None:
    li = await driver(session, "li")
    await session.commit()
    mine, desk = bearer(settings, li), bearer(settings, DESK)
    made = await client.post("/v1/me/vehicles", json={"plate": PLATE}, headers=mine)
    assert (made.status_code, made.json()["state"], made.json()["plate"]) == (201, "pending", "浙E·**345")
    assert (await client.get("/v1/vehicle-claims", headers=mine)).status_code == 403
    (waiting,) = (await client.get("/v1/vehicle-claims", headers=desk)).json()
    assert waiting["plate"] == "浙E·**345"
    decision = {"verified": True, "reason": "行驶证原件", "plate": PLATE}
    address = f"/v1/vehicle-claims/{waiting['id']}/decision"
    assert (await client.post(address, json=decision, headers=desk)).status_code == 204
    assert (await client.post(address, json=decision, headers=desk)).status_code == 409
    (vehicle,) = (await client.get("/v1/me/vehicles", headers=mine)).json()
    assert vehicle["state"] == "verified"
    audited = await session.scalars(text("select detail::text || reason from audit_entry"))
    assert all(PLATE not in entry for entry in audited)
