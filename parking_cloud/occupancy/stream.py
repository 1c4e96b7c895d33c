"""Live numbers to many pages: one reader of the events stream, many listeners, resumable by event id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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

Event = tuple[str, str]
"""(id on the stream, JSON)"""

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
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class EventHub:
    """Reads the events stream once per process and passes each event to every listener."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: set[Listener] = set()

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
        position = ""
        delay = 0.1
        while True:
            try:
                position = position or await newest_id(self._redis, EVENTS_STREAM)
                entries = await read_after(self._redis, EVENTS_STREAM, position, count=500, block_ms=1000)
                delay = 0.1
            except (RedisError, OSError) as error:
                log.warning("events stream cannot be read; trying again", error=str(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            for entry_id, fields in entries:
                position = entry_id.decode()
                self._tell((position, fields[b"e"].decode()))

    def _tell(self, event: Event) -> None:
        for listener in list(self._listeners):
            if not listener.tell(event):
                self._listeners.discard(listener)
                listener.end()

    async def listen(self, last_event_id: str | None) -> AsyncIterator[ServerSentEventMessage]:
        """Events from now on, or from just after `last_event_id`.

        Where that id is no longer on the stream (or is no id), a `reset` event comes first: the page
        should load its numbers anew.
        """
        listener = Listener()
        self._listeners.add(listener)
        sent = ""
        try:
            yield ServerSentEventMessage(comment="connected", retry=2000)
            if last_event_id:
                async for message in self._missed(last_event_id):
                    if message.id is not None:
                        sent = str(message.id)
                    yield message
            while True:
                try:
                    event = await asyncio.wait_for(listener.queue.get(), _QUIET_S)
                except TimeoutError:
                    yield ServerSentEventMessage(comment="still here")
                    continue
                if event is None:
                    return
                if not sent or _order(event[0]) > _order(sent):
                    yield ServerSentEventMessage(event="facility", id=event[0], data=event[1])
        finally:
            self._listeners.discard(listener)

    async def _missed(self, last_event_id: str) -> AsyncIterator[ServerSentEventMessage]:
        first = await read_range(self._redis, EVENTS_STREAM, "-", count=1)
        known = _is_id(last_event_id)
        if not known or (first and _order(first[0][0].decode()) > _order(last_event_id)):
            yield ServerSentEventMessage(event="reset", data=msgspec.json.encode({"reason": "gap"}).decode())
        position = last_event_id if known else "0-0"
        while True:
            entries = await read_range(self._redis, EVENTS_STREAM, f"({position}", count=_REPLAY_PAGE)
            for entry_id, fields in entries:
                position = entry_id.decode()
                yield ServerSentEventMessage(event="facility", id=position, data=fields[b"e"].decode())
            if len(entries) < _REPLAY_PAGE:
                return


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _is_id(value: str) -> bool:
    milliseconds, _, number = value.partition("-")
    return milliseconds.isdecimal() and (number.isdecimal() or number == "") and len(value) <= 40
