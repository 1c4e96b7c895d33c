"""The gateway process: `python -m sensor_gateway`, with the commands `dead-letters` and `leave`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from pathlib import Path

import structlog
import uvicorn
from redis.exceptions import RedisError

from sensor_gateway import dead_letters_command
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import Publisher
from sensor_gateway.pull import MappingError, Poller, load_sources
from sensor_gateway.pull.intake import PullIntake
from sensor_gateway.sealing import PlateVault, VaultError
from sensor_gateway.settings import Settings, SettingsError, load_settings
from sensor_gateway.spool import Spool, SpoolTaken, own
from sensor_gateway.streams import connect
from sensor_gateway.transports.http import create_intake_app
from sensor_gateway.transports.mqtt import MqttIntake

_MB = 1_000_000
_STOP_S = 10

log = structlog.get_logger("gateway")


async def serve(settings: Settings) -> None:
    """HTTP and MQTT intake in one event loop, until SIGTERM or SIGINT."""
    redis = connect(settings.redis_url)
    directory = DirectoryFollower(redis)
    await _load_patiently(directory)
    owned = own(Path(settings.spool_folder)) if settings.spool_folder else None
    publisher = Publisher(redis, settings.stream_shards, _spool(settings))
    pressure = Pressure(redis_bytes=settings.redis_memory_mb * _MB)
    mqtt = MqttIntake(
        settings.mqtt_url,
        settings.gateway_id,
        settings.shared_group,
        Intake(directory, publisher),
        pressure,
    )
    poller = Poller(
        load_sources(Path(settings.pull_file)) if settings.pull_file else [],
        PullIntake(directory, publisher).take,
    )
    app = create_intake_app(
        redis=redis,
        directory=directory,
        publisher=publisher,
        pressure=pressure,
        pulled=poller.health,
        vault=PlateVault(settings.plate_key) if settings.plate_key else None,
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
    deeds = [directory.follow(), publisher.drain_spool(pressure.eased), pressure.watch(redis), poller.run()]
    tasks = [asyncio.create_task(deed) for deed in deeds]
    if settings.mqtt_url:
        tasks.append(asyncio.create_task(mqtt.run()))
    serving = asyncio.create_task(server.serve())
    await _first_failure(serving, tasks)
    server.should_exit = True
    await serving
    failures = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    failures = [failure for failure in failures if failure is not None]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            await mqtt.idle.acquire()  # the batch in hand is stored and acknowledged before we go
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await redis.aclose()
    if owned is not None:
        owned.close()
    if failures:
        raise RuntimeError("an intake task ended") from failures[0]


def _spool(settings: Settings) -> Spool | None:
    if not settings.spool_folder:
        return None
    return Spool(Path(settings.spool_folder), settings.spool_limit_mb * _MB)


async def _first_failure(serving: asyncio.Task[None], tasks: list[asyncio.Task[None]]) -> None:
    """Until the server is told to stop, or a task fails: without it the gateway would only look alive."""
    waiting: set[asyncio.Task[None]] = {serving, *tasks}
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if serving in done or any(task.exception() for task in done):
            return


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


async def leave_group(settings: Settings) -> None:
    """Take what the broker holds for this gateway, and leave the group: it does not come back."""
    redis = connect(settings.redis_url)
    try:
        directory = DirectoryFollower(redis)
        await directory.load()
        intake = Intake(directory, Publisher(redis, settings.stream_shards))
        pressure = Pressure(redis_bytes=settings.redis_memory_mb * _MB)
        await MqttIntake(
            settings.mqtt_url, settings.gateway_id, settings.shared_group, intake, pressure
        ).leave()
        print(f"{settings.gateway_id} has left the group {settings.shared_group or '(none)'}")
    finally:
        await redis.aclose()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="sensor_gateway")
    commands = parser.add_subparsers(dest="command")
    letters = commands.add_parser("dead-letters", help="count, list or replay what could not be read")
    dead_letters_command.add_arguments(letters)
    commands.add_parser("leave", help="of a gateway that was stopped for good: pass its share to the others")
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
        sys.exit(dead_letters_command.run(args, settings))
    if args.command == "leave":
        asyncio.run(leave_group(settings))
        return
    if sys.platform == "win32":
        asyncio.run(serve(settings))
        return
    import uvloop

    try:
        uvloop.run(serve(settings))
    except (MappingError, SpoolTaken, VaultError) as error:
        sys.exit(f"gateway: {error}")


if __name__ == "__main__":
    main()
