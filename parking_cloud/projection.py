"""From a Redis stream into PostgreSQL: read, write in one transaction, and only then acknowledge.

What a killed worker left unacknowledged is taken again at its next start (its name stays the same) or claimed
by another. What cannot be written is set aside as a dead letter, and the flow goes on.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import psycopg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud import metrics
from parking_cloud.kernel.db import transaction
from sensor_gateway.observation import DEAD_LETTER_STREAM, DEAD_LETTERS_KEPT
from sensor_gateway.streams import Entry, entries_of

GROUP = "projector"
_CLAIM_IDLE_MS = 30_000
_ENTRIES = 200
"""Entries read at a time; each holds what one gateway took in at once for the shard."""

# COPY runs on the driver itself, so its errors come without SQLAlchemy's wrapping.
_COLLISIONS = (IntegrityError, psycopg.IntegrityError)
_UNSTORABLE = (DataError, psycopg.DataError, struct.error, OverflowError)
_AWAY = (RedisError, DBAPIError, psycopg.OperationalError, OSError)

Item = TypeVar("Item")

log = structlog.get_logger("worker")


class Done(Protocol):
    """What every projection tells of a batch."""

    @property
    def orphans(self) -> Sequence[Any]:
        """What could not be written, to be set aside."""


class Projection(msgspec.Struct, Generic[Item]):
    """How the entries of some streams become rows.

    `project(session, items, shard)` writes a batch in the session's transaction. `committed(done)` is told
    once it is there.
    """

    streams: list[str]
    field: bytes
    decode: Callable[[bytes], list[Item]]
    project: Callable[[AsyncSession, Sequence[Item], int], Awaitable[Done]]
    committed: Callable[[Any], None]
    batch: int
    block_ms: int


async def insistently(deed: Callable[[], Awaitable[None]]) -> None:
    """Do it, again and again while PostgreSQL or Redis is away."""
    delay = 0.2
    while True:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # a client that was just reconnecting may have swallowed it
        try:
            await deed()
            return
        except _AWAY as error:
            log.warning("waiting for PostgreSQL or Redis", error=first_line(error), delay_s=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


def first_line(error: BaseException) -> str:
    """An error in one line."""
    return (str(error) or type(error).__name__).splitlines()[0]


class StreamProjector(Generic[Item]):
    """Projects one stream; `shard` is its place among the projection's streams."""

    def __init__(
        self,
        projection: Projection[Item],
        shard: int,
        sessions: async_sessionmaker[AsyncSession],
        redis: Redis,
        consumer: str,
    ) -> None:
        self._projection = projection
        self._shard = shard
        self._stream = projection.streams[shard]
        self._sessions = sessions
        self._redis = redis
        self._consumer = consumer
        self._position = "0"

    async def run(self) -> None:
        """First what this worker was given and never acknowledged, then what is new; until cancelled."""
        while True:
            await insistently(self._next)

    async def ensure_group(self) -> None:
        """Make the stream's consumer group where it is missing."""
        try:
            await self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def upkeep(self) -> None:
        """Note the backlog, and take over what another worker has not acknowledged for half a minute."""
        metrics.BACKLOG.labels(self._stream).set(await self._redis.xlen(self._stream))
        try:
            answer = await self._redis.xautoclaim(
                self._stream, GROUP, self._consumer, _CLAIM_IDLE_MS, count=_ENTRIES
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            return
        if answer[1]:
            await self._take(answer[1])

    async def _next(self) -> None:
        position, self._position = self._position, "0"
        entries = await self._read(position)
        if entries:
            await self._take(entries)
        # Only now: where this failed, what was read is read again, for it is ours and unacknowledged.
        self._position = position if entries else ">"

    async def _read(self, position: str) -> list[Entry]:
        try:
            answer = await self._redis.xreadgroup(
                GROUP,
                self._consumer,
                {self._stream: position},
                count=_ENTRIES,
                block=self._projection.block_ms,
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self.ensure_group()  # Redis was emptied meanwhile
            return []
        return entries_of(answer)

    async def _take(self, entries: Sequence[Entry]) -> None:
        """Part of the entries at a time: project, commit, then acknowledge and remove them."""
        ids: list[bytes] = []
        items: list[Item] = []
        unreadable: list[tuple[bytes, str]] = []
        for entry_id, fields in entries:
            ids.append(entry_id)
            body = (fields or {}).get(self._projection.field, b"")
            try:
                items += self._projection.decode(body)
            except msgspec.DecodeError as error:
                unreadable.append((body, str(error)))
            if len(items) >= self._projection.batch or entry_id == entries[-1][0]:
                await self._take_part(ids, items, unreadable)
                ids, items, unreadable = [], [], []

    async def _take_part(
        self, ids: Sequence[bytes], items: Sequence[Item], unreadable: Sequence[tuple[bytes, str]]
    ) -> None:
        with metrics.PROJECTING.time():
            orphans = await self._project(items)
        pipeline = self._redis.pipeline(transaction=False)
        for body, why in unreadable:
            self._set_aside(pipeline, "unreadable-entry", why, body)
        for orphan in orphans:
            why = "not in the registry as it says, or not storable, or contradicts an earlier one"
            self._set_aside(pipeline, "not-projectable", why, msgspec.json.encode(orphan))
        if len(pipeline):
            # Before the entries go: on a cluster another node keeps the dead letters, and it may be away.
            await pipeline.execute()
            pipeline = self._redis.pipeline(transaction=False)
        pipeline.xack(self._stream, GROUP, *ids)
        pipeline.xdel(self._stream, *ids)
        await pipeline.execute()

    async def _project(self, items: Sequence[Item]) -> list[Item]:
        """Project in one transaction; what has to be set aside.

        A batch that collides with another worker's on the same row is looked at again. A batch that
        PostgreSQL will not take is halved until the one at fault stands alone.
        """
        if not items:
            return []
        for _ in range(3):
            try:
                async with transaction(self._sessions) as session:
                    done = await self._projection.project(session, items, self._shard)
                self._projection.committed(done)
                return list(done.orphans)
            except _COLLISIONS as error:
                refusal: Exception = error
            except _UNSTORABLE as error:
                refusal = error
                break
        if len(items) == 1:
            log.error("an entry cannot be stored", why=first_line(refusal))
            return list(items)
        middle = len(items) // 2
        return await self._project(items[:middle]) + await self._project(items[middle:])

    def _set_aside(self, pipeline: Any, reason: str, detail: str, raw: bytes) -> None:
        fields = {
            "reason": reason,
            "detail": detail,
            "transport": "stream",
            "origin": self._stream,
            "raw": raw,
        }
        pipeline.xadd(DEAD_LETTER_STREAM, fields, maxlen=DEAD_LETTERS_KEPT, approximate=True)
