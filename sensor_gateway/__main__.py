"""The gateway process: `python -m sensor_gateway`, with the commands `dead-letters` and `leave`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvicorn
from redis.exceptions import RedisError

from sensor_gateway import dead_letters_command, logs
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import Intake
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import Publisher
from sensor_gateway.pull import MappingError, Poller, load_sources
from sensor_gateway.pull.intake import PullIntake
from sensor_gateway.sealing import PlateVault, VaultError
from sensor_gateway.settings import Settings, SettingsError, load_settings
from sensor_gateway.snapshot import Snapshot
from sensor_gateway.spool import Spool, SpoolTaken, own
from sensor_gateway.streams import connect
from sensor_gateway.transports.http import create_intake_app
from sensor_gateway.transports.mqtt import MqttIntake

_MB = 1_000_000
_STOP_S = 10
_REQUESTS_END_S = 5
"""A request that has not come whole by then is given up when we are to stop; its sender has had no answer."""
_MOST_CONNECTIONS = 900
"""Idle ones too; a process may often have no more than 1,024 files open. Requests in hand are limited below
that, by `problems.Limited`, which answers with a problem document."""

log = structlog.get_logger("gateway")


async def serve(settings: Settings) -> None:
    """HTTP and MQTT intake in one event loop, until SIGTERM or SIGINT."""
    owned = own(Path(settings.spool_folder)) if settings.spool_folder else None
    redis = connect(settings.redis_url)
    directory = DirectoryFollower(redis)
    snapshot = Snapshot(Path(settings.spool_folder) / "directory") if settings.spool_folder else None
    await _load(directory, snapshot)
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
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.intake_host,
            port=settings.intake_port,
            log_level="warning",
            access_log=False,
            lifespan="on",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_REQUESTS_END_S,
        )
    )
    deeds = [directory.follow(), publisher.drain_spool(pressure.eased), pressure.watch(redis), poller.run()]
    if snapshot is not None:
        deeds.append(snapshot.keep(directory))
    if settings.mqtt_url:
        deeds.append(mqtt.run())
    tasks = [asyncio.create_task(deed) for deed in deeds]
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


class _Server(uvicorn.Server):
    """Uvicorn's server, which SIGTERM and SIGINT only tell to stop.

    Its own would send itself the signal again once its requests have ended, and that would end the process
    while the batch of the broker is still in hand.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While it serves."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


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


async def _load(directory: DirectoryFollower, snapshot: Snapshot | None) -> None:
    """The directory from Redis, else as it was last known; only who has never known it waits for Redis."""
    known = await asyncio.to_thread(snapshot.read) if snapshot else None
    if known is None:
        await _load_patiently(directory)
        return
    directory.recall(known)
    try:
        await directory.load()
    except (RedisError, OSError) as error:
        log.warning("Redis is away; devices are known as they last were", error=str(error))


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
    logs.configure(settings.log_level, sys.stderr)
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
