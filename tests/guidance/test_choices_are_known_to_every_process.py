"""A choice told to one API process lowers a place's outlook in all of them, and names nobody."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import numpy as np
import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.app import create_app
from parking_cloud.guidance.herding import MOST_SHOWN, believed
from parking_cloud.guidance.sent import SENT_STREAM, SentStream
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from sensor_gateway.streams import connect
from tests.factories import NOON, facility_id_of, load_small_city
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

ROWS = np.array([0])
SOON = NOON + timedelta(minutes=12)


def expected(stream: SentStream) -> float:
    """Drivers expected at row 0 before one who comes in 20 minutes."""
    arrive = (NOON + timedelta(minutes=20)).timestamp()
    return float(stream.sent.before(ROWS, np.array([NOON.timestamp()]), arrive)[0])


async def until(stream: SentStream, least: float) -> float:
    """What is expected, once it is so much."""
    for _ in range(500):
        if expected(stream) >= least:
            break
        await asyncio.sleep(0.01)
    return expected(stream)


async def test_two_processes_and_one_that_starts_later(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    app = create_app(settings, FixedClock(NOON))
    others = [SentStream(redis, FixedClock(NOON)) for _ in range(2)]
    for other in others:
        other.sent.arrange({garage: 0}, 1)
    async with AsyncTestClient(app) as client, others[0].running():
        choice = {"facility": "garage", "arrive_at": SOON.isoformat()}
        answer = await client.post("/v1/guidance/choices", json=choice)
        assert (answer.status_code, answer.json()) == (200, {"counted": True})
        again = await client.post("/v1/guidance/choices", json=choice)
        assert (again.status_code, again.json()) == (200, {"counted": False}), "the same driver, twice"
        assert await others[1].choose(garage, SOON.timestamp())
        assert await until(others[0], 1.6) == pytest.approx(1.6)
        async with others[1].running():
            assert await until(others[1], 1.6) == pytest.approx(1.6)
        late = {"facility": "garage", "arrive_at": (NOON + timedelta(hours=3)).isoformat()}
        assert (await client.post("/v1/guidance/choices", json=late)).json() == {"counted": False}
        missing = await client.post("/v1/guidance/choices", json=choice | {"facility": "nowhere"})
        assert missing.status_code == 404
    for _, fields in await redis.xrange(SENT_STREAM):
        assert fields.keys() == {b"s"}


async def test_who_chooses_all_the_time_is_stopped(
    settings: Settings, session: AsyncSession, redis: Redis
) -> None:
    await load_small_city(session)
    choice = {"facility": "garage", "arrive_at": SOON.isoformat()}
    async with client_of(settings, FixedClock(NOON)) as client:
        answers = [(await client.post("/v1/guidance/choices", json=choice)).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


async def test_what_is_merely_shown_weighs_little_however_often(session: AsyncSession, redis: Redis) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    stream = SentStream(redis, FixedClock(NOON))
    stream.sent.arrange({garage: 0}, 1)
    async with stream.running():
        for _ in range(1000):
            stream.show(garage, SOON.timestamp())
        assert await until(stream, 1.0) == pytest.approx(MOST_SHOWN)


async def test_who_sets_out_after_their_time_is_expected_at_once(session: AsyncSession, redis: Redis) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    stream = SentStream(redis, FixedClock(NOON))
    stream.sent.arrange({garage: 0}, 1)
    async with stream.running():
        assert await stream.choose(garage, (NOON - timedelta(minutes=5)).timestamp())
        assert await until(stream, 0.8) == pytest.approx(0.8)
        assert not await stream.choose(garage, (NOON - timedelta(hours=1)).timestamp())


async def test_an_entry_that_cannot_be_read_stops_nothing(session: AsyncSession, redis: Redis) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    stream = SentStream(redis, FixedClock(NOON))
    stream.sent.arrange({garage: 0}, 1)
    async with stream.running():
        await redis.xadd(SENT_STREAM, {"s": b"{not JSON"})
        assert await stream.choose(garage, SOON.timestamp())
        assert await until(stream, 0.8) == pytest.approx(0.8)


def test_nobody_talks_a_place_full() -> None:
    sent, capacity = np.array([500.0, 3.0, 500.0]), np.array([200.0, 200.0, 4.0])
    assert believed(sent, capacity).tolist() == [52.0, 3.0, 3.0]


async def test_while_redis_is_away_a_choice_counts_in_this_process(session: AsyncSession) -> None:
    garage = facility_id_of(await load_small_city(session), "garage-counter")
    away = connect("redis://127.0.0.1:1/0", timeout_s=0.2)
    stream = SentStream(away, FixedClock(NOON))
    stream.sent.arrange({garage: 0}, 1)
    assert await stream.choose(garage, SOON.timestamp())
    assert expected(stream) == pytest.approx(0.8)
    await away.aclose()
