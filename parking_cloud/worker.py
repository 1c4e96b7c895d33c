"""The worker process: projects observations, relays the outbox, rebuilds the gateway's directory.

Entries of the observation streams are acknowledged after the database has committed them; what a killed
worker left unacknowledged is taken again at the next start (its name stays the same) or claimed by another.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import psycopg
import structlog
import uvloop
from prometheus_client import start_http_server
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud import metrics
from parking_cloud.accounts import events as account_events
from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.logs import configure_logging
from parking_cloud.kernel.settings import Settings, load_settings
from parking_cloud.occupancy.clocks import ClockWatch
from parking_cloud.occupancy.events import FACILITY_CHANGED, publish_changes
from parking_cloud.occupancy.history import ensure_partitions
from parking_cloud.occupancy.projector import Projected, merged, project, settle_spaces
from parking_cloud.registry.events import DEVICES_CHANGED, publish_devices, rebuild_directory
from sensor_gateway.directory import DEVICES_HASH, SOURCES_HASH
from sensor_gateway.observation import BODY_FIELD, DEAD_LETTER_STREAM, Observation, decode, streams
from sensor_gateway.streams import Entry, connect, entries_of

GROUP = "projector"
ALIVE_KEY = "parking:worker:alive"
_ALIVE_S = 10
_CLAIM_IDLE_MS = 30_000
_ENTRIES = 200
"""Entries read at a time; each holds what one gateway took in at once for the shard."""
_SETTLE_S = 1.0
_DEAD_LETTERS_KEPT = 100_000

# COPY runs on the driver itself, so its errors come without SQLAlchemy's wrapping.
_COLLISIONS = (IntegrityError, psycopg.IntegrityError)
_UNSTORABLE = (DataError, psycopg.DataError, struct.error, OverflowError)
_AWAY = (RedisError, DBAPIError, psycopg.OperationalError, OSError)

OUTBOX_HANDLERS: dict[str, outbox.Handler] = {
    FACILITY_CHANGED: publish_changes,
    DEVICES_CHANGED: publish_devices,
    account_events.SOURCE_CHANGED: account_events.publish_sources,
}

log = structlog.get_logger("worker")


class Worker:
    """One worker: a loop per stream for projection, one for the outbox, one for upkeep."""

    def __init__(
        self,
        settings: Settings,
        sessions: async_sessionmaker[AsyncSession],
        redis: Redis,
        name: str = "",
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._redis = redis
        self._name = name or socket.gethostname()
        self._positions: dict[str, str] = {}
        self._streams = streams(settings.stream_shards)
        self._clocks = ClockWatch()
        self._wake_relay = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._insistently(self._prepare)
        async with asyncio.TaskGroup() as group:
            for shard in range(len(self._streams)):
                group.create_task(self._project_shard(shard))
            group.create_task(self._settle())
            group.create_task(self._relay_outbox())
            group.create_task(self._upkeep())

    async def _prepare(self) -> None:
        for stream in self._streams:
            await self._ensure_group(stream)
        await self._rebuild_directory_if_lost()

    async def _ensure_group(self, stream: str) -> None:
        try:
            await self._redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _insistently(self, deed: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while PostgreSQL or Redis is away."""
        delay = 0.2
        while True:
            try:
                await deed()
                return
            except _AWAY as error:
                log.warning("waiting for PostgreSQL or Redis", error=_first_line(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _project_shard(self, shard: int) -> None:
        """First what this worker was given and never acknowledged, then what is new."""
        self._positions[self._streams[shard]] = "0"
        while True:
            await self._insistently(partial(self._project_next, shard))

    async def _project_next(self, shard: int) -> None:
        stream = self._streams[shard]
        position, self._positions[stream] = self._positions[stream], "0"
        entries = await self._read(stream, position)
        if entries:
            await self._project_entries(shard, entries)
        # Only now: where this failed, what was read is read again, for it is ours and unacknowledged.
        self._positions[stream] = position if entries else ">"

    async def _read(self, stream: str, position: str) -> list[Entry]:
        try:
            answer = await self._redis.xreadgroup(
                GROUP,
                self._name,
                {stream: position},
                count=_ENTRIES,
                block=self._settings.projector_block_ms,
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._ensure_group(stream)  # Redis was emptied meanwhile
            return []
        return entries_of(answer)

    async def _project_entries(self, shard: int, entries: Sequence[Entry]) -> None:
        """Part of the entries at a time: project, commit, then acknowledge and remove them."""
        ids: list[bytes] = []
        observations: list[Observation] = []
        unreadable: list[tuple[bytes, str]] = []
        for entry_id, fields in entries:
            ids.append(entry_id)
            body = (fields or {}).get(BODY_FIELD, b"")
            try:
                observations += decode(body)
            except msgspec.DecodeError as error:
                unreadable.append((body, str(error)))
            if len(observations) >= self._settings.projector_batch or entry_id == entries[-1][0]:
                await self._project_part(shard, ids, observations, unreadable)
                ids, observations, unreadable = [], [], []

    async def _project_part(
        self,
        shard: int,
        ids: Sequence[bytes],
        observations: Sequence[Observation],
        unreadable: Sequence[tuple[bytes, str]],
    ) -> None:
        stream = self._streams[shard]
        with metrics.PROJECTING.time():
            done = await self._project_batch(observations, shard)
        metrics.note(done, datetime.now(UTC))
        self._clocks.note(done.fresh)
        pipeline = self._redis.pipeline(transaction=False)
        for body, why in unreadable:
            self._set_aside(pipeline, "unreadable-entry", why, body, stream)
        for orphan in done.orphans:
            body = msgspec.json.encode(orphan)
            self._set_aside(
                pipeline, "not-projectable", "not in the registry as it says, or not storable", body, stream
            )
        pipeline.xack(stream, GROUP, *ids)
        pipeline.xdel(stream, *ids)
        await pipeline.execute()
        if done.facilities:
            self._wake_relay.set()

    async def _project_batch(self, observations: Sequence[Observation], shard: int) -> Projected:
        """Project in one transaction.

        A batch that collides with another worker's on the same row is looked at again. A batch that
        PostgreSQL will not take is halved until the one at fault stands alone: it is set aside and the
        flow goes on.
        """
        if not observations:
            return Projected(recorded=0, repeated=0, orphans=[], facilities=set())
        for _ in range(3):
            try:
                async with transaction(self._sessions) as session:
                    return await project(session, observations, shard)
            except _COLLISIONS as error:
                refusal: Exception = error
            except _UNSTORABLE as error:
                refusal = error
                break
        if len(observations) == 1:
            log.error("an observation cannot be stored", why=_first_line(refusal))
            return Projected(recorded=0, repeated=0, orphans=list(observations), facilities=set())
        middle = len(observations) // 2
        return merged(
            await self._project_batch(observations[:middle], shard),
            await self._project_batch(observations[middle:], shard),
        )

    def _set_aside(self, pipeline: Any, reason: str, detail: str, raw: bytes, stream: str) -> None:
        fields = {"reason": reason, "detail": detail, "transport": "stream", "origin": stream, "raw": raw}
        pipeline.xadd(DEAD_LETTER_STREAM, fields, maxlen=_DEAD_LETTERS_KEPT, approximate=True)

    async def _settle(self) -> None:
        """Every second: show the changes that have lasted their hold-off, and write what clocks did."""
        while True:
            await self._insistently(self._settle_now)
            await asyncio.sleep(_SETTLE_S)

    async def _settle_now(self) -> None:
        async with transaction(self._sessions) as session:
            if await settle_spaces(session, datetime.now(UTC)):
                self._wake_relay.set()
        async with transaction(self._sessions) as session:
            await self._clocks.flush(session)

    async def _relay_outbox(self) -> None:
        """At once after a batch, and every half second for what other processes wrote."""
        while True:
            await self._insistently(self._relay_all)
            try:
                await asyncio.wait_for(self._wake_relay.wait(), 0.5)
            except TimeoutError:
                continue
            self._wake_relay.clear()

    async def _relay_all(self) -> None:
        passed_on = 1
        while passed_on:
            async with transaction(self._sessions) as session:
                passed_on = await outbox.relay(session, self._redis, OUTBOX_HANDLERS)

    async def _upkeep(self) -> None:
        while True:
            await self._insistently(self._stay_alive)
            await asyncio.sleep(_ALIVE_S / 3)

    async def _stay_alive(self) -> None:
        await self._redis.set(ALIVE_KEY, self._name, ex=_ALIVE_S)
        today = datetime.now(UTC).date()
        async with transaction(self._sessions) as session:
            await ensure_partitions(session, {today, today + timedelta(days=1)})
        for shard, stream in enumerate(self._streams):
            metrics.BACKLOG.labels(stream).set(await self._redis.xlen(stream))
            await self._claim_abandoned(shard, stream)
        await self._rebuild_directory_if_lost()

    async def _claim_abandoned(self, shard: int, stream: str) -> None:
        """Take over what another worker was given and has not acknowledged for half a minute."""
        try:
            answer = await self._redis.xautoclaim(stream, GROUP, self._name, _CLAIM_IDLE_MS, count=_ENTRIES)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            return
        if answer[1]:
            await self._project_entries(shard, answer[1])

    async def _rebuild_directory_if_lost(self) -> None:
        if await self._redis.exists(DEVICES_HASH) and await self._redis.exists(SOURCES_HASH):
            return
        async with transaction(self._sessions) as session:
            devices = await rebuild_directory(session, self._redis)
            await account_events.publish_all_sources(session, self._redis)
        log.info("directory rebuilt", devices=devices)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


async def serve(settings: Settings) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    engine = make_engine(settings)
    redis = connect(settings.redis_url)
    task = asyncio.create_task(Worker(settings, make_sessions(engine), redis).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("worker stopped")
    finally:
        await redis.aclose()
        await engine.dispose()


def main() -> None:
    """Entry: `python -m parking_cloud.worker`."""
    settings = load_settings()
    configure_logging(settings.log_level)
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, addr="127.0.0.1")
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
