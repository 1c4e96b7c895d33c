"""Who may drive in now: what boards must not send drivers to."""

from __future__ import annotations

from collections.abc import Collection, Set
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.guidance.hours import is_open
from parking_cloud.guidance.index import BY_BOOKING
from parking_cloud.registry.opening import opening_of
from parking_cloud.registry.service import limited_entries
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import open_for
from parking_cloud.sharing.times import Span

_A_MINUTE = timedelta(minutes=1)


class Entry(NamedTuple):
    """Facilities that let vehicles in at no time now, and those that let in only who has booked."""

    shut: Set[UUID] = frozenset()
    by_booking: Set[UUID] = frozenset()


async def entry_of(session: AsyncSession, facility_ids: Collection[UUID], now: datetime) -> Entry:
    """Which of these facilities are not open to everybody now."""
    limited = await limited_entries(session, facility_ids, BY_BOOKING)
    open_now = {hours: is_open(opening_of(hours), now) for hours in {row.opening_hours for row in limited}}
    shared = [row.id for row in limited if row.kind in BY_BOOKING]
    plans = await published(session, now, shared) if shared else {}
    asked = Span(now, now + _A_MINUTE)
    walked_in = {id_ for id_, plan in plans.items() if plan.walk_in and open_for(plan, asked) is not None}
    return Entry(
        frozenset(row.id for row in limited if not open_now[row.opening_hours]),
        frozenset(shared) - walked_in,
    )
