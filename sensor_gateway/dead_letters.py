"""Dead letters: count them, look at them, send them through the pipeline again, and throw them away."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

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

Letter = tuple[str, DeadLetter]
"""(id, letter)"""


class Replayed(msgspec.Struct, frozen=True):
    """How many went through this time, and how many stay."""

    replayed: int
    left: int


async def count(redis: Redis) -> int:
    """How many dead letters there are."""
    return int(await redis.xlen(DEAD_LETTER_STREAM))


async def by_reason(redis: Redis) -> Counter[str]:
    """How many of each reason, over all of them."""
    return Counter([letter.reason async for page in _pages(redis) for _, letter in page])


async def newest(redis: Redis, limit: int, reason: str = "") -> list[Letter]:
    """The newest dead letters, newest first; of one reason, where it is given."""
    found: list[Letter] = []
    before = "+"
    while len(found) < limit:
        entries = await read_newest(redis, DEAD_LETTER_STREAM, count=max(limit, _PAGE), before=before)
        if not entries:
            break
        letters = [(entry_id.decode(), dead_letter_of(fields)) for entry_id, fields in entries]
        found += [(at, letter) for at, letter in letters if reason in ("", letter.reason)]
        before = f"({letters[-1][0]}"
    return found[:limit]


async def find(redis: Redis, letter_id: str) -> DeadLetter | None:
    """One dead letter by its id."""
    entries = await read_range(redis, DEAD_LETTER_STREAM, letter_id, count=1)
    found = [fields for entry_id, fields in entries if entry_id.decode() == letter_id]
    return dead_letter_of(found[0]) if found else None


async def discard(redis: Redis, *, letter_id: str = "", reason: str = "") -> int:
    """Remove one letter by its id, or all that there are of a reason by now; how many were removed."""
    if letter_id:
        return int(await redis.xdel(DEAD_LETTER_STREAM, letter_id))
    removed = 0
    async for page in _pages(redis, reason):
        removed += int(await redis.xdel(DEAD_LETTER_STREAM, *[at for at, _ in page]))
    return removed


async def replay(
    redis: Redis, directory: DirectoryFollower, publisher: Publisher, reason: str = ""
) -> Replayed:
    """Send every one (of one reason, where it is given) through the pipeline again; those that now succeed
    are removed.

    What it became is published before the letter is removed: interrupted, it is sent twice, which has no
    effect, rather than lost. What the projector set aside goes back to its stream, and comes here again
    where it still cannot be written.
    """
    replayed, left = 0, 0
    intake = Intake(directory, publisher)
    async for letters in _pages(redis, reason):
        became = [await _again(letter, intake, directory) for _, letter in letters]
        done = [(at, item) for (at, _), item in zip(letters, became, strict=True) if item is not None]
        await publisher.publish([item for _, item in done if isinstance(item, Observation)])
        for _, item in done:
            if not isinstance(item, Observation):
                await publisher.publish_records(item.source, [item])
        if done:
            await redis.xdel(DEAD_LETTER_STREAM, *[at for at, _ in done])
        replayed += len(done)
        left += len(letters) - len(done)
    return Replayed(replayed, left)


async def _pages(redis: Redis, reason: str = "") -> AsyncIterator[list[Letter]]:
    """All letters that there are when it begins, oldest first; of one reason, where it is given."""
    last = _number(await newest_id(redis, DEAD_LETTER_STREAM))
    position = "-"
    while True:
        entries = await read_range(redis, DEAD_LETTER_STREAM, position, count=_PAGE)
        letters = [(entry_id.decode(), dead_letter_of(fields)) for entry_id, fields in entries]
        letters = [(at, letter) for at, letter in letters if _number(at) <= last]
        if not letters:
            return
        position = f"({letters[-1][0]}"
        wanted = [(at, letter) for at, letter in letters if reason in ("", letter.reason)]
        if wanted:
            yield wanted


async def _again(
    letter: DeadLetter, intake: Intake, directory: DirectoryFollower
) -> Observation | Record | None:
    """What a letter becomes this time, as of when it came; None where it still becomes nothing."""
    if letter.transport == "mqtt":
        message = Message(network_of_topic(letter.origin), "mqtt", letter.origin, letter.raw)
        return (await intake.judge([message], letter.received_at))[0].observation
    if letter.transport == "http":
        sender = _sender(letter.source, directory)
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


def _sender(source: str, directory: DirectoryFollower) -> SourceEntry:
    """The source as its keys have it now. Which of two it came with is not known: what both may, it may."""
    keys = directory.keys_of(source)
    any_device = bool(keys) and all(entry.any_device for _, entry in keys)
    return SourceEntry(source, (), any_device=any_device)


def _number(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
