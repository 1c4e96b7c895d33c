"""Live numbers to many pages: one reader of the events stream, many listeners, resumable by event id.

A page may ask for some facilities only. Its place in the stream moves on all the same, told by `alive`: else
a page whose corner is quiet would fall behind what the stream keeps, and be told to load everything anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Set
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from litestar.response import ServerSentEventMessage
from redis.asyncio import Redis
from redis.exceptions import RedisError

from parking_cloud.occupancy.events import EVENTS_STREAM
from sensor_gateway.streams import newest_id, read_after, read_range

_QUEUE = 2_000
_QUIET_S = 15.0
_REPLAY_PAGE = 1_000

Wanted = Set[UUID] | None
"""The facilities that a page looks at; None: all."""


class Event(NamedTuple):
    """What stands on the stream: its id there, the facility that it is about, and the JSON."""

    id: str
    facility: UUID
    body: str


class _Head(msgspec.Struct):
    """As much of an event's JSON as tells whom it concerns."""

    id: UUID


_HEAD = msgspec.json.Decoder(_Head)

log = structlog.get_logger(__name__)


class Listener:
    """One page's place in the stream. It is dropped when it falls too far behind, and comes back by id."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue(_QUEUE)

    def tell(self, event: Event) -> bool:
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """What was not sent yet is left out, all of it: the page would else go on behind what it missed."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class EventHub:
    """Reads the events stream once per process and passes each event to every listener."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: set[Listener] = set()
        self._position = ""
        """The newest event that all listeners were told of; empty until the stream has first been read."""
        self._ready = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads for as long as the context is open; ends every listener afterwards."""
        task = asyncio.create_task(self._read())
        try:
            yield
        finally:
            for listener in list(self._listeners):
                listener.end()
            while not task.done():
                # Again, since a cancellation that meets the client as it connects is lost there.
                task.cancel()
                await asyncio.wait([task], timeout=0.2)

    async def _read(self) -> None:
        delay = 0.1
        while True:
            try:
                self._position = self._position or await newest_id(self._redis, EVENTS_STREAM)
                self._ready.set()
                entries = await read_after(
                    self._redis, EVENTS_STREAM, self._position, count=500, block_ms=1000
                )
                delay = 0.1
            except (RedisError, OSError) as error:
                log.warning("events stream cannot be read; trying again", error=str(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            for entry_id, fields in entries:
                self._position = entry_id.decode()
                if self._listeners:
                    self._tell(_event(entry_id, fields))

    def _tell(self, event: Event) -> None:
        for listener in list(self._listeners):
            if not listener.tell(event):
                self._listeners.discard(listener)
                listener.end()

    async def listen(
        self, last_event_id: str | None, wanted: Wanted = None
    ) -> AsyncGenerator[ServerSentEventMessage, None]:
        """Events from now on, or from just after `last_event_id`; of the `wanted` facilities.

        Where that id is no longer on the stream (or is no id), a `reset` event comes first: the page
        should load its numbers anew. The first message has the id to go on from, so that a page that loses
        its connection at once misses nothing either; and so has `alive`, which comes after a quiet while.
        """
        listener = Listener()
        self._listeners.add(listener)
        place = self._position
        try:
            yield ServerSentEventMessage(
                comment="connected", retry=2000, id=None if last_event_id else place or None
            )
            if not place:
                async for alive in self._until_ready():
                    yield alive
                place = self._position
                if not last_event_id:
                    # What happened since the page was loaded, nobody can tell.
                    yield _reset(place)
            if last_event_id:
                if await self._is_gap(last_event_id):
                    yield _reset(place)
                place = last_event_id if _is_id(last_event_id) else "0-0"
                async for event in self._missed(place):
                    place = event.id
                    if wanted is None or event.facility in wanted:
                        yield _message(event)
            told_at = monotonic()
            while True:
                try:
                    patience = told_at + _QUIET_S - monotonic()
                    next_event = await asyncio.wait_for(listener.queue.get(), max(patience, 0))
                except TimeoutError:
                    told_at = monotonic()
                    yield ServerSentEventMessage(event="alive", id=place, data="{}")
                    continue
                if next_event is None:
                    return
                if _order(next_event.id) <= _order(place):
                    continue
                place = next_event.id
                if wanted is None or next_event.facility in wanted:
                    told_at = monotonic()
                    yield _message(next_event)
        finally:
            self._listeners.discard(listener)

    async def _is_gap(self, last_event_id: str) -> bool:
        """True where not all that came after that id is still there."""
        if not _is_id(last_event_id):
            return True
        first = await read_range(self._redis, EVENTS_STREAM, "-", count=1)
        return not first or _order(first[0][0].decode()) > _order(last_event_id)

    async def _until_ready(self) -> AsyncIterator[ServerSentEventMessage]:
        """Signs of life until the stream can be read."""
        while not self._ready.is_set():
            try:
                await asyncio.wait_for(self._ready.wait(), _QUIET_S)
            except TimeoutError:
                yield ServerSentEventMessage(event="alive", data="{}")

    async def _missed(self, position: str) -> AsyncIterator[Event]:
        """What came after that id, as far as it is there."""
        while True:
            entries = await read_range(self._redis, EVENTS_STREAM, f"({position}", count=_REPLAY_PAGE)
            for entry_id, fields in entries:
                position = entry_id.decode()
                yield _event(entry_id, fields)
            if len(entries) < _REPLAY_PAGE:
                return


def _event(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    return Event(entry_id.decode(), _HEAD.decode(fields[b"e"]).id, fields[b"e"].decode())


def _reset(position: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(event="reset", id=position, data='{"reason":"gap"}')


def _message(event: Event) -> ServerSentEventMessage:
    return ServerSentEventMessage(event="facility", id=event.id, data=event.body)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _is_id(value: str) -> bool:
    milliseconds, _, number = value.partition("-")
    return milliseconds.isdecimal() and (number.isdecimal() or number == "") and len(value) <= 40
