"""What could not be read or written is kept whole, can be looked at, and goes through later."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from parking_cloud.demo.wire import chirpstack_uplink
from parking_cloud.kernel.settings import Settings as PlatformSettings
from sensor_gateway import dead_letters, dead_letters_command
from sensor_gateway.directory import DEVICES_HASH, DeviceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake, Message
from sensor_gateway.observation import BODY_FIELD, DEAD_LETTER_STREAM, Observation, decode, streams
from sensor_gateway.pipeline import Statement
from sensor_gateway.publish import Publisher
from sensor_gateway.pull.intake import PullIntake
from sensor_gateway.records import (
    RECORDS_FIELD,
    Direction,
    GateEvent,
    SealedPlate,
    decode_records,
    record_streams,
)
from sensor_gateway.settings import Settings
from tests.factories import NOON, statement_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

EUI = "00000000000000cc"


async def set_aside(redis: Redis) -> None:
    """One letter of each origin: a network server, a polled source, and the projector (two kinds)."""
    directory, publisher = DirectoryFollower(redis), Publisher(redis, 2)
    now = datetime.now(UTC)
    topic, body = chirpstack_uplink(EUI, 1, 1, b"\x01", now)
    await Intake(directory, publisher).take([Message("chirpstack", "mqtt", topic, body)])
    await PullIntake(directory, publisher).take("opendata", [Statement("lot-7", now, free=4)])
    event = GateEvent(
        "gates",
        "r1",
        UUID(int=1),
        UUID(int=2),
        Direction.EXIT,
        NOON,
        NOON,
        plate=SealedPlate(b"\x00\xff", b"h"),
    )
    for origin, raw in ((streams(2)[0], statement_of(UUID(int=3))), (record_streams(2)[0], event)):
        fields = {"reason": "not-projectable", "transport": "stream", "origin": origin}
        await redis.xadd(DEAD_LETTER_STREAM, fields | {"raw": msgspec.json.encode(raw)})


async def register(redis: Redis) -> None:
    sensor = DeviceEntry(UUID(int=5), UUID(int=9), "bosch", "tps110", "chirpstack", space_id=UUID(int=6))
    counter = DeviceEntry(UUID(int=7), UUID(int=9), "generic", "counter", "opendata", capacity=10)
    await redis.hset(DEVICES_HASH, mapping={EUI: encode_entry(sensor), "lot-7": encode_entry(counter)})


async def published(redis: Redis) -> list[Observation]:
    entries = [entry for stream in streams(2) for entry in await redis.xrange(stream)]
    return [observation for _, fields in entries for observation in decode(fields[BODY_FIELD])]


async def test_every_kind_goes_through_once_its_cause_is_gone(redis: Redis) -> None:
    await set_aside(redis)
    directory = DirectoryFollower(redis)
    first = await dead_letters.replay(redis, directory, Publisher(redis, 2))
    assert (first.replayed, first.left) == (2, 2)  # what the projector set aside has another try

    await register(redis)
    await directory.load()
    second = await dead_letters.replay(redis, directory, Publisher(redis, 2))
    assert (second.replayed, second.left, await dead_letters.count(redis)) == (2, 0, 0)
    assert {o.device_id for o in await published(redis)} == {UUID(int=3), UUID(int=5), UUID(int=7)}
    records = [e for s in record_streams(2) for e in await redis.xrange(s)]
    (event,) = [r for _, fields in records for r in decode_records(fields[RECORDS_FIELD])]
    assert isinstance(event, GateEvent)
    assert event.plate == SealedPlate(b"\x00\xff", b"h")


async def test_the_command_lists_shows_and_replays(
    redis: Redis, settings: PlatformSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    await set_aside(redis)
    gateway = Settings(redis_url=settings.redis_url)

    async def command(**options: object) -> tuple[int, str]:
        given = argparse.Namespace(**({"limit": 20, "show": None, "replay": False} | options))
        code = await asyncio.to_thread(dead_letters_command.run, given, gateway)
        return code, capsys.readouterr().out

    code, listed = await command()
    assert code == 0
    assert "4 dead letters" in listed
    assert "unknown-device" in listed
    letter_id = next(line.split()[0] for line in listed.splitlines() if "event/up" in line)
    code, shown = await command(show=letter_id)
    assert (code, EUI in shown, "unknown-device" in shown) == (0, True, True)
    assert (await command(show="1-1"))[0] == 1
    code, said = await command(replay=True)
    assert (code, said.splitlines()[-1]) == (0, "replayed 2, left 2")
