"""What could not be read or written is kept whole, can be looked at, and goes through later."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from parking_cloud.demo.wire import chirpstack_uplink
from parking_cloud.devstack import Stack
from sensor_gateway import dead_letters, dead_letters_command
from sensor_gateway.directory import DEVICES_HASH, SOURCES_HASH, DeviceEntry, SourceEntry, encode_entry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake, Message
from sensor_gateway.observation import (
    BODY_FIELD,
    DEAD_LETTER_STREAM,
    RAW_KEPT,
    DeadLetter,
    Observation,
    decode,
    streams,
)
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
SENSOR = DeviceEntry(UUID(int=5), UUID(int=9), "bosch", "tps110", "chirpstack", space_id=UUID(int=6))


async def set_aside(redis: Redis) -> None:
    """One letter of each origin: a network server, and the projector (two kinds)."""
    directory, publisher = await loaded(redis), Publisher(redis, 2)
    now = datetime.now(UTC)
    topic, body = chirpstack_uplink(EUI, 1, 1, b"\x01", now)
    await Intake(directory, publisher).take([Message("chirpstack", "mqtt", topic, body)])
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
    await redis.hset(DEVICES_HASH, EUI, encode_entry(SENSOR))


async def loaded(redis: Redis) -> DirectoryFollower:
    """The directory as it is now; there is always some device in it."""
    await redis.hset(DEVICES_HASH, "another", encode_entry(SENSOR))
    directory = DirectoryFollower(redis)
    await directory.load()
    return directory


async def published(redis: Redis) -> list[Observation]:
    entries = [entry for stream in streams(2) for entry in await redis.xrange(stream)]
    return [observation for _, fields in entries for observation in decode(fields[BODY_FIELD])]


async def letters(redis: Redis) -> list[DeadLetter]:
    return [letter for _, letter in await dead_letters.newest(redis, 100)]


async def test_every_kind_goes_through_once_its_cause_is_gone(redis: Redis) -> None:
    await set_aside(redis)
    first = await dead_letters.replay(redis, await loaded(redis), Publisher(redis, 2))
    assert (first.replayed, first.left) == (2, 1)  # what the projector set aside has another try

    await register(redis)
    second = await dead_letters.replay(redis, await loaded(redis), Publisher(redis, 2))
    assert (second.replayed, second.left, await dead_letters.count(redis)) == (1, 0, 0)
    assert {o.device_id for o in await published(redis)} == {UUID(int=3), UUID(int=5)}
    records = [e for s in record_streams(2) for e in await redis.xrange(s)]
    (event,) = [r for _, fields in records for r in decode_records(fields[RECORDS_FIELD])]
    assert isinstance(event, GateEvent)
    assert event.plate == SealedPlate(b"\x00\xff", b"h")


async def test_what_a_polled_source_says_of_strangers_is_no_letter(redis: Redis) -> None:
    await register(redis)
    intake = PullIntake(await loaded(redis), Publisher(redis, 2))
    now = datetime.now(UTC)
    refused = await intake.take("opendata", [Statement("lot-7", now, free=4), Statement(EUI, now, free=4)])
    assert [one.reason for one in refused] == ["unknown-device", "not-allowed"]
    assert await dead_letters.count(redis) == 0


async def test_replay_judges_a_letter_by_when_it_came(redis: Redis) -> None:
    """A frame of 40 days ago would be absurd today; it came in its time, and its device is known only now."""
    came = datetime.now(UTC) - timedelta(days=40)
    _, body = chirpstack_uplink(EUI, 1, 1, b"\x01", came)
    intake = Intake(await loaded(redis), Publisher(redis, 2), now=lambda: came + timedelta(seconds=3))
    await intake.take([Message("chirpstack", "mqtt", "application/a/device/b/event/up", body)])
    await register(redis)
    done = await dead_letters.replay(redis, await loaded(redis), Publisher(redis, 2))
    assert (done.replayed, done.left) == (1, 0)
    (observation,) = await published(redis)
    assert (observation.observed_at, observation.received_at) == (came, came + timedelta(seconds=3))


@pytest.mark.parametrize(
    ("keys_now", "replayed"),
    [
        ([], 0),
        ([SourceEntry("other", ("uplinks",))], 0),
        ([SourceEntry("other", ("uplinks",), any_device=True)], 1),
        ([SourceEntry("other", ("uplinks",), any_device=any_) for any_ in (True, False)], 0),
    ],
    ids=["no key", "own devices", "any device", "one of each"],
)
async def test_replay_keeps_the_senders_limits(
    redis: Redis, keys_now: list[SourceEntry], replayed: int
) -> None:
    await register(redis)
    sender = SourceEntry("other", ("uplinks",))
    _, body = chirpstack_uplink(EUI, 1, 1, b"\x01", datetime.now(UTC))
    message = Message("chirpstack", "http", "/v1/uplinks/chirpstack", body, sender)
    (outcome,) = await Intake(await loaded(redis), Publisher(redis, 2)).take([message])
    assert outcome.refused is not None
    for number, entry in enumerate(keys_now):
        await redis.hset(SOURCES_HASH, f"{number:064x}", encode_entry(entry))
    done = await dead_letters.replay(redis, await loaded(redis), Publisher(redis, 2))
    assert (done.replayed, done.left, len(await published(redis))) == (replayed, 1 - replayed, replayed)


async def test_a_long_letter_is_cut(redis: Redis) -> None:
    intake = Intake(await loaded(redis), Publisher(redis, 2))
    junk = b"x" * 900_000
    await intake.take([Message("chirpstack", "mqtt", "application/a/device/b/event/up", junk)])
    (letter,) = await letters(redis)
    assert letter.raw == junk[:RAW_KEPT]


class Command:
    """`parking-cloud dead-letters` on the test's Redis: its exit code and what it prints."""

    def __init__(self, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._settings, self._capsys = Settings(redis_url=redis_url), capsys

    async def __call__(self, *words: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        dead_letters_command.add_arguments(parser)
        code = await asyncio.to_thread(dead_letters_command.run, parser.parse_args(words), self._settings)
        return code, self._capsys.readouterr().out


@pytest.fixture
def command(stack: Stack, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(stack.redis_url, capsys)


async def test_the_command_lists_shows_and_replays(redis: Redis, command: Command) -> None:
    await set_aside(redis)
    code, listed = await command()
    assert code == 0
    assert "3 dead letters" in listed
    assert "unknown-device" in listed
    letter_id = next(line.split()[0] for line in listed.splitlines() if "event/up" in line)
    code, shown = await command("--show", letter_id)
    assert (code, EUI in shown, "unknown-device" in shown) == (0, True, True)
    assert (await command("--show", "1-1"))[0] == 1
    code, said = await command("--replay")
    assert (code, said.splitlines()[-1]) == (0, "replayed 2, left 1")


async def many(redis: Redis, **reasons: int) -> None:
    """So many letters of each reason, in turn."""
    for reason, number in reasons.items():
        for count in range(number):
            letter = {"reason": reason.replace("_", "-"), "transport": "pull", "detail": f"{reason} {count}"}
            await redis.xadd(DEAD_LETTER_STREAM, letter | {"raw": b"{}"})


async def test_all_are_counted_by_reason_and_not_only_the_newest(redis: Redis, command: Command) -> None:
    await many(redis, absurd_time=3, unknown_device=2)
    _, listed = await command("--limit", "1")
    assert "5 dead letters; the newest 1:" in listed
    assert [line.split() for line in listed.splitlines()[-2:]] == [
        ["3", "absurd-time"],
        ["2", "unknown-device"],
    ]


async def test_those_of_one_reason_are_found_behind_any_number_of_others(
    redis: Redis, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_PAGE", 2)
    await many(redis, absurd_time=3, unknown_device=7)
    _, listed = await command("--limit", "2", "--reason", "absurd-time")
    assert "3 dead letters of absurd-time; the newest 2:" in listed
    details = [line.rpartition("  ")[2] for line in listed.splitlines()[1:3]]
    assert details == ["absurd_time 2", "absurd_time 1"]


async def test_only_those_of_one_reason_are_replayed(redis: Redis, command: Command) -> None:
    await set_aside(redis)
    await register(redis)
    _, said = await command("--replay", "--reason", "unknown-device")
    assert said.splitlines()[-1] == "replayed 1, left 0"
    assert {letter.reason for letter in await letters(redis)} == {"not-projectable"}


async def test_letters_are_discarded_after_a_look(redis: Redis, command: Command) -> None:
    await many(redis, absurd_time=3, unknown_device=2)
    letter_id = (await command("--limit", "1"))[1].splitlines()[1].split()[0]
    code, shown = await command("--show", letter_id, "--discard")
    assert (code, "unknown_device 1" in shown) == (0, True)
    assert (await command("--show", letter_id))[0] == 1
    assert (await command("--discard", "--reason", "absurd-time"))[1] == "discarded 3\n"
    assert [letter.detail for letter in await letters(redis)] == ["unknown_device 0"]


@pytest.mark.parametrize("words", [[], ["--show", "1-1", "--reason", "r"], ["--replay", "--reason", "r"]])
async def test_nothing_is_discarded_that_was_not_named(
    redis: Redis, command: Command, words: list[str]
) -> None:
    await many(redis, r=1)
    assert (await command("--discard", *words))[0] == 2
    assert await dead_letters.count(redis) == 1


async def test_a_strangers_words_cannot_control_the_terminal(redis: Redis, command: Command) -> None:
    evil = "\x1b[2J\x9b1A\r\u202e\n"
    fields = dict.fromkeys(("reason", "detail", "origin", "source", "transport"), f"a{evil}b")
    await redis.xadd(DEAD_LETTER_STREAM, fields | {"raw": f"raw{evil}"})
    _, listed = await command()
    letter_id = listed.splitlines()[1].split()[0]
    _, shown = await command("--show", letter_id)
    printed = (listed + shown).replace("\n", "")
    assert printed.isprintable()
    assert len(listed.splitlines()) == 3


async def test_what_cannot_be_done_now_is_said_and_loses_nothing(redis: Redis, command: Command) -> None:
    await set_aside(redis)
    await redis.delete(DEVICES_HASH)
    code, said = await command("--replay", "--reason", "unknown-device")
    assert (code, said.splitlines()[-1]) == (
        1,
        "it cannot be done now: the directory of devices is not there",
    )
    assert await dead_letters.count(redis) == 3
