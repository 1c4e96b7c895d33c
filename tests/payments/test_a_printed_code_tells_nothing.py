"""A QR code's code is random and opaque; staff make and end their own, and an ended one leads nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.places import ensure_places, place_of
from tests.factories import load_small_city
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[Client]:
    await load_small_city(session)
    async with client_of(settings) as client:
        yield client


def signed_in(settings: Settings, operator: UUID) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="li", role=Role.OPERATOR_STAFF, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}


async def test_staff_make_and_end_codes_of_their_own(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    garage = await session.scalar(text("select id from facility where code = 'garage'"))
    operator = await session.scalar(text("select id from operator"))
    wanted = {"facility_id": str(garage), "lane": "出口1"}
    other = await client.post("/v1/pay/places", json=wanted, headers=signed_in(settings, uuid4()))
    assert other.status_code == 403
    own = signed_in(settings, operator)
    made = (await client.post("/v1/pay/places", json=wanted, headers=own)).json()
    code = made["code"]
    assert made == {"code": code, "facility_id": str(garage), "lane": "出口1"}
    assert "garage" not in code
    assert len(code) == 12
    again = await client.post("/v1/pay/places", json=wanted, headers=own)
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "pay-place-there")

    picture = await client.get(f"/v1/pay/places/{code}.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert (
        await client.delete(f"/v1/pay/places/{code}", headers=signed_in(settings, uuid4()))
    ).status_code == 403
    assert (await client.delete(f"/v1/pay/places/{code}", headers=own)).status_code == 204
    assert (await client.delete(f"/v1/pay/places/{code}", headers=own)).status_code == 204
    assert (await client.get(f"/v1/pay/places/{code}.svg")).status_code == 404
    assert (await client.post("/v1/pay/places", json=wanted, headers=own)).status_code == 201
    deeds = await session.scalars(text("select action from audit_entry order by at"))
    assert list(deeds) == ["pay-place made", "pay-place ended", "pay-place made"]


async def test_the_console_makes_prints_and_ends_codes(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    own = signed_in(settings, await session.scalar(text("select id from operator")))
    page = "/console/places"
    made = await client.post(page, data={"facility": "garage", "lane": "出口2"}, headers=own)
    code: str = await session.scalar(text("select code from pay_place"))
    assert f"已制作：{code}" in made.text
    again = await client.post(page, data={"facility": "garage", "lane": "出口2"}, headers=own)
    assert "该处已有二维码" in again.text
    unknown = await client.post(page, data={"facility": "nowhere"}, headers=own)
    assert "没有这个停车场" in unknown.text
    card = (await client.get(f"{page}/print?code={code}", headers=own)).text
    for words in ("扫码缴费", "Scan to pay", "爱山广场停车库 · 出口2", code, "<svg"):
        assert words in card
    others = await client.get(f"{page}/print?code={code}", headers=signed_in(settings, uuid4()))
    assert code not in others.text
    await client.post(f"{page}/{code}/end", headers=own)
    assert code not in (await client.get(page, headers=own)).text


async def test_every_facility_gets_one_code(session: AsyncSession) -> None:
    await load_small_city(session)
    facilities = list(await session.scalars(text("select id from facility")))
    for _ in range(2):
        await ensure_places(session, facilities)
    rows = (await session.execute(text("select code, facility_id from pay_place"))).all()
    assert sorted(row.facility_id for row in rows) == sorted(facilities)
    found = [await place_of(session, row.code) for row in rows]
    assert [place and place.facility_id for place in found] == [row.facility_id for row in rows]
    assert await place_of(session, "no such code") is None
