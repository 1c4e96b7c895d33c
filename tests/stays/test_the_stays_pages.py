"""The stays' pages: shown in both languages, a decision by form, and what is missing said on the page."""

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

from parking_cloud.accounts.middleware import COOKIE
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.console.stay_texts import STAY_TEXTS
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays.schemas import Situation
from tests.factories import NOON, load_small_city
from tests.serving import client_of
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, minute, passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
NOW = NOON + timedelta(days=3)


@pytest.fixture
async def gate(session: AsyncSession) -> Any:
    return (await load_small_city(session))["garage-counter"]


@pytest.fixture
async def client(settings: Settings, session: AsyncSession, gate: Any) -> AsyncIterator[Client]:
    """Signed in at the console as the operator's staff."""
    operator = UUID(str(await session.scalar(text("select id from operator"))))
    who = Identity(user_id=uuid4(), username="wang", role=Role.OPERATOR_STAFF, operator_id=operator)
    async with client_of(settings, FixedClock(NOW)) as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        client.cookies[COOKIE] = issue(who, settings.secret_key, NOW)
        yield client


async def test_a_review_is_shown_and_decided(
    session: AsyncSession, redis: Redis, client: Client, gate: Any
) -> None:
    entry = passed(gate, "in", ENTRY, 0, picture="pic/1.jpg")
    await arrive(session, redis, [entry, passed(gate, "again", ENTRY, 1440)], at=1500)
    first, _ = await all_stays(session)
    page = f"/console/stays/{first.id}"
    listed = (await client.get("/console/stays?lang=en")).text
    assert "exit missed" in listed
    assert page in listed
    assert "浙E12345" not in listed
    shown = (await client.get(f"{page}?lang=zh-CN")).text
    assert "缺少离场记录" in shown
    assert "pic/1.jpg" in shown
    whole = await client.post(f"{page}/plate", data={"reason": "与照片核对"})
    assert "浙E12345" in whole.text

    form = {"action": "correct", "reason": "出口录像", "exited_at": "2026-11-20T13:30", "evidence": ""}
    refused = await client.post(page, data=form)
    assert "须提交证据" in refused.text
    assert [s.state for s in await all_stays(session)] == ["review", "open"]
    done = await client.post(page, data=form | {"evidence": "video/3\nphoto/9"}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, page)
    await session.commit()
    first, _ = await all_stays(session)
    assert (first.state, minute(first.exited_at)) == ("closed", 90)
    assert "video/3, photo/9" in (await client.get(page)).text
    assert "没有待核查的停车记录" in (await client.get("/console/stays")).text


async def test_a_plate_is_read_again_by_form(
    session: AsyncSession, redis: Redis, client: Client, gate: Any
) -> None:
    unsure = passed(gate, "out", EXIT, 60, confidence=0.4)
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0), unsure])
    reading = await session.scalar(text("select id from second_reading"))
    assert str(reading) in (await client.get("/console/stays")).text
    await client.post(f"/console/stays/readings/{reading}", data={"plate": "浙E12345"})
    await session.commit()
    assert [s.state for s in await all_stays(session)] == ["closed"]


async def test_every_situation_has_its_words() -> None:
    assert {str(s) for s in Situation} <= STAY_TEXTS["zh-CN"].keys()
