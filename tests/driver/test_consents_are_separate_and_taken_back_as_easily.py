"""Consents: asked for one by one, in words that are kept, and what hangs on one stops with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import consents, phone_codes
from parking_cloud.accounts.consents import Purpose
from parking_cloud.accounts.phone_codes import PhoneBook
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices import service as notices
from parking_cloud.notices.schemas import Reader, Words
from tests.driver.parts import Phone, a_phone, verified
from tests.notices.parts import driver
from tests.payments.parts import KEY, minute, priced_garage

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
WORDS = {language: Words("title", "body", "short") for language in ("zh-CN", "en")}


@pytest.fixture
async def phone(settings: Settings, redis: Redis, session: AsyncSession) -> AsyncIterator[Phone]:
    async with a_phone(settings) as made:
        yield made


async def test_nothing_is_agreed_to_until_it_was_read(phone: Phone, session: AsyncSession) -> None:
    li = await driver(session, "li")
    await session.commit()

    async def asked() -> dict[str, Any]:
        return {c["purpose"]: c for c in (await phone.asks(li, "GET", "/v1/me/consents")).json()}

    before = await asked()
    assert {purpose: c["agreed"] for purpose, c in before.items()} == dict.fromkeys(Purpose, None)
    assert all(c["title"] and c["body"] for c in before.values())
    stale = await phone.asks(li, "PUT", "/v1/me/consents/position", json={"version": 7})
    assert stale.status_code == 409
    version = before["position"]["version"]
    for _ in range(2):
        given = await phone.asks(li, "PUT", "/v1/me/consents/position", json={"version": version})
        assert given.status_code == 204
    assert {p for p, c in (await asked()).items() if c["agreed"]} == {"position"}
    assert (await phone.asks(li, "DELETE", "/v1/me/consents/position")).status_code == 204
    assert {p for p, c in (await asked()).items() if c["agreed"]} == set()
    kept = (await session.execute(text("select version, withdrawn_at is not null from consent"))).all()
    assert [tuple(row) for row in kept] == [(version, True)]


async def test_a_position_is_used_only_with_consent_and_never_kept(
    phone: Phone, session: AsyncSession
) -> None:
    li = await driver(session, "li")
    await priced_garage(session)
    await session.execute(
        text("update space set position = cast(st_point(120.0965, 30.8693) as geography) where number = 'S2'")
    )
    vehicle = await verified(session, li)
    here = {"lat": 30.8694, "lon": 120.0966}
    refused = await phone.asks(li, "POST", "/v1/me/parked/near", json=here)
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (403, "consent-needed")
    await consents.give_newest(session, li.user_id, Purpose.POSITION, minute(0))
    await session.commit()
    (space,) = (await phone.asks(li, "POST", "/v1/me/parked/near", json=here)).json()
    assert (space["number"], space["facility"], space["metres"]) == ("S2", "红旗路路段", 15)
    said = {"vehicle_id": str(vehicle), "space_id": space["space_id"]}
    stay = (await phone.asks(li, "POST", "/v1/me/parked", json=said)).json()
    (parked,) = (await phone.asks(li, "GET", "/v1/me/parked")).json()
    assert parked["space"] == "S2"
    ended = await phone.asks(li, "POST", f"/v1/stays/{parked['stay_id']}/end", json={})
    assert ended.status_code == 204, stay
    assert (await phone.asks(li, "GET", "/v1/me/parked")).json() == []


async def test_without_it_the_painted_number_does(phone: Phone, session: AsyncSession) -> None:
    li = await driver(session, "li")
    await priced_garage(session)
    found = await phone.asks(li, "GET", "/v1/me/parked/space?facility=street&number=S3")
    assert found.json()["number"] == "S3"
    assert (await phone.asks(li, "GET", "/v1/me/parked/space?facility=street&number=S9")).status_code == 404


async def test_only_ones_own_verified_vehicle_parks(phone: Phone, session: AsyncSession) -> None:
    li, other = await driver(session, "li"), await driver(session, "other")
    await priced_garage(session)
    vehicle = await verified(session, li)
    space = await session.scalar(text("select id from space limit 1"))
    said = {"vehicle_id": str(vehicle), "space_id": str(space)}
    assert (await phone.asks(other, "POST", "/v1/me/parked", json=said)).status_code == 404


async def test_no_message_is_sent_once_it_is_taken_back(phone: Phone, session: AsyncSession) -> None:
    li = await driver(session, "li")
    await phone_codes.give_phone(session, PhoneBook(KEY), li.user_id, "13800138000", minute(0))
    await session.commit()
    assert (await phone.asks(li, "PUT", "/v1/me/contacts/own-phone")).status_code == 204

    async def told(key: str) -> list[str]:
        reader = Reader(user_id=li.user_id)
        await notices.tell(session, reader=reader, kind="x", dedupe_key=key, texts=WORDS, now=minute(1))
        found = await session.scalars(
            text("select channel from notice where dedupe_key = :key order by 1"), {"key": key}
        )
        return list(found)

    assert await told("one") == ["in_app", "sms"]
    await session.commit()
    await phone.asks(li, "DELETE", "/v1/me/consents/sms")
    assert await told("two") == ["in_app"]
