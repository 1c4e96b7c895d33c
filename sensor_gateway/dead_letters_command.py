"""`parking-cloud dead-letters`: list, look at, replay and discard what could not be read or written."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway import dead_letters
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.observation import DeadLetter
from sensor_gateway.publish import Publisher, StorageUnavailable
from sensor_gateway.settings import Settings
from sensor_gateway.streams import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20, help="how many of the newest to list (20)")
    parser.add_argument("--reason", metavar="R", default="", help="only those of this reason")
    parser.add_argument("--show", metavar="ID", help="one of them, whole")
    parser.add_argument("--replay", action="store_true", help="send them through the pipeline again")
    parser.add_argument(
        "--discard", action="store_true", help="with --reason or --show: remove them, for good"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what is asked. 1 where there is no such letter or Redis is away, 2 where it does not say which."""
    if args.discard and (args.replay or bool(args.show) == bool(args.reason)):
        print("dead-letters: --discard goes with either --reason or --show")
        return 2
    try:
        return asyncio.run(_run(args, settings))
    except StorageUnavailable as error:
        print(f"it cannot be done now: {error}")
        return 1
    except (RedisError, OSError) as error:
        print(f"Redis cannot be reached: {error}")
        return 1


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    redis = connect(settings.redis_url)
    try:
        if args.replay:
            return await _replay(redis, settings, args.reason)
        if args.show:
            return await _show(redis, args.show, discard=args.discard)
        if args.discard:
            print(f"discarded {await dead_letters.discard(redis, reason=args.reason)}")
            return 0
        return await _list(redis, args.limit, args.reason)
    finally:
        await redis.aclose()


async def _replay(redis: Redis, settings: Settings, reason: str) -> int:
    directory = DirectoryFollower(redis)
    await directory.load()
    publisher = Publisher(redis, settings.stream_shards)
    done = await dead_letters.replay(redis, directory, publisher, reason)
    print(f"replayed {done.replayed}, left {done.left}")
    return 0


async def _show(redis: Redis, letter_id: str, *, discard: bool) -> int:
    """A letter that is discarded is shown all the same: once it is gone, the screen is all that is left."""
    letter = await dead_letters.find(redis, letter_id)
    if letter is None:
        print(f"there is no dead letter {_plain(letter_id)}")
        return 1
    print(_whole(letter))
    if discard:
        print(f"\ndiscarded {await dead_letters.discard(redis, letter_id=letter_id)}")
    return 0


async def _list(redis: Redis, limit: int, reason: str) -> int:
    counts: Counter[str] = await dead_letters.by_reason(redis)
    newest = await dead_letters.newest(redis, limit, reason)
    of = f" of {reason}" if reason else ""
    print(f"{counts[reason] if reason else counts.total()} dead letters{of}; the newest {len(newest)}:")
    for letter_id, letter in newest:
        print(f"{letter_id}  {_plain(letter.reason):22}  {_plain(letter.origin)}  {_plain(letter.detail)}")
    for name, number in counts.most_common():
        print(f"  {number:6} {_plain(name)}")
    return 0


def _whole(letter: DeadLetter) -> str:
    """All of a letter; what is not printable text is shown as hex."""
    return (
        f"reason       {_plain(letter.reason)}\ndetail       {_plain(letter.detail)}\n"
        f"source       {_plain(letter.source)}\ntransport    {_plain(letter.transport)}\n"
        f"origin       {_plain(letter.origin)}\nreceived at  {letter.received_at.isoformat()}\n\n"
        f"{_body(letter.raw)}"
    )


def _body(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    readable = text and all(c.isprintable() or c in "\n\t" for c in text)
    return text if readable else f"(hex) {raw.hex()}"


def _plain(text: str) -> str:
    """Without control characters: a stranger's words must not move the reader's cursor, or clear its page."""
    return "".join(c if c.isprintable() else "�" for c in text)
