"""The gateway as a process: what it refuses to start with, how it starts without Redis, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from parking_cloud.devstack import Stack, free_port
from sensor_gateway.directory import SOURCES_HASH, SourceEntry, encode_entry
from sensor_gateway.spool import own
from tests.sensor_gateway.parts import IN_TIME, eui, frame, network_server, on_the_stream, register

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

KEY = {"X-Api-Key": "lns"}


class Gateway:
    """`python -m sensor_gateway` with a spool folder of its own; started as often as the test likes."""

    def __init__(self, folder: Path, redis_url: str, **settings: str) -> None:
        self.spool = folder / "spool"
        self.log = folder / "log"
        self.port = free_port()
        self._settings = {
            "PARKING_REDIS_URL": redis_url,
            "PARKING_INTAKE_PORT": str(self.port),
            "PARKING_SPOOL_FOLDER": str(self.spool),
            "PARKING_STREAM_SHARDS": "1",
            **{f"PARKING_{name.upper()}": value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PARKING_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sensor_gateway"], env=environment | self._settings, stderr=log
            )
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code, once it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(IN_TIME)

    def said(self) -> str:
        return self.log.read_text()

    async def answers(self, path: str = "/health/live") -> httpx.Response:
        """Its answer, once it has one that is good."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            async with asyncio.timeout(IN_TIME):
                while True:
                    assert self.process is not None
                    assert self.process.poll() is None, self.said()
                    with contextlib.suppress(httpx.HTTPError):
                        answer = await client.get(path)
                        if answer.is_success:
                            return answer
                    await asyncio.sleep(0.05)

    async def figure(self, name: str, wanted: Callable[[float], bool]) -> None:
        """Return once a figure is as wanted."""
        while True:
            lines = (await self.answers("/metrics")).text.splitlines()
            if any(line.startswith(f"{name} ") and wanted(float(line.split()[1])) for line in lines):
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path, stack: Stack) -> Iterator[Callable[..., Gateway]]:
    """Gateways on the private servers; those that still run are killed at the end."""
    made: list[Gateway] = []

    def make(redis_url: str = "", **settings: str) -> Gateway:
        gateway = Gateway(tmp_path, redis_url or stack.redis_url, **settings)
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()


@pytest.fixture
async def let_in(redis: Redis) -> Redis:
    """A Redis with two sensors and their network server's key."""
    await register(redis, 2)
    source = SourceEntry("chirpstack", ("uplinks",))
    await redis.hset(SOURCES_HASH, sha256(b"lns").hexdigest(), encode_entry(source))
    return redis


async def test_a_second_process_is_refused_the_spool_folder(
    redis: Redis, tmp_path: Path, start: Callable[..., Gateway]
) -> None:
    with own(tmp_path / "spool"):
        gateway = start()
        assert gateway.process is not None
        assert await asyncio.to_thread(gateway.process.wait, IN_TIME) == 1
        assert "is the spool of another process" in gateway.said()
    gateway.start()  # once the other has ended, it is free
    await gateway.answers()
    assert await asyncio.to_thread(gateway.stop) == 0


async def test_a_broker_address_of_another_kind_ends_the_start(
    redis: Redis, start: Callable[..., Gateway]
) -> None:
    gateway = start(mqtt_url="ws://user:secret@broker")
    assert gateway.process is not None
    assert await asyncio.to_thread(gateway.process.wait, IN_TIME) == 1
    assert "PARKING_MQTT_URL is not mqtt:// or mqtts://" in gateway.said()
    assert "secret" not in gateway.said()


async def test_a_start_without_redis_takes_in_what_comes_and_gives_it_back_later(
    own_redis: Stack, start: Callable[..., Gateway]
) -> None:
    async with contextlib.aclosing(Redis.from_url(own_redis.redis_url)) as redis:
        await register(redis, 2)
        source = SourceEntry("chirpstack", ("uplinks",))
        await redis.hset(SOURCES_HASH, sha256(b"lns").hexdigest(), encode_entry(source))
        gateway = start(own_redis.redis_url)
        await gateway.answers("/health/ready")
        async with asyncio.timeout(IN_TIME):
            while not (gateway.spool / "directory").exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await asyncio.to_thread(gateway.stop) == 0

        await asyncio.to_thread(own_redis.kill, "redis")
        gateway.start()
        await gateway.answers()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=IN_TIME) as client:
            for sensor in (1, 2):
                answer = await client.post("/v1/uplinks/chirpstack", content=frame(sensor, 7)[1], headers=KEY)
                assert answer.status_code == 202, answer.text
        await gateway.figure("gateway_spool_bytes", lambda value: value > 0)

        await asyncio.to_thread(own_redis.revive, "redis")
    async with contextlib.aclosing(Redis.from_url(own_redis.redis_url)) as redis:
        found = await on_the_stream(redis, 2)
        assert {observation.device_id.int for observation in found} == {1, 2}


async def test_a_request_that_never_comes_whole_does_not_hold_up_the_stop(
    let_in: Redis, start: Callable[..., Gateway]
) -> None:
    gateway = start()
    await gateway.answers()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = "POST /v1/uplinks/chirpstack HTTP/1.1\r\nHost: a\r\nX-Api-Key: lns\r\nContent-Length: 500\r\n\r\n{"
    writer.write(head.encode())
    await writer.drain()
    await gateway.answers()  # it has read what came before this
    began = time.monotonic()
    assert await asyncio.to_thread(gateway.stop) == 0
    assert time.monotonic() - began < 10
    assert not (await reader.read()).startswith(b"HTTP/1.1 202")
    writer.close()


@contextlib.asynccontextmanager
async def paused(redis: Redis) -> AsyncIterator[None]:
    """Redis takes no command meanwhile."""
    await redis.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
    try:
        yield
    finally:
        await redis.execute_command("CLIENT", "UNPAUSE")


async def test_what_is_in_hand_is_stored_and_answered_before_the_end(
    let_in: Redis, stack: Stack, start: Callable[..., Gateway]
) -> None:
    """By HTTP and by MQTT: the stop comes while Redis has not answered yet."""
    gateway = start(mqtt_url=stack.mqtt_url, gateway_id=f"test-{uuid4()}")
    await gateway.answers("/health/ready")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=IN_TIME) as client:
        with network_server(stack.mqtt_url) as sender:
            async with paused(let_in):
                posting = asyncio.create_task(
                    client.post("/v1/uplinks/chirpstack", content=frame(1, 7)[1], headers=KEY)
                )
                await sender.send(frame(2, 8))
                await gateway.figure("gateway_messages_in_hand", lambda value: value == 2)
                stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
                async with asyncio.timeout(IN_TIME):
                    while await refused(gateway.port):  # noqa: ASYNC110 - it has begun to stop
                        await asyncio.sleep(0.01)
            assert (await posting).status_code == 202
            assert await stopping == 0
    found = await on_the_stream(let_in, 2)
    assert {(o.device_id.int, o.frame_counter) for o in found} == {(1, 7), (2, 8)}
    assert eui(1) not in gateway.said()


async def refused(port: int) -> bool:
    """False once nobody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_an_interrupt_ends_it_as_well(redis: Redis, start: Callable[..., Gateway]) -> None:
    gateway = start()
    await gateway.answers()
    assert await asyncio.to_thread(gateway.stop, signal.SIGINT) == 0
