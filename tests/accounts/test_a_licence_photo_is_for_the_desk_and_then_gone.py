"""Of a photo of a vehicle licence only the picture is kept; the desk alone sees it, and not for long."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from PIL import Image
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import licences, vehicles
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.accounts.vehicles import ClaimDecision, VehicleIn
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.photos import LONGEST_SIDE
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault
from tests.factories import NOON
from tests.notices.parts import driver
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
PLATE = "浙E12345"
VAULT = PlateVault("5c" * 32)
DESK = Identity(user_id=uuid4(), username="desk", role=Role.CITY_ADMINISTRATOR)
SECRET_PLACE = b"30 deg 52 north"


def photo(size: tuple[int, int] = (3000, 1000)) -> bytes:
    """As a phone takes it: large, and with words about where and by what."""
    drawn, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = SECRET_PLACE.decode()
    Image.new("RGB", size, "navy").save(drawn, "JPEG", exif=exif)
    return drawn.getvalue()


class Office:
    def __init__(self, client: AsyncTestClient[Any], settings: Settings) -> None:
        self.client, self.settings = client, settings

    def signed(self, who: Identity) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(who, self.settings.secret_key, NOON)}"}

    async def sends(self, who: Identity, claim: UUID, body: bytes) -> int:
        answer = await self.client.post(
            f"/v1/me/vehicles/{claim}/licence",
            files={"photo": ("../../x.php", body, "text/html")},
            headers=self.signed(who),
        )
        return int(answer.status_code)

    async def looks(self, who: Identity, claim: UUID) -> Any:
        return await self.client.post(f"/v1/vehicle-claims/{claim}/licence", headers=self.signed(who))


@pytest.fixture
async def office(settings: Settings, redis: Redis) -> AsyncIterator[Office]:
    async with client_of(settings, FixedClock(NOON)) as client:
        yield Office(client, settings)


async def claimed(session: AsyncSession, who: Identity) -> UUID:
    claim = await vehicles.claim(session, who, VehicleIn(PLATE), VAULT, NOON)
    await session.commit()
    return claim.id


async def test_only_the_picture_is_kept_and_sealed(office: Office, session: AsyncSession) -> None:
    li = await driver(session, "li")
    claim = await claimed(session, li)
    assert SECRET_PLACE in photo()
    assert await office.sends(li, claim, photo()) == 204
    sealed = bytes(await session.scalar(text("select sealed from licence_photo")))
    assert b"JFIF" not in sealed
    seen = await office.looks(DESK, claim)
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    assert SECRET_PLACE not in seen.content
    assert max(Image.open(io.BytesIO(seen.content)).size) == LONGEST_SIDE
    assert seen.headers["cache-control"] == "no-store"


async def test_each_look_is_kept_and_nobody_else_may(office: Office, session: AsyncSession) -> None:
    li, other = await driver(session, "li"), await driver(session, "other")
    claim = await claimed(session, li)
    assert await office.sends(other, claim, photo()) == 404
    await office.sends(li, claim, photo())
    for who in (li, other, *(Identity(user_id=uuid4(), username="x", role=role) for role in OTHERS)):
        assert (await office.looks(who, claim)).status_code == 403
    for _ in range(2):
        await office.looks(DESK, claim)
    looked = "select actor_id from audit_entry where action = 'accounts.licence_looked_at'"
    assert list(await session.scalars(text(looked))) == [DESK.user_id] * 2


OTHERS = [role for role in Role if role not in (Role.DRIVER, Role.CITY_ADMINISTRATOR)]


async def test_what_is_no_photo_is_refused(office: Office, session: AsyncSession) -> None:
    li = await driver(session, "li")
    claim = await claimed(session, li)
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 200_000
    for body in (b"<script>", photo()[:2000], bomb.getvalue(), b"GIF89a" + bytes(100)):
        assert await office.sends(li, claim, body) == 422
    assert await session.scalar(text("select count(*) from licence_photo")) == 0


async def test_it_goes_a_month_after_the_decision_or_with_the_claim(
    office: Office, session: AsyncSession
) -> None:
    li, other = await driver(session, "li"), await driver(session, "other")
    claim, given_up = await claimed(session, li), await claimed(session, other)
    await office.sends(li, claim, photo())
    await office.sends(other, given_up, photo())
    await vehicles.give_up(session, other, given_up, NOON)
    seen = ClaimDecision(verified=True, reason="行驶证照片", plate=PLATE)
    await vehicles.decide(session, DESK, claim, seen, VAULT, NOON)
    await licences.forget_old(session, NOON + timedelta(days=30))
    assert await session.scalar(text("select binding_id from licence_photo")) == claim
    await licences.forget_old(session, NOON + timedelta(days=30, seconds=1))
    assert await session.scalar(text("select count(*) from licence_photo")) == 0
    await session.commit()
    assert await office.sends(li, claim, photo()) == 409
