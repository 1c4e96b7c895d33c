"""`parking-cloud dead-letters`: list, inspect and replay what could not become an observation or a record."""

from __future__ import annotations

import argparse
import asyncio

from redis.exceptions import RedisError

from sensor_gateway import dead_letters
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.observation import DeadLetter
from sensor_gateway.publish import Publisher, StorageUnavailable
from sensor_gateway.settings import Settings
from sensor_gateway.streams import connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20, help="how many of the newest to list (20)")
    parser.add_argument("--show", metavar="ID", help="one of them, whole")
    parser.add_argument("--replay", action="store_true", help="send all through the pipeline again")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what is asked. 1 where there is no such letter, or Redis is away."""
    try:
        return asyncio.run(_run(args, settings))
    except (RedisError, OSError, StorageUnavailable) as error:
        print(f"Redis cannot be reached: {error}")
        return 1


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    redis = connect(settings.redis_url)
    try:
        if args.replay:
            directory = DirectoryFollower(redis)
            await directory.load()
            publisher = Publisher(redis, settings.stream_shards)
            done = await dead_letters.replay(redis, directory, publisher)
            print(f"replayed {done.replayed}, left {done.left}")
            return 0
        if args.show:
            letter = await dead_letters.find(redis, args.show)
            print(_whole(letter) if letter else f"there is no dead letter {args.show}")
            return 0 if letter else 1
        newest = await dead_letters.newest(redis, args.limit)
        print(f"{await dead_letters.count(redis)} dead letters; the newest {len(newest)}:")
        for letter_id, letter in newest:
            print(f"{letter_id}  {letter.reason:22}  {letter.origin}  {letter.detail}")
        for reason, number in dead_letters.by_reason(newest).items():
            print(f"  {number:6} {reason}")
        return 0
    finally:
        await redis.aclose()


def _whole(letter: DeadLetter) -> str:
    """All of a letter; what is not text is shown as hex."""
    try:
        raw = letter.raw.decode()
    except UnicodeDecodeError:
        raw = f"(hex) {letter.raw.hex()}"
    return (
        f"reason       {letter.reason}\ndetail       {letter.detail}\nsource       {letter.source}\n"
        f"transport    {letter.transport}\norigin       {letter.origin}\n"
        f"received at  {letter.received_at.isoformat()}\n\n{raw}"
    )
