"""A look at the spaces that are open by their plans: could somebody park there now?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.service import SpaceStanding, get_facilities, standing_of_spaces
from parking_cloud.registry.sharing import shared_spaces
from parking_cloud.sharing import rules
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.rules import STEP, Plan
from parking_cloud.sharing.service import taken_spaces
from parking_cloud.sharing.times import Span
from parking_cloud.sharing.use_rules import LOOKED_EVERY, day_of

_STALE = timedelta(hours=2)


async def look_at_open_spaces(session: AsyncSession, now: datetime) -> int:
    """Note of each open space whether it was usable; how many were looked at. The worker's job, every ten
    minutes."""
    span = Span(now, now + STEP)
    plans = await published(session, now)
    shared = await shared_spaces(session, plans)
    opened = {
        facility: since
        for facility, spaces in shared.items()
        if (since := _open_since(plans[facility], [space.id for space in spaces], span))
    }
    usable, unknown = await _found(session, opened, span, now)
    looked = [space for spaces in opened.values() for space in spaces]
    await session.execute(
        text(
            "insert into sharing_space_day as d (space_id, day, looks, usable, unknown, looked_at)"
            " select n.id, :day, 1, n.usable, n.unknown, :now from unnest(cast(:ids as uuid[]),"
            " cast(:usable as int[]), cast(:unknown as int[])) as n(id, usable, unknown) order by n.id"
            " on conflict (space_id, day) do update set looks = d.looks + 1,"
            " usable = d.usable + excluded.usable, unknown = d.unknown + excluded.unknown, looked_at = :now"
            " where d.looked_at <= :before"
        ),
        {
            "day": day_of(now),
            "now": now,
            "before": now - LOOKED_EVERY * 0.9,
            "ids": looked,
            "usable": [int(space in usable) for space in looked],
            "unknown": [int(space in unknown) for space in looked],
        },
    )
    return len(looked)


def _open_since(plan: Plan, spaces: Sequence[UUID], span: Span) -> dict[UUID, datetime | None]:
    """Those of these spaces that are open, and since when everybody may park there; None: nobody may without
    a booking."""
    found: dict[UUID, datetime | None] = {}
    for group in rules.alike(plan, spaces):
        whole = rules.open_for(plan, span, group[0])
        if whole is not None:
            found.update(dict.fromkeys(group, whole.start if plan.walk_in else None))
    return found


async def _found(
    session: AsyncSession, opened: Mapping[UUID, Mapping[UUID, datetime | None]], span: Span, now: datetime
) -> tuple[set[UUID], set[UUID]]:
    """Which of these can be used, and of which nobody knows. Where no sensor tells of a space, the facility's
    own count does."""
    ids = [space for spaces in opened.values() for space in spaces]
    booked = await taken_spaces(session, ids, [span], now)
    standing = await standing_of_spaces(session, ids)
    places = await get_facilities(session, list(opened), now=now, stale_after=_STALE)
    free = {place.id: None if place.stale else place.free for place in places}
    usable: set[UUID] = set(booked)
    unknown: set[UUID] = set()
    for facility, spaces in opened.items():
        sensed = any(space in standing for space in spaces)
        for space, since in spaces.items():
            taken = _taken(standing.get(space), since) if sensed else _none_free(free.get(facility))
            if space in booked or taken is False:
                usable.add(space)
            elif taken is None:
                unknown.add(space)
    return usable, unknown


def _taken(seen: SpaceStanding | None, since: datetime | None) -> bool | None:
    """None: nobody knows. Who came after it had opened to everybody has used it as it is meant."""
    if seen is None or not seen.certain:
        return None
    return seen.occupied and (since is None or seen.changed_at < since)


def _none_free(free: int | None) -> bool | None:
    return None if free is None else free <= 0


async def forget_old_looks(session: AsyncSession, now: datetime) -> None:
    """Looks of a year ago are in the published months. The worker's job."""
    await session.execute(
        text("delete from sharing_space_day where day < :before"),
        {"before": day_of(now - timedelta(days=400))},
    )
