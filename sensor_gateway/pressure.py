"""Back-pressure: senders are slowed before memory grows, in this process or in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway.streams import used_memory

_EASED = 0.9
"""Pressure ends below this part of the limit, so that it does not flicker."""
_LOOK_S = 1.0

IN_HAND = Gauge("gateway_messages_in_hand", "Messages taken in and not yet stored")
HELD = Gauge("gateway_held_back", "1 while senders are held back because Redis is full")

log = structlog.get_logger(__name__)


class TooBusy(Exception):
    """More is in hand than may be; the sender should come again later."""


class Pressure:
    """How much is in hand here (`most_in_hand` messages) and in Redis (`redis_bytes`, 0: no limit)."""

    def __init__(self, *, most_in_hand: int = 20_000, redis_bytes: int = 0) -> None:
        self._most_in_hand = most_in_hand
        self._redis_bytes = redis_bytes
        self._in_hand = 0
        self._eased = asyncio.Event()
        self._eased.set()

    @property
    def high(self) -> bool:
        """Redis holds more than it should."""
        return not self._eased.is_set()

    async def eased(self) -> None:
        """Wait until there is room in Redis."""
        await self._eased.wait()

    @contextmanager
    def admit(self, messages: int) -> Iterator[None]:
        """Hold `messages` in hand while they are stored. Raises TooBusy where there is no room."""
        if self.high or self._in_hand + messages > self._most_in_hand:
            raise TooBusy
        with self.in_hand(messages):
            yield

    @contextmanager
    def in_hand(self, messages: int) -> Iterator[None]:
        """Count what is here already and is not refused: the broker's messages."""
        self._in_hand += messages
        IN_HAND.set(self._in_hand)
        try:
            yield
        finally:
            self._in_hand -= messages
            IN_HAND.set(self._in_hand)

    async def watch(self, redis: Redis) -> None:
        """Look at Redis's memory every second until cancelled. A Redis that is away is the spool's matter."""
        while self._redis_bytes:
            try:
                self.judge(await used_memory(redis))
            except (RedisError, OSError):
                self._eased.set()
                HELD.set(self.high)
            await asyncio.sleep(_LOOK_S)

    def judge(self, used_bytes: int) -> None:
        """Hold back above the limit; let go again once it has eased."""
        if used_bytes > self._redis_bytes and self._eased.is_set():
            log.warning("Redis is full; senders are held back", used_bytes=used_bytes)
            self._eased.clear()
        elif used_bytes < self._redis_bytes * _EASED and self.high:
            log.info("Redis has room again", used_bytes=used_bytes)
            self._eased.set()
        HELD.set(self.high)
