"""The gateway has no database, so its tests need none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from parking_cloud.devstack import Stack


@pytest.fixture
async def redis(stack: Stack) -> AsyncIterator[Redis]:
    """An emptied Redis."""
    client = Redis.from_url(stack.redis_url)
    await client.flushdb()
    yield client
    await client.aclose()
