"""Keeping the index live: it follows the events stream, and the database once a minute.

Numbers are read from the database after a place in the stream was noted, and from there the stream is
followed: nothing lies between. Where the stream has been cut off before that place (or Redis was emptied),
the numbers are read again. While it cannot be read, answers say until when everything was heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from parking_cloud.guidance.loading import Known, Loader
from parking_cloud.kernel.clock import Clock
from parking_cloud.occupancy.events import EVENTS_STREAM, FacilityEvent
from sensor_gateway.streams import newest_id, read_after, read_range

RELOAD_EVERY = timedelta(seconds=60)
_SHARED_EVERY = timedelta(seconds=10)
_SILENCE = timedelta(seconds=5)
_SLOWEST_S = 10.0
_PAUSE_S = 0.5
"""Between two readings of the database, whatever is told."""

log = structlog.get_logger(__name__)


class Follower:
    """The two tasks of one process."""

    def __init__(self, redis: Redis, loader: Loader, known: Known, clock: Clock) -> None:
        self._redis = redis
        self._loader = loader
        self._known = known
        self._clock = clock
        self._decode = msgspec.json.Decoder(FacilityEvent).decode
        self._wanted = asyncio.Event()
        self._position = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the index for as long as the context is open."""
        tasks = [asyncio.create_task(self._reload()), asyncio.create_task(self._follow())]
        try:
            yield
        finally:
            while pending := [task for task in tasks if not task.done()]:
                # Again, since a cancellation that meets the client as it connects is lost there.
                for task in pending:
                    task.cancel()
                await asyncio.wait(pending, timeout=0.2)

    async def _reload(self) -> None:
        delay, complete = 0.2, False
        while True:
            now, heard_at = self._clock.now(), self._known.heard_at
            deaf = heard_at is None or now - heard_at > _SILENCE
            numbers = deaf or not complete or self._wanted.is_set()
            self._wanted.clear()
            complete = False
            try:
                await self._loader.load(now, numbers=numbers)
                complete = True
            except (SQLAlchemyError, OSError) as error:
                log.warning("the index cannot be loaded; trying again", error=str(error).splitlines()[0])
                await asyncio.sleep(delay)
                delay = min(delay * 2, _SLOWEST_S)
                continue
            delay = 0.2
            await asyncio.sleep(_PAUSE_S)
            await self._wait_for_more()

    async def _wait_for_more(self) -> None:
        """Until everything is to be read again; meanwhile what can be booked is kept up."""
        for _ in range(RELOAD_EVERY // _SHARED_EVERY):
            try:
                await asyncio.wait_for(self._wanted.wait(), _SHARED_EVERY.total_seconds())
                return
            except TimeoutError:
                pass
            with suppress(SQLAlchemyError, OSError):
                await self._loader.load_shared(self._clock.now())

    async def _follow(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._find_place()
                entries = await read_after(
                    self._redis, EVENTS_STREAM, self._position, count=500, block_ms=1000
                )
            except (RedisError, OSError) as error:
                log.warning("events stream cannot be read; trying again", error=str(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1
            self._known.heard_at = self._clock.now()
            for entry_id, fields in entries:
                self._position = entry_id.decode()
                self._take(self._decode(fields[b"e"]))

    async def _find_place(self) -> None:
        """Where to go on reading: where we were, if the stream still goes on from there."""
        heard_at = self._known.heard_at
        if self._position and heard_at and self._clock.now() - heard_at < _SILENCE:
            return
        newest = await newest_id(self._redis, EVENTS_STREAM)
        first = await read_range(self._redis, EVENTS_STREAM, "-", count=1)
        whole = self._position and first and _order(first[0][0].decode()) <= _order(self._position)
        if not whole or _order(newest) < _order(self._position):
            self._position = newest
            self._wanted.set()

    def _take(self, event: FacilityEvent) -> None:
        at = self._known.index.row_of.get(event.id)
        if at is None:
            self._wanted.set()
        else:
            self._known.told.add(at)
            self._known.index.tell(at, event.free, event.unknown, event.observed_at, event.quality)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
