"""While Redis is away observations go to disk; once it is back they follow in order, and none is missing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from parking_cloud.devstack import Stack
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake, Message
from sensor_gateway.observation import BODY_FIELD, Kind, Observation, decode, encode, streams
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import Publisher, StorageUnavailable
from sensor_gateway.spool import Spool, StreamEntry
from tests.sensor_gateway.parts import IN_TIME, frame, register, until

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SHARDS, DEVICES = 3, 10
LIMIT = 1_000_000
NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


@pytest.fixture
async def mortal(own_redis: Stack) -> AsyncIterator[Redis]:
    """A client that tries once: a test need not wait for its patience."""
    client = Redis.from_url(own_redis.redis_url, retry=Retry(NoBackoff(), 0))
    yield client
    await client.aclose()


@contextlib.asynccontextmanager
async def giving_back(publisher: Publisher, pressure: Pressure | None = None) -> AsyncIterator[None]:
    """The spool is emptied meanwhile, as the gateway does all the time."""
    task = asyncio.create_task(publisher.drain_spool((pressure or Pressure()).eased))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def empty(spool: Spool) -> None:
    await until(lambda: not spool.waiting_bytes)


def round_of_all(number: int) -> list[Observation]:
    """Every device says its `number`-th sentence."""
    return [
        Observation(
            UUID(int=1_000 * number + device),
            UUID(int=device),
            UUID(int=9),
            Kind.STATUS,
            NOW,
            NOW,
            "test",
            frame_counter=number,
        )
        for device in range(1, DEVICES + 1)
    ]


async def publish(publisher: Publisher, rounds: range) -> None:
    for number in rounds:
        await publisher.publish(round_of_all(number))


async def heard_of_each_device(redis: Redis) -> dict[int, list[int]]:
    """The numbers of each device's sentences, in the order of its stream; repetitions left out."""
    heard: dict[int, dict[int, None]] = {}
    for stream in streams(SHARDS):
        for _, fields in await redis.xrange(stream):
            for observation in decode(fields[BODY_FIELD]):
                assert observation.frame_counter is not None
                heard.setdefault(observation.device_id.int, {})[observation.frame_counter] = None
    return {device: list(numbers) for device, numbers in heard.items()}


async def test_what_is_published_meanwhile_follows_in_order(
    own_redis: Stack, mortal: Redis, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool", LIMIT, segment_bytes=5_000)
    publisher = Publisher(mortal, SHARDS, spool)
    async with giving_back(publisher):
        await publish(publisher, range(5))
        assert spool.waiting_bytes == 0
        own_redis.kill("redis")
        await publish(publisher, range(5, 25))
        assert spool.waiting_bytes > 0
        reviving = asyncio.create_task(asyncio.to_thread(own_redis.revive, "redis"))
        number = 25
        while spool.waiting_bytes or not reviving.done():  # through the very moment of its return
            await publish(publisher, range(number, number + 1))
            number += 1
            await asyncio.sleep(0)
        await publish(publisher, range(number, number + 5))
        await empty(spool)
    heard = await heard_of_each_device(mortal)
    assert heard == {device: list(range(number + 5)) for device in range(1, DEVICES + 1)}


async def test_a_gateway_that_is_killed_meanwhile_finds_them_on_its_disk(
    own_redis: Stack, mortal: Redis, tmp_path: Path
) -> None:
    own_redis.kill("redis")
    await publish(Publisher(mortal, SHARDS, Spool(tmp_path / "spool", LIMIT)), range(5))

    spool = Spool(tmp_path / "spool", LIMIT)
    publisher = Publisher(mortal, SHARDS, spool)
    async with giving_back(publisher):
        await publish(publisher, range(5, 8))
        await asyncio.to_thread(own_redis.revive, "redis")
        await empty(spool)
    heard = await heard_of_each_device(mortal)
    assert heard == {device: list(range(8)) for device in range(1, DEVICES + 1)}


class Watched(Pressure):
    """Says when somebody has had to wait."""

    def __init__(self) -> None:
        super().__init__(redis_bytes=LIMIT)
        self.waited_for = asyncio.Event()

    async def eased(self) -> None:
        if self.high:
            self.waited_for.set()
        await super().eased()


async def test_what_waits_on_disk_waits_on_while_redis_is_too_full(redis: Redis, tmp_path: Path) -> None:
    spool, pressure = Spool(tmp_path / "spool", LIMIT), Watched()
    await spool.append([StreamEntry(streams(SHARDS)[0], {"o": encode(round_of_all(0))})])
    publisher = Publisher(redis, SHARDS, spool)
    pressure.judge(LIMIT + 1)
    async with giving_back(publisher, pressure):
        async with asyncio.timeout(IN_TIME):
            await pressure.waited_for.wait()
        assert spool.waiting_bytes > 0
        assert await redis.exists(*streams(SHARDS)) == 0
        pressure.judge(0)
        await empty(spool)
    assert set(await heard_of_each_device(redis)) == set(range(1, DEVICES + 1))


async def test_without_room_on_disk_nothing_is_acknowledged(
    own_redis: Stack, mortal: Redis, tmp_path: Path
) -> None:
    own_redis.kill("redis")
    for publisher in (Publisher(mortal, SHARDS), Publisher(mortal, SHARDS, Spool(tmp_path / "spool", 10))):
        with pytest.raises(StorageUnavailable):
            await publish(publisher, range(1))


async def test_a_stranger_does_not_keep_the_others_waiting(
    own_redis: Stack, mortal: Redis, tmp_path: Path
) -> None:
    await register(mortal, 1)
    directory = DirectoryFollower(mortal)
    await directory.load()
    spool = Spool(tmp_path / "spool", LIMIT)
    intake = Intake(directory, Publisher(mortal, SHARDS, spool))
    own_redis.kill("redis")
    messages = [Message("chirpstack", "mqtt", *frame(sensor, 0)) for sensor in (1, 2)]
    known, stranger = await intake.take(messages)
    assert known.observation is not None
    assert stranger.refused is not None
    assert stranger.refused.reason == "unknown-device"
    batch = await spool.oldest(most_bytes=1)
    assert batch is not None
    assert [entry.stream.split(":")[1] for entry in batch[0]] == ["observations", "dead-letter"]
