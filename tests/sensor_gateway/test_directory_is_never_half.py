"""The gateway's copy of the directory is whole whatever becomes of Redis; nobody is unknown for its sake."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from parking_cloud.devstack import Stack
from sensor_gateway import dead_letters
from sensor_gateway.directory import (
    CHANGES_STREAM,
    DEVICES_HASH,
    SOURCES_HASH,
    DeviceEntry,
    SourceEntry,
    encode_entry,
)
from sensor_gateway.follower import Copy, DirectoryEmpty, DirectoryFollower
from sensor_gateway.intake import Intake, Message
from sensor_gateway.pipeline import Statement
from sensor_gateway.publish import Publisher, StorageUnavailable
from sensor_gateway.pull.intake import PullIntake
from sensor_gateway.snapshot import Snapshot
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

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SENSORS = 50
KEY = {"X-Api-Key": "lns"}


async def let_in(redis: Redis) -> None:
    """A network server with a key."""
    source = SourceEntry("chirpstack", ("uplinks", "observations", "signed-uplinks"))
    await redis.hset(SOURCES_HASH, sha256(b"lns").hexdigest(), encode_entry(source))


async def loaded(redis: Redis) -> DirectoryFollower:
    directory = DirectoryFollower(redis)
    await directory.load()
    return directory


def known(directory: DirectoryFollower) -> set[str]:
    return set(directory.copy().devices)


class Leaving:
    """A Redis that goes away in the middle of a scan."""

    def __init__(self, redis: Redis, after: int) -> None:
        self._redis, self._after = redis, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    async def hscan_iter(self, name: str, **options: Any) -> AsyncIterator[tuple[bytes, bytes]]:
        async for item in self._redis.hscan_iter(name, **options):
            if not self._after:
                raise RedisConnectionError("gone")
            self._after -= 1
            yield item


@pytest.mark.parametrize("after", [0, SENSORS // 2, SENSORS])
async def test_a_redis_that_goes_away_while_it_is_read_leaves_the_old_copy_whole(
    redis: Redis, after: int
) -> None:
    await register(redis, SENSORS)
    await let_in(redis)
    directory = await loaded(redis)
    before = directory.copy()
    await redis.hdel(DEVICES_HASH, eui(1))
    await redis.hset(DEVICES_HASH, "new", encode_entry(before.devices[eui(2)]))
    directory._redis = Leaving(redis, after)
    with pytest.raises(RedisConnectionError):
        await directory.load()
    assert directory.copy() == before


async def test_a_load_that_was_broken_off_misses_no_change(redis: Redis) -> None:
    """It must not have gone on past changes that it has not read."""
    await register(redis, 2)
    directory = await loaded(redis)
    await redis.hdel(DEVICES_HASH, eui(1))
    await redis.xadd(CHANGES_STREAM, {"h": DEVICES_HASH, "f": eui(1)})
    directory._redis = Leaving(redis, 0)
    with pytest.raises(RedisConnectionError):
        await directory.load()
    directory._redis = redis
    following = asyncio.create_task(directory.follow())
    try:
        await until(lambda: known(directory) == {eui(2)})
    finally:
        following.cancel()


async def test_a_redis_that_was_emptied_makes_nobody_unknown(redis: Redis) -> None:
    await register(redis, 2)
    directory = await loaded(redis)
    await redis.flushdb()
    await directory.load()
    assert known(directory) == {eui(1), eui(2)}


async def test_while_no_device_is_known_the_broker_keeps_its_messages(redis: Redis, stack: Stack) -> None:
    intake = await mqtt_intake(redis, stack.mqtt_url)
    with network_server(stack.mqtt_url) as sender:
        async with running(intake):
            await sender.send(frame(1, 0))
            await until(lambda: intake.idle.locked())
            await register(redis, 1)  # the worker has filled Redis again
            assert [o.frame_counter for o in await on_the_stream(redis, 1)] == [0]
    assert await dead_letters.count(redis) == 0


async def test_nobody_is_unknown_while_redis_is_being_filled_again(redis: Redis) -> None:
    """The worker writes the devices in parts, and says so when it has written all."""
    directory = await loaded(redis)
    following = asyncio.create_task(directory.follow())
    await register(redis, 1)
    try:
        assert (await directory.devices([eui(1)])).keys() == {eui(1)}
        with pytest.raises(DirectoryEmpty):
            await directory.devices([eui(1), eui(2)])
        await register(redis, 3)
        await redis.xadd(CHANGES_STREAM, {"h": DEVICES_HASH, "f": "*"})
        await until(lambda: len(known(directory)) == 3)
        assert (await directory.devices([eui(2), "stranger"])).keys() == {eui(2)}
    finally:
        following.cancel()


async def test_the_first_device_of_all_makes_strangers_unknown(redis: Redis) -> None:
    directory = await loaded(redis)
    following = asyncio.create_task(directory.follow())
    await register(redis, 1)
    await redis.xadd(CHANGES_STREAM, {"h": DEVICES_HASH, "f": eui(1)})
    try:
        await until(lambda: known(directory) == {eui(1)})
        assert await directory.devices(["stranger"]) == {}
    finally:
        following.cancel()


@pytest.fixture
async def client(redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    app = create_intake_app(redis=redis, directory=await loaded(redis), publisher=Publisher(redis, 1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://intake", headers=KEY
    ) as client:
        yield client


SIGNED = {"X-Source": "chirpstack", "X-Timestamp": "1", "X-Nonce": "12345678"}


@pytest.mark.parametrize("keys_known", [False, True])
async def test_while_no_device_is_known_http_senders_come_again(
    redis: Redis, client: httpx.AsyncClient, keys_known: bool
) -> None:
    if keys_known:
        await let_in(redis)
    row = {"device_id": eui(1), "occupied": True, "observed_at": datetime.now(UTC).isoformat()}
    answers = [
        await client.post("/v1/uplinks/chirpstack", content=frame(1, 0)[1]),
        await client.post("/v1/observations", json=row),
    ]
    if not keys_known:
        answers.append(await client.post("/v1/uplinks/nb-iot", content=b"{}", headers=SIGNED))
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (
            503,
            "urn:parking-cloud:problem:storage-unavailable",
        )
        assert int(answer.headers["retry-after"]) > 0
    assert await dead_letters.count(redis) == 0


async def test_while_no_device_is_known_polled_statements_come_again(redis: Redis) -> None:
    intake = PullIntake(await loaded(redis), Publisher(redis, 1))
    with pytest.raises(Exception, match="the directory of devices is not there"):
        await intake.take("opendata", [Statement("lot", datetime.now(UTC), free=1)])


async def test_while_no_device_is_known_and_redis_is_away_nothing_is_acknowledged(redis: Redis) -> None:
    directory = DirectoryFollower(Redis(port=1))
    with pytest.raises(StorageUnavailable):
        await Intake(directory, Publisher(redis, 1)).take([Message("chirpstack", "mqtt", *frame(1, 0))])


def some(devices: int) -> Copy:
    entry = DeviceEntry(UUID(int=1), UUID(int=2), "bosch", "tps110", "chirpstack", capacity=3)
    source = SourceEntry("chirpstack", ("uplinks",), any_device=True)
    return Copy({eui(n): entry for n in range(devices)}, {"ab": source})


def test_a_snapshot_gives_back_what_was_written_and_only_to_its_owner(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "directory")
    assert snapshot.read() is None
    (tmp_path / "directory.new").touch(0o666)
    for devices in (3, 2):
        snapshot.write(some(devices))
        assert snapshot.read() == some(devices)
    assert stat.S_IMODE((tmp_path / "directory").stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "directory"]


@pytest.mark.parametrize("spoiled", [b"", b"\xff\xfe", b"\x81\xa7devices\x80", b"{}"])
def test_a_spoiled_snapshot_is_as_none(tmp_path: Path, spoiled: bytes) -> None:
    (tmp_path / "directory").write_bytes(spoiled)
    assert Snapshot(tmp_path / "directory").read() is None


def test_a_snapshot_that_is_cut_short_is_as_none(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "directory")
    snapshot.write(some(3))
    whole = (tmp_path / "directory").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "directory").write_bytes(whole[:length])
        assert snapshot.read() is None


async def test_a_snapshot_follows_the_directory(redis: Redis, tmp_path: Path) -> None:
    await register(redis, 1)
    directory = await loaded(redis)
    snapshot = Snapshot(tmp_path / "directory", pause_s=0)
    deeds = [asyncio.create_task(deed) for deed in (snapshot.keep(directory), directory.follow())]
    try:
        await until(lambda: snapshot.read() == directory.copy())
        await register(redis, 2)
        await redis.xadd(CHANGES_STREAM, {"h": DEVICES_HASH, "f": eui(2)})
        await until(lambda: (read := snapshot.read()) and set(read.devices) == {eui(1), eui(2)})
    finally:
        for deed in deeds:
            deed.cancel()


async def test_a_full_disk_does_not_end_the_keeping_of_snapshots(redis: Redis, tmp_path: Path) -> None:
    await register(redis, 1)
    directory = await loaded(redis)
    folder = tmp_path / "not there yet"
    snapshot = Snapshot(folder / "directory", pause_s=0)
    keeping = asyncio.create_task(snapshot.keep(directory))
    try:
        async with asyncio.timeout(IN_TIME):
            while directory.changed.is_set():  # noqa: ASYNC110 - until it has tried
                await asyncio.sleep(0)
        folder.mkdir()
        await until(lambda: snapshot.read() == directory.copy())
    finally:
        keeping.cancel()


async def test_what_is_recalled_is_loaded_anew_as_soon_as_redis_answers(redis: Redis) -> None:
    await register(redis, 2)
    directory = DirectoryFollower(redis)
    directory.recall(some(40))
    assert len(known(directory)) == 40
    following = asyncio.create_task(directory.follow())
    try:
        await until(lambda: known(directory) == {eui(1), eui(2)})
    finally:
        following.cancel()
    assert await redis.exists(STREAM) == 0
