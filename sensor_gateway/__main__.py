"""The gateway process: `python -m sensor_gateway`, and `python -m sensor_gateway dead-letters [--replay]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

import structlog
import uvicorn
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway import dead_letters
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake
from sensor_gateway.publish import Publisher
from sensor_gateway.settings import Settings, SettingsError, load_settings
from sensor_gateway.transports.http import create_intake_app
from sensor_gateway.transports.mqtt import MqttIntake

log = structlog.get_logger("gateway")


async def serve(settings: Settings) -> None:
    """HTTP and MQTT intake in one event loop, until SIGTERM or SIGINT."""
    redis = Redis.from_url(settings.redis_url)
    directory = DirectoryFollower(redis)
    await _load_patiently(directory)
    publisher = Publisher(redis, settings.stream_shards)
    mqtt = MqttIntake(settings.mqtt_url, settings.gateway_id, Intake(directory, publisher))
    app = create_intake_app(
        redis=redis,
        directory=directory,
        publisher=publisher,
        subscribed=lambda: not settings.mqtt_url or mqtt.subscribed.is_set(),
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.intake_host,
            port=settings.intake_port,
            log_level="warning",
            access_log=False,
            lifespan="on",
        )
    )
    tasks = [asyncio.create_task(directory.follow())]
    if settings.mqtt_url:
        tasks.append(asyncio.create_task(mqtt.run()))
    serving = asyncio.create_task(server.serve())
    # Without its MQTT side the gateway would look alive and hear nothing: then the process ends.
    await asyncio.wait([serving, *tasks], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    failures = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await redis.aclose()
    if failures:
        raise RuntimeError("an intake task ended") from failures[0]


async def _load_patiently(directory: DirectoryFollower) -> None:
    delay = 0.2
    while True:
        try:
            await directory.load()
            return
        except (RedisError, OSError) as error:
            log.warning("waiting for Redis", error=str(error), delay_s=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


async def handle_dead_letters(settings: Settings, *, replay: bool) -> None:
    """Print how many there are and the newest, or replay them."""
    redis = Redis.from_url(settings.redis_url)
    try:
        if replay:
            directory = DirectoryFollower(redis)
            await directory.load()
            publisher = Publisher(redis, settings.stream_shards)
            done = await dead_letters.replay(redis, Intake(directory, publisher), publisher)
            print(f"replayed {done.replayed}, left {done.left}")
            return
        print(f"{await dead_letters.count(redis)} dead letters; the newest:")
        for entry_id, letter in await dead_letters.newest(redis, 10):
            print(f"{entry_id}  {letter.reason:22}  {letter.origin}  {letter.detail}")
    finally:
        await redis.aclose()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="sensor_gateway")
    commands = parser.add_subparsers(dest="command")
    letters = commands.add_parser("dead-letters", help="count, list or replay what could not be read")
    letters.add_argument("--replay", action="store_true")
    args = parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"gateway: {error}")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if args.command == "dead-letters":
        asyncio.run(handle_dead_letters(settings, replay=args.replay))
        return
    if sys.platform == "win32":
        asyncio.run(serve(settings))
        return
    import uvloop

    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
