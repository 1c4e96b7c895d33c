"""Senders are held back before memory grows, in the gateway or in Redis, and nothing of theirs is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from parking_cloud.devstack import Stack
from sensor_gateway.directory import SOURCES_HASH, SourceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import utc_now
from sensor_gateway.pressure import Pressure, TooBusy
from sensor_gateway.publish import Publisher
from sensor_gateway.transports.http import create_intake_app
from tests.sensor_gateway.parts import (
    IN_TIME,
    STREAM,
    eui,
    frame,
    mqtt_intake,
    network_server,
    on_the_stream,
    register,
    running,
    until,
)

pytestmark = pytest.mark.anyio

LIMIT = 1_000
KEY = {"X-Api-Key": "all"}


def test_what_is_held_back_at_the_limit_is_let_go_well_below_it() -> None:
    pressure = Pressure(redis_bytes=LIMIT)
    seen = []
    for used in (LIMIT, LIMIT + 1, LIMIT, 900, 899, LIMIT, LIMIT + 1):
        pressure.judge(used)
        seen.append(pressure.high)
    assert seen == [False, True, True, True, False, False, True]


def test_only_so_much_is_in_hand_at_once() -> None:
    pressure = Pressure(most_in_hand=10)
    with pressure.admit(6):
        with pytest.raises(TooBusy), pressure.admit(5):
            pass
        with pressure.admit(4):
            pass
    with pressure.admit(10):
        pass


def test_what_came_by_the_broker_is_in_hand_and_never_refused() -> None:
    pressure = Pressure(most_in_hand=10)
    with pressure.in_hand(9), pressure.in_hand(9):
        assert REGISTRY.get_sample_value("gateway_messages_in_hand") == 18
        with pytest.raises(TooBusy), pressure.admit(1):
            pass
    with pressure.admit(10):
        pass


async def test_who_waits_goes_on_when_it_has_eased() -> None:
    pressure = Pressure(redis_bytes=LIMIT)
    pressure.judge(LIMIT + 1)
    waiting = asyncio.create_task(pressure.eased())
    with pytest.raises(TooBusy), pressure.admit(1):
        pass
    assert not waiting.done()
    pressure.judge(0)
    async with asyncio.timeout(IN_TIME):
        await waiting


@pytest.mark.stack
async def test_redis_is_watched(redis: Redis) -> None:
    pressure = Pressure(redis_bytes=1)
    watching = asyncio.create_task(pressure.watch(redis))
    try:
        await until(lambda: pressure.high)
    finally:
        watching.cancel()


@pytest.fixture
def pressure() -> Pressure:
    return Pressure(most_in_hand=2, redis_bytes=LIMIT)


@pytest.fixture
async def client(redis: Redis, pressure: Pressure) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP intake under that pressure, with one sensor and a key that may send everything."""
    await register(redis, 1)
    source = SourceEntry("all", ("uplinks", "observations"), any_device=True)
    await redis.hset(SOURCES_HASH, sha256(b"all").hexdigest(), encode_entry(source))
    directory = DirectoryFollower(redis)
    await directory.load()
    app = create_intake_app(
        redis=redis, directory=directory, publisher=Publisher(redis, 1), pressure=pressure
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://intake", headers={"X-Api-Key": "all"}
    ) as client:
        yield client


async def send_uplink(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/v1/uplinks/chirpstack?event=up", content=frame(1, 0)[1])


async def send_rows(client: httpx.AsyncClient, rows: int) -> httpx.Response:
    row = {"device_id": eui(1), "occupied": True, "observed_at": utc_now().isoformat()}
    return await client.post("/v1/observations", json=[row] * rows)


def assert_too_busy(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:parking-cloud:problem:too-busy"


@pytest.mark.stack
async def test_http_senders_are_told_to_come_again_while_redis_is_full(
    client: httpx.AsyncClient, redis: Redis, pressure: Pressure
) -> None:
    pressure.judge(LIMIT + 1)
    assert_too_busy(await send_uplink(client))
    assert_too_busy(await send_rows(client, 1))
    assert await redis.exists(STREAM) == 0
    pressure.judge(0)
    assert (await send_uplink(client)).status_code == 202
    assert (await send_rows(client, 1)).status_code == 202
    assert await redis.xlen(STREAM) == 2


@pytest.mark.stack
async def test_http_senders_are_told_to_come_again_while_too_much_is_in_hand(
    client: httpx.AsyncClient, redis: Redis, pressure: Pressure
) -> None:
    with pressure.admit(1):
        assert_too_busy(await send_rows(client, 2))
        assert await redis.exists(STREAM) == 0
        assert (await send_rows(client, 1)).status_code == 202
    assert (await send_rows(client, 2)).status_code == 202


class Watched(Pressure):
    """Says when somebody has had to wait."""

    def __init__(self) -> None:
        super().__init__(redis_bytes=LIMIT)
        self.waited_for = asyncio.Event()

    async def eased(self) -> None:
        if self.high:
            self.waited_for.set()
        await super().eased()


@pytest.mark.stack
async def test_mqtt_messages_are_not_acknowledged_while_held_back(redis: Redis, stack: Stack) -> None:
    await register(redis, 1)
    pressure = Watched()
    intake = await mqtt_intake(redis, stack.mqtt_url, pressure=pressure)
    with network_server(stack.mqtt_url) as sender:
        async with running(intake):
            pressure.judge(LIMIT + 1)
            await sender.send(frame(1, 0))
            async with asyncio.timeout(IN_TIME):
                await pressure.waited_for.wait()
            assert await redis.exists(STREAM) == 0

        pressure.waited_for.clear()
        # The broker has had no acknowledgement, so it sends the frame again, before it confirms anything.
        async with running(intake, subscribed=False):
            async with asyncio.timeout(IN_TIME):
                await pressure.waited_for.wait()
            await sender.send(frame(1, 1))
            assert await redis.exists(STREAM) == 0
            pressure.judge(0)
            found = await on_the_stream(redis, 2)
    assert [observation.frame_counter for observation in found] == [0, 1]
