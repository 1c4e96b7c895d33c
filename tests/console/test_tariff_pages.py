"""The tariffs' pages: who sees what, what is refused in words, and what a form writes."""

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

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.demo.tariffs import ensure_tariffs, examples
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city, small_city
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]


@pytest.fixture
async def client(settings: Settings, session: AsyncSession) -> AsyncIterator[Client]:
    """The API on the small city with the demo's tariffs."""
    await load_small_city(session)
    for _ in range(2):  # the second time changes nothing
        await ensure_tariffs(session, small_city().facilities)
    await session.commit()
    async with client_of(settings) as client:
        yield client


def signed_in(settings: Settings, role: Role, operator: UUID | None = None) -> dict[str, str]:
    who = Identity(user_id=uuid4(), username="wang", role=role, operator_id=operator)
    return {"Authorization": f"Bearer {issue(who, settings.secret_key, datetime.now(UTC))}"}


async def page_of(session: AsyncSession, code: str) -> str:
    return (
        f"/console/tariffs/{await session.scalar(text('select id from tariff where code = :c'), {'c': code})}"
    )


async def test_staff_see_the_list_and_others_are_led_to_the_door(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    assert await session.scalar(text("select count(*) from tariff_version")) == len(examples())
    assert await session.scalar(text("select count(*) from tariff_assignment")) == 2
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    answer = await client.get("/console/tariffs", headers=chief)
    assert answer.status_code == 200
    assert answer.text.count("data-tariff=") == len(examples())
    for headers in ({}, signed_in(settings, Role.ENFORCEMENT_OFFICER)):
        door = await client.get("/console/tariffs", headers=headers, follow_redirects=False)
        assert (door.status_code, door.headers["location"]) == (303, "/console")


async def test_a_tariff_is_shown_and_a_version_is_saved_from_its_form(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR)
    page = await page_of(session, "huzhou-a")
    shown = await client.get(page, params={"lang": "en"}, headers=chief)
    assert "The price over 48 hours" in shown.text
    assert "within 2 h ¥5.00" in shown.text
    client.cookies.clear()
    said = msgspec.json.encode(examples()["panan"].data).decode()
    form = {"deed": "save", "text": said, "effective_from": "2099-01-01T00:00", "entry": "10:00"}
    for wrong, words in (
        ({"text": "{"}, "不是有效的 JSON"),
        ({"text": "{}"}, "必须修改"),
        ({"effective_from": "soon"}, "请填写有效的时间"),
        ({"effective_from": "2026-01-01T00:00"}, "不能改变已经过去的收费"),
        ({"entry": "25:99"}, "必须修改"),
    ):
        refused = await client.post(page, data=form | wrong, headers=chief)
        assert refused.status_code == 200
        assert words in refused.text
    saved = await client.post(page, data=form, headers=chief, follow_redirects=False)
    assert saved.status_code == 303
    begins = await session.scalar(text("select max(effective_from) from tariff_version"))
    assert begins == datetime.fromisoformat("2099-01-01T00:00:00+08:00")
    auditor = signed_in(settings, Role.AUDITOR)
    assert "保存由城市管理员" in (await client.get(page, headers=auditor)).text
    assert "您的角色" in (await client.post(page, data=form, headers=auditor)).text


async def test_an_operators_staff_add_their_own_and_say_where_it_holds(
    settings: Settings, session: AsyncSession, client: Client
) -> None:
    operator = await session.scalar(text("select id from operator"))
    own = signed_in(settings, Role.OPERATOR_STAFF, operator)
    form = {"code": "ours", "name": "自定", "name_en": "Ours", "pricing": "market", "filing_number": "备 1"}
    for wrong in ({"pricing": "government"}, {"code": "不行"}, {"filing_number": " "}):
        refused = await client.post("/console/tariffs", data=form | wrong, headers=own)
        assert 'role="alert"' in refused.text
    added = await client.post("/console/tariffs", data=form, headers=own, follow_redirects=False)
    assert added.status_code == 303
    page = added.headers["location"]
    place = {"facility": "street", "since": "2099-01-01T00:00"}
    for wrong, words in (({"facility": "nowhere"}, "没有这个停车场"), ({"since": "x"}, "有效的时间")):
        assert words in (await client.post(f"{page}/facilities", data=place | wrong, headers=own)).text
    assert (await client.post(f"{page}/facilities", data=place, headers=own)).status_code == 200
    assert "street" in (await client.get(page, headers=own)).text
