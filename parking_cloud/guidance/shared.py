"""What can be booked, from memory: the published plans, the spaces they share, and who has which when.

It is at most as old as its last reading; the booking itself is made in the database, which decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.sharing import SharedSpace, shared_spaces
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import Plan
from parking_cloud.sharing.schemas import Bookable
from parking_cloud.sharing.service import offered, taken_times
from parking_cloud.sharing.times import Span

_KEPT = 20_000


class Shared:
    """What all institutions share."""

    def __init__(self) -> None:
        self._plans: Mapping[UUID, Plan] = {}
        self._spaces: Mapping[UUID, Sequence[SharedSpace]] = {}
        self._taken: Mapping[UUID, Sequence[Span]] = {}
        self._known: dict[tuple[UUID, int, int], Bookable | None] = {}

    async def load(self, session: AsyncSession, now: datetime) -> None:
        """Read it all; some thousand spaces at most."""
        plans = await published(session, now)
        spaces = await shared_spaces(session, plans)
        taken = await taken_times(session, now)
        self._plans, self._spaces, self._taken = plans, spaces, taken
        self._known.clear()

    def __contains__(self, facility_id: UUID) -> bool:
        return facility_id in self._plans

    def at(self, facility_id: UUID, arrive_at: datetime, stay: timedelta) -> Bookable | None:
        """What is open there for the whole of a stay; None where it is not open throughout.

        Windows begin and end with minutes, and so does what is asked for.
        """
        start = arrive_at.replace(second=0, microsecond=0)
        key = (facility_id, int(start.timestamp()), int(stay.total_seconds()))
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = self._work_out(facility_id, Span(start, start + stay))
        return self._known[key]

    def _work_out(self, facility_id: UUID, asked: Span) -> Bookable | None:
        plan = self._plans.get(facility_id)
        if plan is None:
            return None
        spaces = self._spaces.get(facility_id, ())
        taken = {
            space.id
            for space in spaces
            if any(
                held.start < asked.end and asked.start < held.end for held in self._taken.get(space.id, ())
            )
        }
        return offered(facility_id, plan, spaces, taken, asked)
