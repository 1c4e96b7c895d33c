"""One bad entry never stops the flow: it goes to the dead letters, and its neighbours are recorded."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.settings import Settings
from parking_cloud.projection import GROUP
from parking_cloud.worker import Worker
from sensor_gateway.observation import BODY_FIELD, DEAD_LETTER_STREAM, encode, streams
from sensor_gateway.streams import read_after
from tests.factories import load_small_city, observed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def arrived(redis: Redis, stream: str, count: int) -> None:
    """Wait until a stream has so many entries."""
    position = "0"
    async with asyncio.timeout(20):
        while count:
            entries = await read_after(redis, stream, position, count=count, block_ms=1000)
            count -= len(entries)
            position = entries[-1][0].decode() if entries else position


async def taken(redis: Redis, stream: str) -> None:
    """Wait until all of a stream's entries are acknowledged and gone: that comes after the dead letters."""
    async with asyncio.timeout(20):
        while await redis.xlen(stream):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_neighbours_of_a_bad_entry_are_recorded(
    settings: Settings, sessions: async_sessionmaker[AsyncSession], redis: Redis
) -> None:
    async with sessions() as session:
        devices = await load_small_city(session)
    stream = streams(settings.stream_shards)[0]
    bodies = [
        encode([observed(devices["sensor-1"], occupied=True)]),
        b"no observation",
        encode(
            [
                observed(devices["garage-counter"], free=2**40, frame=None),
                observed(devices["sensor-2"], occupied=False),
            ]
        ),
    ]
    for body in bodies:
        await redis.xadd(stream, {BODY_FIELD: body})
    worker = asyncio.create_task(Worker(settings, sessions, redis, "test").run())
    await arrived(redis, DEAD_LETTER_STREAM, 2)
    await taken(redis, stream)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    async with sessions() as session:
        assert await session.scalar(text("select count(*) from observation")) == 2
    letters = await redis.xrange(DEAD_LETTER_STREAM)
    assert sorted(fields[b"reason"] for _, fields in letters) == [b"not-projectable", b"unreadable-entry"]
    assert (await redis.xpending(stream, GROUP))["pending"] == 0
