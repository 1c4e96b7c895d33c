"""A long look at all devices keeps nobody's numbers from the live stream."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.outbox import OutboxMessage
from parking_cloud.occupancy.events import EVENTS_STREAM, FACILITY_CHANGED, publish_changes
from parking_cloud.operations.jobs import judge_silence
from tests.factories import NOON, load_small_city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def test_numbers_go_out_while_devices_are_looked_at(
    session: AsyncSession, sessions: async_sessionmaker[AsyncSession], redis: Redis
) -> None:
    street = (await load_small_city(session))["sensor-1"].facility_id
    await judge_silence(session, NOON)  # and its transaction goes on
    async with sessions() as relay, asyncio.timeout(10):
        await publish_changes(relay, redis, [OutboxMessage(1, FACILITY_CHANGED, str(street), {})])
    assert await redis.xlen(EVENTS_STREAM) == 1
