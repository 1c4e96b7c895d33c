"""Where should I park: questions answered from memory. One guide for each API process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from redis.asyncio import Redis

from parking_cloud.guidance.asking import (
    CONSIDERED,
    MOST_CONSIDERED,
    Found,
    Question,
    candidates,
    question_of,
    straight_to,
)
from parking_cloud.guidance.following import Follower
from parking_cloud.guidance.loading import Known, Loader, Sessions
from parking_cloud.guidance.saying import say
from parking_cloud.guidance.schemas import PlacesQuery
from parking_cloud.guidance.sent import SentStream
from parking_cloud.guidance.travel import Drive, Travel
from parking_cloud.guidance.weighing import Weighed, weigh
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.coordinates import Crs, Position
from parking_cloud.kernel.problems import Unavailable
from parking_cloud.kernel.settings import Settings

_PATIENCE_S = 10.0
"""So long a question waits for an index that is being filled."""
_FEW = 5
"""With fewer good places than this among the nearest, those farther away are weighed too."""


class Guide:
    """Holds the index and keeps it live while `running`."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        reading: Sessions,
        redis: Redis,
        sent: SentStream,
        travel: Travel,
        clock: Clock,
    ) -> None:
        self.known = Known(sent.sent, timedelta(seconds=settings.stale_after_s))
        self._loader = Loader(sessions, reading, self.known)
        self._follower = Follower(redis, self._loader, self.known, clock)
        self._sent = sent
        self._travel = travel
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fills the index and follows what changes, for as long as the context is open."""
        async with self._follower.running():
            yield

    async def places(self, asked: PlacesQuery) -> bytes:
        """The answer, as JSON (schemas.PlacesOut). Raises OutsideTheWorld, Unavailable."""
        if not self.known.loaded.is_set():
            await self._wait()
        question = question_of(asked, self._clock.now(), self._travel)
        found, weighed = await self._weigh(question)
        if weighed.order and weighed.order[0] not in weighed.entry.access:
            first = int(weighed.rows[weighed.order[0]])
            self._sent.show(self.known.index.ids[first], question.arrive_at.timestamp())
        return say(self.known, self._travel, question, found, weighed)

    async def _weigh(self, question: Question) -> tuple[Found, Weighed]:
        """The nearest, weighed; and more of them, where few of those are of use."""
        count = CONSIDERED
        while True:
            found = candidates(self.known.index, question, count)
            drive = None if question.origin is None else await self._drive(question, question.origin, found)
            weighed = weigh(self.known, self._travel, question, found, drive)
            if weighed.good >= _FEW or not found.more or count >= MOST_CONSIDERED:
                return found, weighed
            count *= 4

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self.known.loaded.wait(), _PATIENCE_S)
        except TimeoutError as error:
            raise Unavailable() from error

    async def _drive(self, question: Question, origin: Position, found: Found) -> Drive:
        straight = straight_to(self.known.index, origin, found.rows)
        leaving = question.now if question.asked.arrive_at is None else question.arrive_at
        if not self._travel.routed or not len(found.rows):
            return self._travel.straight(straight, leaving)
        pairs = self.known.index.positions[Crs.WGS84].take(found.rows, axis=0).tolist()
        to = [Position(lat, lon) for lat, lon in pairs]
        return await self._travel.drive(origin, to, straight, leaving)
