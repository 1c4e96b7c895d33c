"""Dead letters: count them, look at them, and send them through the pipeline again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from sensor_gateway.directory import SourceEntry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake, Message
from sensor_gateway.networks import network_of_path, network_of_topic
from sensor_gateway.observation import DEAD_LETTER_STREAM, STREAM_PREFIX, DeadLetter, Observation
from sensor_gateway.publish import Publisher, dead_letter_of
from sensor_gateway.records import RECORDS_PREFIX, Record
from sensor_gateway.streams import newest_id, read_newest, read_range

_PAGE = 500
_record: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Replayed(msgspec.Struct, frozen=True):
    """How many went through this time, and how many stay."""

    replayed: int
    left: int


async def count(redis: Redis) -> int:
    """How many dead letters there are."""
    return int(await redis.xlen(DEAD_LETTER_STREAM))


async def newest(redis: Redis, limit: int) -> list[tuple[str, DeadLetter]]:
    """The newest dead letters, each with its id."""
    entries = await read_newest(redis, DEAD_LETTER_STREAM, count=limit)
    return [(entry_id.decode(), dead_letter_of(fields)) for entry_id, fields in entries]


async def find(redis: Redis, letter_id: str) -> DeadLetter | None:
    """One dead letter by its id."""
    entries = await read_range(redis, DEAD_LETTER_STREAM, letter_id, count=1)
    found = [fields for entry_id, fields in entries if entry_id.decode() == letter_id]
    return dead_letter_of(found[0]) if found else None


async def replay(redis: Redis, directory: DirectoryFollower, publisher: Publisher) -> Replayed:
    """Send every one through the pipeline again; those that now succeed are removed.

    What it became is published before the letter is removed: interrupted, it is sent twice, which has no
    effect, rather than lost. What the projector set aside goes back to its stream, and comes here again
    where it still cannot be written.
    """
    position, replayed, left = "-", 0, 0
    last = await newest_id(redis, DEAD_LETTER_STREAM)
    intake = Intake(directory, publisher)
    while True:
        entries = await read_range(redis, DEAD_LETTER_STREAM, position, count=_PAGE)
        entries = [entry for entry in entries if _number(entry[0].decode()) <= _number(last)]
        if not entries:
            return Replayed(replayed, left)
        position = f"({entries[-1][0].decode()}"
        letters = [(entry_id, dead_letter_of(fields)) for entry_id, fields in entries]
        became = [await _again(letter, intake, directory) for _, letter in letters]
        done = [
            (entry_id, item) for (entry_id, _), item in zip(letters, became, strict=True) if item is not None
        ]
        await publisher.publish([item for _, item in done if isinstance(item, Observation)])
        for _, item in done:
            if not isinstance(item, Observation):
                await publisher.publish_records(item.source, [item])
        if done:
            await redis.xdel(DEAD_LETTER_STREAM, *[entry_id for entry_id, _ in done])
        replayed += len(done)
        left += len(letters) - len(done)


async def _again(
    letter: DeadLetter, intake: Intake, directory: DirectoryFollower
) -> Observation | Record | None:
    """What a letter becomes this time, as of when it came; None where it still becomes nothing."""
    if letter.transport == "mqtt":
        message = Message(network_of_topic(letter.origin), "mqtt", letter.origin, letter.raw)
        return (await intake.judge([message], letter.received_at))[0].observation
    if letter.transport == "http":
        keys = directory.keys_of(letter.source)
        sender = keys[0][1] if keys else SourceEntry(letter.source, ())
        message = Message(network_of_path(letter.origin), "http", letter.origin, letter.raw, sender)
        return (await intake.judge([message], letter.received_at))[0].observation
    try:
        if letter.reason == "not-projectable" and letter.origin.startswith(STREAM_PREFIX):
            return msgspec.json.decode(letter.raw, type=Observation)
        if letter.reason == "not-projectable" and letter.origin.startswith(RECORDS_PREFIX):
            return _record.decode(letter.raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None


def _number(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def by_reason(letters: Sequence[tuple[str, DeadLetter]]) -> dict[str, int]:
    """How many of each reason."""
    counts: dict[str, int] = {}
    for _, letter in letters:
        counts[letter.reason] = counts.get(letter.reason, 0) + 1
    return counts
