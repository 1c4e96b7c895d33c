"""Dead letters: count them, look at them, and send them through the pipeline again."""

from __future__ import annotations

import msgspec
from redis.asyncio import Redis

from sensor_gateway.intake import Intake, Message, utc_now
from sensor_gateway.networks import PARSERS
from sensor_gateway.observation import DEAD_LETTER_STREAM, DeadLetter
from sensor_gateway.publish import Publisher, dead_letter_of
from sensor_gateway.streams import read_newest, read_range

_PAGE = 500


class Replayed(msgspec.Struct, frozen=True):
    """How many became observations, and how many stay."""

    replayed: int
    left: int


async def count(redis: Redis) -> int:
    """How many dead letters there are."""
    return int(await redis.xlen(DEAD_LETTER_STREAM))


async def newest(redis: Redis, limit: int) -> list[tuple[str, DeadLetter]]:
    """The newest dead letters, each with its id."""
    entries = await read_newest(redis, DEAD_LETTER_STREAM, count=limit)
    return [(entry_id.decode(), dead_letter_of(fields)) for entry_id, fields in entries]


async def replay(redis: Redis, intake: Intake, publisher: Publisher) -> Replayed:
    """Send every one through the pipeline again; those that now succeed are removed.

    An observation is published before its letter is removed: interrupted, it is sent twice, which has no
    effect, rather than lost.
    """
    position, replayed, left = "-", 0, 0
    while True:
        entries = await read_range(redis, DEAD_LETTER_STREAM, position, count=_PAGE)
        if not entries:
            return Replayed(replayed, left)
        position = f"({entries[-1][0].decode()}"
        letters = [(entry_id, dead_letter_of(fields)) for entry_id, fields in entries]
        ours = [(entry_id, letter) for entry_id, letter in letters if letter.source in PARSERS]
        messages = [Message(letter.source, letter.transport, letter.origin, letter.raw) for _, letter in ours]
        outcomes = await intake.judge(messages, utc_now())
        good = [
            (entry_id, outcome.observation)
            for (entry_id, _), outcome in zip(ours, outcomes, strict=True)
            if outcome.observation
        ]
        if good:
            await publisher.publish([observation for _, observation in good])
            await redis.xdel(DEAD_LETTER_STREAM, *[entry_id for entry_id, _ in good])
        replayed += len(good)
        left += len(letters) - len(good)
