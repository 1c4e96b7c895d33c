"""What drivers chose, told to every API process by a Redis stream: a place, a minute and a weight.

Nothing is kept of who chose. Each process follows the stream into its own `Sent`; what was merely shown
first is gathered for a second, and told once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from parking_cloud.guidance.herding import AHEAD_MIN, KEPT_MIN, SHOWN_WEIGHT, Sending, Sent, chosen
from parking_cloud.kernel.clock import Clock
from sensor_gateway.streams import read_after

SENT_STREAM = "parking:guidance:sent"
_KEPT = 20_000
_GATHER_S = 1.0
_MOST_GATHERED = 256
"""Where drivers herd, a place is among the first of a second again and again."""

log = structlog.get_logger(__name__)
_decode = msgspec.json.Decoder(list[Sending]).decode


class SentStream:
    """One for each API process; `sent` is what the index reads."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self.sent = Sent()
        self._redis = redis
        self._clock = clock
        self._shown: Counter[tuple[UUID, int]] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows and tells for as long as the context is open."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._gather())]
        try:
            yield
        finally:
            for task in tasks:
                while not task.done():
                    # Again, since a cancellation that meets the client as it connects is lost there.
                    task.cancel()
                    await asyncio.wait([task], timeout=0.2)

    async def choose(self, facility_id: UUID, arrive_s: float) -> bool:
        """Tell that a driver goes there. False: too far ahead to count. While Redis is away, only here.

        Who meant to be there by now, and sets out only now, comes at once.
        """
        minute, now = int(arrive_s // 60), self._minute()
        if not now - KEPT_MIN <= minute < now + AHEAD_MIN:
            return False
        await self._tell([chosen(facility_id, max(minute, now))])
        return True

    def show(self, facility_id: UUID, arrive_s: float) -> None:
        """Note that this place stood first in an answer; of many places in one second only the first ones."""
        key = (facility_id, int(arrive_s // 60))
        if key in self._shown or len(self._shown) < _MOST_GATHERED:
            self._shown[key] += 1

    async def _tell(self, sendings: Sequence[Sending]) -> None:
        body = msgspec.json.encode(sendings)
        try:
            await self._redis.xadd(SENT_STREAM, {"s": body}, maxlen=_KEPT, approximate=True)
        except (RedisError, OSError) as error:
            log.warning("choices are known in this process alone", error=str(error))
            self._take(sendings)

    def _take(self, sendings: Sequence[Sending]) -> None:
        now = self._minute()
        for sending in sendings:
            self.sent.add(sending, now)

    async def _gather(self) -> None:
        while True:
            await asyncio.sleep(_GATHER_S)
            if self._shown:
                shown, self._shown = self._shown, Counter()
                await self._tell(
                    [
                        Sending(facility_id, minute, number * SHOWN_WEIGHT, shown=True)
                        for (facility_id, minute), number in shown.items()
                    ]
                )

    async def _follow(self) -> None:
        """From the oldest choice that can still matter."""
        position = f"{max(self._minute() - AHEAD_MIN, 0) * 60_000}-0"
        delay = 0.1
        while True:
            try:
                entries = await read_after(self._redis, SENT_STREAM, position, count=500, block_ms=1000)
                delay = 0.1
            except (RedisError, OSError) as error:
                log.warning("choices cannot be read; trying again", error=str(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            for entry_id, fields in entries:
                position = entry_id.decode()
                try:
                    self._take(_decode(fields[b"s"]))
                except (KeyError, ValueError) as error:
                    log.warning("a choice cannot be read", entry=position, error=str(error))

    def _minute(self) -> int:
        return int(self._clock.now().timestamp() // 60)
