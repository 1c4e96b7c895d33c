"""Boards by MQTT, over the real broker: told at once, told of changes, and their word counts as life."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from queue import Queue
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.guidance.signs import pushing
from parking_cloud.guidance.signs.pushing import SignPublisher, claim_due
from parking_cloud.guidance.signs.rules import Way
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city
from tests.guidance.sign_parts import count, hang

pytestmark = [pytest.mark.stack, pytest.mark.anyio]


class ABoard:
    """A board on the broker: keeps what it is told."""

    def __init__(self, url: str, code: str) -> None:
        parts = urlsplit(url)
        self.told: Queue[dict[str, Any]] = Queue()
        self.code = code
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self.client.username_pw_set(parts.username, parts.password)
        self.client.on_connect = lambda *_: self.client.subscribe(f"parking/signs/{code}", qos=1)
        self.client.on_message = lambda _, __, message: self.take(message.payload)
        self.client.connect(parts.hostname or "", parts.port or 1883)
        self.client.loop_start()

    def take(self, payload: bytes) -> None:
        if payload:  # an empty one only ends what was retained
            self.told.put(json.loads(payload))

    async def next(self) -> dict[str, Any]:
        return await asyncio.to_thread(self.told.get, timeout=20)

    def acknowledge(self, body: str) -> None:
        self.client.publish(f"parking/signs/{self.code}/ack", body, qos=1).wait_for_publish(10)


@pytest.fixture
def board(settings: Settings) -> Iterator[ABoard]:
    board = ABoard(settings.mqtt_url, "M1")
    yield board
    board.client.publish("parking/signs/M1", b"", qos=1, retain=True).wait_for_publish(10)
    board.client.disconnect()
    board.client.loop_stop()


@pytest.fixture
async def publisher(
    settings: Settings, sessions: async_sessionmaker[AsyncSession], session: AsyncSession
) -> AsyncIterator[None]:
    """The worker's conversation, on the small city with a pushed board and one that polls."""
    await load_small_city(session)
    await hang(session, datetime.now(UTC), code="M1", way=Way.MQTT)
    await hang(session, datetime.now(UTC), code="P1")
    await count(session, "garage", 40, datetime.now(UTC))
    task = asyncio.create_task(SignPublisher(settings.mqtt_url, sessions).run())
    yield
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.usefixtures("publisher")
async def test_it_is_told_and_says_what_it_shows(
    settings: Settings, session: AsyncSession, board: ABoard
) -> None:
    first = await board.next()
    assert [row["value"] for row in first["rows"]] == ["40", "—"]
    board.acknowledge("gibberish")
    board.acknowledge(json.dumps({"version": first["version"]}))
    await count(session, "garage", 41, datetime.now(UTC))
    second = await board.next()
    assert (second["rows"][0]["value"], second["version"] == first["version"]) == ("41", False)
    async with asyncio.timeout(20):
        while (heard := await session.scalar(text("select max(heard_version) from sign_state"))) is None:
            await session.rollback()
            await asyncio.sleep(0.05)
    assert heard == first["version"]
    # Who connects later is told at once what stands.
    late = ABoard(settings.mqtt_url, "M1")
    assert await late.next() == second
    late.client.loop_stop()


async def test_one_worker_tells_and_soon_again(
    sessions: async_sessionmaker[AsyncSession], session: AsyncSession
) -> None:
    now = datetime.now(UTC)
    await load_small_city(session)
    await hang(session, now, code="M1", way=Way.MQTT)
    await count(session, "garage", 40, now)

    async def told(at: datetime, **how: bool) -> list[str]:
        async with transaction(sessions) as worker:
            return [shown.code for shown in await claim_due(worker, at, **how)]

    assert sorted([*await asyncio.gather(told(now), told(now))]) == [[], ["M1"]]
    assert await told(now + timedelta(seconds=34)) == []
    assert await told(now + timedelta(seconds=35)) == ["M1"]
    assert await told(now + timedelta(seconds=36), everything=True) == ["M1"]
    await count(session, "garage", 39, now)
    assert await told(now + timedelta(seconds=37)) == ["M1"]


async def test_an_acknowledgement_outlives_an_outage_of_the_database(
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    session: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await load_small_city(session)
    await hang(session, datetime.now(UTC), code="M1", way=Way.MQTT)
    publisher = SignPublisher(settings.mqtt_url, sessions)
    publisher._note_ack("parking/signs/M1/ack", b'{"version": "v1"}')

    async def away(*_: object) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(pushing, "acknowledge", away)
        with pytest.raises(OSError, match="away"):
            await publisher._take_in()
    await publisher._take_in()
    assert await session.scalar(text("select heard_version from sign_state")) == "v1"
