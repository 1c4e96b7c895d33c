"""A plate sealed under a lost key: the feed and the pushes go on, and its own correction stays visible."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.settings import Settings
from parking_cloud.stays import corrections
from parking_cloud.stays.push import push_due
from parking_cloud.stays.service import masked_plates
from tests.factories import NOON, load_small_city
from tests.stays.parts import ENTRY, VAULT, all_stays, arrive, passed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


@pytest.fixture
async def operator(session: AsyncSession, redis: Redis) -> UUID:
    """An operator with a hook, and two stays whose plates were corrected; the first cannot be opened."""
    gate: Any = (await load_small_city(session))["garage-counter"]
    whose = UUID(str(await session.scalar(text("select id from operator"))))
    await corrections.set_hook(session, whose, "https://192.0.2.7/corrections", NOON)
    entries = [passed(gate, "a", ENTRY, 0), passed(gate, "b", ENTRY, 1, "浙E54321")]
    await arrive(session, redis, entries)
    for stay in await all_stays(session):
        await corrections.tell_plate(session, dict(stay._mapping), "read again", NOON)
    first = (await all_stays(session))[0].id
    await session.execute(text("update stay set plate_sealed = '\\x00' where id = :id"), {"id": first})
    await session.commit()
    return whose


async def test_in_the_feed(session: AsyncSession, operator: UUID) -> None:
    page = await corrections.feed(session, VAULT, operator, after=0, limit=10)
    assert [(item.kind, item.plate) for item in page.items] == [("plate", None), ("plate", "浙E54321")]
    stays = [stay.id for stay in await all_stays(session)]
    assert list(await masked_plates(session, stays, VAULT)) == stays[1:]


async def test_in_the_pushes(
    settings: Settings,
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    operator: UUID,
) -> None:
    taken: list[str] = []
    inside = msgspec.structs.replace(settings, hooks_inside=True)

    def lot(request: httpx.Request) -> httpx.Response:
        taken.append(json.loads(request.content)["data"]["plate"])
        return httpx.Response(204)

    async with httpx.AsyncClient(transport=httpx.MockTransport(lot)) as client:
        assert await push_due(sessions, client, inside, VAULT, NOON) == 2
    assert taken == ["浙E54321"]
    page = await corrections.feed(session, VAULT, operator, after=0, limit=10, unacknowledged=True)
    assert [(item.plate, item.attempts) for item in page.items] == [(None, 1)]
