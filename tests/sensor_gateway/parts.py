"""Parts of a gateway for tests: registered sensors, their frames, a sender, and what Redis has got."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import paho.mqtt.client as paho
from redis.asyncio import Redis

from parking_cloud.demo.wire import chirpstack_uplink
from parking_cloud.devstack import Server, ensure_program
from sensor_gateway.directory import DEVICES_HASH, DeviceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake
from sensor_gateway.observation import BODY_FIELD, Observation, decode, streams
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import Publisher
from sensor_gateway.streams import read_after
from sensor_gateway.transports.mqtt import MqttIntake

(STREAM,) = streams(1)
IN_TIME = 20.0
"""Seconds within which whatever should happen has happened, on the slowest machine."""
Frame = tuple[str, bytes]
"""(topic, body)"""


def eui(sensor: int) -> str:
    return f"{sensor:016x}"


async def register(redis: Redis, sensors: int) -> None:
    """Sensors 1, 2, 3, … each on a space of its own."""
    for sensor in range(1, sensors + 1):
        entry = DeviceEntry(
            UUID(int=sensor), UUID(int=9), "bosch", "tps110", "chirpstack", space_id=UUID(int=1000 + sensor)
        )
        await redis.hset(DEVICES_HASH, eui(sensor), encode_entry(entry))


def frame(sensor: int, f_cnt: int) -> Frame:
    """What ChirpStack publishes when a sensor says that its space is taken."""
    return chirpstack_uplink(eui(sensor), f_cnt, 1, b"\x01", datetime.now(UTC))


async def mqtt_intake(
    redis: Redis,
    url: str,
    *,
    client_id: str = "",
    group: str = "",
    pressure: Pressure | None = None,
    publisher: Publisher | None = None,
) -> MqttIntake:
    """An intake with a session of its own on the broker."""
    directory = DirectoryFollower(redis)
    await directory.load()
    intake = Intake(directory, publisher or Publisher(redis, 1))
    return MqttIntake(url, client_id or f"test-{uuid4()}", group, intake, pressure or Pressure())


@contextlib.asynccontextmanager
async def running(intake: MqttIntake, *, subscribed: bool = True) -> AsyncIterator[asyncio.Task[None]]:
    """The intake at work, its subscriptions standing; ended as the gateway ends it."""
    task = asyncio.create_task(intake.run())
    try:
        if subscribed:
            async with asyncio.timeout(IN_TIME):
                await intake.subscribed.wait()
        yield task
    finally:
        async with asyncio.timeout(IN_TIME):
            async with intake.idle:  # the batch in hand is stored and acknowledged first
                task.cancel()
            await asyncio.wait([task])


async def until(looked_for: Callable[[], object]) -> None:
    """Return as soon as it is so; for what has no event of its own."""
    async with asyncio.timeout(IN_TIME):
        while not looked_for():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def on_the_stream(redis: Redis, count: int) -> list[Observation]:
    """What Redis has, once it has at least `count` observations."""
    found: list[Observation] = []
    after = "0-0"
    async with asyncio.timeout(IN_TIME):
        while len(found) < count:
            for entry_id, fields in await read_after(redis, STREAM, after, count=1_000, block_ms=1_000):
                found += decode(fields[BODY_FIELD])
                after = entry_id.decode()
    return found


class Sender:
    """A network server: its frames are with the broker when `send` returns."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, f"sender-{uuid4()}", protocol=paho.MQTTv5
        )
        self._client.max_inflight_messages_set(0)
        self._client.username_pw_set(unquote(at.username or ""), unquote(at.password or ""))
        self._client.connect(at.hostname or "", at.port or 1883)
        self._client.loop_start()

    async def send(self, *frames: Frame) -> None:
        sent = [self._client.publish(topic, body, qos=1) for topic, body in frames]
        for message in sent:
            await asyncio.to_thread(message.wait_for_publish, IN_TIME)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def network_server(url: str) -> Iterator[Sender]:
    """A sender on the broker."""
    sender = Sender(url)
    try:
        yield sender
    finally:
        sender.close()


@contextlib.contextmanager
def mosquitto(folder: Path, lines: Sequence[str], port: int) -> Iterator[Server]:
    """A Mosquitto of this test's own, with this configuration; it listens on `port` by then."""
    folder.mkdir()
    config = folder / "mosquitto.conf"
    root = ["user root"] if os.geteuid() == 0 else []
    config.write_text("\n".join([*lines, "log_type all", *root]) + "\n")
    server = Server("mosquitto", folder)
    server.start([ensure_program("mosquitto"), "-c", config])
    try:
        server.wait(lambda: _listens(port))
        yield server
    finally:
        server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
