"""`current` and `as_of` hang on the worker's own word and on what was loaded, not on a silent stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.guidance.loading import Loader
from parking_cloud.guidance.schemas import PlacesOut
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.events import EVENTS_STREAM, relayed_at, tell_relayed
from parking_cloud.worker import Worker
from tests.factories import NOON, load_small_city
from tests.guidance.test_answers_follow_what_happens import places
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


async def once(client: AsyncTestClient[Any], holds: Callable[[PlacesOut], bool]) -> PlacesOut:
    """The first answer of which that holds, or the last."""
    for _ in range(500):
        if holds(answer := await places(client)):
            break
        await asyncio.sleep(0.01)
    return answer


async def test_a_stream_that_is_merely_silent_is_not_current_for_long(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    await load_small_city(session)
    clock = FixedClock(NOON)
    async with client_of(settings, clock) as client:
        assert not (await places(client)).current, "nobody has said that anything is passed on"
        await tell_relayed(redis, NOON)
        assert (await once(client, lambda answer: answer.current)).as_of == NOON
        clock.moment = NOON + timedelta(seconds=30)
        later = await places(client)
        assert (later.as_of, later.current) == (NOON, False)
        await tell_relayed(redis, clock.moment)
        assert (await once(client, lambda answer: answer.current)).as_of == clock.moment


async def test_what_cannot_be_loaded_is_not_current(
    settings: Settings, session: AsyncSession, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load_small_city(session)
    clock = FixedClock(NOON)
    async with client_of(settings, clock) as client:
        await tell_relayed(redis, NOON)
        assert (await once(client, lambda answer: answer.current)).current

        async def away(*asked: Any, **options: Any) -> None:
            raise OSError("PostgreSQL is away")

        monkeypatch.setattr(Loader, "load", away)
        monkeypatch.setattr(Loader, "load_shared", away)
        clock.moment = NOON + timedelta(minutes=3)
        await tell_relayed(redis, clock.moment)
        heard = await once(client, lambda answer: answer.as_of == clock.moment)
        assert (heard.as_of, heard.current) == (clock.moment, False)


async def test_what_was_not_heard_is_read_before_anything_later_is_promised(
    settings: Settings, session: AsyncSession, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load_small_city(session)
    clock = FixedClock(NOON)
    may_read = asyncio.Event()
    real = Loader.load

    async def later(self: Loader, *asked: Any, **options: Any) -> None:
        await may_read.wait()
        await real(self, *asked, **options)

    async with client_of(settings, clock) as client:
        await tell_relayed(redis, NOON)
        assert (await once(client, lambda answer: answer.current)).current
        monkeypatch.setattr(Loader, "load", later)
        await redis.xadd(EVENTS_STREAM, {"e": b"not to be read"})
        known = client.app.state.guide.known
        await once(client, lambda _: not known.whole)
        clock.moment = NOON + timedelta(seconds=4)
        await tell_relayed(redis, clock.moment)
        for _ in range(3):
            await redis.xadd(EVENTS_STREAM, {"e": b"not to be read"})
        assert (await places(client)).as_of == NOON
        may_read.set()
        answer = await once(client, lambda answer: answer.as_of == clock.moment)
        assert (answer.as_of, answer.current) == (clock.moment, True)


async def test_a_worker_says_until_when_it_has_passed_on(
    settings: Settings, sessions: async_sessionmaker[AsyncSession], redis: Redis
) -> None:
    began = datetime.now(UTC)
    assert await relayed_at(redis) is None
    running = asyncio.create_task(Worker(settings, sessions, redis).run())
    try:
        for _ in range(500):
            if (said := await relayed_at(redis)) is not None:
                break
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert said is not None
    assert began <= said <= datetime.now(UTC)
