"""The HTTP intake takes what is right whole, and refuses the rest clearly: nothing written, nothing lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from parking_cloud.demo.wire import chirpstack_uplink, things_stack_uplink
from sensor_gateway import dead_letters
from sensor_gateway.directory import (
    DEVICES_HASH,
    SOURCES_HASH,
    DeviceEntry,
    SourceEntry,
    encode_entry,
)
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.observation import BODY_FIELD, Observation, decode, streams
from sensor_gateway.publish import Publisher
from sensor_gateway.transports.http import create_intake_app

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
EUI = "00000000000000aa"
PREFIX = "urn:parking-cloud:problem:"


@pytest.fixture
async def client(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """The intake over a real Redis with one sensor, one counter and three keys."""
    entry: dict[str, Any] = {"facility_id": UUID(int=9), "vendor": "bosch", "model": "tps110"}
    sensor = DeviceEntry(device_id=UUID(int=1), space_id=UUID(int=2), source="chirpstack", **entry)
    counter = DeviceEntry(device_id=UUID(int=3), source="garage", capacity=100, **entry)
    await redis.hset(DEVICES_HASH, mapping={EUI: encode_entry(sensor), "counter": encode_entry(counter)})
    keys = {
        "lns": SourceEntry("chirpstack", ("uplinks",)),
        "garage": SourceEntry("garage", ("observations",)),
        "other": SourceEntry("other", ("observations",)),
    }
    for key, source in keys.items():
        await redis.hset(SOURCES_HASH, sha256(key.encode()).hexdigest(), encode_entry(source))
    directory = DirectoryFollower(redis)
    await directory.load()
    app = create_intake_app(redis=redis, directory=directory, publisher=Publisher(redis, 2), now=lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        yield client


async def published(redis: Redis) -> list[Observation]:
    entries = [entry for stream in streams(2) for entry in await redis.xrange(stream)]
    return [observation for _, fields in entries for observation in decode(fields[BODY_FIELD])]


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = answer.json()
    assert body["type"] == PREFIX + slug
    return body


def count(free: int = 5, at: str = NOW.isoformat(), device: str = "counter", **more: Any) -> dict[str, Any]:
    return {"device_id": device, "free": free, "observed_at": at, **more}


@pytest.mark.parametrize(("make", "path"), [
    (chirpstack_uplink, "/v1/uplinks/chirpstack?event=up"),
    (things_stack_uplink, "/v1/uplinks/the-things-stack"),
])  # fmt: skip
async def test_an_uplink_is_taken(client: httpx.AsyncClient, redis: Redis, make: Any, path: str) -> None:
    _, body = make(EUI, 0, 1, b"\x01", NOW)
    answer = await client.post(path, content=body, headers={"X-Api-Key": "lns"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (observation,) = await published(redis)
    assert (observation.occupied, observation.space_id) == (True, UUID(int=2))


async def test_other_events_are_accepted_and_not_used(client: httpx.AsyncClient, redis: Redis) -> None:
    answer = await client.post("/v1/uplinks/chirpstack?event=join", json={}, headers={"X-Api-Key": "lns"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0})
    assert await published(redis) == []


async def test_counts_are_taken(client: httpx.AsyncClient, redis: Redis) -> None:
    rows = [count(5), count(-2, at="2026-11-20T11:59:00+08:00")]
    answer = await client.post("/v1/observations", json=rows, headers={"X-Api-Key": "garage"})
    assert answer.json() == {"accepted": 2}
    assert sorted((o.free, o.quality) for o in await published(redis)) == [(-2, "out_of_range"), (5, "good")]


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"{not json", 400, "malformed-body"),
        (b"\xff\xfe", 400, "malformed-body"),
        (json.dumps([count(device="nobody")]), 404, "unknown-device"),
        (json.dumps([count(at="2026-10-01T00:00:00Z")]), 422, "absurd-time"),
        (json.dumps([count(at="2026-11-20T04:06:00Z")]), 422, "absurd-time"),
        (json.dumps([count(lat=91, lon=0)]), 422, "coordinates-outside-the-world"),
        (json.dumps([count(), count(device="nobody"), {"device_id": "counter"}]), 422, "invalid-input"),
        (b"[" + b" " * 10_000_000 + b"]", 413, "body-too-large"),
    ],
)
async def test_bad_rows_are_refused_and_nothing_is_written(
    client: httpx.AsyncClient, redis: Redis, body: bytes | str, status: int, slug: str
) -> None:
    answer = await client.post("/v1/observations", content=body, headers={"X-Api-Key": "garage"})
    problem(answer, status, slug)
    assert await published(redis) == []


async def test_every_bad_row_is_named(client: httpx.AsyncClient) -> None:
    rows = [count(), count(device="nobody"), {"device_id": "counter", "free": 1}]
    answer = await client.post("/v1/observations", json=rows, headers={"X-Api-Key": "garage"})
    body = problem(answer, 422, "invalid-input")
    assert [(e["index"], e["reason"]) for e in body["errors"]] == [
        (1, "unknown-device"),
        (2, "invalid-input"),
    ]


@pytest.mark.parametrize(("key", "status", "slug"), [
    ("", 401, "wrong-key"), ("guess", 401, "wrong-key"),
    ("lns", 403, "not-allowed"), ("other", 403, "not-allowed"),
])  # fmt: skip
async def test_a_key_opens_only_what_is_its_own(
    client: httpx.AsyncClient, redis: Redis, key: str, status: int, slug: str
) -> None:
    answer = await client.post("/v1/observations", json=[count()], headers={"X-Api-Key": key})
    problem(answer, status, slug)
    assert await published(redis) == []


@pytest.mark.parametrize(("make", "path"), [
    (chirpstack_uplink, "/v1/uplinks/chirpstack?event=up"),
    (things_stack_uplink, "/v1/uplinks/the-things-stack"),
])  # fmt: skip
@pytest.mark.parametrize(("key", "status"), [("forger", 403), ("city", 202)])
async def test_a_webhook_speaks_only_for_its_own_sources_devices(
    client: httpx.AsyncClient, redis: Redis, make: Any, path: str, key: str, status: int
) -> None:
    for name, any_device in (("forger", False), ("city", True)):
        source = SourceEntry(name, ("uplinks",), any_device=any_device)
        await redis.hset(SOURCES_HASH, sha256(name.encode()).hexdigest(), encode_entry(source))
    _, body = make(EUI, 0, 1, b"\x01", NOW)
    answer = await client.post(path, content=body, headers={"X-Api-Key": key})
    if status == 202:
        assert answer.status_code == 202
        return
    problem(answer, status, "not-allowed")
    assert await published(redis) == []
    ((_, letter),) = await dead_letters.newest(redis, 1)
    assert (letter.reason, letter.source) == ("not-allowed", key)


async def test_refusals_speak_the_callers_language(client: httpx.AsyncClient) -> None:
    chinese = await client.post("/v1/observations", json=[])
    english = await client.post("/v1/observations", json=[], headers={"Accept-Language": "en"})
    assert chinese.json()["title"] == "接入密钥无效"
    assert english.json()["title"] == "The key is not valid"


async def test_an_uplink_that_cannot_be_read_is_kept_and_replayed_later(
    client: httpx.AsyncClient, redis: Redis
) -> None:
    stranger = "00000000000000bb"
    _, body = chirpstack_uplink(stranger, 1, 1, b"\x01", NOW)
    answer = await client.post("/v1/uplinks/chirpstack?event=up", content=body, headers={"X-Api-Key": "lns"})
    problem(answer, 404, "unknown-device")
    assert await dead_letters.count(redis) == 1
    assert await published(redis) == []

    entry = DeviceEntry(UUID(int=5), UUID(int=9), "bosch", "tps110", "chirpstack", space_id=UUID(int=6))
    await redis.hset(DEVICES_HASH, stranger, encode_entry(entry))
    directory, publisher = DirectoryFollower(redis), Publisher(redis, 2)
    await directory.load()
    done = await dead_letters.replay(redis, directory, publisher)
    assert (done.replayed, done.left, await dead_letters.count(redis)) == (1, 0, 0)
    assert [o.device_id for o in await published(redis)] == [UUID(int=5)]


async def test_a_new_device_is_known_at_once(client: httpx.AsyncClient, redis: Redis) -> None:
    answer = await client.post(
        "/v1/observations", json=[count(device="new")], headers={"X-Api-Key": "garage"}
    )
    assert answer.status_code == 404
    entry = DeviceEntry(UUID(int=7), UUID(int=9), "generic", "counter", "garage", capacity=10)
    await redis.hset(DEVICES_HASH, "new", encode_entry(entry))
    answer = await client.post(
        "/v1/observations", json=[count(device="new")], headers={"X-Api-Key": "garage"}
    )
    assert answer.status_code == 202
