"""Keeping the index live: it follows the events stream, and the database once a minute.

Numbers are read from the database after a place in the stream was noted, and from there the stream is
followed: nothing lies between. Where the stream has been cut off before that place (or Redis was emptied),
the numbers are read again. With the stream the worker's own word is read, until when it has passed on all
that was reported: a stream that is merely silent tells nothing.

Whatever goes wrong is told and tried again: a process whose index stood still would go on answering.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import msgspec
import structlog
from redis.asyncio import Redis

from parking_cloud.guidance.loading import Known, Loader
from parking_cloud.kernel.clock import Clock
from parking_cloud.occupancy.events import EVENTS_STREAM, FacilityEvent, relayed_at
from sensor_gateway.streams import newest_id, read_after, read_range

RELOAD_EVERY = timedelta(seconds=60)
_SHARED_EVERY = timedelta(seconds=10)
_SILENCE = timedelta(seconds=5)
_SLOWEST_S = 10.0
_PAUSE_S = 0.5
"""Between two readings of the database, whatever is told."""
_MOST = 500
"""Entries of the stream that are read at once."""
_FIRST_TRY_S = 1.0
"""So long the first load waits for a place in the stream, without which it has to be made again."""

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
        self._read_at: datetime | None = None
        """When the stream was last read, whether or not there was anything."""
        self._tried = asyncio.Event()

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
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), _FIRST_TRY_S)
        while True:
            now = self._clock.now()
            deaf = self._read_at is None or now - self._read_at > _SILENCE
            numbers = deaf or not complete or self._wanted.is_set()
            self._wanted.clear()
            complete = False
            try:
                await self._loader.load(now, numbers=numbers)
                complete = True
            except Exception as error:
                log.warning("the index cannot be loaded; trying again", error=_first_line(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, _SLOWEST_S)
                continue
            delay = 0.2
            if not self._wanted.is_set():
                self._known.whole = True
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
            try:
                await self._loader.load_shared(self._clock.now())
            except Exception as error:
                log.warning("what can be booked cannot be read", error=_first_line(error))

    async def _follow(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._read_on()
                delay = 0.1
            except Exception as error:
                log.warning(
                    "events cannot be followed; trying again", error=_first_line(error), delay_s=delay
                )
                self._tried.set()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _read_on(self) -> None:
        """Take what is new. An entry that cannot be read is passed over, and what it told is read again."""
        known = self._known
        await self._find_place()
        self._tried.set()
        # Before the stream: all that was passed on until then stands on it.
        relayed = await relayed_at(self._redis)
        entries = await read_after(self._redis, EVENTS_STREAM, self._position, count=_MOST, block_ms=1000)
        self._read_at = self._clock.now()
        for entry_id, fields in entries:
            self._position = entry_id.decode()
            try:
                self._take(self._decode(fields[b"e"]))
            except (KeyError, ValueError) as error:
                log.warning("an event cannot be read", entry=self._position, error=_first_line(error))
                self._miss()
        if relayed is not None and known.whole and len(entries) < _MOST:
            known.heard_at = max(known.heard_at or relayed, min(relayed, self._read_at))

    def _miss(self) -> None:
        """Something was told that was not heard: the numbers are to be read anew."""
        self._known.whole = False
        self._wanted.set()

    async def _find_place(self) -> None:
        """Where to go on reading: where we were, if the stream still goes on from there."""
        if self._position and self._read_at and self._clock.now() - self._read_at < _SILENCE:
            return
        newest = await newest_id(self._redis, EVENTS_STREAM)
        first = await read_range(self._redis, EVENTS_STREAM, "-", count=1)
        whole = self._position and first and _order(first[0][0].decode()) <= _order(self._position)
        if not whole or _order(newest) < _order(self._position):
            self._position = newest
            self._miss()

    def _take(self, event: FacilityEvent) -> None:
        at = self._known.index.row_of.get(event.id)
        if at is None:
            self._wanted.set()
        else:
            self._known.told.add(at)
            self._known.index.tell(at, event.free, event.unknown, event.observed_at, event.quality)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
