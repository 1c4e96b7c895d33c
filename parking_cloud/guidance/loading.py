"""Filling the index: everything once, then what has changed, a page at a time.

Between two pages questions are answered; a page takes a few milliseconds. What has changed is found by sums
over 256 buckets of facilities, so that a city in which nothing changed costs two short queries.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.guidance.herding import Sent
from parking_cloud.guidance.hopes import AllHopes
from parking_cloud.guidance.index import FacilityIndex
from parking_cloud.guidance.outlooks import load_outlooks
from parking_cloud.guidance.prices import Prices
from parking_cloud.guidance.shared import Shared
from parking_cloud.kernel.db import transaction
from parking_cloud.occupancy import service as occupancy
from parking_cloud.ratings.scoring import scores
from parking_cloud.registry.guide import BUCKETS, FIRST, guide_page, guide_sums
from parking_cloud.tariffs.in_force import Assigned, assignment_sums, assignments_page, versions_since
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.service import plan_of

PAGE = 200
_AHEAD = timedelta(days=366)
_SCORES_EVERY = 10
"""Scores are made once a day."""
_CURRENT = timedelta(seconds=10)
_LOADED = timedelta(minutes=2)
"""Without a load for so long, what is known of places, prices and bookings is not called current."""

Sums = dict[int, int]
Sessions = async_sessionmaker[AsyncSession]


class Known:
    """All that a question is answered from."""

    def __init__(self, sent: Sent, stale_after: timedelta) -> None:
        self.index = FacilityIndex()
        self.hopes = AllHopes(self.index, sent, stale_after.total_seconds())
        self.sent = sent
        self.prices = Prices()
        self.shared = Shared()
        self.several: dict[int, list[Assigned]] = {}
        """Rows whose tariff begins or ends in the time ahead; all others have one for good, or none."""
        self.loaded = asyncio.Event()
        self.told: set[int] = set()
        """Rows of which the stream told something since a page of numbers was asked for."""
        self.heard_at: datetime | None = None
        """Until when all that was reported has been passed on by the worker, and heard here."""
        self.whole = False
        """Nothing is missing between the numbers read from the database and those that the stream told."""
        self.loaded_at: datetime | None = None
        """When everything was last found to be as in the database."""

    def heard(self, now: datetime) -> tuple[datetime, bool]:
        """Until when all that was reported is known; and whether that is now, as far as can be told.

        What stands in the database is no news where nobody brings it there: a process that never heard of
        the worker says when it read, and that it is not current.
        """
        if self.heard_at is None or self.loaded_at is None:
            return self.loaded_at or now, False
        return self.heard_at, now - self.heard_at <= _CURRENT and now - self.loaded_at <= _LOADED


class Loader:
    """Keeps what is known in step with the database."""

    def __init__(self, sessions: Sessions, reading: Sessions, known: Known) -> None:
        self._sessions = sessions
        self._reading = reading
        """Whose statements stand alone: pages of a second must not hold up a vacuum."""
        self._known = known
        self._facility_sums: Sums = {}
        self._tariff_sums: Sums = {}
        self._loads = 0
        self._profiled = -1
        """So many facilities had their rows when all profiles were last read."""

    async def load(self, now: datetime, *, numbers: bool = True) -> None:
        """Take in everything that has changed since the last time.

        Without `numbers`: the stream has told them all.
        """
        known = self._known
        async with self._reading() as session:
            # In this order: what is assigned belongs to a facility that is there by then.
            tariff_sums = await assignment_sums(session)
            await self._facilities(session)
            await self._tariffs(session, tariff_sums, now)
            if numbers:
                await self._states(session)
            if self._loads % _SCORES_EVERY == 0:
                known.index.rate(await scores(session))
            self._loads += 1
            await known.shared.load(session, now)
        async with transaction(self._sessions) as session:
            await self._profiles(session)
        # Not before: a question must not find a row of which there is no profile.
        known.index.plant()
        known.loaded_at = now
        known.loaded.set()

    async def load_shared(self, now: datetime) -> None:
        """Bookings are made by the minute: what is shared is read more often than all the rest."""
        async with self._reading() as session:
            await self._known.shared.load(session, now)

    async def _states(self, session: AsyncSession) -> None:
        """Everybody's numbers now; but what the stream told meanwhile is newer."""
        index, told = self._known.index, self._known.told
        after = FIRST
        while True:
            told.clear()
            page = await occupancy.states_page(session, after, PAGE)
            if not page:
                return
            for state in page:
                at = index.row_of.get(state.id)
                if at is not None and at not in told:
                    numbers = state.numbers
                    index.tell(at, numbers.free, numbers.unknown, state.observed_at, numbers.quality)
            after = page[-1].id
            await asyncio.sleep(0)

    async def _facilities(self, session: AsyncSession) -> None:
        index = self._known.index
        sums = await guide_sums(session)
        changed = _differing(self._facility_sums, sums)
        left = {index.ids[at] for bucket in changed for at in index.buckets[bucket]}
        after = FIRST
        while changed and (page := await guide_page(session, changed, after=after, limit=PAGE)):
            for row in page:
                index.put(row)
                left.discard(row.id)
            after = page[-1].id
            await asyncio.sleep(0)
        for gone in left:
            index.remove(gone)
        self._facility_sums = sums

    async def _tariffs(self, session: AsyncSession, sums: Sums, now: datetime) -> None:
        versions = [v for v in await versions_since(session, now) if v.effective_from < now + _AHEAD]
        plans: dict[UUID, Plan] = {v.version_id: await plan_of(session, v.version_id) for v in versions}
        self._known.prices.hold(versions, plans)
        changed = _differing(self._tariff_sums, sums)
        held: dict[UUID, list[Assigned]] = {}
        after = FIRST
        while changed and (
            page := await assignments_page(session, changed, since=now, after=after, limit=PAGE)
        ):
            for assigned in page:
                held.setdefault(assigned.facility_id, []).append(assigned)
            after = page[-1].id
            await asyncio.sleep(0)
        index = self._known.index
        for bucket in changed:
            for at in index.buckets[bucket]:
                self._assign(at, held.get(index.ids[at], []), now)
            await asyncio.sleep(0)
        self._tariff_sums = sums

    def _assign(self, at: int, here: list[Assigned], now: datetime) -> None:
        """What holds at a row from now on."""
        known = self._known
        known.several.pop(at, None)
        known.index.tariff[at] = -1
        if len(here) == 1 and here[0].valid_until is None and here[0].valid_from <= now:
            known.index.tariff[at] = known.prices.number_of(here[0].tariff_id)
        elif here:
            known.several[at] = here

    async def _profiles(self, session: AsyncSession) -> None:
        known = self._known
        index = known.index
        number = len(index)
        kinds = index.kinds + [""] * (index.size - number)
        if number != self._profiled:
            known.hopes.outlooks = await load_outlooks(session, index.row_of, kinds)
            known.hopes.forget()
            known.sent.arrange(index.row_of, index.size)
            self._profiled = number
        else:
            await known.hopes.outlooks.refresh(session, index.row_of, kinds)


def _differing(before: Sums, now: Sums) -> list[int]:
    """The buckets whose sums are not what they were."""
    return [bucket for bucket in range(BUCKETS) if before.get(bucket) != now.get(bucket)]
