"""A look at the spaces that are open by their plans: could somebody park there now?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.service import SpaceStanding, get_facilities, standing_of_spaces
from parking_cloud.registry.sharing import SharedSpace, shared_spaces
from parking_cloud.sharing import rules
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import STEP
from parking_cloud.sharing.service import taken_spaces
from parking_cloud.sharing.times import Span
from parking_cloud.sharing.use_rules import day_of

_STALE = timedelta(hours=2)


async def look_at_open_spaces(session: AsyncSession, now: datetime) -> int:
    """Note of each open space whether it was usable; how many were looked at. The worker's job, every ten
    minutes."""
    span = Span(now, now + STEP)
    plans = await published(session, now)
    shared = await shared_spaces(session, plans)
    opened: dict[UUID, list[SharedSpace]] = {}
    for facility, spaces in shared.items():
        ids = set(rules.spaces_open(plans[facility], [space.id for space in spaces], [span]))
        if ids:
            opened[facility] = [space for space in spaces if space.id in ids]
    usable, unknown = await _found(session, opened, span, now)
    looked = [space.id for spaces in opened.values() for space in spaces]
    await session.execute(
        text(
            "insert into sharing_space_day as d (space_id, day, looks, usable, unknown)"
            " select n.id, :day, 1, n.usable, n.unknown from unnest(cast(:ids as uuid[]),"
            " cast(:usable as int[]), cast(:unknown as int[])) as n(id, usable, unknown) order by n.id"
            " on conflict (space_id, day) do update set looks = d.looks + 1,"
            " usable = d.usable + excluded.usable, unknown = d.unknown + excluded.unknown"
        ),
        {
            "day": day_of(now),
            "ids": looked,
            "usable": [int(space in usable) for space in looked],
            "unknown": [int(space in unknown) for space in looked],
        },
    )
    return len(looked)


async def _found(
    session: AsyncSession, opened: Mapping[UUID, Collection[SharedSpace]], span: Span, now: datetime
) -> tuple[set[UUID], set[UUID]]:
    """Which of these can be used, and of which nobody knows. Where no sensor tells of a space, the facility's
    own count does."""
    ids = [space.id for spaces in opened.values() for space in spaces]
    booked = await taken_spaces(session, ids, [span], now)
    standing = await standing_of_spaces(session, ids)
    places = await get_facilities(session, list(opened), now=now, stale_after=_STALE)
    free = {place.id: None if place.stale else place.free for place in places}
    usable: set[UUID] = set(booked)
    unknown: set[UUID] = set()
    for facility, spaces in opened.items():
        sensed = any(space.id in standing for space in spaces)
        for space in spaces:
            taken = _taken(standing.get(space.id), free.get(facility), sensed=sensed)
            if space.id in booked or taken is False:
                usable.add(space.id)
            elif taken is None:
                unknown.add(space.id)
    return usable, unknown


def _taken(seen: SpaceStanding | None, free: int | None, *, sensed: bool) -> bool | None:
    """None: nobody knows."""
    if sensed:
        return seen.occupied if seen is not None and seen.certain else None
    return None if free is None else free <= 0


async def forget_old_looks(session: AsyncSession, now: datetime) -> None:
    """Looks of a year ago are in the published months. The worker's job."""
    await session.execute(
        text("delete from sharing_space_day where day < :before"),
        {"before": day_of(now - timedelta(days=400))},
    )
