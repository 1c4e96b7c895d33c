"""A body that does not come is given up, and that of who may not send is not read at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import httpx
import pytest
from redis.asyncio import Redis

from sensor_gateway.directory import SOURCES_HASH, SourceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.publish import Publisher
from sensor_gateway.transports import rows
from sensor_gateway.transports.http import create_intake_app

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
KEY = {"X-Api-Key": "all"}
CLAIMED = {"X-Source": "all", "X-Timestamp": str(int(NOW.timestamp())), "X-Nonce": "12345678"}
PATHS = {
    "/v1/uplinks/chirpstack": KEY,
    "/v1/uplinks/the-things-stack": KEY,
    "/v1/uplinks/nb-iot": CLAIMED,
    "/v1/observations": KEY,
    "/v1/gate-events": KEY,
    "/v1/corrections": KEY,
    "/v1/sightings": KEY,
}


@pytest.fixture
async def client(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    scopes = ("uplinks", "signed-uplinks", "observations", "gate-events", "sightings")
    await redis.hset(SOURCES_HASH, sha256(b"all").hexdigest(), encode_entry(SourceEntry("all", scopes)))
    directory = DirectoryFollower(redis)
    await directory.load()
    app = create_intake_app(redis=redis, directory=directory, publisher=Publisher(redis, 1), now=lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        yield client


class Body:
    """A body that never comes whole, and whether anybody has asked for it."""

    asked_for = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked_for = True
        yield b"["
        await asyncio.Event().wait()


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_does_not_come_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(rows, "_BODY_S", 0.05)
    answer = await client.post(path, content=Body(), headers=PATHS[path])
    assert (answer.status_code, answer.json()["type"]) == (408, "urn:parking-cloud:problem:too-slow")


@pytest.mark.parametrize("path", PATHS)
async def test_a_strangers_body_is_not_read(client: httpx.AsyncClient, path: str) -> None:
    body = Body()
    headers = {"X-Api-Key": "guess"} | CLAIMED | {"X-Source": "nobody"}
    answer = await client.post(path, content=body, headers=headers)
    assert (answer.status_code, body.asked_for) == (401, False)
