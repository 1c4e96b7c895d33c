"""A signed-in driver sees stays and charges of their own vehicles in their own time, and pays those alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.accounts.vehicles import give_up, holdings
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import mine
from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.service import record_cash
from tests.arrears.parts import holder
from tests.notices.parts import driver
from tests.payments.parts import KEY, NEIGHBOURS, OWN, left, minute, parked, priced_garage
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
BOUGHT = 300
"""The minute from which the vehicle is the present holder's."""


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    paying = msgspec.structs.replace(
        settings, plate_key=KEY, stripe_secret_key="sk_test", stripe_api_url="http://x"
    )
    async with client_of(paying) as client:
        yield client


@pytest.fixture
async def charges(session: AsyncSession) -> list[UUID]:
    """The last owner's charge, one's own, and a neighbour's."""
    garage = await priced_garage(session)
    made = []
    for at, plate in ((0, OWN), (BOUGHT + 10, OWN), (0, NEIGHBOURS)):
        stay = await parked(session, garage, at=at, plate=plate)
        await left(session, stay, at=at + 120)
        await assess_stay(session, stay, minute(at + 120))
        await session.commit()
        charge = await session.scalar(text("select id from charge where stay_id = :id"), {"id": stay})
        made.append(charge)
    return made


def bearer(settings: Settings, who: Identity) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}


async def test_nothing_of_before_ones_time_nor_of_others(
    settings: Settings, session: AsyncSession, client: Client, charges: list[UUID]
) -> None:
    who = await holder(session, since=minute(BOUGHT))
    mine = bearer(settings, who)
    seen = (await client.get("/v1/me/charges", headers=mine)).json()["items"]
    assert [(item["id"], item["owed"]) for item in seen] == [(str(charges[1]), 1_200)]
    stays = (await client.get("/v1/me/stays", headers=mine)).json()["items"]
    assert [stay["charge"]["id"] for stay in stays] == [str(charges[1])]
    (held,) = await holdings(session, who.user_id)
    await give_up(session, who, held.binding_id, minute(900))
    await session.commit()
    for path in ("/v1/me/charges", "/v1/me/stays"):
        assert (await client.get(path, headers=mine)).json()["items"] == []


async def test_pages_tell_nothing_of_the_owner_before(session: AsyncSession) -> None:
    """Neither by where they lead nor by a page that is short."""
    garage = await priced_garage(session)
    for at in (0, 100, BOUGHT - 60, BOUGHT + 10, BOUGHT + 100):
        stay = await parked(session, garage, at=at)
        await left(session, stay, at=at + 65)
        await assess_stay(session, stay, minute(at + 65))
        await session.commit()
    who = (await holder(session, since=minute(BOUGHT))).user_id
    key = "x" * 32
    stays = await mine.my_stays(session, who, key, before=None, limit=2)
    assert [stay.entered_at for stay in stays.items] == [minute(BOUGHT + 100), minute(BOUGHT + 10)]
    assert stays.next_before == minute(BOUGHT + 10)
    older = await mine.my_stays(session, who, key, before=stays.next_before, limit=2)
    assert older == mine.StayPage([], None)
    charges = await mine.my_charges(session, who, key, before=None, limit=2)
    assert [charge.entered_at for charge in charges.items] == [minute(BOUGHT + 100), minute(BOUGHT + 10)]
    assert charges.next_cursor == charges.items[-1].id
    assert await mine.my_charges(session, who, key, before=charges.next_cursor, limit=1) == mine.ChargePage(
        [], None
    )


async def test_a_claim_that_is_not_verified_shows_nothing(
    settings: Settings, session: AsyncSession, client: Client, charges: list[UUID]
) -> None:
    stranger = bearer(settings, await driver(session, "stranger"))
    await session.commit()
    assert (await client.post("/v1/me/vehicles", json={"plate": OWN}, headers=stranger)).status_code == 201
    for path in ("/v1/me/charges", "/v1/me/stays"):
        assert (await client.get(path, headers=stranger)).json()["items"] == []
    asked = {"charges": [str(charges[1])]}
    assert (await client.post("/v1/me/offers", json=asked, headers=stranger)).status_code == 404


async def test_only_what_is_ones_own_is_offered(
    settings: Settings, session: AsyncSession, client: Client, charges: list[UUID]
) -> None:
    mine = bearer(settings, await holder(session, since=minute(BOUGHT)))
    answers = [
        await client.post("/v1/me/offers", json={"charges": [str(i) for i in ids]}, headers=mine)
        for ids in ([charges[1]], [charges[0]], [charges[2]], charges, [uuid4()])
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 404, 404]
    assert answers[0].json()["amount"] == 1_200


async def test_what_somebody_else_paid_gives_no_receipt(
    settings: Settings, session: AsyncSession, client: Client, charges: list[UUID]
) -> None:
    mine = bearer(settings, await holder(session, since=minute(BOUGHT)))
    await record_cash(session, {charges[1]: 1_200}, 1_200, uuid4(), minute(600))
    await session.commit()
    (item,) = (await client.get("/v1/me/charges", headers=mine)).json()["items"]
    assert (item["state"], item["receipts"]) == ("settled", [])


async def test_no_answer_holds_a_plate(
    settings: Settings, session: AsyncSession, client: Client, charges: list[UUID]
) -> None:
    mine = bearer(settings, await holder(session, since=minute(BOUGHT)))
    for path in ("/v1/me/charges", "/v1/me/stays", "/v1/me/vehicles", "/v1/me/arrears", "/v1/me/notices"):
        answer = await client.get(path, headers=mine)
        assert answer.status_code == 200
        assert OWN not in answer.text


async def test_a_mandate_over_http(settings: Settings, session: AsyncSession, client: Client) -> None:
    mine = bearer(settings, await driver(session, "li"))
    await session.commit()
    assert (await client.get("/v1/me/mandate", headers=mine)).status_code == 404
    asked = {"method": "card", "ceiling_stay": 3_000, "ceiling_day": 6_000}
    elsewhere = asked | {"return_url": "https://evil.example/"}
    for body, status in ((elsewhere, 422), (asked | {"method": "cash"}, 503), (asked, 201), (asked, 409)):
        assert (await client.post("/v1/me/mandate", json=body, headers=mine)).status_code == status
    lower = await client.put(
        "/v1/me/mandate/ceilings", json={"ceiling_stay": 1_000, "ceiling_day": 2_000}, headers=mine
    )
    assert (lower.json()["state"], lower.json()["ceiling_stay"]) == ("asked", 1_000)
    assert (await client.delete("/v1/me/mandate", headers=mine)).status_code == 204
    assert (await client.get("/v1/me/mandate", headers=mine)).status_code == 404
