"""The page of shared spaces' records: each sees their own, says their word once, and the city answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.middleware import COOKIE
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing import overstay_desk
from tests.serving import client_of
from tests.sharing.gate_parts import manager
from tests.sharing.parts import CHIEF, hall, owner
from tests.sharing.test_whoever_does_not_leave_is_reminded_then_asked_step_by_step import Evening
from tests.sharing.test_whoever_is_turned_away_gets_the_money_and_another_place import evening, press

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
PAGE = "/console/sharing/record"


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    async with client_of(settings) as client:
        yield client


def cookie(settings: Settings, who: Identity, language: str = "en") -> dict[str, str]:
    token = issue(who, settings.secret_key, datetime.now(UTC))
    return {"Cookie": f"{COOKIE}={token}; parking_language={language}"}


async def test_a_manager_says_how_it_came_about_once(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    await hall(session)
    boss, driver = await manager(session), await owner(session)
    await press(session, driver, await evening(session, driver))
    own = cookie(settings, boss)
    page = await client.get(PAGE, headers=own)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "Open in name only" in page.text
    assert "Objections" not in page.text
    assert "E12345" not in page.text
    assert "名义开放" in (await client.get(f"{PAGE}?lang=zh-CN", headers=own)).text
    (address,) = re.findall(rf'action="({PAGE}/turn-aways/[^"]+)"', page.text)
    for said, expected in (("x", "not_saved"), ("<b>断电", "saved"), ("又一次", "not_saved")):
        answer = await client.post(address, data={"text": said}, headers=own | FORM, follow_redirects=False)
        assert answer.headers["location"] == f"{PAGE}?said={expected}"
    assert "&lt;b&gt;断电" in (await client.get(PAGE, headers=own)).text


async def test_others_see_none_of_it(settings: Settings, session: AsyncSession, client: Client) -> None:
    await hall(session)
    await hall(session, code="library")
    driver = await owner(session)
    await press(session, driver, await evening(session, driver))
    other = cookie(settings, await manager(session, "lu", "inst-library"))
    assert "data-record" not in (await client.get(PAGE, headers=other)).text
    nobody = Identity(user_id=uuid4(), username="li", role=Role.DRIVER)
    answer = await client.get(PAGE, headers=cookie(settings, nobody), follow_redirects=False)
    assert answer.status_code == 303


async def test_the_city_answers_an_objection(
    settings: Settings, session: AsyncSession, redis: Redis, client: Client
) -> None:
    stayed = Evening(session, redis)
    driver = await stayed.begin()
    await stayed.looks([10, 30, 60])
    own = cookie(settings, driver.who)
    shown = (await client.get("/bookings/overstays", headers=own)).text
    assert "From 2026-11-20 22:00 on you may not book" in shown
    (address,) = re.findall(r'action="(/bookings/overstays/[^"]+)"', shown)
    for text, expected in (("no", "not_saved"), ("出口道闸故障，无法驶离", "saved"), ("again", "not_saved")):
        answer = await client.post(address, data={"text": text}, headers=own | FORM, follow_redirects=False)
        assert answer.headers["location"] == f"/bookings/overstays?said={expected}"
    nobody = await client.get("/bookings/overstays", follow_redirects=False)
    assert nobody.headers["location"].startswith("/sign-in")
    chief = cookie(settings, CHIEF)
    page = (await client.get(PAGE, headers=chief)).text
    assert "出口道闸故障" in page
    (address,) = re.findall(rf'action="({PAGE}/objections/[^"]+)"', page)
    form = {"outcome": "uphold", "answer": "道闸故障属实"}
    answer = await client.post(address, data=form, headers=chief | FORM, follow_redirects=False)
    assert answer.headers["location"] == f"{PAGE}?said=saved"
    (mine,) = await overstay_desk.overstays_of(session, driver.id)
    assert (mine.upheld, mine.answer) == (True, "道闸故障属实")
    assert "you may book again: 道闸故障属实" in (await client.get("/bookings/overstays", headers=own)).text
