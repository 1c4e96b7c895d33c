"""The HTTP intake's figures: what was read, what was taken, what was refused and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from sensor_gateway.directory import DEVICES_HASH, SOURCES_HASH, DeviceEntry, SourceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.observation import DeadLetter, Observation
from sensor_gateway.publish import Publisher
from sensor_gateway.transports.http import create_intake_app
from tests.sensor_gateway.parts import IN_TIME, frame, register

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

AT = datetime.now(UTC).isoformat()
GATE = {"record_id": "g", "device_id": "gate", "direction": "entry", "occurred_at": AT}
SIGHTING = {
    "record_id": "s",
    "seen_by": "patrol",
    "seen_at": AT,
    "lat": 30,
    "lon": 120,
    "plate_hash": "0" * 64,
}
ROWS: dict[str, dict[str, Any]] = {
    "observations": {"device_id": "lot", "free": 1, "observed_at": AT},
    "gate-events": GATE,
    "corrections": {"record_id": "c", "corrects": "g", "stated_at": AT, "void": True},
    "sightings": SIGHTING,
}


class Slow(Publisher):
    """Stores a batch when it is told to."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, 1)
        self.in_hand, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def publish(self, observations: Sequence[Observation], dead: Sequence[DeadLetter] = ()) -> None:
        self.in_hand.set()
        await self.go_on.wait()
        await super().publish(observations, dead)


@pytest.fixture
def publisher(redis: Redis) -> Slow:
    return Slow(redis)


@pytest.fixture
async def client(redis: Redis, publisher: Slow) -> AsyncIterator[httpx.AsyncClient]:
    """An intake that takes one request at a time, from one key that may send everything."""
    await register(redis, 1)
    for name in ("lot", "gate"):
        entry = DeviceEntry(UUID(int=50), UUID(int=9), "generic", "counter", "all", capacity=10)
        await redis.hset(DEVICES_HASH, name, encode_entry(entry))
    scopes = ("uplinks", "observations", "gate-events", "sightings")
    await redis.hset(
        SOURCES_HASH, sha256(b"all").hexdigest(), encode_entry(SourceEntry("all", scopes, any_device=True))
    )
    directory = DirectoryFollower(redis)
    await directory.load()
    app = create_intake_app(redis=redis, directory=directory, publisher=publisher, most_requests=1)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://intake", headers={"X-Api-Key": "all"}
    ) as client:
        yield client


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"{name}_total", labels) or 0.0


def read_and_taken() -> tuple[float, float]:
    return figure("gateway_messages", transport="http"), figure("gateway_observations", transport="http")


@pytest.mark.parametrize("path", ROWS)
async def test_rows_of_every_kind_are_counted_as_read_and_as_taken(
    client: httpx.AsyncClient, path: str
) -> None:
    read, taken = read_and_taken()
    rows = [ROWS[path], ROWS[path] | ({"record_id": "another"} if "record_id" in ROWS[path] else {})]
    answer = await client.post(f"/v1/{path}", json=rows)
    assert answer.status_code == 202, answer.text
    assert read_and_taken() == (read + 2, taken + 2)


async def test_rows_that_are_refused_are_counted_as_read_only(client: httpx.AsyncClient) -> None:
    read, taken = read_and_taken()
    answer = await client.post("/v1/observations", json=[ROWS["observations"], {"device_id": "lot"}])
    assert answer.status_code == 422
    assert read_and_taken() == (read + 2, taken)


@pytest.mark.parametrize(
    ("path", "body", "key", "slug"),
    [
        ("/v1/observations", b"{", "all", "malformed-body"),
        ("/v1/observations", b"[]", "guess", "wrong-key"),
        ("/v1/uplinks/chirpstack", frame(7, 1)[1], "all", "unknown-device"),
        ("/v1/nothing", b"", "all", "not-found"),
    ],
)
async def test_refusals_are_counted_by_their_problem(
    client: httpx.AsyncClient, path: str, body: bytes, key: str, slug: str
) -> None:
    before = figure("gateway_refusals", problem=slug)
    answer = await client.post(path, content=body, headers={"X-Api-Key": key})
    assert answer.json()["type"] == f"urn:parking-cloud:problem:{slug}"
    assert figure("gateway_refusals", problem=slug) == before + 1


async def test_one_request_too_many_is_told_to_come_again_and_health_still_answers(
    client: httpx.AsyncClient, publisher: Slow
) -> None:
    publisher.go_on.clear()
    first = asyncio.create_task(client.post("/v1/uplinks/chirpstack", content=frame(1, 1)[1]))
    async with asyncio.timeout(IN_TIME):
        await publisher.in_hand.wait()
    second = await client.post(
        "/v1/uplinks/chirpstack", content=frame(1, 2)[1], headers={"Accept-Language": "en"}
    )
    assert (second.status_code, second.headers["content-type"]) == (429, "application/problem+json")
    assert (int(second.headers["retry-after"]) > 0, second.json()["title"]) == (True, "The intake is full")
    assert (await client.get("/health/live")).status_code == 200
    publisher.go_on.set()
    assert (await first).status_code == 202
    third = await client.post("/v1/uplinks/chirpstack", content=frame(1, 2)[1])
    assert third.status_code == 202
