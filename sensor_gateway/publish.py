"""Into Redis: observations onto their streams, what could not be read onto the dead-letter stream.

While Redis is away, entries go to the spool on disk and are given back in order when it is there again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway.observation import (
    BODY_FIELD,
    DEAD_LETTER_STREAM,
    DEAD_LETTERS_KEPT,
    RAW_KEPT,
    DeadLetter,
    Observation,
    encode,
    shard_of,
    streams,
)
from sensor_gateway.records import (
    RECORDS_FIELD,
    Record,
    encode_records,
    record_shard,
    record_streams,
)
from sensor_gateway.spool import Spool, SpoolFull, StreamEntry

_DETAIL_KEPT = 500
_PORTION = 1_000_000
"""Bytes of the spool that are given back at a time."""
_FIELD = BODY_FIELD.decode()

SPOOLED = Gauge("gateway_spool_bytes", "Bytes on disk that wait for Redis")

log = structlog.get_logger(__name__)


class StorageUnavailable(RuntimeError):
    """Neither Redis nor the spool took everything; nothing of the batch may be acknowledged."""


class Publisher:
    """Writes batches: when `publish` returns, Redis or the spool has all of it."""

    def __init__(self, redis: Redis, shards: int, spool: Spool | None = None) -> None:
        self._redis = redis
        self._streams = streams(shards)
        self._record_streams = record_streams(shards)
        self._spool = spool
        self._wake_drain = asyncio.Event()
        self._last_of_spool = asyncio.Lock()

    async def publish(self, observations: Sequence[Observation], dead: Sequence[DeadLetter] = ()) -> None:
        """One round trip for the batch, one entry per shard. Raises StorageUnavailable."""
        await self.write(
            [
                *self._entries(observations),
                *(StreamEntry(DEAD_LETTER_STREAM, dead_letter_fields(d), DEAD_LETTERS_KEPT) for d in dead),
            ]
        )

    async def publish_records(self, source: str, records: Sequence[Record]) -> None:
        """The records of one source, as one entry. Raises StorageUnavailable."""
        if records:
            stream = self._record_streams[record_shard(source, len(self._record_streams))]
            await self.write([StreamEntry(stream, {RECORDS_FIELD.decode(): encode_records(records)})])

    async def write(self, entries: Sequence[StreamEntry]) -> None:
        """Add entries to their streams, in order. Raises StorageUnavailable."""
        if not entries:
            return
        if self._spool is not None and self._spool.waiting_bytes:
            async with self._last_of_spool:
                if self._spool.waiting_bytes:  # behind what waits already, so that order holds
                    await self._keep(self._spool, entries)
                    return
        try:
            await self._add(entries)
        except (RedisError, OSError) as error:
            if self._spool is None:
                raise StorageUnavailable(str(error)) from error
            log.warning("Redis is away; keeping observations on disk", error=str(error))
            await self._keep(self._spool, entries)

    async def drain_spool(self, room: Callable[[], Awaitable[object]]) -> None:
        """Give the spool's entries back to Redis, oldest first, as soon as it takes them; until cancelled.

        `room` returns when Redis is not too full: what waited on disk can wait a little longer.
        """
        spool, delay, answers = self._spool, 0.1, False
        if spool is None:
            return
        while True:
            SPOOLED.set(spool.waiting_bytes)
            if not spool.waiting_bytes:
                self._wake_drain.clear()
                await self._wake_drain.wait()
            await room()
            # Writers wait for the last of it. Else one more would always have come behind it meanwhile, and
            # under a steady load none would ever go straight to Redis again.
            last = answers and spool.waiting_bytes <= _PORTION
            async with self._last_of_spool if last else contextlib.nullcontext():
                answers = await self._give_back(spool)
            if answers:
                delay = 0.1
            else:
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _give_back(self, spool: Spool) -> bool:
        """The oldest entries to Redis; False where it does not take them."""
        batch = await spool.oldest(_PORTION)
        if batch is None:
            return True
        entries, length = batch
        try:
            await self._add(entries)
        except (RedisError, OSError) as error:
            log.warning("Redis is still away", error=str(error), waiting_bytes=spool.waiting_bytes)
            return False
        await spool.given_back(length)
        return True

    def _entries(self, observations: Sequence[Observation]) -> list[StreamEntry]:
        shards: dict[int, list[Observation]] = {}
        for observation in observations:
            shards.setdefault(shard_of(observation.device_id, len(self._streams)), []).append(observation)
        return [StreamEntry(self._streams[shard], {_FIELD: encode(o)}) for shard, o in shards.items()]

    async def _keep(self, spool: Spool, entries: Sequence[StreamEntry]) -> None:
        try:
            await spool.append(entries)
        except (SpoolFull, OSError) as error:
            raise StorageUnavailable(str(error)) from error
        SPOOLED.set(spool.waiting_bytes)
        self._wake_drain.set()

    async def _add(self, entries: Sequence[StreamEntry]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for stream, fields, keep in entries:
            pipeline.xadd(stream, fields, maxlen=keep or None)  # type: ignore[arg-type]
        await pipeline.execute()


def dead_letter_fields(letter: DeadLetter) -> dict[str, bytes]:
    """A dead letter as the fields of a stream entry; what is too long is cut."""
    return {
        "reason": letter.reason.encode(),
        "detail": letter.detail[:_DETAIL_KEPT].encode(),
        "transport": letter.transport.encode(),
        "origin": letter.origin.encode(),
        "source": letter.source.encode(),
        "received_at": letter.received_at.isoformat().encode(),
        "raw": letter.raw[:RAW_KEPT],
    }


def dead_letter_of(fields: dict[bytes, bytes]) -> DeadLetter:
    """The fields of a stream entry as a dead letter."""
    text = {name.decode(): value.decode(errors="replace") for name, value in fields.items() if name != b"raw"}
    received = text.get("received_at")
    return DeadLetter(
        reason=text.get("reason", ""),
        detail=text.get("detail", ""),
        transport=text.get("transport", ""),
        origin=text.get("origin", ""),
        source=text.get("source", ""),
        received_at=datetime.fromisoformat(received) if received else datetime.now(UTC),
        raw=fields.get(b"raw", b""),
    )
