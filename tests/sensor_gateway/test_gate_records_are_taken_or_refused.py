"""Gate events, corrections and sightings: sealed and published whole, or refused with reasons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from sensor_gateway.directory import DEVICES_HASH, SOURCES_HASH, DeviceEntry, SourceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.plates import parse_plate
from sensor_gateway.publish import Publisher
from sensor_gateway.records import (
    RECORDS_FIELD,
    Correction,
    Corrects,
    GateEvent,
    PlateColor,
    Record,
    Sighting,
    content_of,
    decode_records,
    record_streams,
)
from sensor_gateway.sealing import PlateVault
from sensor_gateway.transports.http import create_intake_app

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
VAULT = PlateVault("1d" * 32)


def intake(
    redis: Redis, directory: DirectoryFollower, vault: PlateVault | None, now: datetime = NOW
) -> httpx.AsyncClient:
    app = create_intake_app(
        redis=redis, directory=directory, publisher=Publisher(redis, 2), vault=vault, now=lambda: now
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://intake", headers={"X-Api-Key": "garage"}
    )


@pytest.fixture
async def directory(redis: Redis) -> DirectoryFollower:
    """One barrier of the source `garage`, and a key of each scope."""
    barrier = DeviceEntry(UUID(int=1), UUID(int=9), "generic", "barrier", "garage")
    await redis.hset(DEVICES_HASH, "barrier-1", encode_entry(barrier))
    for key, scopes in {"garage": ("gate-events",), "patrol": ("sightings",)}.items():
        entry = encode_entry(SourceEntry(key, scopes))
        await redis.hset(SOURCES_HASH, sha256(key.encode()).hexdigest(), entry)
    follower = DirectoryFollower(redis)
    await follower.load()
    return follower


@pytest.fixture
async def client(redis: Redis, directory: DirectoryFollower) -> AsyncIterator[httpx.AsyncClient]:
    async with intake(redis, directory, VAULT) as client:
        yield client


async def published(redis: Redis) -> list[Record]:
    entries = [entry for stream in record_streams(2) for entry in await redis.xrange(stream)]
    return [record for _, fields in entries for record in decode_records(fields[RECORDS_FIELD])]


def entry(**more: Any) -> dict[str, Any]:
    row = {"record_id": "r1", "device_id": "barrier-1", "direction": "entry", "plate": "浙E·12345"}
    return row | {"occurred_at": NOW.isoformat(), "plate_color": "blue", "confidence": 0.98} | more


def correcting(**parts: Any) -> dict[str, Any]:
    return {"record_id": "c", "corrects": "r", "stated_at": NOW.isoformat(), **parts}


async def test_a_gate_event_is_published_with_its_plate_sealed(
    client: httpx.AsyncClient, redis: Redis
) -> None:
    answer = await client.post("/v1/gate-events", json=[entry(lane="2", confirmed=True)])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (event,) = await published(redis)
    assert isinstance(event, GateEvent)
    assert event.plate is not None
    assert event.plate.hash == VAULT.lookup_hash(parse_plate("浙E12345"))
    assert VAULT.open(event.plate.sealed).reveal() == "浙E12345"
    assert (event.facility_id, event.lane, event.confirmed) == (UUID(int=9), "2", True)
    raw = b"".join([f[RECORDS_FIELD] for s in record_streams(2) for _, f in await redis.xrange(s)])
    assert b"12345" not in raw


async def test_a_vehicle_without_a_plate_is_never_refused(client: httpx.AsyncClient, redis: Redis) -> None:
    rows = [entry(plate=None), entry(record_id="r2", plate="临A·奇怪 09")]
    assert (await client.post("/v1/gate-events", json=rows)).status_code == 202
    assert [event.plate is None for event in await published(redis) if isinstance(event, GateEvent)] == [
        True,
        False,
    ]


async def test_a_plate_that_is_no_plate_was_not_read(client: httpx.AsyncClient, redis: Redis) -> None:
    assert (await client.post("/v1/gate-events", json=[entry(plate=" · ")])).status_code == 202
    said = {"record_id": "c", "corrects": "r1", "stated_at": NOW.isoformat(), "plate": "--"}
    assert (await client.post("/v1/corrections", json=[said | {"plate_color": "green"}])).status_code == 202
    event, change = await published(redis)
    assert isinstance(event, GateEvent)
    assert isinstance(change, Correction)
    assert (event.plate, change.plate, change.plate_color) == (None, None, PlateColor.GREEN)
    refused = await client.post("/v1/corrections", json=[said])
    assert refused.json()["errors"][0]["field"] == "void"


async def test_corrections_say_what_was_different(client: httpx.AsyncClient, redis: Redis) -> None:
    rows = [
        {"record_id": "c1", "corrects": "r1", "stated_at": NOW.isoformat(), "void": True},
        {"record_id": "c2", "corrects": "r2", "stated_at": NOW.isoformat(), "plate": "浙E54321"},
    ]
    assert (await client.post("/v1/corrections", json=rows)).status_code == 202
    void, changed = await published(redis)
    assert isinstance(void, Correction)
    assert isinstance(changed, Correction)
    assert (void.corrects, void.void, changed.void) == ("r1", True, False)
    assert changed.plate is not None


async def test_a_missed_exit_of_weeks_ago_can_be_corrected(client: httpx.AsyncClient, redis: Redis) -> None:
    left_at = NOW - timedelta(days=38, hours=13)
    said = {"record_id": "c1", "corrects": "r1", "stated_at": NOW.isoformat()}
    answer = await client.post("/v1/corrections", json=[said | {"occurred_at": left_at.isoformat()}])
    assert answer.status_code == 202
    (change,) = await published(redis)
    assert isinstance(change, Correction)
    assert change.occurred_at == left_at


@pytest.mark.parametrize(
    ("path", "more", "field"),
    [
        ("gate-events", {"device_id": "barrier-1", "direction": "entry"}, "occurred_at"),
        ("corrections", {"corrects": "r0", "void": True}, "stated_at"),
        (
            "sightings",
            {"seen_by": "patrol", "lat": 30.87, "lon": 120.09, "plate": "浙E12345"},
            "seen_at",
        ),
    ],
)
async def test_sent_again_what_was_dated_ahead_says_the_same(
    redis: Redis, directory: DirectoryFollower, path: str, more: dict[str, Any], field: str
) -> None:
    """The first arrival comes before the time that its clock says, the second one after it."""
    own_time = NOW + timedelta(minutes=2)
    row = more | {"record_id": "r1", field: own_time.isoformat()}
    key = {"X-Api-Key": "patrol" if path == "sightings" else "garage"}
    for arrival in (NOW, NOW + timedelta(minutes=4)):
        async with intake(redis, directory, VAULT, arrival) as client:
            assert (await client.post(f"/v1/{path}", json=[row], headers=key)).status_code == 202
    held, in_time = await published(redis)
    assert NOW - timedelta(milliseconds=1) < getattr(held, field) <= NOW
    assert (held.sent_at, getattr(in_time, field), in_time.sent_at) == (own_time, own_time, None)
    assert content_of(held) == content_of(in_time)
    other = msgspec.structs.replace(held, sent_at=own_time + timedelta(seconds=1))
    assert content_of(other) != content_of(held)


async def test_who_may_send_sightings_may_correct_them(client: httpx.AsyncClient, redis: Redis) -> None:
    void = {"record_id": "c1", "corrects": "s1", "stated_at": NOW.isoformat(), "void": True}
    of_sighting = void | {"of": "sighting"}
    patrol = {"X-Api-Key": "patrol"}
    for row, headers in ((void, patrol), (of_sighting, {"X-Api-Key": "garage"})):
        refused = await client.post("/v1/corrections", json=[row], headers=headers)
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["reason"], error["field"]) == (403, "not-allowed", "of")
    assert (await client.post("/v1/corrections", json=[of_sighting], headers=patrol)).status_code == 202
    (change,) = await published(redis)
    assert isinstance(change, Correction)
    assert (change.of, change.corrects) == (Corrects.SIGHTING, "s1")
    turned = void | {"of": "sighting", "void": False, "direction": "exit"}
    refused = await client.post("/v1/corrections", json=[turned], headers=patrol)
    assert refused.json()["errors"][0]["field"] == "direction"


async def test_a_sighting_comes_with_a_plate_or_its_hash(client: httpx.AsyncClient, redis: Redis) -> None:
    seen = {"seen_by": "patrol", "seen_at": NOW.isoformat(), "lat": 30.87, "lon": 120.09, "crs": "gcj02"}
    known = VAULT.lookup_hash(parse_plate("浙E12345"))
    rows = [
        seen | {"record_id": "s1", "plate": "浙E12345"},
        seen | {"record_id": "s2", "plate_hash": known.hex()},
    ]
    answer = await client.post("/v1/sightings", json=rows, headers={"X-Api-Key": "patrol"})
    assert answer.status_code == 202
    hashes = [s.plate_hash for s in await published(redis) if isinstance(s, Sighting)]
    assert hashes == [known, known]


@pytest.mark.parametrize(
    ("path", "row", "slug", "field"),
    [
        ("gate-events", entry(device_id="other"), "unknown-device", "device_id"),
        ("gate-events", entry(direction="sideways"), "invalid-input", "direction"),
        ("gate-events", entry(occurred_at="2026-11-20T04:06:00Z"), "absurd-time", "occurred_at"),
        ("gate-events", entry(occurred_at="2026-11-20T04:00:00"), "invalid-input", "occurred_at"),
        ("gate-events", entry(confidence=1.2), "invalid-input", "confidence"),
        ("gate-events", entry(record_id=""), "invalid-input", "record_id"),
        ("gate-events", entry(record_id="r\0"), "invalid-input", "record_id"),
        ("gate-events", entry(record_id="r\n"), "invalid-input", "record_id"),
        ("gate-events", entry(lane="\x1b[2J"), "invalid-input", "lane"),
        ("gate-events", entry(picture="p/\0"), "invalid-input", "picture"),
        ("gate-events", entry(plate="浙E12\x00345"), "invalid-input", "plate"),
        ("corrections", correcting(occurred_at="2016-11-01T04:00:00Z"), "absurd-time", "occurred_at"),
        ("corrections", correcting(occurred_at="0001-01-01T00:00:00+14:00"), "absurd-time", "occurred_at"),
        ("corrections", correcting(occurred_at="2026-11-20T04:06:00Z"), "absurd-time", "occurred_at"),
        ("corrections", correcting(occurred_at="2026-11-20T04:00:00"), "invalid-input", "occurred_at"),
        ("corrections", correcting(), "invalid-input", "void"),
        ("corrections", correcting(corrects="c", void=True), "invalid-input", "record_id"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_taken(
    client: httpx.AsyncClient, redis: Redis, path: str, row: dict[str, Any], slug: str, field: str
) -> None:
    answer = await client.post(f"/v1/{path}", json=[entry(record_id="good"), row] if "lane" in row else [row])
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert (error["reason"], error["field"]) == (slug, field)
    assert await published(redis) == []


async def test_a_sighting_of_no_plate_is_refused(client: httpx.AsyncClient, redis: Redis) -> None:
    row = {"record_id": "s", "seen_by": "drone", "seen_at": NOW.isoformat(), "lat": 30.87, "lon": 120.09}
    answer = await client.post(
        "/v1/sightings", json=[row | {"plate": " · "}], headers={"X-Api-Key": "patrol"}
    )
    (error,) = answer.json()["errors"]
    assert (error["reason"], error["field"]) == ("invalid-input", "plate")
    assert await published(redis) == []


async def test_a_source_speaks_only_for_its_own_gates(client: httpx.AsyncClient, redis: Redis) -> None:
    answer = await client.post("/v1/gate-events", json=[entry()], headers={"X-Api-Key": "patrol"})
    assert answer.status_code == 403
    assert await published(redis) == []


async def test_without_a_plate_key_no_plate_is_taken(redis: Redis, directory: DirectoryFollower) -> None:
    async with intake(redis, directory, None) as client:
        refused = await client.post("/v1/gate-events", json=[entry()])
        taken = await client.post("/v1/gate-events", json=[entry(plate=None)])
    assert (refused.status_code, taken.status_code) == (503, 202)
    assert refused.json()["type"].endswith(":plates-not-accepted")
